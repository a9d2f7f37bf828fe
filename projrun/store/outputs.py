"""Outputs of runs as objects of the store: a file by its content, a directory by a list of what is in it.

The list is a JSON object: ``{"document": "directory", "version": 1, "entries": [...]}``. An entry has a ``path``
relative to the directory and a ``kind``: ``file`` with ``sha256`` (an object too) and ``executable``, ``link``
with ``target``, or ``directory``. Pipes, sockets and devices are left out.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from projrun.core.files import encode_json
from projrun.store.objects import Objects

VERSION = 1


def keep_output(objects: Objects, path: Path) -> str:
    """Keeps a file or directory and returns the digest of its object. Raises OSError and StoreError."""
    if not path.is_dir():
        return objects.put_file(path)
    entries: list[dict[str, Any]] = []
    for place, folders, files in os.walk(path, onerror=_refuse):
        folders.sort()
        for name in sorted((*folders, *files)):
            full = Path(place, name)
            entries += _entry(objects, full, os.path.relpath(full, path))
    document = {
        "document": "directory",
        "version": VERSION,
        "entries": sorted(entries, key=lambda one: one["path"]),
    }
    return objects.put_bytes(encode_json(document))


def _entry(objects: Objects, full: Path, path: str) -> list[dict[str, Any]]:
    mode = full.lstat().st_mode
    if stat.S_ISLNK(mode):
        return [{"path": path, "kind": "link", "target": os.readlink(full)}]  # noqa: PTH115 - the text, as it is
    if stat.S_ISDIR(mode):
        return [{"path": path, "kind": "directory"}]
    if not stat.S_ISREG(mode):
        return []
    executable = bool(mode & stat.S_IXUSR)
    return [{"path": path, "kind": "file", "sha256": objects.put_file(full), "executable": executable}]


def _refuse(error: OSError) -> None:
    raise error
