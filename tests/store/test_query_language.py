"""What the query language takes, what it refuses and how, and what times, durations and groups are."""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from projrun.core.errors import UsageError
from projrun.store import asking
from projrun.store.database import put
from projrun.store.opening import in_memory
from projrun.store.query import moments
from projrun.store.query.model import FIELDS
from projrun.store.query.parser import CONDITIONS, DEPTH, parse
from projrun.store.row import RunRow
from tests.store.query_oracle import text_of
from tests.store.query_rows import ROWS, found


@pytest.fixture
def zone() -> Iterator[Callable[[str], None]]:
    """Sets the local time zone for the test."""
    with pytest.MonkeyPatch.context() as patch:

        def put_in(name: str) -> None:
            patch.setenv("TZ", name)
            time.tzset()

        yield put_in
    time.tzset()


NOW = dt.datetime(2026, 11, 28, 3, 30, tzinfo=dt.timezone.utc)


@pytest.mark.parametrize(
    ("text", "line", "column", "what"),
    [
        ("metrics.plain 1", "metrics.plain 1", 14, "not compared"),
        ("status = ", "status = ", 9, "a value is missing"),
        ("\t日本語.x = 1", " 日本語.x = 1", 1, "there is no field '日本語.'"),
        ('name = "日本" x', 'name = "日本" x', 14, "should be over"),
        ('name = "e\u0301" x', 'name = "e\u0301" x', 11, "should be over"),
        ('name = "a"\nand\r\nstauts = 1', "stauts = 1", 0, "there is no field 'stauts'"),
        ("dirty and \x1b[31m", "dirty and \ufffd[31m", 10, "character"),
        ("dirty and \ud800", "dirty and \ufffd", 10, "character"),
        ('name = "a', 'name = "a', 7, 'no " at its end'),
        ("params.plain = 2h", "params.plain = 2h", 15, "'2h' is no number"),
        ("params.plain = tree", "params.plain = tree", 15, "quotes"),
        ("params.`", "params.`", 7, "no ` at its end"),
        ("params.", "params.", 7, "a name is missing"),
        ("params = 1", "params = 1", 0, "group of fields"),
        ("params.plain in ()", "params.plain in ()", 17, "a value is missing"),
        ("params.plain in (1", "params.plain in (1", 18, "not closed"),
        ("params.plain in 1", "params.plain in 1", 16, "parentheses"),
        ("params.plain not 1", "params.plain not 1", 17, "not goes with"),
        ("params.plain is 1", "params.plain is 1", 16, "is asks"),
        ("params.plain like 1", "params.plain like 1", 18, "like takes text"),
        ("params.plain < null", "params.plain < null", 15, "null is no value"),
        ("(dirty", "(dirty", 6, "parenthesis of column 1"),
        ("dirty)", "dirty)", 5, "should be over"),
        ("1 = params.plain", "1 = params.plain", 0, "a field comes first"),
        ("dirty && dirty", "dirty && dirty", 6, "'&'"),
        ("dirty = 1", "dirty = 1", 8, "dirty is true or false"),
        ("dirty > true", "dirty > true", 8, "neither more nor less"),
        ("params.plain > true", "params.plain > true", 15, "neither more nor less"),
        ("status = 'fine'", "status = 'fine'", 9, "there is no status 'fine'"),
        ("status", "status", 0, "no condition by itself"),
        ("name = 3", "name = 3", 7, "name is text"),
        ("commit = ''", "commit = ''", 9, "the beginning of it"),
        ("commit < 'a'", "commit < 'a'", 9, "neither more nor less"),
        ("started > '2026-02-30'", "started > '2026-02-30'", 10, "is no time"),
        ("started > 7", "started > 7", 10, "is no time"),
        ("duration > 'long'", "duration > 'long'", 11, "is no duration"),
        ("exit_code = '0'", "exit_code = '0'", 12, "is no number"),
        ("started like '2026%'", "started like '2026%'", 13, "like looks at text"),
        ("tag.plain = 8", "tag.plain = 8", 12, "text in every run"),
        ("input.plain = 8", "input.plain = 8", 14, "text in every run"),
        ("params.plane = 8", "params.plane = 8", 0, "no run has a parameter 'plane'"),
    ],
)
def test_a_mistake_is_told_with_its_place(
    connection: sqlite3.Connection, text: str, line: str, column: int, what: str
) -> None:
    with pytest.raises(UsageError) as caught:
        found(connection, text)
    assert what in caught.value.what
    shown, mark = caught.value.why.split("\n")
    assert shown == line
    assert mark.index("^") == column


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("stauts = 1", "'status'"),
        ("metric.plain < 1", "'metrics.NAME'"),
        ("params.plane = 8", "'params.plain'"),
        ("dirty && dirty", "and"),
        ("status = 'faild'", "'failed'"),
        ("params.plain = tree", '"tree"'),
        ("tag.plain = 8", 'write it in quotes: "8"'),
    ],
)
def test_a_mistake_says_what_was_meant(connection: sqlite3.Connection, text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        found(connection, text)
    assert hint in caught.value.hint


def test_a_long_line_is_shown_around_the_place() -> None:
    with pytest.raises(UsageError) as caught:
        parse("dirty and " * 100 + "stauts = 1 " + "and dirty " * 100)
    line, mark = caught.value.why.split("\n")
    assert len(line) < 100
    assert line[mark.index("^") :].startswith("stauts = 1")


def test_what_no_run_can_be_compared_with_is_an_error_that_says_so() -> None:
    with in_memory() as opened:
        put(
            opened,
            [
                RunRow(
                    "a", "finished", "2026-11-01", parameters={"s": "08", "n": 3}, types={"s": "str", "n": "int"}
                )
            ],
        )
        for text, hint in (('params.n = "3"', "without quotes: 3"), ("params.s = 8", 'in quotes: "8"')):
            with pytest.raises(UsageError) as caught:
                found(opened, text)
            assert hint in caught.value.hint
        assert found(opened, 'params.s = "08" and params.n = 3.0') == ["a"]


def test_no_length_and_no_depth_is_too_much(connection: sqlite3.Connection) -> None:
    many = ", ".join(map(str, range(100_000)))
    assert found(connection, f"params.plain in ({many})") == found(connection, "params.plain in (0, 1, 3, 7)")
    every = sorted(row.id for row in ROWS)
    listed = ", ".join(f"'{run}'" for run in [*every, "a" * 50_000])
    assert found(connection, f"id in ({listed})") == every
    assert found(connection, " or ".join(["dirty"] * CONDITIONS)) == found(connection, "dirty")
    deep = "dirty"
    for level in range(DEPTH):
        deep = f"({deep} and dirty)" if level % 2 else f"({deep} or dirty)"
    assert found(connection, deep) == found(connection, "dirty")
    assert found(connection, "not " * DEPTH + "dirty") == found(connection, "dirty")
    for text in (
        "(" * 10_000 + "dirty" + ")" * 10_000,
        "not " * 10_000 + "dirty",
        " or ".join(["dirty"] * 10_000),
    ):
        with pytest.raises(UsageError):
            parse(text)
    for text in ("9" * 5000, "1e" + "9" * 30, "-1e" + "9" * 30, "1e-" + "9" * 30, "9" * 4000, "1e400"):
        try:
            found(connection, f"params.plain < {text} or exit_code > {text} or duration in ({text})")
        except UsageError as error:
            assert "digits" in error.what


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("2026-11-01", "2026-11-01T00:00:00.000000Z", "2026-11-02T00:00:00.000000Z"),
        ("2026-12", "2026-12-01T00:00:00.000000Z", "2027-01-01T00:00:00.000000Z"),
        ("2024", "2024-01-01T00:00:00.000000Z", "2025-01-01T00:00:00.000000Z"),
        ("today", "2026-11-28T00:00:00.000000Z", "2026-11-29T00:00:00.000000Z"),
        (" Yesterday ", "2026-11-27T00:00:00.000000Z", "2026-11-28T00:00:00.000000Z"),
        ("2026-11-01 14:05", "2026-11-01T14:05:00.000000Z", "2026-11-01T14:06:00.000000Z"),
        ("2026-11-01T14:05:09", "2026-11-01T14:05:09.000000Z", "2026-11-01T14:05:10.000000Z"),
        ("2026-11-01T14:05:09.25Z", "2026-11-01T14:05:09.250000Z", "2026-11-01T14:05:09.260000Z"),
        ("2026-11-01 14:05 +02:00", "2026-11-01T12:05:00.000000Z", "2026-11-01T12:06:00.000000Z"),
        ("now", "2026-11-28T03:30:00.000000Z", "2026-11-28T03:30:00.000001Z"),
        ("7 days ago", "2026-11-21T03:30:00.000000Z", "2026-11-21T03:30:00.000001Z"),
        ("1h30m ago", "2026-11-28T02:00:00.000000Z", "2026-11-28T02:00:00.000001Z"),
        ("2 weeks ago", "2026-11-14T03:30:00.000000Z", "2026-11-14T03:30:00.000001Z"),
    ],
)
def test_a_time_is_a_stretch_of_time(zone: Callable[[str], None], text: str, begin: str, end: str) -> None:
    zone("UTC")
    assert moments.interval(text, NOW) == (begin, end)


