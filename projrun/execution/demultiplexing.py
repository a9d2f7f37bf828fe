"""The two streams of a container, which arrive as one, and go on to where they belong.

The format is that of Docker's ``ContainerAttach``: a byte for the stream (1 stdout, 2 stderr), three of nothing,
four for the length (big endian), then so many bytes.
"""

from __future__ import annotations

import os

_HEADER_BYTES = 8
_STDERR = 2
# How an init process in a container says that there is no program it could become: tini's words (docker-init),
# and catatonit's; or the runtime, that there cannot even be an init process. Such a line is not the program's.
_COMPLAINTS = (b"[FATAL tini (", b"ERROR (catatonit:", b"exec /sbin/docker-init: ", b"exec /run/podman-init: ")
_LONGEST_COMPLAINT = 4096


class Streams:
    """Passes both streams on to the descriptors 1 and 2, and waits for nobody.

    What cannot be written is kept, and is to be written before anything more is fed: ``waiting`` is the descriptor
    that is not ready, None when nothing is kept. ``complaint`` is what the init process said instead of a program.
    """

    def __init__(self) -> None:
        self.waiting: int | None = None
        self._data = bytearray()
        self._left: list[tuple[int, bytes]] = []
        self._begun = False
        self._held = b""
        for descriptor in (1, 2):
            os.set_blocking(descriptor, False)

    def feed(self, data: bytes) -> None:
        """Takes what came from the engine."""
        self._data += data
        at = 0
        while len(self._data) - at >= _HEADER_BYTES:
            length = int.from_bytes(self._data[at + 4 : at + 8], "big")
            end = at + _HEADER_BYTES + length
            if end > len(self._data):
                break
            self._take(2 if self._data[at] == _STDERR else 1, bytes(self._data[at + _HEADER_BYTES : end]))
            at = end
        del self._data[:at]
        self.write()

    def write(self) -> None:
        """Writes what is kept, as much as there is room for."""
        while self._left:
            descriptor, data = self._left[0]
            try:
                written = os.write(descriptor, data)
            except BlockingIOError:
                self.waiting = descriptor
                return
            except OSError:  # nobody reads any more
                written = len(data)
            if written < len(data):
                self._left[0] = descriptor, data[written:]
            else:
                self._left.pop(0)
        self.waiting = None

    def complaint(self) -> str:
        """The line of the init process, when that was all there ever was."""
        return self._held.decode(errors="replace").strip()

    def release(self) -> None:
        """What looked like a line of the init process was the program's."""
        held, self._held, self._begun = self._held, b"", True
        if held:
            self._left.append((_STDERR, held))
            self.write()

    def finish(self) -> None:
        """Writes the rest, however long that takes."""
        for descriptor in (1, 2):
            os.set_blocking(descriptor, True)
        self.release()
        self.write()

    def _take(self, descriptor: int, data: bytes) -> None:
        if not self._begun:
            text = self._held + data
            if descriptor == _STDERR and len(text) < _LONGEST_COMPLAINT and _may_complain(text):
                self._held = text
                return
            self.release()
        if data:
            self._left.append((descriptor, data))


def _may_complain(text: bytes) -> bool:
    line, _, more = text.partition(b"\n")
    return not more and any(line.startswith(words[: len(line)]) for words in _COMPLAINTS)
