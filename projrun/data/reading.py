"""Files read for their SHA-256: several at once, none that is remembered, with word of how far it is."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from projrun.core.amounts import size as amount
from projrun.core.hashing import new_sha256, sha256_bytes
from projrun.core.remembered import Remembered
from projrun.core.report import FETCH, Reporter, Silent

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

_BLOCK = 1 << 20
# A file of so many bytes is worth another thread.
_LARGE = 8 << 20
_BEAT = 0.5  # seconds between two words of how far it is
_PATIENCE = 1.0  # seconds until the first one
_AHEAD = 4  # tasks that wait for each thread

T = TypeVar("T")
R = TypeVar("R")


class Unstable(Exception):
    """A file or directory changed while it was being read. The text names it."""


class Uncovered(Exception):
    """An entry cannot be part of a digest. The text names it and says why."""


class _Ended(Exception):
    """Nobody wants the digest any more."""


class Digest(NamedTuple):
    """What a file or directory holds: ``size`` in bytes, of ``files`` files.

    ``mark`` is what :func:`projrun.data.tree.stat_mark` gives of it; equal marks mean that nobody wrote.
    """

    sha256: str
    size: int
    files: int
    mark: str = ""


class Reading:
    """Reads files as long as the block lasts; its threads end with it.

    ``remembered`` knows what was read before. ``report`` hears how far it is once it takes more than a second.
    """

    def __init__(self, remembered: Remembered | None = None, report: Reporter | None = None) -> None:
        self.remembered = remembered or Remembered(None)
        self._progress = _Progress(report or Silent())
        self._ended = threading.Event()
        self._pool: ThreadPoolExecutor | None = None
        self._early: dict[bytes, Future[Digest]] = {}

    def __enter__(self) -> Reading:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._progress.end()

    def file(self, path: bytes) -> Digest:
        """Digest of one file, links followed. Raises OSError, Unstable, or Uncovered for what is no file."""
        if early := self._early.pop(path, None):
            return self._awaited(early)
        status = os.stat(path)  # noqa: PTH116 - names of raw bytes
        known = self.remembered.digest(path, status, alone=True) if stat.S_ISREG(status.st_mode) else None
        if known:
            return Digest(known, status.st_size, 1, file_mark(status))
        if status.st_size < _LARGE:
            return self.read(path, follow=True)
        return self._awaited(self._submit(self.read, path, True))

    def begin(self, paths: Iterable[bytes]) -> None:
        """Starts to read the large ones of these files, for :meth:`file` to wait for."""
        for path in paths:
            with suppress(OSError):
                status = os.stat(path)  # noqa: PTH116 - names of raw bytes
                large = stat.S_ISREG(status.st_mode) and status.st_size >= _LARGE
                if large and not self.remembered.digest(path, status, alone=True):
                    self._early[path] = self._submit(self.read, path, True)

    def in_order(self, tasks: Iterable[T], work: Callable[[T], R], *, here: Callable[[T], bool]) -> Iterator[R]:
        """What ``work`` makes of each task, in their order, some tasks ahead in other threads.

        A task that is to be done ``here`` is done at once. So is the only one.
        """
        waiting: deque[Future[R] | R] = deque()
        first: T | None = None
        for task in tasks:
            if first is None and not waiting:
                first = task
                continue
            if first is not None:
                waiting.append(work(first) if here(first) else self._submit(work, first))
                first = None
            waiting.append(work(task) if here(task) else self._submit(work, task))
            while len(waiting) > _AHEAD * _workers():
                yield self._result(waiting.popleft())
        if first is not None:
            yield work(first)
        while waiting:
            yield self._result(waiting.popleft())

    def read(self, path: bytes, follow: bool) -> Digest:
        """Digest of a file that is read, in any thread. Raises as :meth:`file`."""
        sha256, status = self.content(path, follow)
        return Digest(sha256, status.st_size, 1, file_mark(status))

    def content(self, path: bytes, follow: bool) -> tuple[str, os.stat_result]:
        """The SHA-256 of a file that is read, in any thread, and its status. Raises as :meth:`file`."""
        began = time.time_ns()
        descriptor = open_regular(path, follow=follow)
        try:
            before = os.fstat(descriptor)
            # One byte more than it should have tells in the same step that there is no more.
            block_size = min(_BLOCK, before.st_size + 1)
            block = os.read(descriptor, block_size)
            digest = new_sha256(block)
            self._progress.count(len(block))
            # Of a file that fits in one block the first step has told that it ends there.
            while block and not len(block) == before.st_size < block_size:
                if self._ended.is_set():
                    raise _Ended
                block = os.read(descriptor, block_size)
                digest.update(block)
                self._progress.count(len(block))
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise Unstable(os.fsdecode(path))
        self._progress.files += 1
        sha256 = digest.hexdigest()
        self.remembered.note(path, after, sha256, began)
        return sha256, after

    def _submit(self, work: Callable[..., R], *arguments: object) -> Future[R]:
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor  # a run with little data does without

            self._pool = ThreadPoolExecutor(_workers(), thread_name_prefix="digest")
        return self._pool.submit(work, *arguments)

    def _result(self, found: Future[R] | R) -> R:
        from concurrent.futures import Future

        return self._awaited(found) if isinstance(found, Future) else found

    def _awaited(self, future: Future[R]) -> R:
        from concurrent.futures import wait

        while not future.done():
            wait([future], _BEAT)
            self._progress.tell()
        self._progress.tell()
        return future.result()


class _Progress:
    """Counts in any thread, tells in one: a plain line when it begins to take long, then a line over a line."""

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self._began = self._told = time.monotonic()
        self._said = False
        self._lock = threading.Lock()
        self._bytes = 0
        self.files = 0

    def count(self, read: int) -> None:
        with self._lock:
            self._bytes += read

    def tell(self) -> None:
        now = time.monotonic()
        if now - self._began < _PATIENCE or now - self._told < _BEAT:
            return
        if not self._said:
            self._report.phase("data", "reading what was not read before, for its hash")
        self._said, self._told = True, now
        self._report.write(FETCH, f"Hashing data: {self._state()}\r".encode())

    def end(self) -> None:
        if self._said:
            self._report.write(FETCH, f"Hashing data: {self._state()}, done.\n".encode())

    def _state(self) -> str:
        return f"{amount(self._bytes)} ({self.files:,} files)"


def file_mark(status: os.stat_result, below: bytes = b"") -> str:
    """The mark of what has that status; ``below`` are the marks of what is in a directory."""
    return sha256_bytes(entry_mark(b"", status) + below)


def entry_mark(name: bytes, status: os.stat_result) -> bytes:
    """The name and stat values of an entry as bytes."""
    values = (status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return name + b"\0" + repr(values).encode()


@contextmanager
def regular_file(path: str | bytes, *, follow: bool = True) -> Iterator[int]:
    """A descriptor to read a regular file from, for the block. Raises as :func:`open_regular`."""
    descriptor = open_regular(path, follow=follow)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_regular(path: str | bytes, *, follow: bool = True) -> int:
    """A descriptor to read a regular file from. Never waits for a FIFO. Raises OSError or Uncovered."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise Uncovered(f"{os.fsdecode(path)} is {kind_of(mode)}")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def kind_of(mode: int) -> str:
    """The kind of a file for people: "a FIFO", "a directory", ..."""
    kinds = {
        stat.S_IFDIR: "a directory",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a character device",
        stat.S_IFBLK: "a block device",
    }
    return kinds.get(stat.S_IFMT(mode), "not a regular file")


def _workers() -> int:
    return max(2, min(8, os.cpu_count() or 2))
