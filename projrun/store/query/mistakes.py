"""How a mistake in a query is told: the line it is on, and a mark below the place."""

from __future__ import annotations

from projrun.core.errors import UsageError

_BEFORE, _AFTER = 50, 30  # characters of a long line that are shown around the place


def mistake(text: str, at: int, what: str, *, expected: str = "", hint: str) -> UsageError:
    """An error about the character ``at`` of ``text``."""
    line, mark = _shown(text, at)
    why = [line, " " * mark + "^" + (f" expected {expected}" if expected else "")]
    return UsageError(what, why="\n".join(why), hint=hint)


def _shown(text: str, at: int) -> tuple[str, int]:
    """The line of the place as a terminal shows it, and the columns before the place."""
    at = min(at, len(text))
    begin = max(text.rfind(end, 0, at) + 1 for end in "\n\r")
    ends = [found for end in "\n\r" if (found := text.find(end, at)) >= 0]
    end = min(ends, default=len(text))
    cut_begin = max(begin, at - _BEFORE)
    cut_end = min(end, at + _AFTER)
    before = "…" * (cut_begin > begin) + _safe(text[cut_begin:at])
    after = _safe(text[at:cut_end]) + "…" * (cut_end < end)
    return before + after, _columns(before)


def _safe(text: str) -> str:
    """One visible character for each: a tab is a blank, what cannot be printed is U+FFFD."""
    return "".join(char if char.isprintable() else " " if char == "\t" else "\ufffd" for char in text)


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes (Unicode Standard Annex 11; marks take none)."""
    if text.isascii():
        return len(text)
    import unicodedata  # only for an error

    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    marks = sum(unicodedata.category(char) in ("Mn", "Me") for char in text)
    return len(text) + wide - marks
