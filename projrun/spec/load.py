"""Gives the specification of a project. A text that was found right once is not checked again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import projrun
from projrun.core.cache import keep, recall
from projrun.core.errors import Problem, SpecError
from projrun.core.files import read_regular
from projrun.core.hashing import sha256_bytes, sha256_value
from projrun.core.values import asdict
from projrun.spec import findings, schema
from projrun.spec.declaration import Declared, declare
from projrun.spec.model import SPEC_NAME, ProjectSpec
from projrun.spec.text import LARGEST, read_text, shown_name, specification_in


def load(root: Path, cache: Path) -> ProjectSpec:
    """The specification of the project ``root``; one that was found right is remembered in ``cache``.

    Raises SpecError with every problem that makes a run meaningless. A file that is missing is not one of
    them: it is for the stage that needs it, and for :func:`projrun.spec.check.check`.
    """
    text = read_text(root)
    file = specification_in(root) or SPEC_NAME
    kept = _kept(text, file, cache)
    return recall(kept, lambda document: _from_kept(document, text, root)) or _from_text(kept, text, root, file)


def _kept(text: str, file: str, cache: Path) -> Path:
    """Where the values of a text that was found right are kept: one place for each text, version and schema.

    A file that reads others has one for each project: what it says is not in its text alone.
    """
    key = sha256_value([text, *([] if file == SPEC_NAME else [file]), *_version()])
    return cache / "specs" / f"{key}.json"


def _version() -> tuple[str, str]:
    return projrun.__version__, sha256_bytes(schema.source())


def _from_kept(document: Any, text: str, root: Path) -> ProjectSpec | None:
    """The specification out of the cache; None when a link now leads out, or a file that was read is another."""
    beside = document["beside"]
    if any(_digest(root / path) != digest for path, digest in beside["files"].items()):
        return None
    declared = declare(document["value"], {tuple(path): source for path, source in document["texts"]})
    spec = _spec(document["value"], declared, text, root, beside)
    return None if declared.faults or any(findings.leaving(declared, root)) else spec


def _digest(path: Path) -> str | None:
    try:
        return sha256_bytes(read_regular(path, LARGEST))
    except OSError:
        return None


def _from_text(kept: Path, text: str, root: Path, file: str) -> ProjectSpec:
    from projrun.spec.check import examine  # brings all that reads YAML

    found = examine(text, root, file)
    if found.refusing or found.declared is None:
        count = "a problem" if len(found.refusing) == 1 else f"{len(found.refusing)} problems"
        raise SpecError(f"{shown_name(root)} has {count}", problems=found.refusing)
    beside = {
        "file": file,
        "files": dict(found.files),
        "refused": dict(found.refused),
        "warnings": [asdict(one) for one in found.warnings],
    }
    texts = [[list(path), source] for path, source in found.texts.items()]
    keep(kept, {"value": found.value, "texts": texts, "beside": beside})
    return _spec(found.value, found.declared, text, root, beside)


def _spec(
    value: Mapping[str, Any], declared: Declared, text: str, root: Path, beside: Mapping[str, Any]
) -> ProjectSpec:
    """The specification; ``beside`` is what is known of it that its values do not say."""
    return ProjectSpec(
        root,
        text,
        value["name"],
        declared.environments_by_name,
        declared.data,
        declared.entry_points,
        strict=value.get("strict", False),
        file=beside["file"],
        scripts=value.get("scripts", False),
        refused=beside["refused"],
        warnings=tuple(Problem(**one) for one in beside["warnings"]),
    )
