"""Numbers as texts: which texts are numbers, and what they are worth, exactly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from projrun.core.regex import regex

if TYPE_CHECKING:
    from decimal import Decimal

_INT = regex(r"[+-]?[0-9]+")
_FLOAT = regex(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SPECIAL = regex(r"[+-]?\.?inf|\.?nan")


def is_int(text: str) -> bool:
    """Whether ``text`` is digits with an optional sign (``08`` and ``+3`` are; ``1_000``, ``1.0`` are not)."""
    return _INT.fullmatch(text) is not None


def is_float(text: str) -> bool:
    """Whether ``text`` is a decimal number, with or without fraction and exponent, or ``inf`` or ``nan``."""
    return (_FLOAT.fullmatch(text) or _SPECIAL.fullmatch(text)) is not None


def whole(text: str) -> int | str:
    """The value of an integer, or its text when it has more digits than Python reads (4300)."""
    try:
        return int(text)
    except ValueError:
        return text


def real(text: str) -> float | str:
    """The value of a float, or its text when JSON has no such number: infinity, NaN, ``1e400``."""
    if _SPECIAL.fullmatch(text):
        return text
    value = float(text)
    return value if math.isfinite(value) else text


def in_json(text: str) -> str:
    """A decimal number as JSON writes it (RFC 8259, section 6), digit for digit, never as an integer."""
    sign = "-" if text.startswith("-") else ""
    mantissa, mark, exponent = text.lstrip("+-").lower().partition("e")
    whole_part, _, fraction = mantissa.partition(".")
    if not (fraction or exponent):
        fraction = "0"
    return sign + (whole_part.lstrip("0") or "0") + (f".{fraction}" if fraction else "") + mark + exponent


def exact(text: str) -> int | Decimal:
    """The number ``text`` without rounding, for comparisons; infinity and NaN are Decimal's own.

    A float with an exponent beyond 18 digits is infinity or zero.
    """
    if is_int(text) and isinstance(value := whole(text), int):
        return value
    from decimal import Decimal, InvalidOperation  # 2 ms that a project without floats does not need

    plain = text.replace(".inf", "inf").replace(".nan", "nan")
    try:
        return Decimal(plain)
    except InvalidOperation:
        return Decimal(float(plain))


def is_nan(value: int | Decimal) -> bool:
    return value != value  # noqa: PLR0124  (NaN's own definition; an int has no is_nan)


def is_multiple(value: int | Decimal, step: int | Decimal) -> bool:
    """Whether ``value`` is a whole number of ``step``; never true of infinity and NaN.

    Digits and powers of ten are taken apart, so that 1e1000000000 costs nothing.
    """
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    scaled, scaled_step = _scaled(value), _scaled(step)
    if scaled is None or scaled_step is None:
        return False
    digits, step_digits = scaled[0], scaled_step[0]
    shift = scaled[1] - scaled_step[1]
    if shift >= 0:
        return digits * pow(10, shift, step_digits) % step_digits == 0
    # A step with more zeros than the value has bits fits no value but zero.
    return digits == 0 or (-shift <= digits.bit_length() and digits % (step_digits * 10**-shift) == 0)


def _scaled(value: int | Decimal) -> tuple[int, int] | None:
    """The size of ``value`` as ``digits * 10 ** power``; None when it is not finite."""
    if isinstance(value, int):
        return abs(value), 0
    _, digits, power = value.as_tuple()
    # Not through int(text), which stops at 4300 digits.
    return (int(type(value)((0, digits, 0))), power) if isinstance(power, int) else None
