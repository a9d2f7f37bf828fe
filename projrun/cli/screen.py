"""What a running project looks like: our phases on standard error, the program's output where it belongs."""

from __future__ import annotations

import contextlib
import os
import select
import sys

from projrun.cli.render import label, printable
from projrun.cli.terminal import echo
from projrun.core.regex import regex
from projrun.core.report import BUILD, FETCH, STDOUT

# A state of a progress bar that the next one is drawn over. A file would keep them all.
_DRAWN_OVER = regex(rb"[^\r\n]*\r(?!\n)")
# A line by which git tells how far it is: "Receiving objects:  50% (75/150)".
_COUNTED = regex(rb"(?<![^\r\n])(?:remote: )?[A-Z][\w ]+: +\d[^\r\n]*[\r\n]+")


class Screen:
    """A reporter for people: one line a phase on standard error, the program's bytes untouched.

    With ``quiet`` only the program is heard. With ``data_on_stdout`` standard output is kept for a document,
    and the program's standard output goes to standard error.
    """

    def __init__(self, *, quiet: bool = False, data_on_stdout: bool = False) -> None:
        self._quiet = quiet
        self._program = sys.stderr if data_on_stdout else sys.stdout
        self._gone: set[int] = set()

    @property
    def is_quiet(self) -> bool:
        """Whether only the program is heard."""
        return self._quiet

    def phase(self, name: str, text: str) -> None:
        """Prints one line: the phase and what it came to."""
        if not self._quiet:
            self.line(name, text)

    def line(self, name: str, text: str) -> None:
        """Prints a line in the layout of a phase, quiet or not."""
        with contextlib.suppress(OSError):
            echo(f"{label(name)} {printable(text)}", err=True)

    def write(self, stream: str, data: bytes) -> None:
        """Shows output. A screen that has gone (a closed pipe) stops being written to; the run goes on."""
        if stream in (BUILD, FETCH) and self._quiet:
            return
        file = self._program if stream == STDOUT else sys.stderr
        descriptor = file.fileno()
        if descriptor in self._gone:
            return
        if stream == FETCH:
            data = b"".join(_COUNTED.findall(data)) if os.isatty(descriptor) else b""
        if stream == BUILD and not os.isatty(descriptor):
            data = _DRAWN_OVER.sub(b"", data)
        try:
            while data:
                data = data[_write(descriptor, data) :]
        except OSError:
            self._gone.add(descriptor)


def _write(descriptor: int, data: bytes) -> int:
    """Writes what fits. Waits when somebody made the descriptor non-blocking and it is full."""
    while True:
        try:
            return os.write(descriptor, data)
        except BlockingIOError:
            select.select([], [descriptor], [])
