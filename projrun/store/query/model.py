"""What a query says: fields, values, conditions. Frozen, and equal when they say the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from projrun.core.values import Struct

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


_WRITTEN = frozenset({"at", "text", "source"})  # where and how it was written: no part of what it means


class Field(Struct, frozen=True):
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


class _Placed(Struct, frozen=True, eq=False):
    """What stands somewhere in a text: two are equal that mean the same, wherever they stand."""

    def _meaning(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__struct_fields__ if name not in _WRITTEN)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Placed) and type(other) is type(self) and other._meaning() == self._meaning()

    def __hash__(self) -> int:
        return hash(self._meaning())


class Key(_Placed, frozen=True):
    """A field to sort or to group by. ``at`` is where it stands in ``text``."""

    field: Field
    descending: bool = False
    text: str = ""
    at: int = 0


class Value(_Placed, frozen=True):
    """A value of a query. ``at`` is where it stands in the text; ``source`` is how it was written."""

    value: int | float | Decimal | str | bool
    at: int = 0
    source: str = ""

    @property
    def is_text(self) -> bool:
        return isinstance(self.value, str)

    @property
    def kind(self) -> str:
        """``text``, ``truth value`` or ``number``."""
        return TEXT if self.is_text else TRUTH if isinstance(self.value, bool) else NUMBER


class Comparison(_Placed, frozen=True):
    """``operator`` is one of ``= != < <= > >=``."""

    field: Field
    operator: str
    value: Value
    at: int = 0


class Like(_Placed, frozen=True):
    """Text of a pattern: ``%`` is any text, ``_`` any character. ``fold`` takes A-Z and a-z for the same."""

    field: Field
    pattern: Value
    fold: bool = False
    at: int = 0


class In(_Placed, frozen=True):
    """One of several values."""

    field: Field
    values: Sequence[Value]
    at: int = 0


class Is(_Placed, frozen=True):
    """``what`` is ``null`` (there is none) or ``nan`` (a number that is none)."""

    field: Field
    what: str
    at: int = 0


class Alone(_Placed, frozen=True):
    """A field by itself: it is true, or the tag is there."""

    field: Field
    at: int = 0


class Not(Struct, frozen=True):
    """All other runs."""

    term: Condition


class And(Struct, frozen=True):
    """All of them hold; none of them for an empty query."""

    terms: tuple[Condition, ...]


class Or(Struct, frozen=True):
    """One of them holds."""

    terms: tuple[Condition, ...]


Condition = Comparison | Like | In | Is | Alone | Not | And | Or
EVERYTHING = And(())
