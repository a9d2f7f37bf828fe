"""The metrics of two runs compared: exactly, or as near as a tolerance asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from projrun.spec.model import Tolerance
from projrun.verdict.distance import Apart, apart, as_number, same, within
from projrun.verdict.model import DIFFERS, VERIFIED, MetricFinding
from projrun.verdict.tolerances import shown

_SHOWN = 40  # characters of a value


def compare(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], tolerances: Mapping[str, Tolerance]
) -> tuple[MetricFinding, ...]:
    """A finding for each metric that either run reported, those of the first run first.

    A metric that only one of them has differs. NaN equals NaN, and nothing else.
    """
    first, second = ({str(one["name"]): one["value"] for one in found} for found in (before, after))
    return tuple(
        _finding(name, first.get(name), second.get(name), tolerances.get(name))
        for name in dict.fromkeys((*first, *second))
    )


def _finding(name: str, old: Any, new: Any, tolerance: Tolerance | None) -> MetricFinding:
    if old is None or new is None:
        message = "it was not reported this time" if new is None else "it was not reported before"
        return MetricFinding(name, DIFFERS, message, old, new, tolerance=tolerance)
    first, second = as_number(old), as_number(new)
    if first is None or second is None:
        equal = type(old) is type(new) and old == new
        state, message = (VERIFIED, "equal") if equal else (DIFFERS, f"{_short(old)} became {_short(new)}")
        return MetricFinding(name, state, message, old, new, tolerance=tolerance)
    if same(first, second):
        return MetricFinding(name, VERIFIED, "equal", old, new, 0.0, 0.0, tolerance)
    found = apart(first, second)
    kept = tolerance is not None and within(first, second, tolerance)
    return MetricFinding(
        name,
        VERIFIED if kept else DIFFERS,
        _told(found, tolerance, kept=kept),
        old,
        new,
        found.absolute if found else None,
        found.relative if found else None,
        tolerance,
    )


def _short(value: Any) -> str:
    """A value for a line; a number may have thousands of digits."""
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"


def _told(found: Apart | None, tolerance: Tolerance | None, *, kept: bool) -> str:
    if found is None:
        return "one of them is no number (NaN)"
    told = f"differs by {found.absolute:.3g} ({found.relative * 100:.3g}%)"
    if tolerance is None:
        return told
    return f"{told}, {'within' if kept else 'more than'} its tolerance of {shown(tolerance)}"
