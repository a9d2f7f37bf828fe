"""What the schema finds wrong, in plain language.

A schema may say more than a validator reads: ``errorMessage`` (which editors show too) and ``errorHint``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from projrun.core import json_schema
from projrun.core.nearest import did_you_mean
from projrun.core.userinfo import without_userinfo
from projrun.spec.fault import Fault, Path

_TYPES = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}


def faults(value: Any, schema: Mapping[str, Any]) -> tuple[Fault, ...]:
    """Every fault of ``value`` by ``schema``, at most one for each place."""
    errors = json_schema.errors(value, schema)
    # A key that is not known at all is also one that "does not go with" its neighbours: say the first.
    errors.sort(key=lambda error: error.validator != "additionalProperties")
    found: dict[Path, Fault] = {}
    for error in errors:
        for fault in _UNFOLDED.get(error.validator, _explained)(error):
            found.setdefault(fault.path, fault)
    return tuple(found.values())


def _unknown_keys(error: Any) -> Iterator[Fault]:
    known = error.schema["properties"]
    for key in error.instance:
        if key not in known:
            message = f"{key!r} is not a key of {error.schema['title']}"
            yield Fault((*error.absolute_path, key), message, did_you_mean(key, known), key=True)


def _missing_keys(error: Any) -> Iterator[Fault]:
    for key in error.validator_value:
        if key not in error.instance:
            message = f"{error.schema['title']} needs {key!r}"
            yield Fault((*error.absolute_path, key), message, error.schema.get("errorHint", ""))


def _explained(error: Any) -> Iterator[Fault]:
    path = tuple(error.absolute_path)
    told = error.schema.get("errorMessage")
    hint = error.schema.get("errorHint", "")
    if "propertyNames" in error.absolute_schema_path:
        yield Fault((*path, error.instance), f"{error.instance!r}: {told or error.message}", hint, key=True)
    elif told:
        yield Fault(path, told + _found(error.instance), hint)
    elif error.validator == "enum":
        near = did_you_mean(str(error.instance), map(str, error.validator_value))
        message = f"{_shown(error.instance)} is not {error.schema['title']}"
        yield Fault(path, message, "; ".join(part for part in (near, hint) if part))
    else:
        yield Fault(path, _plain_words(error), hint or _spelling(error))


_UNFOLDED: Mapping[str, Callable[[Any], Iterator[Fault]]] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_keys,
}


def _plain_words(error: Any) -> str:
    limit = error.validator_value
    words = {
        "minLength": "this must not be empty",
        "minProperties": "this must not be empty",
        "minItems": "this list must not be empty",
        "uniqueItems": "an item is in this list twice",
        "minimum": f"{error.instance} is below {limit}",
        "exclusiveMinimum": f"{error.instance} is not above {limit}",
    }
    if error.validator == "type":
        wanted = [_TYPES[kind] for kind in ([limit] if isinstance(limit, str) else limit)]
        return f"{_either(wanted)} is wanted here" + (_found(error.instance) or f", found {_kind(error.instance)}")
    return words.get(error.validator, str(error.message))


def _spelling(error: Any) -> str:
    """How what is there would be written as the type that is wanted; empty when it is no matter of spelling."""
    if error.validator != "type":
        return ""
    if error.validator_value == "boolean" and isinstance(error.instance, str):
        return "write true or false, without quotes"
    if "string" in error.validator_value and isinstance(error.instance, bool | int | float):
        return "put it in quotes if it is a text"
    return ""


def _either(words: Sequence[str]) -> str:
    return " or ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def _found(value: Any) -> str:
    return "" if isinstance(value, (dict, list)) else f", found {_shown(value)}"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing (null)"
    text = str(value).lower() if isinstance(value, bool) else without_userinfo(repr(value))
    return text if len(text) <= 60 else text[:57] + "..."


def _kind(value: Any) -> str:
    return "a mapping" if isinstance(value, dict) else "a list"
