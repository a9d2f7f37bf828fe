"""Locks between processes that end with the process that holds them (flock)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_POLL_SECONDS = 0.1


@contextlib.contextmanager
def exclusive(path: Path, *, holder: str, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Holds the lock of ``path`` for the block. ``holder`` says who we are, for those who must wait.

    ``waiting`` is called once, with the holder's own words, when somebody else has it. The file stays:
    removing it would let two processes lock two files of one name.
    """
    with path.open("a+b", buffering=0) as file:
        if not _try(file.fileno()):
            if waiting is not None:
                file.seek(0)
                waiting(file.read(4096).decode(errors="replace").strip() or "another process")
            while not _try(file.fileno()):
                time.sleep(_POLL_SECONDS)
        file.truncate(0)
        file.write(holder.encode())
        try:
            yield
        finally:
            file.truncate(0)


def take(path: Path) -> int:
    """Creates ``path`` and locks it until the returned descriptor is closed or the process ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock of ``path``. A file that is not there is not held."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _try(descriptor, shared=True)
    finally:
        os.close(descriptor)


def _try(descriptor: int, *, shared: bool = False) -> bool:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
