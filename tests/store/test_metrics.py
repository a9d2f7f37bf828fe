"""The metrics of a run's directory: from lines to summaries and series."""

from __future__ import annotations

import json
import math
import os
from array import array
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projrun.core.errors import StoreError, UsageError
from projrun.core.metrics import lines
from projrun.core.metrics.numbers import order
from projrun.store import metrics, metrics_ingest, metrics_living, metrics_making
from projrun.store.metrics_file import FILE as SERIES
from projrun.store.metrics_file import Series
from projrun.store.metrics_rejected import FILE as REJECTED
from projrun.store.metrics_rejected import MAX_LINES
from projrun.store.metrics_thinning import thinned

RUN = "abcdefghjkmn"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The directory of a run that nobody carries out any more."""
    directory = tmp_path / RUN
    directory.mkdir()
    return directory


def write(run: Path, *written: object, end: str = "\n") -> Path:
    text = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in written) + end
    (run / metrics.LINES).write_text(text)
    return run


def point(name: str, value: object, step: object = None, **more: object) -> dict[str, object]:
    return {"name": name, "value": value, **({} if step is None else {"step": step}), **more}


def rejected(run: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in (run / REJECTED).read_text().splitlines()]
    except FileNotFoundError:
        return []


def values(run: Path, name: str) -> list[object]:
    return list(metrics.series(run, name).values)


def test_points_become_summaries_and_series(run: Path) -> None:
    write(run, point("loss", 0.5, 0), point("acc", 1, 0), point("loss", 0.125, 1), point("loss", 0.25, 2))
    assert metrics.names(run) == ("loss", "acc")
    found = metrics.summary(run, "loss")
    assert (found.count, found.last, found.min, found.max) == (3, 0.25, 0.125, 0.5)
    assert (found.first_step, found.last_step, found.origin) == (0, 2, "PROJRUN_METRICS")
    assert metrics.series(run, "loss") == Series(array("q", [0, 1, 2]), array("d", [0.5, 0.125, 0.25]), None)
    assert metrics.series(run, "acc").values == array("q", [1])
    assert (run / SERIES).stat().st_mode & 0o777 == 0o600
    assert rejected(run) == []


def test_an_unknown_name_is_told_with_the_nearest(run: Path) -> None:
    write(run, point("loss", 0.5))
    with pytest.raises(UsageError) as error:
        metrics.series(run, "los")
    assert "loss" in error.value.why
    assert RUN in error.value.hint


def test_a_run_without_metrics_has_none(run: Path) -> None:
    assert metrics.summaries(run) == ()
    write(run, end="")
    assert metrics.summaries(run) == ()


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("NaN", "NaN"),
        ('"NaN"', "NaN"),
        ("Infinity", "Infinity"),
        ('"-Infinity"', "-Infinity"),
        ("1e400", "1e400"),
        ("-1e400", "-1e400"),
        ("1e-400", "1e-400"),
        ("0.0", 0.0),
        ("0e-7", 0.0),
        ("-0.0", -0.0),
        ("9007199254740993", "9007199254740993"),
        ("9007199254740992", 9007199254740992),
        ("-9007199254740992", -9007199254740992),
        ("true", True),
        ("false", False),
        ("3", 3),
        ("3.0", 3.0),
        ("5e-324", 5e-324),
    ],
)
def test_a_value_is_the_same_in_summary_and_series(run: Path, written: str, kept: object) -> None:
    write(run, point("a", 0.5), f'{{"name": "a", "value": {written}, "step": 7}}', point("b", 1))
    for found in (metrics.summary(run, "a").last, values(run, "a")[1]):
        assert found == kept
        assert type(found) is type(kept)
        assert str(found) == str(kept)
    assert rejected(run) == []


def test_nested_values_and_several_in_a_line(run: Path) -> None:
    write(
        run,
        point("val", {"loss": 0.5, "at": {"1": True}}, 3),
        {"step": 4, "train": {"loss": 0.25}, "acc": 0.75, "phase": "warm-up", "left": None},
        {"epoch": 5, "acc": 0.875},
    )
    assert metrics.names(run) == ("val.loss", "val.at.1", "train.loss", "acc")
    assert metrics.series(run, "acc").steps == array("q", [4, 5])


def test_steps_are_kept_as_they_come_and_counted_where_there_are_none(run: Path) -> None:
    steps = [None, None, 7, 7, 2, None, 2.5, None, 4.0, -(2**53)]
    write(run, *(point("a", number, step) for number, step in enumerate(steps)))
    found = list(metrics.series(run, "a").steps)
    assert found == [0, 1, 7, 7, 2, 3, 2.5, 3.5, 4, -(2**53)]
    assert [type(step) for step in found] == [int, int, int, int, int, int, float, float, int, int]
    assert metrics.summary(run, "a").last == 9
    assert (metrics.summary(run, "a").first_step, metrics.summary(run, "a").last_step) == (0, -(2**53))


def test_times_are_kept_where_they_are_told(run: Path) -> None:
    write(run, point("a", 0.5, 1), point("a", 0.5, 2, time=1700000000.25), point("b", 1, time=5))
    times = metrics.series(run, "a").times
    assert times is not None
    assert math.isnan(times[0])
    assert times[1] == 1700000000.25
    assert metrics.series(run, "b").times == array("d", [5.0])
    assert metrics.summary(run, "a").last_time == 1700000000.25


BAD = [
    ("nonsense", "not JSON"),
    ('{"name": "a"}', "no value"),
    ('{"value": 1}', "no name"),
    ('{"name": 3, "value": 1}', "no text"),
    ('{"name": "", "value": 1}', "empty"),
    ('{"name": "a", "value": "0.5"}', "text, not a number"),
    ('{"name": "a", "value": null}', "null, not a number"),
    ('{"name": "a", "value": [1]}', "a list, not a number"),
    ('{"name": "a", "value": {"b": {"c": "x"}}}', "'b.c'"),
    ('{"name": "a", "value": {}}', "empty object"),
    ('{"step": 1}', "no name and no value"),
    ("{}", "no name"),
    ("[1]", "no JSON object"),
    ("3", "no JSON object"),
    ('{"name": "a\\u001b[31m", "value": 1}', "U+001B"),
    ('{"name": "a\\ud800", "value": 1}', "U+D800"),
    ('{"name": "%s", "value": 1}' % ("x" * 251), "longer than 250"),
    ('{"name": "a", "value": {"\\n": 1}}', "U+000A"),
    ('{"name": "a", "value": 1, "step": "3"}', "step"),
    ('{"name": "a", "value": 1, "step": NaN}', "step"),
    ('{"name": "a", "value": 1, "step": true}', "step"),
    ('{"name": "a", "value": 1, "step": 9007199254740993}', "step"),
    ('{"name": "a", "value": 1, "step": 1e300}', "step"),
    ('{"name": "a", "value": 1, "time": "noon"}', "time"),
    ('{"name": "a", "value": 1} {"name": "a", "value": 2}', "not JSON"),
    ('{"name": "a", "value": %s}' % ("9" * 1001), "longer than 1,000"),
    ('{"name": "a", "value": ' * 20_000, "nested too deeply"),
    ("\x00" * 50, "not JSON"),
]


@pytest.mark.parametrize(("line", "reason"), BAD)
def test_a_line_that_is_no_metric_is_kept_aside_with_its_number(run: Path, line: str, reason: str) -> None:
    write(run, point("a", 0.5, 1), line, "", point("a", 0.25, 2))
    assert values(run, "a") == [0.5, 0.25]
    (found,) = rejected(run)
    assert (found["file"], found["line"]) == ("PROJRUN_METRICS", 2)
    assert reason in found["reason"]
    assert line.startswith(found["text"])
    assert found["cut"] == (len(line) > 500)


def test_bytes_that_are_no_text_and_a_line_without_end(run: Path) -> None:
    good = b'{"name": "a", "value": 0.5, "step": 1}\n'
    data = good + b'\xff\xfe\x00\n{"name": "\xe9", "value": 1, "step": 1}\r\n' + good + b'{"name": "a", "val'
    (run / metrics.LINES).write_bytes(data)
    assert values(run, "a") == [0.5, 0.5]
    assert [(one["line"], one["reason"][:14]) for one in rejected(run)] == [
        (2, "it is not UTF-"),
        (3, "it is not UTF-"),
        (5, "it is cut off:"),
    ]


def test_a_last_line_that_is_whole_counts_without_its_end_too(run: Path) -> None:
    write(run, "\ufeff" + json.dumps(point("a", 1)), json.dumps(point("a", 2)) + "\r", point("a", 3), end="")
    assert values(run, "a") == [1, 2, 3]
    assert rejected(run) == []


def test_a_line_that_is_too_long_to_be_held_is_one_line(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK", 1000)
    monkeypatch.setattr(lines, "_HELD", 4000)
    monkeypatch.setattr(lines, "LONGEST_LINE", 2000)
    long = '{"name": "b", "value": "' + "x" * 50_000 + '"}'
    write(run, point("a", 1), long, point("a", 2), " " * 3000, point("a", 3), long, end="")
    assert values(run, "a") == [1, 2, 3]
    assert [one["line"] for one in rejected(run)] == [2, 4, 6]
    assert all("longer than" in one["reason"] for one in rejected(run))


def test_what_is_kept_aside_is_bounded_and_counted(run: Path) -> None:
    write(run, *["bad"] * (MAX_LINES + 5))
    assert len(rejected(run)) == 0  # nobody asked yet
    assert metrics.names(run) == ()
    assert len(rejected(run)) == MAX_LINES + 1
    assert rejected(run)[-1] == {"more": 5}


def test_names_without_bound_are_refused_and_the_others_go_on(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_ingest, "MAX_NAMES", 3)
    write(run, *(point(f"n{number % 5}", number, number) for number in range(20)))
    assert metrics.names(run) == ("n0", "n1", "n2")
    assert values(run, "n2") == [2, 7, 12, 17]
    assert {one["line"] for one in rejected(run)} == {4, 5, 9, 10, 14, 15, 19, 20}


def test_a_file_beyond_the_limit_is_read_up_to_it(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(run, *(point("a", number, number) for number in range(100)))
    monkeypatch.setattr(metrics_ingest, "MAX_BYTES", 1000)
    found = metrics.ingest(run)
    assert found.cut == ("PROJRUN_METRICS",)
    assert 10 < found.summaries[0].count < 100


def test_no_link_pipe_or_directory_is_read(run: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(json.dumps(point("a", 1)) + "\n")
    (run / metrics.LINES).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="a link"):
        metrics.ingest(run)
    (run / metrics.LINES).unlink()
    os.mkfifo(run / metrics.LINES)
    with pytest.raises(OSError, match="a pipe"):
        metrics.ingest(run)


@pytest.mark.parametrize("damage", ["cut", "emptied", "scrambled", "foreign"])
def test_a_damaged_series_file_is_made_again(run: Path, damage: str) -> None:
    write(run, *(point("a", number / 4, number) for number in range(1, 50)))
    expected = metrics.series(run, "a")
    file = run / SERIES
    whole = file.read_bytes()
    changed = {"cut": whole[:-9], "emptied": b"", "scrambled": whole[::-1], "foreign": b"SQLite format 3\0" * 9}
    file.write_bytes(changed[damage])
    assert metrics.series(run, "a") == expected
    assert file.read_bytes() == whole


def test_what_a_hostile_series_file_says_ends_in_an_error_or_in_the_truth(run: Path) -> None:
    write(run, *(point("a", number / 4, number) for number in range(1, 50)))
    expected = metrics.series(run, "a")
    file = run / SERIES
    whole = file.read_bytes()
    for old, new in (
        (b'"table": ', b'"table":-'),
        (b'"table": ', b'"table":9'),
        (b'"name"', b'"nope"'),
        (b'"a"', b'"b"'),
        (b'{"facts"', b"[[[[[[[["),
        (b'"metrics": [[', b'"metrics":[[['),
        (b"1]]", b"9]]"),
    ):
        file.write_bytes(whole.replace(old, new))
        try:
            assert metrics.series(run, "a") == expected
        except (StoreError, UsageError) as error:
            assert error.hint


def test_lines_that_came_later_are_read_too(run: Path) -> None:
    write(run, point("a", 1))
    assert values(run, "a") == [1]
    with (run / metrics.LINES).open("a") as file:
        file.write(json.dumps(point("a", 2)) + "\n")
    assert values(run, "a") == [1, 2]


def test_a_directory_that_cannot_be_written_is_read_too(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(run, point("a", 1), "bad", point("a", 2))

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(metrics_making, "create", refuse)
    found = metrics.ingest(run)
    assert (found.failure, found.summaries[0].last) == ("Permission denied", 2)
    assert values(run, "a") == [1, 2]
    assert not (run / SERIES).exists()


def test_a_full_disk_loses_no_summary(run: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    write(run, *(point("a", number, number) for number in range(2000)))
    from projrun.store.metrics_file import Pieces

    with open("/dev/full", "wb", buffering=0) as full:
        taken = metrics_ingest.Ingest(Pieces(full))
        taken.file(run / metrics.LINES, metrics.ORIGIN)
        columns = taken.columns()
    assert columns["a"].summary.last == 1999
    assert taken.pieces.failure is not None


def test_recent_values_come_from_the_end(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_living, "_RECENT", 2000)
    write(
        run,
        *(point("a", number, number) for number in range(1000)),
        point("b", {"c": True}),
        '{"name": "a", "va',
        end="",
    )
    assert metrics_living.recent(run) == {"a": 999, "b.c": True}
    assert metrics_living.recent(run.parent / "gone") == {}


def test_extremes_are_exact_across_pieces_and_pass_nan_over(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_ingest, "_HELD_POINTS", 1)
    monkeypatch.setattr(lines, "BLOCK", 40)
    texts = ["NaN", "1e400", "2", "9007199254740993", "-1e401", "NaN", "1.5", "Infinity", "9007199254740995"]
    write(run, *(f'{{"name": "a", "value": {text}}}' for text in texts))
    found = metrics.summary(run, "a")
    assert (found.count, found.min, found.max, found.last) == (9, "-1e401", "Infinity", "9007199254740995")
    assert values(run, "a") == ["NaN", "1e400", 2, "9007199254740993", "-1e401", "NaN", 1.5, "Infinity", texts[-1]]
    write(run, '{"name": "a", "value": NaN}')
    assert (metrics.summary(run, "a").min, metrics.summary(run, "a").max) == (None, None)


VALUE = st.floats() | st.integers() | st.booleans()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(VALUE, min_size=5, max_size=300), st.integers(4, 60))
def test_fewer_points_keep_the_ends_and_the_extremes(found: list[Any], points: int) -> None:
    shown = [str(one) if not isinstance(one, bool) and abs(one) > 2**53 else one for one in found]
    kept = [{"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(str(one), one) for one in shown]
    series = Series(array("q", range(len(kept))), kept, None)
    few = thinned(series, points)
    assert len(few.values) == len(few.steps) <= max(points, 4)
    assert list(few.steps) == sorted(set(few.steps))
    assert (few.steps[0], few.steps[-1]) == (0, len(kept) - 1)
    assert [few.values[at] for at in range(len(few.steps))] == [kept[step] for step in few.steps]  # type: ignore[index]
    ordered = [key for one in kept if (key := order(one)) is not None]
    few_ordered = [key for one in few.values if (key := order(one)) is not None]
    if ordered:
        assert (min(few_ordered), max(few_ordered)) == (min(ordered), max(ordered))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_no_content_crashes_and_every_line_is_accounted_for(run: Path, content: bytes) -> None:
    (run / metrics.LINES).write_bytes(content)
    found = metrics.ingest(run)
    filled = [line for line in content.split(b"\n") if line.strip(b" \t\r\n")]
    assert sum(found.rejected.values()) + sum(one.count for one in found.summaries) >= len(filled) - 1
    metrics.summaries(run)
