"""Gives the specification of a project. A text that was found right once is not checked again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import projrun
from projrun.core.cache import keep, recall
from projrun.core.errors import SpecError
from projrun.core.hashing import sha256_bytes, sha256_value
from projrun.spec import findings, schema
from projrun.spec.declaration import Declared, declare
from projrun.spec.model import ProjectSpec
from projrun.spec.text import read_text, shown_name


def load(root: Path, cache: Path) -> ProjectSpec:
    """The specification of the project ``root``; one that was found right is remembered in ``cache``.

    Raises SpecError with every problem that makes a run meaningless. A file that is missing is not one of
    them: it is for the stage that needs it, and for :func:`projrun.spec.check.check`.
    """
    text = read_text(root)
    kept = _kept(text, cache)
    return recall(kept, lambda document: _from_kept(document, text, root)) or _from_text(kept, text, root)


def _kept(text: str, cache: Path) -> Path:
    """Where the values of a text that was found right are kept: one place for each text, version and schema."""
    key = sha256_value([text, projrun.__version__, sha256_bytes(schema.source())])
    return cache / "specs" / f"{key}.json"


def _from_kept(document: Any, text: str, root: Path) -> ProjectSpec | None:
    """The specification out of the cache; None when a link now leads out."""
    declared = declare(document["value"], {tuple(path): source for path, source in document["texts"]})
    spec = _spec(document["value"], declared, text, root)
    return None if declared.faults or any(findings.leaving(declared, root)) else spec


def _from_text(kept: Path, text: str, root: Path) -> ProjectSpec:
    from projrun.spec.check import examine  # brings all that reads YAML

    found = examine(text, root)
    if found.refusing or found.declared is None:
        count = "a problem" if len(found.refusing) == 1 else f"{len(found.refusing)} problems"
        raise SpecError(f"{shown_name(root)} has {count}", problems=found.refusing)
    keep(kept, {"value": found.value, "texts": [[list(path), source] for path, source in found.texts.items()]})
    return _spec(found.value, found.declared, text, root)


def _spec(value: Mapping[str, Any], declared: Declared, text: str, root: Path) -> ProjectSpec:
    return ProjectSpec(
        root,
        text,
        value["name"],
        declared.environments_by_name,
        declared.data,
        declared.entry_points,
        strict=value.get("strict", False),
    )
