"""Runs in groups, and what a group's values come to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from projrun.core.errors import UsageError
from projrun.core.nearest import nearest
from projrun.core.values import Struct
from projrun.store import facts
from projrun.store.query import numbers
from projrun.store.query.model import DURATION, FIELDS, NUMBER, TRUTH, Field, Key
from projrun.store.query.parser import parse_fields


class Group(Struct, frozen=True):
    """Runs that are alike: values of the fields that they are grouped by, and of the aggregates, as asked for."""

    keys: tuple[Any, ...]
    values: tuple[Any, ...]


_MEANS = ("avg", "average", "avrg")  # as other query languages call it


class Aggregate(Struct, frozen=True):
    """A function of a group's values of one field; ``count`` without a field counts its runs."""

    function: str
    key: Key | None


def parse_aggregate(text: str) -> Aggregate:
    """``count``, ``mean:metrics.rmse``, ... Raises UsageError."""
    function, colon, field = text.partition(":")
    function = function.strip()
    if function not in FUNCTIONS:
        near = "mean" if function.lower() in _MEANS else nearest(function[:40], FUNCTIONS)
        raise UsageError(
            f"there is no aggregate {function[:40]!r}",
            why=f"they are {', '.join(FUNCTIONS)}",
            hint=f"did you mean {near!r}?" if near else "mean:metrics.NAME, for example",
        )
    if not colon and function == "count":
        return Aggregate(function, None)
    if not field.strip():
        raise UsageError(f"{function} of what is not said", hint=f"{function}:metrics.NAME, for example")
    keys = parse_fields([field])
    if len(keys) > 1:
        raise UsageError(f"{function} is of one field", why=field[:200], hint=f"{function}:{keys[0].field.text}")
    return Aggregate(function, keys[0])


def grouped(
    rows: Iterable[Sequence[Any]], by: Sequence[Key], aggregates: Sequence[Aggregate]
) -> tuple[Group, ...]:
    """The groups of rows, which have a kind and a value for each key and then for each aggregate of a field.

    In the order of their keys: numbers, text, truth values, NaN, none.
    """
    asked = [one.key.field for one in aggregates if one.key]
    fields = [*(key.field for key in by), *asked]
    found: dict[tuple[_Ranked, ...], list[tuple[_Ranked, ...]]] = {}
    for row in rows:
        ranked = tuple(map(_ranked, fields, row[::2], row[1::2]))
        found.setdefault(ranked[: len(by)], []).append(ranked[len(by) :])
    return tuple(
        Group(tuple(_shown(one) for one in keys), _values(aggregates, found[keys])) for keys in sorted(found)
    )


_Ranked = tuple[int, Any]
_Function = Callable[[Sequence[_Ranked]], Any]
_NUMBER, _TEXT, _TRUTH, _NAN, _NONE = range(5)


def _ranked(field: Field, kind: str | None, value: Any) -> _Ranked:
    """A value that can be sorted with those of other kinds, and is equal to those that are the same."""
    own = FIELDS.get(field.name, "") if not field.group else ""
    if kind is None or (own and value is None):
        return _NONE, 0
    if value is None:
        return _NAN, 0
    if kind == facts.HUGE:
        return _NUMBER, numbers.read(value)
    if kind == facts.NUMBER or own in (NUMBER, DURATION):
        return _NUMBER, value
    if kind == facts.TRUTH or own == TRUTH:
        return _TRUTH, bool(value)
    return _TEXT, value.decode(errors="surrogatepass") if isinstance(value, bytes) else value


def _shown(ranked: _Ranked) -> Any:
    rank, value = ranked
    if rank in (_NAN, _NONE):
        return math.nan if rank == _NAN else None
    return value if isinstance(value, (int, float, str)) else str(value).lower().replace("e+", "e")


def _values(aggregates: Sequence[Aggregate], rows: Sequence[tuple[_Ranked, ...]]) -> tuple[Any, ...]:
    columns = iter(zip(*rows, strict=True))
    return tuple(len(rows) if one.key is None else FUNCTIONS[one.function](next(columns)) for one in aggregates)


def _numbers(values: Sequence[_Ranked]) -> list[int | float]:
    """The numbers among them; huge ones as the doubles next to them."""
    found = (value for rank, value in values if rank == _NUMBER)
    return [value if isinstance(value, (int, float)) else numbers.nearest(value) for value in found]


def _of_numbers(function: Callable[[list[int | float]], Any], least: int = 1) -> _Function:
    """The function of the numbers among values; None when there are fewer than ``least``."""

    def applied(values: Sequence[_Ranked]) -> Any:
        found = _numbers(values)
        return function(found) if len(found) >= least else None

    return applied


def _count(values: Sequence[_Ranked]) -> int:
    return sum(rank != _NONE for rank, _ in values)


def _sum(values: Sequence[int | float]) -> int | float:
    if all(isinstance(value, int) for value in values):
        return sum(values)
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):  # beyond the doubles, or infinities of both signs
        return sum(map(float, values))


def _mean(values: Sequence[int | float]) -> float:
    return _sum(values) / len(values)


def _median(values: Sequence[int | float]) -> int | float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else _mean(ordered[middle - 1 : middle + 1])


def _deviation(values: Sequence[int | float]) -> float:
    """The standard deviation of a sample."""
    mean = _mean(values)
    return math.sqrt(_sum([(value - mean) * (value - mean) for value in values]) / (len(values) - 1))


def _extreme(choose: Callable[[list[Any]], Any]) -> _Function:
    """The least or largest number; of text when there are none, and then of truth values."""

    def applied(values: Sequence[_Ranked]) -> Any:
        ranks = {rank for rank, _ in values if rank < _NAN}
        if not ranks:
            return None
        kind = min(ranks)
        return _shown((kind, choose([value for rank, value in values if rank == kind])))

    return applied


FUNCTIONS: dict[str, _Function] = {
    "count": _count,
    "mean": _of_numbers(_mean),
    "min": _extreme(min),
    "max": _extreme(max),
    "sum": _of_numbers(_sum),
    "median": _of_numbers(_median),
    "std": _of_numbers(_deviation, 2),
}
