"""What a query says: fields, values, conditions. Frozen, and equal when they say the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

# What the fields that every run may have are compared as.
TEXT, NUMBER, TRUTH, TIME, DURATION, STATUS, DIGEST = (
    *("text", "number", "truth value", "time", "duration"),
    *("status", "digest"),
)
FIELDS = {
    "id": DIGEST,
    "status": STATUS,
    "started": TIME,
    "ended": TIME,
    "duration": DURATION,
    "project": TEXT,
    "entry_point": TEXT,
    "name": TEXT,
    "note": TEXT,
    "exit_code": NUMBER,
    "commit": DIGEST,
    "snapshot": DIGEST,
    "dirty": TRUTH,
    "environment": DIGEST,
}

# What a key may be without quotes.
PLAIN_KEY = re.compile(r"\w[\w/-]*(?:\.\w[\w/-]*)*")


@dataclass(frozen=True)
class Field:
    """Something of a run that has a name. ``group`` is empty for those of :data:`FIELDS`."""

    group: str
    name: str

    @property
    def text(self) -> str:
        """As it is written in a query: quoted where that is needed."""
        if not self.group:
            return self.name
        if PLAIN_KEY.fullmatch(self.name):
            return f"{self.group}.{self.name}"
        doubled = self.name.replace('"', '""')
        return f'{self.group}."{doubled}"'


@dataclass(frozen=True)
class Key:
    """A field to sort or to group by. ``at`` is where it stands in ``text``."""

    field: Field
    descending: bool = False
    text: str = dataclass_field(default="", compare=False)
    at: int = dataclass_field(default=0, compare=False)


@dataclass(frozen=True)
class Value:
    """A value of a query. ``at`` is where it stands in the text; ``source`` is how it was written."""

    value: int | float | Decimal | str | bool
    at: int = dataclass_field(default=0, compare=False)
    source: str = dataclass_field(default="", compare=False)

    @property
    def is_text(self) -> bool:
        return isinstance(self.value, str)

    @property
    def kind(self) -> str:
        """``text``, ``truth value`` or ``number``."""
        return TEXT if self.is_text else TRUTH if isinstance(self.value, bool) else NUMBER


@dataclass(frozen=True)
class Comparison:
    """``operator`` is one of ``= != < <= > >=``."""

    field: Field
    operator: str
    value: Value
    at: int = dataclass_field(default=0, compare=False)


@dataclass(frozen=True)
class Like:
    """Text of a pattern: ``%`` is any text, ``_`` any character. ``fold`` takes A-Z and a-z for the same."""

    field: Field
    pattern: Value
    fold: bool = False
    at: int = dataclass_field(default=0, compare=False)


@dataclass(frozen=True)
class In:
    """One of several values."""

    field: Field
    values: Sequence[Value]
    at: int = dataclass_field(default=0, compare=False)


@dataclass(frozen=True)
class Is:
    """``what`` is ``null`` (there is none) or ``nan`` (a number that is none)."""

    field: Field
    what: str
    at: int = dataclass_field(default=0, compare=False)


@dataclass(frozen=True)
class Alone:
    """A field by itself: it is true, or the tag is there."""

    field: Field
    at: int = dataclass_field(default=0, compare=False)


@dataclass(frozen=True)
class Not:
    """All other runs."""

    term: Condition


@dataclass(frozen=True)
class And:
    """All of them hold; none of them for an empty query."""

    terms: tuple[Condition, ...]


@dataclass(frozen=True)
class Or:
    """One of them holds."""

    terms: tuple[Condition, ...]


Condition = Comparison | Like | In | Is | Alone | Not | And | Or
EVERYTHING = And(())
