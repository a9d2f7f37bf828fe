"""Pseudo terminals for a child that should believe it writes to a screen."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios

# struct winsize of tty_ioctl(4): rows, columns, and two sizes in pixels that nobody fills.
_WINDOW = struct.Struct("HHHH")
_COUNT = struct.Struct("i")
_USUAL_WINDOW = _WINDOW.pack(24, 80, 0, 0)


def open_terminal() -> tuple[int, int]:
    """A pseudo terminal (our end, the child's end) as large as ours, that passes output on unaltered.

    Raises OSError when the system has none to give.
    """
    ours, childs = os.openpty()
    attributes = termios.tcgetattr(childs)
    attributes[1] &= ~termios.OPOST  # oflag: the newline stays a newline
    termios.tcsetattr(childs, termios.TCSANOW, attributes)
    copy_size(ours)
    return ours, childs


def copy_size(terminal: int) -> None:
    """Gives a pseudo terminal the size of our own; 80 by 24 when we have none."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, _own_size())


def read_all(descriptor: int, size: int) -> bytes:
    """Reads what our end of a terminal holds, at most about ``size`` bytes; empty at the end.

    Linux gives 4 KiB at a time, and what follows a read costs more than the next one.
    """
    data = read(descriptor, size)
    if not data or not _waiting(descriptor):
        return data
    parts, room = [data], size - len(data)
    while room > 0 and _waiting(descriptor) and (data := read(descriptor, room)):
        parts.append(data)
        room -= len(data)
    return b"".join(parts)


def _waiting(descriptor: int) -> int:
    """How many bytes there are to read."""
    (count,) = _COUNT.unpack(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(_COUNT.size)))
    return int(count)


def read(descriptor: int, size: int) -> bytes:
    """Reads from our end of a terminal or pipe; empty at the end, which Linux reports as an error (EIO)."""
    try:
        return os.read(descriptor, size)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return b""


def _own_size() -> bytes:
    for descriptor in (2, 1, 0):
        try:
            size = fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(_WINDOW.size))
        except OSError:
            continue
        if _WINDOW.unpack(size)[1]:
            return size
    return _USUAL_WINDOW
