"""A run's facts as they are compared: parameters, metrics, tags and inputs, each with the kind of its value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from projrun.store.query import numbers
from projrun.store.row import RunRow

# What runs have by names of their own.
PARAMS, METRICS, TAG, INPUT = "params", "metrics", "tag", "input"
GROUPS = (PARAMS, METRICS, TAG, INPUT)

# Kinds are never compared with one another. A huge number is one that no database column holds.
NUMBER, HUGE, TEXT, TRUTH = "number", "huge", "text", "truth"

Stored = int | float | str | bytes | None


# Group, name, kind and value. A number whose value is None is NaN.
Fact = tuple[str, str, str, Stored]


def facts_of(row: RunRow) -> Iterator[Fact]:
    """All facts of a run but those that are null."""
    for name, value in row.parameters.items():
        yield from _fact(PARAMS, name, value, numeric=row.types.get(name) in ("int", "float"))
    for name, value in row.metrics.items():
        yield from _fact(METRICS, name, value, numeric=True)
    for group, texts in ((TAG, row.tags), (INPUT, row.inputs)):
        for name, text in texts.items():
            yield group, name, TEXT, stored_text(text)


def stored_text(text: str) -> str | bytes:
    """Text as the database has it: bytes for what it cannot compare as text (lone surrogates, NUL)."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")
    return data if "\0" in text else text


def number_fact(value: Any) -> tuple[str, Stored]:
    """The kind and the stored value of a number."""
    plain = numbers.plain(value)
    if plain is None:
        return HUGE, numbers.text_of(value)
    return NUMBER, None if plain != plain else plain  # noqa: PLR0124 - NaN


def _fact(group: str, name: str, value: Any, *, numeric: bool) -> Iterator[Fact]:
    """The fact of a value, as its declared type or else its JSON type has it."""
    if isinstance(value, str) and numeric and (read := numbers.read(value)) is not None:
        value = read
    if value is None:
        return
    if isinstance(value, bool):
        yield group, name, TRUTH, int(value)
    elif isinstance(value, str):
        yield group, name, TEXT, stored_text(value)
    elif isinstance(value, (list, dict)):
        yield group, name, TEXT, stored_text(json.dumps(value, ensure_ascii=False))
    else:
        yield group, name, *number_fact(value)
