"""Numbers of metrics without loss: what JSON or a double cannot hold is kept as its text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

Value = bool | int | float | str

# Beyond this a reader that holds every JSON number as a double (jq, a browser) changes an integer.
EXACT = 2**53
_EXACT_DIGITS = 17
NAN, INFINITY, MINUS_INFINITY = "NaN", "Infinity", "-Infinity"
LONGEST_NAME = 250

_ODD = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_REAL = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_WORDS: Mapping[str, Value] = {
    "true": True,
    "false": False,
    **dict.fromkeys(("nan", "+nan", "-nan"), NAN),
    **dict.fromkeys(("inf", "+inf", "infinity", "+infinity"), INFINITY),
    **dict.fromkeys(("-inf", "-infinity"), MINUS_INFINITY),
}


class NumberText(str):
    """A number that is kept as its text."""

    __slots__ = ()


class Repeated(dict[str, Any]):
    """A JSON object in which keys occur twice: the first one counts. ``keys_twice`` are those of the others."""

    def __init__(self) -> None:
        super().__init__()
        self.keys_twice: list[str] = []


def integer(text: str) -> int | NumberText:
    """An integer's value, or its text beyond 2**53."""
    digits = text.lstrip("+-0")
    if len(digits) > _EXACT_DIGITS or int(digits or "0") > EXACT:
        return NumberText(text)
    return -int(digits or "0") if text.startswith("-") else int(digits or "0")


def real(text: str) -> float | NumberText:
    """The nearest double, or the text of a number beyond all of them: ``1e400``, ``1e-400``."""
    value = float(text)
    if not math.isfinite(value) or (value == 0.0 and re.search("[1-9]", re.split("[eE]", text)[0])):
        return NumberText(text)
    return value


def written(text: str) -> Value | None:
    """What a cell of a table is worth: a number, a truth value, or None for any other text."""
    text = text.strip()
    if _INTEGER.fullmatch(text):
        return as_value(integer(text.removeprefix("+")))
    if _REAL.fullmatch(text):
        return as_value(real(text.removeprefix("+")))
    return _WORDS.get(text.lower()) if len(text) <= len("+infinity") else None


def loads(text: str | bytes, *, first_counts: bool = False) -> Any:
    """JSON in which a number that would lose is a NumberText. Raises ValueError and RecursionError.

    Of a key that occurs twice the last one counts, as for every common reader; with ``first_counts`` the first.
    """
    return json.loads(
        text,
        parse_int=integer,
        parse_float=real,
        parse_constant=NumberText,
        object_pairs_hook=_first if first_counts else None,
    )


def _first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(reversed(pairs))
    if len(found) == len(pairs):
        return dict(pairs)
    repeated = Repeated()
    for key, value in pairs:
        if key in repeated:
            repeated.keys_twice.append(key)
        else:
            repeated[key] = value
    return repeated


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value below ``value`` that is no object, with its dotted name, in the order of the text.

    A key that occurs twice in its object comes once more, with None.
    """
    pending: list[tuple[str, Any]] = [(name, value)]
    while pending:
        at, found = pending.pop()
        if isinstance(found, dict):
            below = [(f"{at}.{key}" if at else key, one) for key, one in found.items()]
            if isinstance(found, Repeated):
                below += [(f"{at}.{key}" if at else key, TWICE) for key in found.keys_twice]
            pending.extend(reversed(below))
        else:
            yield at, found


class _Twice:
    """Stands where a key occurs again."""


TWICE = _Twice()


def as_value(found: Any) -> Value | None:
    """A leaf as a metric's value; None for what is no number: text, null, a list.

    The texts ``NaN``, ``Infinity`` and ``-Infinity`` are numbers: strict JSON has no other way to tell them.
    """
    if isinstance(found, (bool, int, float)):
        return found
    if isinstance(found, NumberText) or found in (NAN, INFINITY, MINUS_INFINITY):
        return str(found)
    return None


def unfit_name(name: str) -> str:
    """Why a metric cannot be called so; empty when it can."""
    if not name:
        return "the name is empty"
    if len(name) > LONGEST_NAME:
        return f"a name of {len(name):,} characters is longer than {LONGEST_NAME}"
    if odd := _ODD.search(name):
        return f"the character U+{ord(odd.group()):04X} cannot stand in a name"
    return ""


def order(value: Value) -> Any:
    """What numbers are compared by, exactly, those kept as text too; None for NaN, which compares with nothing."""
    if not isinstance(value, str):
        return value
    if value == NAN:
        return None
    if value in (INFINITY, MINUS_INFINITY):
        return math.inf if value == INFINITY else -math.inf
    from decimal import Decimal, InvalidOperation

    try:
        return Decimal(value)
    except InvalidOperation:  # an exponent of more digits than decimal counts with
        return float(value)
