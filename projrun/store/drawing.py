"""What a terminal showed last of lines that were drawn again and again."""

from __future__ import annotations

from projrun.core.values import Struct

# A line longer than this is given before it ends.
_LINE_BYTES = 64 * 1024


class DrawnLine(Struct):
    """The last line of a terminal's output, as far as it has come.

    ``redrawn`` tells whether it has been drawn over (``\\r``): it is progress then. Other ways to draw again,
    such as moving the cursor up, are left as they are.
    """

    data: bytes = b""
    redrawn: bool = False

    def draw(self, data: bytes) -> bytes:
        """Adds output; gives the lines that it ends, each as last drawn."""
        text = self.data + data
        if not self.redrawn and b"\r" not in text:
            ended, self.data = _cut(text)
        else:
            *lines, last = text.split(b"\n")
            ended = b"".join(_last_drawn(line) + b"\n" for line in lines)
            self.data = _last_drawn(last)
            self.redrawn = b"\r" in last or (self.redrawn and not lines)
        return ended if len(self.data) <= _LINE_BYTES else ended + self.take()

    def take(self) -> bytes:
        """Gives what there is of the line, and forgets it."""
        data, self.data, self.redrawn = self.data, b"", False
        return data


def _cut(text: bytes) -> tuple[bytes, bytes]:
    end = text.rfind(b"\n") + 1
    return text[:end], text[end:]


def _last_drawn(line: bytes) -> bytes:
    # A carriage return at the end has overwritten nothing yet; it may be half of a line's end.
    shown = line.rstrip(b"\r")
    return line[shown.rfind(b"\r") + 1 :]