def test_a_day_is_that_of_the_local_zone(zone: Callable[[str], None]) -> None:
    zone("Europe/Berlin")
    day = moments.interval("2026-10-25", NOW)  # the clocks go back
    assert day == ("2026-10-24T22:00:00.000000Z", "2026-10-25T23:00:00.000000Z")


@pytest.mark.parametrize(
    "text", ["", "soon", "7 days", "2026-13", "2026-11-31", "2026-11-01 25:00", "7 lightyears ago"]
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert moments.interval(text, NOW) is None


def test_times_are_compared_with_the_whole_of_it(connection: sqlite3.Connection) -> None:
    moment = '"2026-11-05T10:00:04Z"'
    days = [row.started[:19] for row in ROWS]
    for operator, expected in (
        ("=", [day == "2026-11-05T10:00:04" for day in days]),
        ("!=", [day != "2026-11-05T10:00:04" for day in days]),
        ("<", [day < "2026-11-05T10:00:04" for day in days]),
        ("<=", [day <= "2026-11-05T10:00:04" for day in days]),
        (">", [day > "2026-11-05T10:00:04" for day in days]),
        (">=", [day >= "2026-11-05T10:00:04" for day in days]),
    ):
        holding = sorted(row.id for row, holds in zip(ROWS, expected, strict=True) if holds)
        assert found(connection, f"started {operator} {moment}") == holding
        assert holding
    assert found(connection, f"started in ({moment}, 'now')") == found(connection, f"started = {moment}")


def test_a_duration_is_seconds_or_text(connection: sqlite3.Connection) -> None:
    assert found(connection, 'duration > "4s"') == found(connection, "duration > 4")
    assert found(connection, 'duration in ("3 seconds", 4, "0.1 min")') == found(
        connection, "duration in (3, 4, 6)"
    )
    assert found(connection, 'duration < "1h30m"') == found(connection, "duration < 5400")


def test_groups_have_the_aggregates_of_their_numbers() -> None:
    rows = [
        RunRow(
            f"r{place}",
            "finished",
            f"2026-11-0{place + 1}",
            duration=float(place),
            parameters={"model": model},
            types={"model": "str"},
            metrics={} if value is None else {"x": value},
        )
        for place, (model, value) in enumerate(
            [("tree", 1), ("tree", 2.5), ("tree", "NaN"), ("linear", None), ("linear", True), ("tree", 4)]
        )
    ]
    functions = (
        *("count", "count:metrics.x", "mean:metrics.x", "min:metrics.x", "max:metrics.x", "sum:metrics.x"),
        *("median:metrics.x", "std:metrics.x", "min:started", "std:duration"),
    )
    with in_memory() as opened:
        put(opened, rows)
        asked = asking.asked("", None)
        groups = asking.groups(opened, asked, asking.columns(("params.model",), functions))
        assert [group.keys for group in groups] == [("linear",), ("tree",)]
        assert groups[0].values == (
            2,
            1,
            None,
            True,
            True,
            None,
            None,
            None,
            "2026-11-04",
            pytest.approx(0.5**0.5),
        )
        numbers = (4, 4, 2.5, 1, 4, 7.5, 2.5, 1.5, "2026-11-01", pytest.approx(2.1602468994))
        assert groups[1].values == numbers
        everything = asking.groups(opened, asked, asking.columns((), ("count",)))
        assert [(group.keys, group.values) for group in everything] == [((), (6,))]
        by_value = asking.groups(opened, asked, asking.columns(("metrics.x",), ("count",)))
        assert [str(group.keys[0]) for group in by_value] == ["1", "2.5", "4", "True", "nan", "None"]


@pytest.mark.parametrize(
    "text", ["average:duration", "mean", "mean:", "count:nothing", "sum:duration,started", "", ":"]
)
def test_an_aggregate_that_there_is_not_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        asking.columns((), (text,))


def test_numbers_that_a_double_would_lose_are_grouped_and_summed_as_they_are(
    connection: sqlite3.Connection,
) -> None:
    rows = [
        RunRow(f"r{place}", "finished", "2026-11-01", metrics={"x": str(value)})
        for place, value in enumerate((2**53 + 1, 2**53, 2**53 + 1, 2**64))
    ]
    with in_memory() as opened:
        put(opened, rows)
        asked = asking.asked("", None)
        groups = asking.groups(opened, asked, asking.columns(("metrics.x",), ("count",)))
        assert [(int(float(group.keys[0])) >= 2**53, group.values) for group in groups] == [
            (True, (1,)),
            (True, (2,)),
            (True, (1,)),
        ]
        assert found(opened, f"metrics.x = {2**53 + 1}") == ["r0", "r2"]


PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "query.md").read_text()


def test_every_example_of_the_page_is_a_query() -> None:
    (block,) = re.findall(r"```query\n(.*?)```", PAGE, re.DOTALL)
    examples = block.splitlines()
    assert len(examples) > 8
    for text in (*examples, *re.findall(r"projrun runs '(.*)'", PAGE)):
        assert text_of(parse(text))


def test_the_page_has_every_field_and_every_limit() -> None:
    for name in FIELDS:
        assert re.search(rf'"{name}"', PAGE), name
        assert re.search(rf"^\|.*`{name}`.*\|", PAGE, re.MULTILINE), name
    for text in (f"at most {CONDITIONS} conditions", f"at most {DEPTH} deep"):
        assert text in PAGE
