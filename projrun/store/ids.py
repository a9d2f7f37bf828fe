"""Run ids: twelve characters that survive being read aloud, typed, and double-clicked."""

from __future__ import annotations

import re
import secrets

LENGTH = 12
# Digits and lower-case letters without the look-alikes 0 o, 1 i l.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
LETTERS = ALPHABET[:23]

_ID = re.compile(f"[{LETTERS}][{ALPHABET}]{{{LENGTH - 1}}}")


def new_id() -> str:
    """A random id of 59 bits; it begins with a letter, so that no tool takes it for a number."""
    return secrets.choice(LETTERS) + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH - 1))


def is_id(text: str) -> bool:
    """Whether ``text`` could be a run's full id."""
    return _ID.fullmatch(text) is not None
