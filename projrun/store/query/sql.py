"""Pieces of SQL, each with the values bound in it. Text of a user is a value and never a piece."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from projrun.core.values import Struct

# Longer lists go through a table: SQLite binds 999 to 32,766 values of a statement.
INLINE = 20


class Sql(Struct, frozen=True):
    """``text`` with ``?`` for each of ``values``. ``lists`` are what :func:`among` put aside."""

    text: str
    values: tuple[Any, ...] = ()
    lists: tuple[tuple[Any, ...], ...] = ()

    def __add__(self, other: Sql) -> Sql:
        return Sql(self.text + other.text, self.values + other.values, self.lists + other.lists)


NEVER, ALWAYS = Sql("0"), Sql("1")


def joined(between: str, pieces: Iterable[Sql]) -> Sql:
    """The pieces with a text between them."""
    every = list(pieces)
    return Sql(
        between.join(piece.text for piece in every),
        tuple(value for piece in every for value in piece.values),
        tuple(one for piece in every for one in piece.lists),
    )


def among(left: Sql, values: Sequence[Any]) -> Sql:
    """Whether ``left`` is one of the values."""
    if len(values) <= INLINE:
        return left + Sql(f" IN ({', '.join('?' * len(values))})", tuple(values))
    # The list is known by its own object: the place it gets is not known here.
    marker = _Wanted(tuple(values))
    return left + Sql(" IN (SELECT value FROM temp.wanted WHERE list = ?)", (marker,), (marker.values,))


class _Wanted(Struct, frozen=True):
    """Stands for the number of a list among the bound values."""

    values: tuple[Any, ...]


def bound(piece: Sql) -> tuple[Any, ...]:
    """The values to bind: each list by its place in ``piece.lists``."""
    places = {id(values): place for place, values in enumerate(piece.lists)}
    return tuple(places[id(value.values)] if isinstance(value, _Wanted) else value for value in piece.values)
