"""JSON texts as values and back, with the text of every number kept."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from projrun.core.regex import regex
from projrun.spec.fault import Path

_NUMBER = regex(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def parse(text: str) -> tuple[Any, Mapping[Path, str]]:
    """The value of a JSON text, and the source text of each scalar in it that is not text.

    Raises ValueError where RFC 8259 is not met, for a key that is there twice, and for half a surrogate pair.
    """
    from projrun.spec import json_text  # most specifications have no JSON in them
    from projrun.spec.tree import Malformed, assemble

    try:
        document, problems = assemble(json_text.events(text), "")
    except Malformed as error:
        line, column = error.mark
        raise ValueError(f"not JSON: line {line}, column {column}: {error.message}") from None
    if problems:
        first = problems[0]
        raise ValueError(f"line {first.line}, column {first.column}: {first.message}")
    return document.value, document.texts


def write(value: Any, texts: Mapping[Path, str], path: Path = ()) -> str:
    """The JSON text of a value, without blanks; a number keeps its source text where that is JSON.

    Raises ValueError for what JSON does not have: infinity, NaN, keys that are not text.
    """
    if isinstance(value, dict):
        if odd := next((key for key in value if not isinstance(key, str)), None):
            raise ValueError(f"the key {odd!r} is not text: write it in quotes")
        entries = (f"{_quoted(key)}:{write(item, texts, (*path, key))}" for key, item in value.items())
        return "{" + ",".join(entries) + "}"
    if isinstance(value, list):
        return "[" + ",".join(write(item, texts, (*path, index)) for index, item in enumerate(value)) + "]"
    if isinstance(value, str):
        return _quoted(value)
    if _NUMBER.fullmatch(text := texts.get(path, "").removeprefix("+")):
        return text
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{texts.get(path, value)} is no number that JSON has")
    return json.dumps(value)


def holdable(value: Any, texts: Mapping[Path, str], path: Path = ()) -> Any:
    """The value as any JSON document can hold it: a float beyond the range is its text."""
    if isinstance(value, dict):
        return {key: holdable(item, texts, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [holdable(item, texts, (*path, index)) for index, item in enumerate(value)]
    if isinstance(value, float) and abs(value) == float("inf"):
        return texts[path]
    return value


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
