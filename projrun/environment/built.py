"""The marker of a built environment: written last, so that what has one is whole; and whether it still is."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from projrun.core.errors import EnvironmentFailure
from projrun.core.files import read_json, write_json
from projrun.core.flags import Flag
from projrun.core.values import Struct, as_dict
from projrun.environment import damage
from projrun.environment.model import Distribution, Means
from projrun.environment.probe import identity_of

MARKER = "projrun-environment.json"
IMAGE_MARKER = "projrun-image.json"  # of an environment that is an image: see docker.marker
MARKERS = (MARKER, IMAGE_MARKER)
LOCK = "projrun-lock"  # the text of the lock it was built from
_FORMAT = 2

# How well the files are looked at: not, some of their numbers, all of them. See damage.
Depth = Literal["not", "quick", "thorough"]


class Built(Struct, frozen=True):
    """What the marker tells. ``interpreter`` is the base interpreter that the environment's links lead to.

    ``library`` is the libpython that this loads, None without one; ``in_process`` the version that the
    environment's own python told; ``files`` the digest of the list of its files.
    """

    key: str
    inputs: Mapping[str, Any]
    interpreter: Path
    library: Path | None
    in_process: str
    builder: str
    builder_version: str
    installed: tuple[Distribution, ...]
    files: str
    flags: tuple[Flag, ...] = ()


def directory_of(cache: Path, key: str) -> Path:
    """Where the environment of this key is, or is going to be."""
    return cache / "environments" / key


def containers_of(cache: Path) -> Path:
    """Where the locks of containers are. The folder being there tells that an engine was used with this cache."""
    return cache / "containers"


def write_marker(directory: Path, built: Built) -> None:
    """Declares the environment in ``directory`` whole, at this place and with this interpreter."""
    document = {
        "format": _FORMAT,
        **as_dict(built),
        "interpreter": {"path": str(built.interpreter), "identity": identity_of(built.interpreter)},
        "library": built.library and {"path": str(built.library), "identity": identity_of(built.library)},
        "place": os.path.realpath(directory),
        "when": time.time(),
    }
    write_json(directory / MARKER, document)


def lock_of(directory: Path) -> Path:
    """What is locked to build, change or remove the environment in ``directory``."""
    return directory.parent / ".locks" / directory.name


def depth(means: Means) -> Depth:
    """How well a run looks at the files of an environment that is there."""
    return "thorough" if means.thorough else "quick"


def is_there(directory: Path) -> bool:
    """Whether there is a directory. Raises EnvironmentFailure when the cache cannot be looked into."""
    try:
        return stat.S_ISDIR(directory.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise EnvironmentFailure(
            f"the environments in {directory.parent} cannot be looked at",
            why=error.strerror or str(error),
            hint="choose another folder: PROJRUN_CACHE=DIR",
        ) from error


def look(directory: Path, key: str, depth: Depth) -> Built | str:
    """The environment of ``key`` as its marker tells it, or why what is in ``directory`` cannot be used.

    Raises EnvironmentFailure when the cache cannot be looked into.
    """
    if not is_there(directory):
        return "it was never built here"
    try:
        document = read_json(directory / MARKER)
        if document["format"] != _FORMAT:
            return "it was built by another version of projrun"
        built, place = _built(document), document["place"]
        found = document.get("damaged")
        reason = _interpreter_reason(directory, document)
    except (OSError, ValueError, KeyError, TypeError):
        return "its marker is missing: it was not built to the end"
    if built.key != key or place != os.path.realpath(directory):
        return "its marker does not fit its directory: it was moved or copied here"
    if found is not None:
        return f"it was found damaged: {found}"
    if reason is None and depth != "not":
        reason = damage.reason(directory, built.files, lock_of(directory), thorough=depth == "thorough")
    return reason or built


def told(directory: Path) -> Built | None:
    """What the marker in ``directory`` tells, whether it can be used or not; None when it cannot be read."""
    try:
        return _built(read_json(directory / MARKER))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def mark_damaged(directory: Path, marker: bytes, found: str) -> None:
    """Lets no run use the environment any more, for what was ``found``: the next one builds it again.

    ``marker`` is what its marker held when it was looked at; with another one it was built anew since, and
    nothing is done. Its lock is held by the caller. Raises OSError.
    """
    place = directory / MARKER
    if place.read_bytes() == marker:
        write_json(place, {"damaged": found, **read_json(place)})


def interpreter_of(directory: Path) -> Path | None:
    """The base interpreter of the environment in ``directory``; None when that was replaced."""
    try:
        document = read_json(directory / MARKER)
        return None if _replaced(document) else Path(document["interpreter"]["path"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def was_whole(directory: Path) -> bool:
    """Whether an environment was built to the end in ``directory``, whatever has become of it."""
    return (directory / MARKER).exists()


def _interpreter_reason(directory: Path, document: Any) -> str | None:
    replaced = _replaced(document)
    if replaced is None and os.path.realpath(directory / "bin" / "python") != document["interpreter"]["path"]:
        return "its python does not lead to its interpreter"
    return replaced


def _replaced(document: Any) -> str | None:
    interpreter, library = document["interpreter"], document["library"]
    identity = identity_of(Path(interpreter["path"]))
    if identity is None:
        return f"its interpreter {interpreter['path']} is gone"
    if identity != interpreter["identity"]:
        return f"its interpreter {interpreter['path']} was replaced since"
    if library is not None and identity_of(Path(library["path"])) != library["identity"]:
        return f"its interpreter's {Path(library['path']).name} was replaced since"
    return None


def _built(document: Any) -> Built:
    library = document["library"]
    return Built(
        key=document["key"],
        inputs=document["inputs"],
        interpreter=Path(document["interpreter"]["path"]),
        library=Path(library["path"]) if library else None,
        in_process=document["in_process"],
        builder=document["builder"],
        builder_version=document["builder_version"],
        installed=tuple(Distribution(**entry) for entry in document["installed"]),
        files=document["files"],
        flags=tuple(Flag(**entry) for entry in document["flags"]),
    )
