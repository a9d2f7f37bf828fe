"""Numbers without rounding in a database that knows 64-bit integers and doubles.

What is neither (an integer beyond 64 bits, 1e400) is kept as text, apart, as a ``huge`` number.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from projrun.core.regex import regex

if TYPE_CHECKING:
    from decimal import Decimal

_LEAST, _MOST = -(2**63), 2**63 - 1
_INTEGER = regex(r"[+-]?[0-9]{1,4000}")
_DECIMAL = regex(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SPECIAL = regex(r"([+-]?)\.?(inf|infinity|nan)", re.IGNORECASE)


def read(text: str) -> int | float | Decimal | None:
    """The number that a text is, NaN and infinity too; None when it is none."""
    text = text.strip()
    if _INTEGER.fullmatch(text):
        return int(text)
    if match := _SPECIAL.fullmatch(text):
        return float(match[1] + match[2])
    if not _DECIMAL.fullmatch(text):
        return None
    value = float(text)
    if math.isfinite(value):
        return value
    from decimal import Decimal, InvalidOperation

    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of more than 18 digits
        return value


def plain(value: int | float | Decimal) -> int | float | None:
    """The same number as the database has it; None for a huge one."""
    if isinstance(value, float):
        return value
    if isinstance(value, int) and _LEAST <= value <= _MOST:
        return value
    try:
        near = float(value)
    except OverflowError:
        return None
    return near if near == value else None


def below(value: int | float | Decimal) -> float:
    """The largest double that is not above a huge number."""
    near = nearest(value)
    return near if near <= value else math.nextafter(near, -math.inf)


def above(value: int | float | Decimal) -> float:
    """The smallest double that is not below a huge number."""
    near = nearest(value)
    return near if near >= value else math.nextafter(near, math.inf)


def compare(left: str, right: str) -> int:
    """-1, 0 or 1 as a number's text is less than, equal to or greater than another's."""
    one, other = _decimal(left), _decimal(right)
    return (one > other) - (one < other)


def text_of(value: int | float | Decimal) -> str:
    """A number as text: the same for equal numbers, and read by :func:`compare`."""
    from decimal import Decimal

    sign, digits, exponent = Decimal(value).as_tuple()
    if not isinstance(exponent, int):
        return str(value)
    kept = "".join(map(str, digits)).rstrip("0")
    return f"{'-' * sign}{kept or '0'}e{exponent + len(digits) - len(kept) if kept else 0}"


def below_text(text: str | None) -> float | None:
    """The largest double that is not above a huge number's text."""
    return None if text is None else below(_decimal(text))


def _decimal(text: str) -> Decimal:
    from decimal import Decimal, InvalidOperation

    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of more than 18 digits
        return Decimal(float(text))


def nearest(value: int | float | Decimal) -> float:
    """The double next to a number; infinite beyond them."""
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, 1 if value > 0 else -1)
