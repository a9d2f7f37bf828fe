"""A run's log: ``output.log`` holds the bytes as they came, ``output.index`` whose they are and when they came.

The index is JSON lines, ``[offset, time, stream]``: from this offset of the log on, bytes of this stream,
written at this time (seconds since the epoch, to the millisecond). A mark is written before its bytes.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

from projrun.core.errors import StoreError
from projrun.core.files import open_plain, share_file
from projrun.core.values import Struct, field
from projrun.store.drawing import DrawnLine

LOG_NAME = "output.log"
INDEX_NAME = "output.index"

# A new mark at the earliest after this time, or when the stream changes.
_MARK_SECONDS = 0.01

# A line longer than this is given in parts.
_LINE_BYTES = 64 * 1024

_BLOCK_BYTES = 256 * 1024
_POLL_SECONDS = 0.1


class RunLog:
    """Writes a run's log in ``directory``. Every write is in the file when it returns, but for redrawn lines.

    For the streams of ``terminals`` a line that is drawn again and again (``\\r``) is written once, as it was
    last drawn, when it ends; a line that has not ended is held until then, until another stream writes (unless
    it has been redrawn: it is progress) or until the log closes. ``\\r\\n`` ends a line.

    Raises StoreError when the log cannot be written.
    """

    def __init__(self, directory: Path, *, terminals: Container[str] = ()) -> None:
        self._directory = directory
        self._terminals = terminals
        self._drawn: dict[str, DrawnLine] = {}
        self._last: tuple[str, float] | None = None
        self._broken = False
        self._index = self._open(INDEX_NAME)
        try:
            self._log = self._open(LOG_NAME)
        except StoreError:
            os.close(self._index)
            raise
        self._offset = os.fstat(self._log).st_size

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, stream: str, data: bytes) -> None:
        """Adds output of a stream."""
        if not data:
            return
        for other, line in self._drawn.items():
            if other != stream and not line.redrawn:
                self._append(other, line.take())
        if stream in self._terminals:
            data = self._drawn.setdefault(stream, DrawnLine()).draw(data)
        self._append(stream, data)

    def close(self) -> None:
        """Writes what is held and closes the files. Closing again does nothing."""
        if self._log < 0:
            return
        try:
            for stream, line in self._drawn.items():
                if not self._broken:
                    self._append(stream, line.take())
        finally:
            os.close(self._log)
            os.close(self._index)
            self._log = self._index = -1

    def _append(self, stream: str, data: bytes) -> None:
        if not data:
            return
        now = time.time()
        if self._last is None or self._last[0] != stream or not 0 <= now - self._last[1] < _MARK_SECONDS:
            mark = json.dumps([self._offset, round(now, 3), stream])
            self._write_all(self._index, mark.encode() + b"\n")
            self._last = (stream, now)
        self._write_all(self._log, data)
        self._offset += len(data)

    def _write_all(self, descriptor: int, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(descriptor, view) :]
        except OSError as error:
            self._broken = True
            raise self._failure(error) from error

    def _open(self, name: str) -> int:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            descriptor = os.open(self._directory / name, flags, 0o600)
            share_file(descriptor, self._directory, 0o600)
            return descriptor
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> StoreError:
        return StoreError(
            f"the log of the run cannot be written in {self._directory}",
            why=error.strerror or str(error),
            hint="make room there, or give another store with --store DIR",
        )


class Piece(NamedTuple):
    """Bytes of one stream and when they came (seconds since the epoch).

    ``time`` is None and ``stream`` empty when the index does not tell.
    """

    time: float | None
    stream: str
    data: bytes


class Line(NamedTuple):
    """One line without its end (``\\n`` or ``\\r\\n``), or a part of one longer than 64 KiB."""

    time: float | None
    stream: str
    data: bytes


def read(directory: Path) -> Iterator[Piece]:
    """The whole log, piece by piece, in the order of arrival; nothing when there is none.

    A missing or torn index costs only times and streams. Raises StoreError when a file cannot be read.
    """
    with _Reader(directory) as reader:
        yield from reader.news()


def follow(directory: Path, alive: Callable[[], bool]) -> Iterator[Piece]:
    """The log so far and what comes, until ``alive`` says no and all is given. Raises StoreError."""
    with _Reader(directory) as reader:
        while True:
            living = alive()
            yield from reader.news()
            if not living:
                return
            time.sleep(_POLL_SECONDS)


def lines(pieces: Iterable[Piece]) -> Iterator[Line]:
    """The lines of a log, each with the time of its first byte, in the order in which they end."""
    begun: dict[str, Line] = {}
    for piece in pieces:
        *ended, rest = piece.data.split(b"\n")
        before = begun.pop(piece.stream, None)
        for data in ended:
            line = _joined(before, piece, data)
            yield Line(line.time, line.stream, line.data.removesuffix(b"\r"))
            before = None
        if rest:
            line = _joined(before, piece, rest)
            if len(line.data) > _LINE_BYTES:
                yield line
            else:
                begun[piece.stream] = line
        elif before is not None:
            begun[piece.stream] = before
    yield from begun.values()


def _joined(before: Line | None, piece: Piece, data: bytes) -> Line:
    if before is None:
        return Line(piece.time, piece.stream, data)
    return Line(before.time, piece.stream, before.data + data)


class _Mark(NamedTuple):
    offset: int
    time: float | None = None
    stream: str = ""


class _Reader(Struct):
    """Reads a log that may still grow."""

    directory: Path
    _log: BinaryIO | None = None
    _index: BinaryIO | None = None
    _torn: bytes = b""
    _mark: _Mark = field(default_factory=lambda: _Mark(0))
    _ahead: _Mark | None = None

    def __enter__(self) -> _Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._log, self._index):
            if file is not None:
                file.close()

    def news(self) -> Iterator[Piece]:
        """What has been added since the last call."""
        try:
            self._log = self._log or _opened(self.directory / LOG_NAME)
            self._index = self._index or _opened(self.directory / INDEX_NAME)
            if self._log is None:
                return
            # The size first: the marks of all bytes up to there are then already in the index.
            at, end = self._log.tell(), os.fstat(self._log.fileno()).st_size
            while at < end and (data := self._log.read(self._length(at, end))):
                yield Piece(self._mark.time, self._mark.stream, data)
                at += len(data)
        except OSError as error:
            raise StoreError(
                f"the log in {self.directory} cannot be read",
                why=error.strerror or str(error),
                hint=f"make it readable: chmod -R u+rX {self.directory}",
            ) from error

    def _length(self, at: int, end: int) -> int:
        """How many bytes from ``at`` on are of one mark, which becomes the current one."""
        while True:
            self._ahead = self._ahead or self._next_mark()
            if self._ahead is None or self._ahead.offset > at:
                break
            self._mark, self._ahead = self._ahead, None
        stop = end if self._ahead is None else min(end, self._ahead.offset)
        return min(stop - at, _BLOCK_BYTES)

    def _next_mark(self) -> _Mark | None:
        while self._index is not None and (text := self._index.readline()):
            self._torn += text
            if not self._torn.endswith(b"\n"):
                return None
            mark, self._torn = _parsed(self._torn), b""
            if mark is not None and mark.offset >= self._mark.offset:
                return mark
        return None


def _opened(path: Path) -> BinaryIO | None:
    try:
        return open(open_plain(path), "rb")
    except FileNotFoundError:
        return None


def _parsed(text: bytes) -> _Mark | None:
    try:
        offset, seconds, stream = json.loads(text)
    except (ValueError, TypeError):
        return None
    if not isinstance(offset, int) or not isinstance(seconds, (int, float)) or not isinstance(stream, str):
        return None
    return _Mark(offset, float(seconds), stream)
