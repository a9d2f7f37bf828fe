"""Lines and colours on our two streams, for what every run needs: click has the same, and is slow to import."""

from __future__ import annotations

import os
import re
import sys

# SGR parameters of ECMA-48.
_COLOURS = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "magenta": 35, "cyan": 36}
_BOLD, _RESET = 1, 0


def styled(text: str, *, fg: str | None = None, bold: bool = False) -> str:
    """``text`` in a style, unless NO_COLOR is set. :func:`echo` drops it where there is no terminal."""
    codes = [*([_COLOURS[fg]] if fg else []), *([_BOLD] if bold else [])]
    if os.environ.get("NO_COLOR"):
        return text
    return "".join(f"\033[{code}m" for code in codes) + f"{text}\033[{_RESET}m"


def echo(line: str, *, err: bool = False) -> None:
    """Prints a line on standard output, or on standard error, at once. Raises OSError."""
    stream = sys.stderr if err else sys.stdout
    shown = line if "\033" not in line or stream.isatty() else re.sub(r"\033\[[0-9;]*m", "", line)
    stream.write(f"{shown}\n")
    stream.flush()
