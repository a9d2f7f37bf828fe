"""The environments that are kept in the cache: which there are, which are used, and how they are removed."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from projrun.core import locks
from projrun.core.errors import EnvironmentFailure
from projrun.core.removal import size_of
from projrun.core.report import Reporter
from projrun.core.values import Struct
from projrun.environment import built, construction, downloading, resolution, uses
from projrun.environment.turns import turn

if TYPE_CHECKING:
    from projrun.environment.docker.asking import Asking
    from projrun.environment.docker.marker import Marked

_KEY = re.compile(r"[0-9a-f]{64}")


class InUse(EnvironmentFailure):
    """A live run uses the environment."""


class Kept(Struct, frozen=True):
    """An environment in the cache.

    ``reason`` says why it cannot be used, None when it can; ``told`` is what its marker tells, None when that
    cannot be read; of one that is an image, ``image`` is that. ``size`` is in bytes, with the image's;
    ``last_used`` in seconds since the epoch, None when it never was.
    """

    key: str
    directory: Path
    told: built.Built | None
    reason: str | None
    size: int
    last_used: float | None
    in_use: bool
    image: Marked | None = None


def keys(cache: Path) -> tuple[str, ...]:
    """The keys of what is there, sorted."""
    try:
        return tuple(sorted(name for name in os.listdir(cache / "environments") if _KEY.fullmatch(name)))  # noqa: PTH208
    except OSError:
        return ()


def all_kept(cache: Path) -> tuple[Kept, ...]:
    """The environments that are there, sorted by key. Raises EnvironmentFailure when they cannot be looked at."""
    asking = None
    if _any_image(cache):
        from projrun.environment.docker import asking as engines  # nobody without images needs an engine

        asking = engines.Asking()
    return tuple(kept(cache, key, asking) for key in keys(cache))


def kept(cache: Path, key: str, asking: Asking | None = None) -> Kept:
    """The environment of this key as it is now. Raises EnvironmentFailure when it cannot be looked at.

    ``asking`` is for those who look at several: one engine is enough for all.
    """
    directory = built.directory_of(cache, key)
    if (directory / built.IMAGE_MARKER).exists():
        return _image_kept(directory, asking)
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


def _image_kept(directory: Path, asking: Asking | None) -> Kept:
    from projrun.environment.docker import asking as engines
    from projrun.environment.docker import marker

    image = marker.told(directory)
    return Kept(
        key=directory.name,
        directory=directory,
        told=None,
        reason=(asking or engines.Asking()).reason(directory, directory.name),
        size=size_of(directory) + (image.image.size if image else 0),
        last_used=uses.last_used(directory),
        in_use=uses.is_used(directory),
        image=image,
    )


def remove(cache: Path, key: str, report: Reporter) -> None:
    """Removes an environment, unless another process did.

    Of an image the name goes that projrun gave it, and with its last name the image. Raises InUse when a live run
    uses it, EnvironmentFailure when it cannot be removed.
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
            if (directory / built.IMAGE_MARKER).exists():
                _remove_image(cache, key)
            gone = construction.move_away(directory)  # a removal that is interrupted is brought to an end later
            file.unlink()
            shutil.rmtree(gone)
        finally:
            held.close()


def _remove_image(cache: Path, key: str) -> None:
    from projrun.core.engine.client import connect
    from projrun.environment.docker import marker

    connect().remove_image(marker.tag_of(cache, key))


def has_images(cache: Path) -> bool:
    """Whether an image was ever made, or run, with this cache."""
    return built.containers_of(cache).exists() or _any_image(cache)


def _any_image(cache: Path) -> bool:
    return any((built.directory_of(cache, key) / built.IMAGE_MARKER).exists() for key in keys(cache))


def leftovers(cache: Path) -> tuple[Path, ...]:
    """What was killed left while it built, resolved or downloaded; damaged environments that no live run uses."""
    builds = construction.leftovers(cache / "environments")
    others = (resolution.leftovers(cache), downloading.leftovers(cache))
    return tuple(folder for found in (builds, *others) for folder in sorted(found))


def remove_leftovers(cache: Path) -> None:
    """Removes :func:`leftovers`."""
    for folder in leftovers(cache):
        shutil.rmtree(folder, ignore_errors=True)
