"""Finds a project and gives its specification. A text that was found right once is not checked again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import projrun
from projrun.core.errors import SpecError
from projrun.core.files import write_atomic
from projrun.core.hashing import sha256_bytes, sha256_value
from projrun.core.paths import cache_directory
from projrun.spec import findings, schema
from projrun.spec.check import examine, read_text, shown_name
from projrun.spec.declaration import Declared, declare
from projrun.spec.model import SPEC_NAME, ProjectSpec
from projrun.spec.tree import Path as Place

# What the file is called by mistake, and what the specifications of similar tools are called.
_NEAR_NAMES = frozenset(("projectspec.yaml", "projectspec.yml", "projectspec.json", "projectspec", "mlproject"))


def find_project(start: Path) -> Path:
    """The directory that holds ProjectSpec.yaml: ``start``, or the nearest one above it, as git looks for its own.

    ``start`` may be the file itself. Raises SpecError that names a file whose name comes near.
    """
    if start.name == SPEC_NAME and start.is_file():
        return start.parent.resolve()
    place = start.resolve()
    if not place.is_dir():
        what = "is not a directory" if place.exists() else "does not exist"
        raise SpecError(f"{start} {what}", hint=f"name a directory with a {SPEC_NAME}, or that file")
    for directory in (place, *place.parents):
        if (directory / SPEC_NAME).is_file():
            return directory
    raise SpecError(f"there is no {SPEC_NAME} in {place} or above it", hint=_near_miss(place))


def _near_miss(place: Path) -> str:
    for directory in (place, *place.parents):
        with contextlib.suppress(OSError):
            for path in sorted(directory.iterdir()):
                if path.name.casefold().replace("-", "").replace("_", "") in _NEAR_NAMES:
                    return f"{path} is there: the file must be called {SPEC_NAME}"
    return f"write a {SPEC_NAME} in the project's directory"


def load(root: Path) -> ProjectSpec:
    """The specification of the project ``root``.

    Raises SpecError with every problem that makes a run meaningless. A file that is missing is not one of
    them: it is for the stage that needs it, and for :func:`projrun.spec.check.check`.
    """
    text = read_text(root)
    kept = _kept(text)
    return _from_kept(kept, text, root) or _from_text(kept, text, root)


def _kept(text: str) -> Path:
    """Where the values of a text that was found right are kept: one place for each text, version and schema."""
    key = sha256_value([text, projrun.__version__, sha256_bytes(schema.source())])
    return cache_directory() / "specs" / f"{key}.json"


def _from_kept(kept: Path, text: str, root: Path) -> ProjectSpec | None:
    """The specification from the cache; None when it is not there, is damaged, or a link now leads out."""
    try:
        document = json.loads(kept.read_bytes())
        value = document["value"]
        declared = declare(value, {tuple(path): source for path, source in document["texts"]})
        spec = _spec(value, declared, text, root)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return None if declared.faults or any(findings.leaving(declared, root)) else spec


def _from_text(kept: Path, text: str, root: Path) -> ProjectSpec:
    found = examine(text, root)
    if found.refusing:
        count = "a problem" if len(found.refusing) == 1 else f"{len(found.refusing)} problems"
        raise SpecError(f"{shown_name(root)} has {count}", problems=found.refusing)
    _keep(kept, found.value, found.texts)
    return _spec(found.value, declare(found.value, found.texts), text, root)


def _spec(value: Mapping[str, Any], declared: Declared, text: str, root: Path) -> ProjectSpec:
    return ProjectSpec(root, text, value["name"], declared.environment, declared.data, declared.entry_points)


def _keep(kept: Path, value: Any, texts: Mapping[Place, str]) -> None:
    # Not core.files.write_json: infinity is a value here, and only this module reads it back.
    document = {"value": value, "texts": [[list(path), source] for path, source in texts.items()]}
    with contextlib.suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(kept, json.dumps(document).encode(), mode=0o600, durable=False)
