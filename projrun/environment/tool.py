"""Calls of a builder's tool. Whatever it writes is read here, and no password of the machine comes any further."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from projrun.core import process
from projrun.core.values import Struct
from projrun.environment.index import masked

_TAIL = 65536  # characters of output kept to tell what went wrong; the log has them all
_LONGEST = 65536  # bytes of a line that are waited for
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Tool(Struct, frozen=True):
    """How a tool is called: where, with which variables, and who is told what it writes."""

    folder: Path
    environment: Mapping[str, str]
    secrets: frozenset[str]
    write: Callable[[bytes], None]

    def call(self, argv: Sequence[str | Path], told: Callable[[str], str | None] = str) -> Ended:
        """Runs the tool to its end. ``told`` gives what is passed on of a line; None: nothing."""
        tail = ""

        def take(data: bytes) -> None:
            nonlocal tail
            line = self._shown(data)
            tail = f"{tail}{line}\n"[-_TAIL:]
            self.tell(told(line))

        lines = _Lines(take)
        code = process.stream(argv, lines.feed, cwd=self.folder, env=self.environment)
        lines.end()
        return Ended(code, tail)

    def log(self, file: Path) -> str:
        """What the tool wrote into a log file of its own; "" when there is none."""
        try:
            return self._shown(file.read_bytes())
        except OSError:
            return ""

    def tell(self, line: str | None) -> None:
        """Passes on a line."""
        if line is not None:
            self.write(f"{line}\n".encode(errors="backslashreplace"))

    def _shown(self, data: bytes) -> str:
        return masked(_COLOURS.sub("", data.decode(errors="replace")), self.secrets)


class Ended(Struct, frozen=True):
    """A call that is over: its exit code, and the end of what the tool wrote."""

    code: int
    output: str


class _Lines:
    """Cuts a stream into lines; one that does not end, at a space."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._open = b""

    def feed(self, data: bytes) -> None:
        *whole, self._open = (self._open + data).replace(b"\r\n", b"\n").split(b"\n")
        if len(self._open) > _LONGEST:
            begun, _, rest = self._open.rpartition(b" ")
            whole, self._open = ([*whole, begun], rest) if begun else ([*whole, rest], b"")
        for line in whole:
            self._take(line)

    def end(self) -> None:
        if self._open:
            self._take(self._open)
            self._open = b""
