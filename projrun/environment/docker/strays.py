"""What is left behind with the engine: containers whose run is gone, images whose environment is not there.

And the lock files of runs whose container went with an engine that died.

Only what is of one cache: a container names its lock, which lies in there, and an image's name tells the cache.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from projrun.core import locks
from projrun.core.engine.client import Engine
from projrun.core.engine.model import LOCK_LABEL, RUN_LABEL
from projrun.core.values import Struct
from projrun.environment import built
from projrun.environment.docker import marker

# A lock is made first and held then: between the two it looks as if nobody held it.
_SETTLED_SECONDS = 60


class Stray(Struct, frozen=True):
    """A ``container`` (of a ``run``, or of a build), ``image`` or ``lock`` that nobody wants.

    ``size`` is in bytes.
    ``lock``: the file that the container of a run names as its lock; a lock's ``id`` is its file.
    """

    kind: str
    id: str
    name: str
    run: str | None = None
    size: int = 0
    lock: str | None = None


def strays(cache: Path, engine: Engine) -> Iterator[Stray]:
    """What there is of them. Raises EngineFailure."""
    containers = engine.containers(LOCK_LABEL)
    for found in containers:
        lock = Path(found.labels.get(LOCK_LABEL, ""))
        if _is_in(lock, cache) and not locks.is_used(lock):
            run = found.labels.get(RUN_LABEL)
            yield Stray("container", found.id, found.name, run, lock=str(lock) if run else None)
    yield from _locks(cache, {os.path.realpath(one.labels.get(LOCK_LABEL, "")) for one in containers})
    with engine.asking("listing the images of environments"):
        images = engine.api.images(name="projrun")
    for image in images:
        for tag in image.get("RepoTags") or ():
            key = marker.key_of_tag(_short(tag), cache)
            if key is not None and not _is_wanted(built.directory_of(cache, key)):
                yield Stray("image", image["Id"], tag, size=int(image.get("Size") or 0))


def _locks(cache: Path, named: Collection[str]) -> Iterator[Stray]:
    """The locks of runs that nobody holds and no container names."""
    before = time.time() - _SETTLED_SECONDS
    for lock in sorted(built.containers_of(cache).glob("*.lock")):
        with contextlib.suppress(FileNotFoundError):  # its run ended at this moment
            is_new = lock.stat().st_mtime > before
            if not is_new and os.path.realpath(lock) not in named and not locks.is_used(lock):
                yield Stray("lock", str(lock), lock.name, lock.stem)


def remove(stray: Stray, engine: Engine) -> None:
    """Removes one. An image that has another name stays under that. Raises EngineFailure."""
    if stray.kind == "container":
        engine.remove_container(stray.id)
        if stray.lock is not None:  # a run's own; that of an environment is for all who build it
            with contextlib.suppress(OSError):
                Path(stray.lock).unlink()
    elif stray.kind == "lock":
        with contextlib.suppress(OSError):
            Path(stray.id).unlink()
    else:
        engine.remove_image(stray.name)


def _short(tag: str) -> str:
    """A name without the place that an engine may put before one that has none."""
    return tag.rpartition("/")[2]


def _is_wanted(directory: Path) -> bool:
    """Whether the environment is there, or somebody builds it."""
    return marker.is_there(directory) or locks.is_held(built.lock_of(directory))


def _is_in(lock: Path, cache: Path) -> bool:
    real = os.path.realpath(cache)
    return os.path.realpath(lock).startswith(f"{real}{os.sep}")
