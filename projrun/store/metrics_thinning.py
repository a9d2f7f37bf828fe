"""Fewer points of a series that look the same: the least and the greatest of each stretch are kept."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

from projrun.core.metrics.numbers import Value, order
from projrun.store.metrics_file import Series

_LEAST = 4


def thinned(series: Series, points: int) -> Series:
    """At most ``points`` of them (4 at least): the first, the last, and of each stretch between its extremes."""
    count = len(series.values)
    points = max(_LEAST, points)
    if count <= points:
        return series
    stretches = (points - 2) // 2
    chosen = [0]
    for number in range(stretches):
        start = 1 + (count - 2) * number // stretches
        end = 1 + (count - 2) * (number + 1) // stretches
        chosen += _extremes(series.values, start, end)
    chosen.append(count - 1)
    places = list(dict.fromkeys(chosen))
    return Series(
        _at(series.steps, places),
        _at(series.values, places),
        None if series.times is None else _at(series.times, places),
    )


def _extremes(values: Sequence[Value], start: int, end: int) -> list[int]:
    """The places of the least and the greatest value, in their order; NaN is neither."""
    part = values[start:end]
    if isinstance(part, array):  # NaN is not among these
        return sorted((start + part.index(min(part)), start + part.index(max(part))))
    ordered = [(key, place) for place, value in enumerate(part, start) if (key := order(value)) is not None]
    if not ordered:
        return [start]
    return sorted((min(ordered, key=_key)[1], max(ordered, key=_key)[1]))


def _key(one: tuple[Any, int]) -> Any:
    return one[0]


def _at(values: Sequence[Any], places: list[int]) -> Sequence[Any]:
    if isinstance(values, array):
        return array(values.typecode, (values[place] for place in places))
    return [values[place] for place in places]
