"""The ways by which a child's output reaches us: a pipe or a pseudo terminal for each stream."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Container
from types import TracebackType

from projrun.core.report import STDERR, STDOUT
from projrun.execution import system, terminal

_READ_BYTES = 256 * 1024


class Channels:
    """One channel for stdout and one for stderr. Both ends close with the block."""

    def __init__(self, terminals: Container[str]) -> None:
        self._ours: dict[str, int] = {}
        self._childs: dict[str, int] = {}
        self._screens: set[str] = set()
        for stream in (STDOUT, STDERR):
            self._open(stream, stream in terminals)

    def __enter__(self) -> Channels:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.handed_over()
        for stream in tuple(self._ours):
            self.close(stream)

    @property
    def open(self) -> dict[str, int]:
        """Our descriptors of the streams that have not ended."""
        return self._ours

    def childs(self, stream: str) -> int:
        """The descriptor that the child is to have as this stream."""
        return self._childs[stream]

    def handed_over(self) -> None:
        """Closes the child's ends on our side, so that a stream ends when the child's side lets go of it."""
        while self._childs:
            os.close(self._childs.popitem()[1])

    def read(self, stream: str) -> bytes:
        """What there is, at most 256 KiB; empty when the stream has ended."""
        read = terminal.read_all if stream in self._screens else terminal.read
        return read(self._ours[stream], _READ_BYTES)

    def close(self, stream: str) -> None:
        """Lets go of a stream."""
        os.close(self._ours.pop(stream))

    def resize(self) -> None:
        """Gives the child's terminals the size that ours has now."""
        for stream in self._screens & self._ours.keys():
            terminal.copy_size(self._ours[stream])

    def _open(self, stream: str, wants_terminal: bool) -> None:
        if wants_terminal:
            # A system without pseudo terminals still runs programs; they see that it is a pipe.
            with contextlib.suppress(OSError):
                self._ours[stream], self._childs[stream] = terminal.open_terminal()
                self._screens.add(stream)
                return
        self._ours[stream], self._childs[stream] = system.open_pipe()
