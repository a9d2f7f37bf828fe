"""Conditions about what every run may have: status, times, commit, ..."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from projrun.core.errors import UsageError
from projrun.core.nearest import did_you_mean
from projrun.store import facts
from projrun.store.query import comparisons, moments
from projrun.store.query.mistakes import mistake
from projrun.store.query.model import (
    DIGEST,
    DURATION,
    FIELDS,
    NUMBER,
    STATUS,
    TEXT,
    TIME,
    TRUTH,
    Alone,
    Comparison,
    Field,
    In,
    Is,
    Like,
    Value,
)
from projrun.store.query.sql import NEVER, Sql, among, joined
from projrun.store.run import STATUSES

if TYPE_CHECKING:
    from decimal import Decimal

_TIMES = 100  # of a list: each is a stretch of time


def column(field: Field) -> Sql:
    """The column of ``runs AS r`` that a field without a group is kept in."""
    assert field.name in FIELDS
    return Sql(f'r."{field.name}"')


class Columns:
    """Makes the SQL of one query's conditions. ``now`` is what ``7 days ago`` counts from."""

    def __init__(self, text: str, now: dt.datetime) -> None:
        self._text = text
        self._now = now

    def where(self, condition: Comparison | Like | In | Is | Alone) -> Sql:
        """A condition about a field without a group; it may be NULL where the run has none. Raises UsageError."""
        field, own = condition.field, column(condition.field)
        if isinstance(condition, Is):
            return own + Sql(" IS NULL") if condition.what == "null" else NEVER
        if isinstance(condition, Alone):
            if FIELDS[field.name] != TRUTH:
                raise mistake(
                    self._text,
                    condition.at,
                    f"{field.text} is a {FIELDS[field.name]}, and no condition by itself",
                    hint=f"compare it, or write: {field.text} is not null",
                )
            return own + Sql(" = 1")
        if isinstance(condition, Like):
            if FIELDS[field.name] not in (TEXT, STATUS, DIGEST):
                raise self._unlike(field, condition.pattern, "like looks at text")
            assert isinstance(condition.pattern.value, str)
            return comparisons.like(own, condition.pattern.value, fold=condition.fold)
        if isinstance(condition, In):
            return self._in(field, own, condition.values)
        return self._comparison(field, own, condition.operator, condition.value)

    def digest(self, own: Sql, operator: str, value: Value, field: Field) -> Sql:
        """A digest, or an id, by its beginning."""
        if operator not in ("=", "!="):
            raise self._unlike(field, value, f"{field.text} is neither more nor less than another")
        prefix = self._prefix(value, field)
        return Sql("substr(") + own + Sql(f", 1, ?) {operator} ?", (len(prefix), prefix))

    def digests(self, own: Sql, values: Sequence[Value], field: Field) -> Sql:
        """One of several."""
        by_length: dict[int, list[str]] = {}
        for value in values:
            prefix = self._prefix(value, field)
            by_length.setdefault(len(prefix), []).append(prefix)
        tests = [
            among(Sql("substr(") + own + Sql(", 1, ?)", (length,)), prefixes)
            for length, prefixes in by_length.items()
        ]
        return Sql("(") + joined(" OR ", tests) + Sql(")")

    def _comparison(self, field: Field, own: Sql, operator: str, value: Value) -> Sql:
        kind = FIELDS[field.name]
        if kind == DIGEST:
            return self.digest(own, operator, value, field)
        if kind == TIME:
            return self._time(field, own, operator, value)
        if kind in (STATUS, TRUTH) and operator not in ("=", "!="):
            raise self._unlike(field, value, f"{field.text} is neither more nor less than another")
        if kind in (DURATION, NUMBER):
            number = self._number(field, value)
            return comparisons.plain_number(own, operator, number)
        return own + Sql(f" {operator} ?", (self._stored(field, value),))

    def _in(self, field: Field, own: Sql, values: Sequence[Value]) -> Sql:
        kind = FIELDS[field.name]
        if kind == DIGEST:
            return self.digests(own, values, field)
        if kind == TIME:
            if len(values) > _TIMES:
                raise mistake(
                    self._text,
                    values[_TIMES].at,
                    f"a list of times has at most {_TIMES} of them",
                    hint=f"use two comparisons: {field.text} >= … and {field.text} < …",
                )
            return Sql("(") + joined(" OR ", [self._time(field, own, "=", value) for value in values]) + Sql(")")
        if kind in (DURATION, NUMBER):
            plain = [facts.number_fact(self._number(field, value)) for value in values]
            return among(own, [stored for kind, stored in plain if kind == facts.NUMBER])
        return among(own, [self._stored(field, value) for value in values])

    def _time(self, field: Field, own: Sql, operator: str, value: Value) -> Sql:
        found = moments.interval(value.value, self._now) if isinstance(value.value, str) else None
        if found is None:
            raise self._unlike(field, value, f"{value.source[:60]} is no time")
        begin, end = found
        if operator in ("=", "!="):
            within = Sql("(") + own + Sql(" >= ? AND ", (begin,)) + own + Sql(" < ?)", (end,))
            return within if operator == "=" else Sql("NOT ") + within
        return own + Sql(
            f" {'>=' if operator in ('>', '>=') else '<'} ?", (begin if operator in ("<", ">=") else end,)
        )

    def _number(self, field: Field, value: Value) -> int | float | Decimal:
        if isinstance(value.value, (bool, str)):
            found = None
            if FIELDS[field.name] == DURATION and isinstance(value.value, str):
                found = moments.seconds(value.value)
            if found is None:
                raise self._unlike(field, value, f"{value.source[:60]} is no {FIELDS[field.name]}")
            return found
        return value.value

    def _stored(self, field: Field, value: Value) -> object:
        kind = FIELDS[field.name]
        if kind == TRUTH:
            if not isinstance(value.value, bool):
                raise self._unlike(field, value, f"{field.text} is true or false")
            return int(value.value)
        if not isinstance(value.value, str):
            raise self._unlike(field, value, f"{field.text} is text")
        if kind == STATUS and value.value not in STATUSES:
            raise mistake(
                self._text,
                value.at,
                f"there is no status {value.value[:60]!r}",
                hint=did_you_mean(value.value[:60], STATUSES),
            )
        return facts.stored_text(value.value)

    def _prefix(self, value: Value, field: Field) -> str:
        if not isinstance(value.value, str) or not value.value.strip():
            raise self._unlike(field, value, f"{field.text} is compared with the beginning of it, as text")
        return value.value.strip().lower().encode(errors="replace").decode()

    def _unlike(self, field: Field, value: Value, what: str) -> UsageError:
        return mistake(
            self._text,
            value.at,
            what,
            hint=f"as in: {_EXAMPLES[FIELDS.get(field.name, DIGEST)].format(field.text)}",
        )


_EXAMPLES = {
    TEXT: '{} = "a text"',
    NUMBER: "{} = 0",
    TRUTH: "{0} = true, or not {0}",
    TIME: '{0} > "7 days ago", {0} >= "2026-11-01", {0} = "yesterday"',
    DURATION: '{0} > "1h30m", or in seconds: {0} > 5400',
    STATUS: '{} = "failed"',
    DIGEST: '{} = "1a2b3c4d"',
}
