"""The part of a Git LFS server that downloads need, over the bare repositories of a folder (git-lfs: docs/api)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

_BATCH = re.compile(r"(?P<repository>/.+)/info/lfs/objects/batch")
_CONTENT = re.compile(r"(?P<repository>/.+)/lfs-content/(?P<oid>[0-9a-f]{64})")
_MISSING = {"error": {"code": 404, "message": "Object does not exist"}}


class Answer(NamedTuple):
    """What goes back to git-lfs."""

    kind: str
    body: bytes


def answer(root: Path, url: str, path: str, body: bytes, authorization: str) -> Answer | None:
    """The answer to a request for ``path`` of the server at ``url``; None when it is none of git-lfs."""
    if found := _BATCH.fullmatch(path):
        place, headers = found["repository"], {"Authorization": authorization} if authorization else {}
        objects = []
        for wanted in json.loads(body)["objects"]:
            oid = wanted["oid"]
            action = {"href": f"{url}{place}/lfs-content/{oid}", "header": headers}
            told = {"actions": {"download": action}} if _held(root, place, oid).is_file() else _MISSING
            objects.append({"oid": oid, "size": wanted["size"], **told})
        document = json.dumps({"transfer": "basic", "objects": objects}).encode()
        return Answer("application/vnd.git-lfs+json", document)
    if found := _CONTENT.fullmatch(path):
        return Answer("application/octet-stream", _held(root, found["repository"], found["oid"]).read_bytes())
    return None


def _held(root: Path, repository: str, oid: str) -> Path:
    return root / repository.lstrip("/") / "lfs/objects" / oid[:2] / oid[2:4] / oid
