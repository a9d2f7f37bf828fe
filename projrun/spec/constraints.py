"""The constraint words of JSON Schema (2020-12, Validation, section 6), with its meaning, exactly computed.

Numbers are compared by their texts, so 0.3 is a multiple of 0.1 and 1e400 is more than 1e399. ``pattern`` is a
regular expression of Python, found anywhere in the text.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from projrun.core.nearest import nearest
from projrun.spec import numerals
from projrun.spec.argument import shown

NUMBER_WORDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")

_BOUNDS: Mapping[str, tuple[Callable[[Any, Any], bool], str]] = {
    "minimum": (operator.ge, "at least"),
    "maximum": (operator.le, "at most"),
    "exclusiveMinimum": (operator.gt, "more than"),
    "exclusiveMaximum": (operator.lt, "less than"),
}
_LENGTHS: Mapping[str, tuple[Callable[[int, int], bool], str]] = {
    "minLength": (operator.ge, "at least"),
    "maxLength": (operator.le, "at most"),
    "minItems": (operator.ge, "at least"),
    "maxItems": (operator.le, "at most"),
}


def violations(kind: str, raw: str, value: Any, constraints: Mapping[str, Any]) -> tuple[str, ...]:
    """What one value of the type ``kind`` must be and is not, in words that follow "it must"."""
    found: list[str] = []
    if kind in ("int", "float"):
        found += _number_violations(raw, constraints)
    elif kind in ("str", "path", "uri"):
        found += _length_violations(len(raw), constraints, ("minLength", "maxLength"), "characters")
        pattern = constraints.get("pattern")
        if pattern is not None and not _searches(pattern, raw):
            found.append(f"match the pattern {pattern}")
    if "enum" in constraints:
        found += _enum_violations(kind, raw, value, constraints["enum"])
    return tuple(found)


def list_violations(
    kind: str, raws: Sequence[str], values: Sequence[Any], constraints: Mapping[str, Any]
) -> tuple[str, ...]:
    """The same for a list as a whole, whose items are of the type ``kind``."""
    found = _length_violations(len(raws), constraints, ("minItems", "maxItems"), "items")
    if constraints.get("uniqueItems"):
        found += _twice(kind, raws, values)
    return tuple(found)


def _twice(kind: str, raws: Sequence[str], values: Sequence[Any]) -> Iterable[str]:
    seen = set()
    for raw, value in zip(raws, values, strict=True):
        if (one := _identity(kind, raw, value)) in seen:
            yield f"hold no item twice, as it does {shown(raw)}"
            return
        seen.add(one)


def _identity(kind: str, raw: str, value: Any) -> Hashable:
    """Equal for two values of a type that JSON Schema calls equal: 1 and 1.0 are, 1 and true are not."""
    if kind in ("int", "float"):
        exact = numerals.exact(raw)
        return "nan" if numerals.is_nan(exact) else exact
    return _told_apart(value)


def _told_apart(value: Any) -> Hashable:
    if isinstance(value, list):
        return tuple(_told_apart(item) for item in value)
    if isinstance(value, dict):
        return frozenset((key, _told_apart(item)) for key, item in value.items())
    return (bool, value) if isinstance(value, bool) else value


def _number_violations(raw: str, constraints: Mapping[str, Any]) -> Iterable[str]:
    words = [word for word in NUMBER_WORDS if word in constraints]
    if not words:
        return
    value = numerals.exact(raw)
    for word in words:
        bound = numerals.exact(str(constraints[word]))
        if word == "multipleOf":
            if not numerals.is_multiple(value, bound):
                yield f"be a multiple of {constraints[word]}"
        elif numerals.is_nan(value) or not _BOUNDS[word][0](value, bound):
            yield f"be {_BOUNDS[word][1]} {constraints[word]}"


def _length_violations(length: int, constraints: Mapping[str, Any], words: Sequence[str], unit: str) -> list[str]:
    found = []
    for word in words:
        holds, text = _LENGTHS[word]
        if word in constraints and not holds(length, constraints[word]):
            found.append(f"have {text} {constraints[word]} {unit}, not {length}")
    return found


def _searches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error as error:
        raise ValueError(f"the pattern {pattern!r} is not a regular expression: {error}") from None


def _enum_violations(kind: str, raw: str, value: Any, choices: Sequence[Any]) -> Iterable[str]:
    known = [_identity(kind, str(choice), choice) for choice in choices]
    if _identity(kind, raw, value) in known:
        return
    names = [choice if isinstance(choice, str) else json.dumps(choice) for choice in choices]
    close = nearest(raw, names)
    yield f"be one of: {', '.join(names)}" + (f" (did you mean {close!r}?)" if close else "")
