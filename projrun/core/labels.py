"""What a user calls a run: its name, its tags and its note."""

from __future__ import annotations

from collections.abc import Mapping

from projrun.core.errors import UsageError
from projrun.core.values import Struct, field

LONGEST_NAME = 1000  # characters; of a tag's key too
LONGEST_VALUE = 10_000
LONGEST_NOTE = 1_000_000
MOST_TAGS = 1000


class Labels(Struct, frozen=True):
    """What the user called the run. A tag that was given without a value has the empty text."""

    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None


def check(labels: Labels) -> None:
    """Raises UsageError for labels that are too long: every listing reads those of all runs."""
    _check_length("the name", labels.name or "", LONGEST_NAME)
    _check_length("the note", labels.note or "", LONGEST_NOTE)
    if len(labels.tags) > MOST_TAGS:
        raise UsageError(
            f"a run can have {MOST_TAGS} tags",
            why=f"these are {len(labels.tags)}",
            hint="take some away: projrun tag RUN --remove KEY",
        )
    for key, value in labels.tags.items():
        _check_length(f"the key of tag {key[:20]!r}", key, LONGEST_NAME)
        _check_length(f"the value of tag {key[:20]!r}", value, LONGEST_VALUE)


def _check_length(what: str, text: str, longest: int) -> None:
    if len(text) > longest:
        raise UsageError(
            f"{what} is too long",
            why=f"it has {len(text):,} characters, and may have {longest:,}",
            hint="keep the long text in a file, and name that",
        )
