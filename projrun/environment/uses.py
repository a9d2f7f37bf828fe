"""Which environments live runs use, and when one was used last: a lock and the time of a file for each."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from projrun.core import locks
from projrun.core.errors import EnvironmentFailure
from projrun.environment import built
from projrun.environment.model import Environment


def file_of(directory: Path) -> Path:
    """The file that the users of the environment in ``directory`` hold together."""
    return directory.parent / ".uses" / directory.name


@contextlib.contextmanager
def in_use(environment: Environment) -> Iterator[tuple[locks.Held, ...]]:
    """Keeps the environment from being removed, for the block. Gives the locks that do so: one or none.

    Raises EnvironmentFailure when it was removed before. Where nothing can be written nothing is held.
    """
    directory = environment.plan.directory
    if environment.plan.kind == "system" or directory is None:
        yield ()
        return
    held: list[locks.Held] = []
    file = file_of(directory)
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            file.parent.mkdir(exist_ok=True)
            held.append(stack.enter_context(locks.shared(file)))
            os.utime(file)
        if not any((directory / marker).exists() for marker in built.MARKERS):
            raise EnvironmentFailure(
                "the environment was removed before the program started",
                why=f"{directory} was there a moment ago.",
                hint="run again",
            )
        yield tuple(held)


def is_used(directory: Path) -> bool:
    """Whether a live run uses the environment that is, or was, in ``directory``."""
    return locks.is_used(file_of(directory))


def last_used(directory: Path) -> float | None:
    """When a run last began to use it, in seconds since the epoch; None when none ever did."""
    try:
        return file_of(directory).stat().st_mtime
    except OSError:
        return None
