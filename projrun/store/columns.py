"""Runs as a table: named columns, each of one kind where that loses nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from projrun.core.errors import UsageError
from projrun.core.nearest import nearest
from projrun.core.values import Struct, replace
from projrun.store.exact import fits_double, fits_int64, parameter_value, real_number, utc
from projrun.store.facts import GROUPS, INPUT, METRICS, PARAMS, TAG
from projrun.store.query.model import FIELDS, Field
from projrun.store.row import RunRow

if TYPE_CHECKING:
    from projrun.store.index import KnownFacts

TEXT, INT, FLOAT, BOOL, TIME, ANY = "text", "int", "float", "bool", "time", "any"

_TOLD = 20  # names in an error

# Where a row has the facts of a group.
_ATTRIBUTES = {PARAMS: "parameters", METRICS: "metrics", TAG: "tags", INPUT: "inputs"}
# The kinds of the fields that every run may have; of the others text.
KINDS = {"started": TIME, "ended": TIME, "duration": FLOAT, "exit_code": INT, "dirty": BOOL}


class Column(Struct, frozen=True):
    """A column of a table. ``values`` are as the records have them, a nested one as JSON text; None is nothing.

    ``kind`` is ``text``, ``int`` (64 bits), ``float`` (a double, where none loses digits by that), ``bool``,
    ``time``, or ``any``: values of several kinds, or numbers that only Python's own hold. ``exact`` has the values
    as Python's own: a time as datetime, a number that is kept as its text as a number.
    """

    name: str
    kind: str
    values: tuple[Any, ...]
    exact: tuple[Any, ...]

    def first(self, count: int) -> Column:
        """The first lines of it."""
        return replace(self, values=self.values[:count], exact=self.exact[:count])

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The values as text; nothing is empty."""
        return tuple(map(text_of, self.values))


def text_of(value: Any) -> str:
    """A value as text: a text as it is, the rest as JSON; nothing is empty."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def valid_text(text: str) -> str:
    """A text for formats that take valid Unicode alone: a raw byte of a file name is written ``\\udcff``."""
    return text.encode(errors="backslashreplace").decode()


def value_of(row: RunRow, field: Field) -> Any:
    """What a run has there; None when it has nothing."""
    if not field.group:
        return getattr(row, field.name)
    return getattr(row, _ATTRIBUTES[field.group]).get(field.name)


def fields_of(rows: Sequence[RunRow]) -> tuple[Field, ...]:
    """All fields that runs have: those that every run may have, then their facts, by name.

    The parameters and metrics stay in the order of their first run.
    """
    found = [Field("", name) for name in FIELDS]
    for group in (PARAMS, METRICS, TAG, INPUT):
        found += [Field(group, name) for name in facts_of(rows, group)]
    return tuple(found)


def facts_of(rows: Sequence[RunRow], group: str) -> tuple[str, ...]:
    """The names of the facts of a group that any of the runs has."""
    return tuple(dict.fromkeys(name for row in rows for name in getattr(row, _ATTRIBUTES[group])))


class Compared(Struct, frozen=True):
    """Runs of one entry point: the parameters that differ between them, and the values of those that do not."""

    entry_point: str | None
    changed: tuple[Field, ...]
    same: tuple[tuple[Field, Any], ...]


def compared(rows: Sequence[RunRow]) -> Compared | None:
    """What tells runs of one entry point from one another; None for other runs, and for one alone."""
    of = {(row.project, row.entry_point) for row in rows}
    if len(rows) < 2 or len(of) != 1:
        return None
    fields = [Field(PARAMS, name) for name in facts_of(rows, PARAMS)]
    values = {field: [value_of(row, field) for row in rows] for field in fields}
    # 1 and true are equal to Python, and so are 1 and 1.0.
    same = [one for one in fields if len({(type(value), text_of(value)) for value in values[one]}) == 1]
    return Compared(
        rows[0].entry_point,
        tuple(one for one in fields if one not in same),
        tuple((one, values[one][0]) for one in same),
    )


_BRIEF = ("id", "status", "started", "duration", "entry_point", "name")


def brief_fields(rows: Sequence[RunRow]) -> tuple[Field, ...]:
    """The fields of a listing for people: the metrics, and the parameters that are not the same in all runs."""
    found = compared(rows)
    parameters = [Field(PARAMS, name) for name in facts_of(rows, PARAMS)] if found is None else found.changed
    plain = [Field("", name) for name in _BRIEF]
    return (*plain, *(Field(METRICS, name) for name in facts_of(rows, METRICS)), *parameters)


def columns_of(rows: Sequence[RunRow], fields: Sequence[Field] | None = None) -> tuple[Column, ...]:
    """The columns of runs: those of ``fields``, or all there are."""
    return tuple(column_of(rows, field) for field in (fields_of(rows) if fields is None else fields))


def column_of(rows: Sequence[RunRow], field: Field) -> Column:
    """One column of runs."""
    values = tuple(value_of(row, field) for row in rows)
    if field.group == PARAMS:
        exact = tuple(_parameter(row, field.name, value) for row, value in zip(rows, values, strict=True))
    else:
        exact = tuple(_exact(field, value) for value in values)
    if not field.group:
        return Column(field.text, KINDS.get(field.name, TEXT), values, exact)
    return Column(field.text, TEXT if field.group in (TAG, INPUT) else kind_of(exact), values, exact)


def _exact(field: Field, value: Any) -> Any:
    if field.group == METRICS:
        return real_number(value)
    return utc(value) if KINDS.get(field.name) == TIME and not field.group else value


def _parameter(row: RunRow, name: str, value: Any) -> Any:
    return parameter_value(row.types.get(name), None, value) if isinstance(value, (str, list)) else value


def kind_of(values: Sequence[Any]) -> str:
    """The narrowest kind that holds all of the values, without a loss."""
    there = [value for value in values if value is not None]
    types = {type(value) for value in there}
    if types <= {str}:
        return TEXT
    if types == {bool}:
        return BOOL
    if types == {int}:
        return INT if all(map(fits_int64, there)) else ANY
    if types <= {int, float}:
        return FLOAT if all(map(fits_double, there)) else ANY
    return ANY


def check_known(fields: Sequence[Field], facts: KnownFacts) -> None:
    """Raises UsageError for a field that is a fact of no run."""
    known = dict(zip(GROUPS, (facts.parameters, facts.metrics, facts.tags, facts.inputs), strict=True))
    for field in fields:
        if not field.group or field.name in known[field.group]:
            continue
        names = [Field(group, name).text for group in GROUPS for name in known[group]]
        close = nearest(field.text, names)
        raise UsageError(
            f"no run has {field.text}",
            why=f"they have {', '.join(names[:_TOLD])}{', ...' * (len(names) > _TOLD)}"
            if names
            else "they have none",
            hint=f"did you mean {close}?" if close else "projrun runs --columns all",
        )
