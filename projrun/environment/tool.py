"""Calls of a builder's tool: its output goes on line by line as it comes, and no password with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from projrun.core import process
from projrun.environment.index import masked

_TAIL = 65536  # bytes of output kept to tell what went wrong; the log has them all
_LONGEST = 65536  # bytes of a line that are waited for
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Tool:
    """How a tool is called: where, with which variables, and who is told what it writes."""

    folder: Path
    environment: Mapping[str, str]
    passwords: tuple[str, ...]
    write: Callable[[bytes], None]

    def call(self, argv: Sequence[str | Path], told: Callable[[str], str | None] = str) -> Ended:
        """Runs the tool to its end. ``told`` gives what is passed on of a line; None: nothing."""
        lines = _Lines(lambda line: self.tell(told(line)))
        code = process.stream(argv, lines.feed, cwd=self.folder, env=self.environment)
        lines.end()
        return Ended(code, masked(lines.tail, self.passwords))

    def tell(self, line: str | None) -> None:
        """Passes on a line."""
        if line is not None:
            self.write(f"{masked(line, self.passwords)}\n".encode(errors="backslashreplace"))


@dataclass(frozen=True)
class Ended:
    """A call that is over: its exit code, and the end of what the tool wrote."""

    code: int
    output: str


class _Lines:
    """Cuts a stream into lines without colours, and keeps the end of it."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self._open = b""
        self._kept = b""

    @property
    def tail(self) -> str:
        return _text(self._kept)

    def feed(self, data: bytes) -> None:
        self._kept = (self._kept + data)[-_TAIL:]
        *whole, self._open = (self._open + data).replace(b"\r\n", b"\n").split(b"\n")
        if len(self._open) > _LONGEST:
            whole, self._open = [*whole, self._open], b""
        for line in whole:
            self._take(_text(line))

    def end(self) -> None:
        if self._open:
            self._take(_text(self._open))
            self._open = b""


def _text(data: bytes) -> str:
    return _COLOURS.sub("", data.decode(errors="replace"))
