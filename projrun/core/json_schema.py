"""JSON Schema. The only module that imports jsonschema, and late: it is slow to import."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any


class BadSchema(Exception):
    """A schema that cannot be used. The text says why."""


class Validator:
    """A schema that was found to be one. It is of the draft that it names, else of 2020-12."""

    def __init__(self, schema: Any, *, is_ours: bool = False) -> None:
        """Raises BadSchema for what is no schema; one that ``is_ours`` is not looked at."""
        import jsonschema
        import referencing

        if not isinstance(schema, (dict, bool)):
            raise BadSchema("a schema is a JSON object, or true or false")
        known = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        try:
            if not is_ours:
                known.check_schema(schema)  # type: ignore[arg-type]  # the stubs know no true and false
        except jsonschema.SchemaError as error:
            raise BadSchema(f"{error.json_path}: {error.message}") from None
        except re.error as error:
            raise BadSchema(f"a pattern is no regular expression: {error}") from None
        extend: Callable[..., Any] = jsonschema.validators.extend
        # What a schema names must be in it: nothing is fetched.
        self._validator = extend(known, {"pattern": _pattern, "multipleOf": _multiple_of})(
            schema, registry=referencing.Registry()
        )

    def errors(self, value: Any) -> Iterator[Any]:
        """What is wrong with a value, as jsonschema tells it.

        Raises BadSchema for a $ref that leads nowhere, or nowhere else.
        """
        from referencing.exceptions import Unresolvable

        try:
            yield from self._validator.iter_errors(value)
        except Unresolvable as error:
            raise BadSchema(f"$ref {error.ref!r} leads to nothing in the schema, and nothing is fetched") from None
        except RecursionError:
            raise BadSchema("a $ref leads to itself, or the data is nested too deeply") from None


def errors(value: Any, schema: Mapping[str, Any]) -> list[Any]:
    """What is wrong with ``value`` by a schema of ours."""
    return list(Validator(schema, is_ours=True).errors(value))


def first_fault(value: Any, schema: Mapping[str, Any]) -> str:
    """What is wrong with a document that projrun writes, and where in it; empty when nothing is.

    A key that is not known is none: a later projrun may have written it.
    """
    found = next((error for error in errors(value, schema) if error.validator != "additionalProperties"), None)
    if found is None:
        return ""
    inner = next((one for one in sorted(found.context, key=lambda one: -len(one.path))), found)
    return f"{inner.json_path}: {inner.message[:200]}"


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[Exception]:
    from jsonschema import ValidationError

    # Python's $ matches before a last line break too; JSON Schema's does not.
    if isinstance(instance, str) and not re.search(re.sub(r"(?<!\\)\$$", r"\\Z", pattern), instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _multiple_of(_: Any, divisor: float, instance: Any, __: Any) -> Iterator[Exception]:
    """Exactly, as the texts of the two have it: 0.3 is a multiple of 0.1, and nothing is too large."""
    from fractions import Fraction

    from jsonschema import ValidationError

    if not isinstance(instance, (int, float)) or isinstance(instance, bool):
        return
    numbers = instance, divisor
    if all(isinstance(one, int) or math.isfinite(one) for one in numbers):
        value, step = (Fraction(one if isinstance(one, int) else repr(one)) for one in numbers)
        if (value / step).denominator == 1:
            return
    yield ValidationError(f"{instance!r} is not a multiple of {divisor!r}")
