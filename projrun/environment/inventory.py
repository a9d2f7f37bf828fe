"""The environments that are kept in the cache: which there are, which are used, and how they are removed."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from projrun.core import locks
from projrun.core.errors import EnvironmentFailure
from projrun.core.report import Reporter
from projrun.environment import built, construction, downloading, resolution, uses
from projrun.environment.turns import turn

_KEY = re.compile(r"[0-9a-f]{64}")


class InUse(EnvironmentFailure):
    """A live run uses the environment."""


@dataclass(frozen=True)
class Kept:
    """An environment in the cache.

    ``reason`` says why it cannot be used, None when it can; ``told`` is what its marker tells, None when that
    cannot be read. ``size`` is in bytes; ``last_used`` in seconds since the epoch, None when it never was.
    """

    key: str
    directory: Path
    told: built.Built | None
    reason: str | None
    size: int
    last_used: float | None
    in_use: bool


def keys(cache: Path) -> tuple[str, ...]:
    """The keys of what is there, sorted."""
    try:
        return tuple(sorted(name for name in os.listdir(cache / "environments") if _KEY.fullmatch(name)))  # noqa: PTH208
    except OSError:
        return ()


def kept(cache: Path, key: str) -> Kept:
    """The environment of this key as it is now. Raises EnvironmentFailure when it cannot be looked at."""
    directory = built.directory_of(cache, key)
    there = built.look(directory, key, "quick")
    return Kept(
        key=key,
        directory=directory,
        told=built.told(directory),
        reason=there if isinstance(there, str) else None,
        size=size_of(directory),
        last_used=uses.last_used(directory),
        in_use=uses.is_used(directory),
    )


def remove(cache: Path, key: str, report: Reporter) -> None:
    """Removes an environment, unless another process did.

    Raises InUse when a live run uses it, EnvironmentFailure when it cannot be removed.
    """
    directory = built.directory_of(cache, key)
    with turn(
        built.lock_of(directory), report, doing="has this environment", failed="the environment cannot be removed"
    ):
        if not directory.exists():
            return
        file = uses.file_of(directory)
        file.parent.mkdir(exist_ok=True)
        try:
            held = locks.take(file)
        except BlockingIOError:
            raise InUse(
                f"the environment {key[:12]} is in use",
                why="A run that goes on now imports from it.",
                hint="projrun runs --all lists it; remove the environment when it has ended",
            ) from None
        try:
            gone = construction.move_away(directory)  # a removal that is interrupted is brought to an end later
            file.unlink()
            shutil.rmtree(gone)
        finally:
            held.close()


def leftovers(cache: Path) -> tuple[Path, ...]:
    """What was killed left while it built, resolved or downloaded; damaged environments that no live run uses."""
    builds = construction.leftovers(cache / "environments")
    others = (resolution.leftovers(cache), downloading.leftovers(cache))
    return tuple(folder for found in (builds, *others) for folder in sorted(found))


def remove_leftovers(cache: Path) -> None:
    """Removes :func:`leftovers`."""
    for folder in leftovers(cache):
        shutil.rmtree(folder, ignore_errors=True)


def size_of(directory: Path) -> int:
    """The bytes of all files in a directory, as far as it can be read."""
    return sum(_sizes(directory))


def _sizes(directory: Path) -> Iterator[int]:
    folders = [os.fspath(directory)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        yield entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
