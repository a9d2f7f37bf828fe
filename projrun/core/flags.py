"""What keeps a run from being reproducible by itself: flagged in develop mode, refused in strict mode."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Flag:
    """One such reason. ``code`` is stable and kebab-case; ``mend`` is what to type or change."""

    code: str
    message: str
    mend: str = ""
