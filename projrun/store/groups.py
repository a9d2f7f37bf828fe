"""Runs in groups as a table: a column for each field that they are grouped by, and for each aggregate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from projrun.core.errors import UsageError
from projrun.core.nearest import did_you_mean
from projrun.store.columns import KINDS, TEXT, TIME, Column, check_known, kind_of
from projrun.store.exact import utc
from projrun.store.facts import INPUT, METRICS, TAG
from projrun.store.grouping import Group, parse_aggregate
from projrun.store.index import Index, RunQuery
from projrun.store.query.model import Field
from projrun.store.query.parser import parse_fields

# A name in quotes may hold a comma.
_PIECE = re.compile(r"""(?:[^,"'`]|"[^"]*"|'[^']*'|`[^`]*`|["'`])+""")


def group_columns(
    index: Index,
    query: RunQuery,
    by: Sequence[str],
    aggregates: Sequence[str] | None,
    sort: Sequence[str] = (),
) -> tuple[Column, ...]:
    """The groups of a query's runs. Without ``aggregates``: the count, and the mean of every metric they have.

    They are in the order of what they are grouped by, or of the columns that ``sort`` names. Raises UsageError.
    """
    fields = tuple(key.field for key in parse_fields(by))
    texts = _pieces(aggregates or ())
    asked = [one.key.field for one in map(parse_aggregate, texts) if one.key]
    facts = index.known_facts()
    check_known([*fields, *asked], facts)
    if not texts:
        texts = ("count", *(f"mean:{Field(METRICS, name).text}" for name in facts.metrics))
    groups = index.grouped(query, tuple(field.text for field in fields), texts)
    names = (*(field.text for field in fields), *map(_name, texts))
    rows = _sorted(groups, names, _pieces(sort))
    columns = [
        _column(name, [row[place] for row in rows], fields[place] if place < len(fields) else None)
        for place, name in enumerate(names)
    ]
    # Of the metrics of other runs nothing is to be told.
    return tuple(one for one in columns if aggregates or one.name in names[: len(fields) + 1] or any_value(one))


def any_value(column: Column) -> bool:
    """Whether there is anything in it."""
    return any(value is not None for value in column.values)


def _pieces(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(piece.strip() for text in texts for piece in _PIECE.findall(text) if piece.strip())


def _name(text: str) -> str:
    """An aggregate as it is written without blanks."""
    one = parse_aggregate(text)
    return f"{one.function}:{one.key.field.text}" if one.key else one.function


def _column(name: str, values: Sequence[Any], field: Field | None) -> Column:
    if field is not None and not field.group:
        kind = KINDS.get(field.name, TEXT)
        exact = [utc(value) for value in values] if kind == TIME else values
        return Column(name, kind, tuple(values), tuple(exact))
    kind = TEXT if field is not None and field.group in (TAG, INPUT) else kind_of(values)
    return Column(name, kind, tuple(values), tuple(values))


def _sorted(groups: Sequence[Group], names: Sequence[str], sort: Sequence[str]) -> list[tuple[Any, ...]]:
    rows = [(*group.keys, *group.values) for group in groups]
    for text in reversed(sort):
        name = text.removeprefix("-").replace(" ", "")
        if name not in names:
            raise UsageError(
                f"groups cannot be sorted by {name!r}",
                why=f"they have {', '.join(names)}",
                hint=did_you_mean(name, names),
            )
        place = names.index(name)
        there = [row for row in rows if _rank(row[place]) is not None]
        there.sort(key=lambda row: _rank(row[place]) or (), reverse=text.startswith("-"))
        rows = there + [row for row in rows if _rank(row[place]) is None]
    return rows


def _rank(value: Any) -> tuple[int, Any] | None:
    """What a value is sorted by: numbers before text before truth values; None for what comes last."""
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return None
    if isinstance(value, bool):
        return 2, value
    return (1, value) if isinstance(value, str) else (0, value)
