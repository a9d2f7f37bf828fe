"""Recorded values as Python's own. Numbers that JSON or a double would lose are texts in records."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from typing import Any

from projrun.store.query import numbers

_LARGEST = 2**63
_DIGIT = re.compile("[1-9]")
_WHOLE = 2**53  # up to here a double has every integer


def real_number(value: object) -> Any:
    """A metric as the number it stands for: ``NaN``, ``Infinity`` as floats, large integers as int, ``1e400`` as
    Decimal. Anything else as it is.
    """
    if not isinstance(value, str):
        return value
    number = numbers.read(value)
    if number == 0.0 and isinstance(number, float) and _DIGIT.search(value.lower().partition("e")[0]):
        from decimal import Decimal, InvalidOperation

        with contextlib.suppress(InvalidOperation):
            return Decimal(value)  # 1e-400 is not nothing
    return value if number is None else number


def parameter_value(kind: object, items: object, value: object) -> Any:
    """The value of a parameter of a declared type; of a list, of its items."""
    if kind == "list" and isinstance(value, list):
        return [parameter_value(items, None, item) for item in value]
    return real_number(value) if kind in ("float", "int") else value


def fits_int64(value: int) -> bool:
    """Whether 64 bits hold it."""
    return -_LARGEST <= value < _LARGEST


def fits_double(value: float) -> bool:
    """Whether a double is exactly that."""
    return isinstance(value, float) or abs(value) <= _WHOLE


def utc(text: str | None) -> dt.datetime | None:
    """A recorded time (ISO 8601, UTC); None for what is none."""
    try:
        # Written with a Z, which fromisoformat takes from Python 3.11 on.
        return dt.datetime.fromisoformat(f"{(text or '').removesuffix('Z')}+00:00")
    except ValueError:
        return None
