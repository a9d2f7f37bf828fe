"""Run ids: twelve characters that survive being read aloud, typed, and double-clicked."""

from __future__ import annotations

import os
from pathlib import Path

from projrun.core.regex import regex

LENGTH = 12
# Digits and lower-case letters without the look-alikes 0 o, 1 i l.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
LETTERS = ALPHABET[:23]

_ID = regex(f"[{LETTERS}][{ALPHABET}]{{{LENGTH - 1}}}")


def new_id() -> str:
    """A random id of 59 bits; it begins with a letter, so that no tool takes it for a number."""
    number = int.from_bytes(os.urandom(16), "big")  # so much wider than an id that no letter is likelier
    number, first = divmod(number, len(LETTERS))
    text = LETTERS[first]
    while len(text) < LENGTH:
        number, at = divmod(number, len(ALPHABET))
        text += ALPHABET[at]
    return text


def is_id(text: str) -> bool:
    """Whether ``text`` could be a run's full id."""
    return _ID.fullmatch(text) is not None


def names_in(runs: Path) -> list[str]:
    """All names in a directory, ids or not; none when it is not there. Raises OSError."""
    try:
        return os.listdir(runs)  # noqa: PTH208 - 100,000 names, no Path each
    except (FileNotFoundError, NotADirectoryError):
        return []
