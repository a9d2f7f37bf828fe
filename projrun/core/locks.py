"""Locks between processes that end with the process that holds them.

By flock. Where that does not work (network file systems that were mounted without locks), by files that name their
owner: see lockfiles.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from projrun.core.files import share_file

_POLL_SECONDS = 0.1
# What flock(2) says where it is not there. ENOTSUP is EOPNOTSUPP on Linux and another number elsewhere.
_NO_FLOCK = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS)


class Held(Protocol):
    """A lock that this process holds until ``close``, or its own end.

    ``notice`` is what to tell people of the lock, once: that flock does not work there. Usually empty.
    A process that inherits ``descriptors``, and is then named to ``share``, holds it as well, and after us.
    """

    @property
    def notice(self) -> str: ...

    @property
    def descriptors(self) -> tuple[int, ...]: ...

    def share(self, pid: int) -> None:
        """That process was started with the descriptors."""

    def close(self) -> None:
        """Lets go of the lock."""


class _Flock:
    """A lock by flock: held as long as its descriptor is open."""

    notice = ""

    def __init__(self, descriptor: int, *, named: bool) -> None:
        self._descriptor = descriptor
        self._named = named

    @property
    def descriptors(self) -> tuple[int, ...]:
        return (self._descriptor,)

    def share(self, pid: int) -> None:
        """The kernel knows."""

    def close(self) -> None:
        if self._named:
            with contextlib.suppress(OSError):  # a full disk: a name that stays harms nobody
                os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


@contextlib.contextmanager
def exclusive(path: Path, *, holder: str, waiting: Callable[[str], None] | None = None) -> Iterator[Held]:
    """Holds the lock of ``path`` for the block. ``holder`` says who we are, for those who must wait.

    ``waiting`` is called once, with the holder's own words, when somebody else has it. The file stays:
    removing it would let two processes lock two files of one name.
    """
    held = _attempt(path, holder)
    if held is None:
        if waiting is not None:
            waiting(_holder_of(path) or "another process")
        while (held := _attempt(path, holder)) is None:
            time.sleep(_POLL_SECONDS)
    try:
        yield held
    finally:
        held.close()


@contextlib.contextmanager
def shared(path: Path) -> Iterator[Held]:
    """Holds the lock of ``path`` for the block together with others that share it. Waits for one that does not."""
    while (held := _attempt(path, "", shared=True)) is None:
        time.sleep(_POLL_SECONDS)
    try:
        yield held
    finally:
        held.close()


def take(path: Path) -> Held:
    """Creates ``path`` and locks it, or raises BlockingIOError when another process holds or shares it."""
    held = _attempt(path, "")
    if held is None:
        raise BlockingIOError(errno.EAGAIN, "another process holds the lock", str(path))
    return held


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock of ``path`` alone. A file that is not there is not held."""
    return _is_locked(path, fcntl.LOCK_SH)


def is_used(path: Path) -> bool:
    """Whether a living process holds the lock of ``path``, alone or shared."""
    return _is_locked(path, fcntl.LOCK_EX)


def _is_locked(path: Path, against: int) -> bool:
    try:
        # Of a store that is somebody's: a pipe would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _flock(descriptor, against)
    except OSError as error:
        if error.errno not in _NO_FLOCK:
            raise
        from projrun.core import lockfiles

        return lockfiles.is_locked(path, users=against == fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _openness(directory: Path) -> int:
    """The rights that a directory leaves to others, as a mask: a lock is as open as what it lies in."""
    with contextlib.suppress(OSError):
        return 0o600 | directory.stat().st_mode
    return 0o777


def _attempt(path: Path, holder: str, *, shared: bool = False) -> Held | None:
    """The lock, or None when another process has it. ``holder`` is written into the file as long as it is held."""
    access = os.O_RDONLY if shared else os.O_RDWR
    mode = (0o666 if holder or shared else 0o600) & _openness(path.parent)
    descriptor = os.open(path, access | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    try:
        share_file(descriptor, path.parent, 0o600)
        if not _flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX):
            os.close(descriptor)
            return None
        if holder:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, holder.encode())
        return _Flock(descriptor, named=bool(holder))
    except OSError as error:
        os.close(descriptor)
        if error.errno not in _NO_FLOCK:
            raise
        from projrun.core import lockfiles

        return lockfiles.attempt(path, holder, shared=shared)


def _holder_of(path: Path) -> str:
    with path.open("rb") as file:
        words = file.read(4096).decode(errors="replace").strip()
    if words:
        return words
    from projrun.core import lockfiles  # it may be held by one

    return lockfiles.holder_of(path)


def _flock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
