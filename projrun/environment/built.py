"""The marker of a built environment: written last, so that what has one is whole."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from projrun.core.errors import EnvironmentFailure
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


def look(directory: Path, key: str) -> Built | str:
    """The environment of ``key`` as its marker tells it, or why what is in ``directory`` cannot be used.

    Raises EnvironmentFailure when the cache cannot be looked into.
    """
    try:
        is_there = stat.S_ISDIR(directory.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        is_there = False
    except OSError as error:
        raise EnvironmentFailure(
            f"the environments in {directory.parent} cannot be looked at",
            why=error.strerror or str(error),
            hint="choose another folder: PROJRUN_CACHE=DIR",
        ) from error
    if not is_there:
        return "it was never built here"
    try:
        document = read_json(directory / MARKER)
        built, place = _built(document), document["place"]
        identity = document["interpreter"]["identity"]
    except (OSError, ValueError, KeyError, TypeError):
        return "its marker is missing: it was not built to the end"
    if built.key != key or place != os.path.realpath(directory):
        return "its marker does not fit its directory: it was moved or copied here"
    return _interpreter_reason(directory, built.interpreter, identity) or built


def _interpreter_reason(directory: Path, interpreter: Path, identity_then: object) -> str | None:
    identity = identity_of(interpreter)
    if identity is None:
        return f"its interpreter {interpreter} is gone"
    if identity != identity_then:
        return f"its interpreter {interpreter} was replaced since"
    if os.path.realpath(directory / "bin" / "python") != str(interpreter):
        return "its python does not lead to its interpreter"
    return None


def _built(document: Any) -> Built:
    if document["format"] != _FORMAT:
        raise ValueError("a marker of another format")
    return Built(
        key=document["key"],
        inputs=document["inputs"],
        interpreter=Path(document["interpreter"]["path"]),
        builder=document["builder"],
        builder_version=document["builder_version"],
        installed=tuple(Distribution(**entry) for entry in document["installed"]),
        flags=tuple(Flag(**entry) for entry in document["flags"]),
    )
