"""How far two numbers are apart, exactly, as their texts have them."""

from __future__ import annotations

import decimal
import math
import re
from decimal import Decimal

from projrun.core.values import Struct
from projrun.spec.model import Tolerance

# More than any double or any number of a file needs; nothing is raised, whatever is subtracted or divided.
_EXACT = decimal.Context(prec=60, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[])
_NUMBER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,9})?")
_NAMED = {"nan": "NaN", "inf": "Infinity", "infinity": "Infinity"}
_LONGEST = 400  # characters of a text that is read as a number


class Apart(Struct, frozen=True):
    """``absolute`` difference, and ``relative`` to the first number (infinite when that is 0)."""

    absolute: float
    relative: float


def as_number(value: object) -> Decimal | None:
    """The number that a value is, or that its text is; None for anything else, and for ``08``, which is a text.

    A double is the shortest decimal that means it, so that 0.250001 and 0.25 are 0.000001 apart.
    """
    if isinstance(value, (Decimal, int, float)) and not isinstance(value, bool):
        return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    if _NUMBER.fullmatch(value):
        return Decimal(value)
    named = _NAMED.get(value.lstrip("+-").lower())
    return Decimal(f"{'-' * value.startswith('-')}{named}") if named else None


def same(before: Decimal, after: Decimal) -> bool:
    """Whether they are the same number; what is no number (NaN) is the same as itself."""
    return before == after or (before.is_nan() and after.is_nan())


def apart(before: Decimal, after: Decimal) -> Apart | None:
    """How far they are apart; None when one is NaN and the other is not."""
    if same(before, after):
        return Apart(0.0, 0.0)
    if before.is_nan() or after.is_nan():
        return None
    absolute = _EXACT.abs(_EXACT.subtract(after, before))
    relative = _EXACT.divide(absolute, _EXACT.abs(before)) if before.is_finite() and before else Decimal("inf")
    return Apart(float(absolute), float(relative))


def is_nan(value: complex) -> bool:
    """Whether it is no number; of a complex one, whether a part of it is none."""
    return value != value  # noqa: PLR0124 - what is no number is not even itself


def apart_floats(before: float, after: float) -> Apart | None:
    """The same of two doubles or whole numbers, by the arithmetic of the machine: for many of them."""
    if before == after or (is_nan(before) and is_nan(after)):
        return Apart(0.0, 0.0)
    if is_nan(before) or is_nan(after):
        return None
    absolute = abs(after - before)
    relative = absolute / abs(before) if before and math.isfinite(before) else math.inf
    return Apart(float(absolute), float(relative))


def within(before: Decimal, after: Decimal, tolerance: Tolerance) -> bool:
    """Whether the second is as near to the first as the tolerance asks, by one of its two bounds."""
    if same(before, after):
        return True
    if not (before.is_finite() and after.is_finite()):
        return False
    difference = _EXACT.abs(_EXACT.subtract(after, before))
    allowed = _EXACT.multiply(_EXACT.abs(before), Decimal(repr(tolerance.relative)))
    return difference <= Decimal(repr(tolerance.absolute)) or difference <= allowed
