"""The marker of a built environment: written last, so that what has one is whole."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from projrun.core.files import read_json, write_json
from projrun.core.flags import Flag
from projrun.environment.model import Distribution
from projrun.environment.probe import identity_of

MARKER = "projrun-environment.json"
_FORMAT = 1


@dataclass(frozen=True)
class Built:
    """What the marker tells. ``interpreter`` is the base interpreter that the environment's links lead to."""

    key: str
    inputs: Mapping[str, Any]
    interpreter: Path
    builder: str
    builder_version: str
    installed: tuple[Distribution, ...]
    flags: tuple[Flag, ...] = ()


def directory_of(cache: Path, key: str) -> Path:
    """Where the environment of this key is, or is going to be."""
    return cache / "environments" / key


def write_marker(directory: Path, built: Built) -> None:
    """Declares the environment in ``directory`` whole, at this place and with this interpreter."""
    document = {
        "format": _FORMAT,
        **asdict(built),
        "interpreter": {"path": str(built.interpreter), "identity": identity_of(built.interpreter)},
        "place": os.path.realpath(directory),
        "when": time.time(),
    }
    write_json(directory / MARKER, document)


def read_marker(directory: Path) -> Built | None:
    """What the marker in ``directory`` tells, or None when there is none that can be read."""
    document = _document(directory)
    try:
        return None if document is None else _built(document)
    except (KeyError, TypeError, AttributeError):
        return None


def reason_to_build(directory: Path, key: str) -> str | None:
    """Why the environment of ``key`` cannot be used as it lies in ``directory``; None when it can."""
    if not directory.is_dir():
        return "it was never built here"
    document = _document(directory)
    built = read_marker(directory)
    if document is None or built is None:
        return "its marker is missing: it was not built to the end"
    if built.key != key or document.get("place") != os.path.realpath(directory):
        return "its marker does not fit its directory: it was moved or copied here"
    return _interpreter_reason(directory, built, document["interpreter"].get("identity"))


def _interpreter_reason(directory: Path, built: Built, identity_then: object) -> str | None:
    identity = identity_of(built.interpreter)
    if identity is None:
        return f"its interpreter {built.interpreter} is gone"
    if identity != identity_then:
        return f"its interpreter {built.interpreter} was replaced since"
    if os.path.realpath(directory / "bin" / "python") != str(built.interpreter):
        return "its python does not lead to its interpreter"
    return None


def _document(directory: Path) -> dict[str, Any] | None:
    try:
        document = read_json(directory / MARKER)
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and document.get("format") == _FORMAT else None


def _built(document: dict[str, Any]) -> Built:
    return Built(
        key=document["key"],
        inputs=document["inputs"],
        interpreter=Path(document["interpreter"]["path"]),
        builder=document["builder"],
        builder_version=document["builder_version"],
        installed=tuple(Distribution(**entry) for entry in document["installed"]),
        flags=tuple(Flag(**entry) for entry in document["flags"]),
    )
