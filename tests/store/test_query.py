"""The query language: what it says, what it takes, and that its SQL does what plain Python does."""

from __future__ import annotations

import sqlite3
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from projrun.core.errors import UsageError
from projrun.store.query.model import (
    FIELDS,
    Alone,
    And,
    Comparison,
    Condition,
    Field,
    In,
    Is,
    Key,
    Like,
    Not,
    Or,
    Value,
)
from projrun.store.query.parser import number, parse
from projrun.store.run import STATUSES
from tests.store.query_oracle import holds, ordered, text_of
from tests.store.query_rows import FLOATS, INTEGERS, NAMES, PATTERNS, ROWS, TEXTS, found


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def text_value(text: str) -> Value:
    return Value(text, source=quoted(text))


numbers = st.one_of(
    st.sampled_from([str(value) for value in (*INTEGERS, *FLOATS)]),
    st.sampled_from(["1e400", "-1e400", "1e401", "10e399", "+3", ".1", "3.", "08", "-inf", "inf", "9" * 400]),
    st.integers(-(2**66), 2**66).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
).map(lambda text: Value(number(text), source=text))
texts = st.one_of(st.sampled_from(TEXTS), st.text(max_size=5)).map(text_value)
truths = st.sampled_from([Value(True, source="true"), Value(False, source="FALSE")])
digests = st.sampled_from(["a", "ab", "c" * 64, "1f", "0f0f", "aaaa", "b012", "a003"]).map(text_value)
statuses = st.sampled_from(STATUSES).map(text_value)
OPERATORS = ("=", "!=", "<", "<=", ">", ">=")


def conditions_of(field: Field, values: st.SearchStrategy[Value], operators: tuple[str, ...]) -> Any:
    lists = st.one_of(st.lists(values, min_size=1, max_size=4), st.lists(values, min_size=21, max_size=30))
    return st.one_of(
        st.builds(Comparison, st.just(field), st.sampled_from(operators), values),
        st.builds(In, st.just(field), lists.map(tuple)),
    )


def patterns_of(field: Field) -> Any:
    patterns = st.one_of(st.sampled_from(PATTERNS), st.text("ab%_\\*?[]A", max_size=6))
    return st.builds(Like, st.just(field), patterns.map(text_value), st.booleans())


def _of_field(field: Field) -> Any:
    """Conditions that can be asked of a field."""
    kind = FIELDS.get(field.name) if not field.group else field.group
    test = st.sampled_from([Is(field, "null"), Is(field, "nan")])
    if kind in ("params", "metrics"):
        values = st.one_of(numbers, numbers if kind == "metrics" else texts)
        truth = conditions_of(field, truths, ("=", "!="))
        pattern = [patterns_of(field)] * (kind == "params")
        return st.one_of(test, st.just(Alone(field)), conditions_of(field, values, OPERATORS), truth, *pattern)
    if kind in ("digest", "input"):
        return st.one_of(test, conditions_of(field, digests, ("=", "!=")), patterns_of(field))
    if kind == "tag":
        return st.one_of(test, st.just(Alone(field)), conditions_of(field, texts, OPERATORS), patterns_of(field))
    if kind == "text":
        return st.one_of(test, conditions_of(field, texts, OPERATORS), patterns_of(field))
    if kind == "status":
        return st.one_of(test, conditions_of(field, statuses, ("=", "!=")), patterns_of(field))
    if kind == "truth value":
        return st.one_of(test, st.just(Alone(field)), conditions_of(field, truths, ("=", "!=")))
    return st.one_of(test, conditions_of(field, numbers, OPERATORS))


OWN = [Field("", name) for name, kind in FIELDS.items() if kind != "time"]
FACTS = [Field(group, name) for group in ("params", "metrics", "tag", "input") for name in NAMES]
singles = st.sampled_from([*OWN, *FACTS]).flatmap(_of_field)
conditions = st.recursive(
    singles,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=4).map(lambda terms: And(tuple(terms))),
        st.lists(inner, min_size=2, max_size=4).map(lambda terms: Or(tuple(terms))),
    ),
    max_leaves=8,
)
EXPECTED_FIELDS = st.sampled_from([*(Field("", name) for name in FIELDS), *FACTS])
keys = st.lists(st.builds(Key, EXPECTED_FIELDS, st.booleans()), min_size=1, max_size=3)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(condition=conditions)
def test_a_query_finds_what_it_says(connection: sqlite3.Connection, condition: Condition) -> None:
    text = text_of(condition)
    assert parse(text) == condition
    assert found(connection, text) == sorted(row.id for row in ROWS if holds(condition, row))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sort=keys)
def test_runs_are_in_the_order_of_several_keys(connection: sqlite3.Connection, sort: list[Key]) -> None:
    text = ",".join("-" * key.descending + key.field.text for key in sort)
    assert found(connection, "", text) == ordered(ROWS, sort)
    assert found(connection, "", *text.split(",")) == ordered(ROWS, sort)


PIECES = (
    *("metrics.plain", "params.`a-b`", "tag.", "status", "started", "<", "=", "!=", "(", ")", ",", "and", "or"),
    *(
        "not",
        "in",
        "like",
        "is",
        "null",
        "nan",
        "true",
        '"',
        "'",
        '"x"',
        "1e999",
        "-",
        ";",
        "7 days ago",
        "\0",
        "\t",
    ),
)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.text(max_size=30), st.lists(st.sampled_from(PIECES), max_size=8).map(" ".join)))
@example("1; DROP TABLE runs")
@example('name = "x" union select 1')
@example("metrics.plain < 1e999999999999999999999")
@example('started > "999999999999 days ago"')
@example('started > "9999-12-31" or started > "0001-01-01" or started < "0000-01-01"')
@example('duration < "99999999999w"')
def test_any_text_is_answered_or_refused_with_its_place(connection: sqlite3.Connection, text: str) -> None:
    try:
        assert set(found(connection, text)) <= {row.id for row in ROWS}
    except UsageError as error:
        line, mark = error.why.splitlines()
        assert line.isprintable()
        assert mark.lstrip().startswith("^")
        assert error.hint
    assert connection.execute("SELECT count(*) FROM runs").fetchone() == (len(ROWS),)
