"""Finds the project around a directory, and those below it."""

from __future__ import annotations

import contextlib
import os
import posixpath
import stat
from collections.abc import Sequence
from pathlib import Path

from projrun.core.errors import SpecError
from projrun.core.files import irregular
from projrun.spec.model import SPEC_NAME, is_specification
from projrun.spec.text import specification_in

# How far a project is looked for below a directory.
_LEVELS, _DIRECTORIES, _PROJECTS = 4, 1000, 5
# Large directories of other people's files.
_OTHERS = frozenset(("node_modules", "site-packages", "__pycache__"))
# What the file is called by mistake, and what the specifications of similar tools are called.
_NEAR_NAMES = frozenset(("projectspec.yaml", "projectspec.yml", "projectspec.json", "projectspec"))


def find_project(start: Path) -> Path:
    """The directory that holds the specification: ``start`` or the nearest one above, as git looks for its own.

    That is ProjectSpec.yaml, or where it is not there MLproject, in letters of any case. ``start`` may be the file
    itself. Raises SpecError, which names a file whose name comes near, and what is called ProjectSpec.yaml and is
    no file: the search never goes past it to another project.
    """
    place = _place(start)
    found = _at_or_above(place)
    if found is not None:
        return found
    import shlex  # for the hint

    below = projects_below(place)
    first = shlex.quote(str(start / below[0])) if below else ""
    raise SpecError(
        f"there is no {SPEC_NAME} in {place} or above it",
        why=one_in(below),
        hint=f"cd {first}, or name it: projrun run {first}" if first else _near_miss(place),
    )


def project_around(start: Path) -> Path | None:
    """As :func:`find_project`; None where there is none."""
    with contextlib.suppress(SpecError):
        return _at_or_above(_place(start))
    return None


def projects_below(root: Path) -> tuple[str, ...]:
    """The nearest few projects below a directory, relative to it, level by level; what is hidden is left out.

    So many directories are looked at and no more: it is for a hint.
    """
    found: list[str] = []
    waiting, seen = [""], 0
    while waiting and seen < _DIRECTORIES and len(found) < _PROJECTS:
        directory, seen = waiting.pop(0), seen + 1
        with contextlib.suppress(OSError), os.scandir(root / directory) as entries:
            names = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
            if directory and any(is_specification(name) and not names[name] for name in names):
                found.append(directory)
            if "pyvenv.cfg" not in names and directory.count("/") < _LEVELS - 1:
                inside = sorted(name for name, is_directory in names.items() if is_directory)
                waiting += [
                    posixpath.join(directory, name) for name in inside if name[0] != "." and name not in _OTHERS
                ]
    return tuple(found)


def one_in(directories: Sequence[str]) -> str:
    """Says of projects below where they are; empty when there are none."""
    return f"there is one in {', '.join(directories)}" if directories else ""


def _at_or_above(place: Path) -> Path | None:
    for directory in (place, *place.parents):
        path = directory / SPEC_NAME
        if kind := irregular(path):
            why = "The project ends there, and nothing above it is run in its place."
            raise SpecError(
                f"{path} is {kind} and not a file", why=why, hint=f"put a file there, or remove {path}"
            )
        if specification_in(directory, thorough=directory == place) is not None:
            return directory
    return None


def _place(start: Path) -> Path:
    """The directory to begin with: ``start``, or where it lies when it is the file. Raises SpecError."""
    hint = f"name a directory with a {SPEC_NAME}, or that file"
    try:
        is_the_file = is_specification(start.name) and os.path.lexists(start) and not start.is_dir()
        place = (start.parent if is_the_file else start).resolve()
        mode = place.stat().st_mode
    except FileNotFoundError:
        why = "The current directory was removed." if start == Path() else ""
        raise SpecError(f"{start} does not exist", why=why, hint=hint) from None
    except (OSError, RuntimeError) as error:  # links in a circle are a RuntimeError in pathlib
        why = getattr(error, "strerror", None) or str(error)
        raise SpecError(f"{start} cannot be found", why=why, hint=hint) from None
    if not stat.S_ISDIR(mode):
        raise SpecError(f"{start} is not a directory", hint=hint)
    return place


def _near_miss(place: Path) -> str:
    for directory in (place, *place.parents):
        with contextlib.suppress(OSError):
            for path in sorted(directory.iterdir()):
                if path.name.casefold().replace("-", "").replace("_", "") in _NEAR_NAMES:
                    return f"{path} is there: the file must be called {SPEC_NAME}"
    return f"write a {SPEC_NAME} in the project's directory"
