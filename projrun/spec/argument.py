"""Texts as arguments of a program: which ones can be, and how one is shown in an error."""

from __future__ import annotations

_SHOWN = 60


def shown(text: str) -> str:
    """A text in quotes for an error, shortened to one that can be read."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


def unfit(text: str) -> str:
    """Why no program can be given ``text`` as an argument; empty when one can."""
    if "\0" in text:
        return "it holds a NUL character, which no argument of a program can"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "it is not valid UTF-8"
    return ""
