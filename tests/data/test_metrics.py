from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projrun.core.files import encode_json
from projrun.data import metrics
from projrun.data.fingerprint import look
from projrun.data.metrics import read_metrics


def read(root: Path, content: str | bytes, path: str = "m.json") -> tuple[dict[str, Any], list[str]]:
    """Metrics by name, and the messages of the flags."""
    (root / path).write_bytes(content.encode() if isinstance(content, str) else content)
    found, flags = read_metrics([path], root, {})
    return {metric.name: metric.value for metric in found}, [flag.message for flag in flags]


def test_nested_keys_become_dotted_names_in_the_order_of_the_file(tmp_path: Path) -> None:
    found, flags = read(tmp_path, '{"test": {"rmse": 1.5, "n": {"rows": 3}}, "converged": true, "a": 0}')
    assert list(found.items()) == [("test.rmse", 1.5), ("test.n.rows", 3), ("converged", True), ("a", 0)]
    assert found["converged"] is True
    assert flags == []


def test_text_null_and_lists_are_passed_over(tmp_path: Path) -> None:
    assert read(tmp_path, '{"a": "1", "b": null, "c": [1, {"d": 2}], "e": {}, "f": 1}') == ({"f": 1}, [])


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("1e400", "1e400"),
        ("-1.5e999", "-1.5e999"),
        ("9007199254740993", "9007199254740993"),
        ("9" * 6000, "9" * 6000),
        ("9007199254740992", 9007199254740992),
        ("-7", -7),
        ("0.1", 0.1),
    ],
)
def test_a_number_keeps_its_value_as_text_where_a_double_would_lose_it(
    tmp_path: Path, written: str, kept: object
) -> None:
    found, flags = read(tmp_path, f'{{"a": {written}}}')
    assert found == {"a": kept}
    assert type(found["a"]) in (str, int, float)
    assert json.loads(encode_json(found)) == found
    assert flags == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[1]", "no JSON object"),
        (b"3", "no JSON object"),
        (b'{"a": ' * 100_000, "nested too deeply"),
        (b'{"a": 1} {"b": 2}', "not JSON"),
    ],
)
def test_a_malformed_file_is_a_flag(tmp_path: Path, content: bytes, reason: str) -> None:
    found, flags = read(tmp_path, content)
    assert found == {}
    assert len(flags) == 1
    assert reason in flags[0]
    assert "m.json" in flags[0]


def test_a_huge_file_is_a_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "m.json").open("wb") as file:
        file.truncate(metrics.MAX_BYTES + 1)
    found, flags = read_metrics(["m.json"], tmp_path, {})
    assert (found, [flag.code for flag in flags]) == ((), ["metrics-unread"])
    monkeypatch.setattr(metrics, "MAX_METRICS", 2)
    assert read(tmp_path, '{"a": 1, "b": 2, "c": 3}')[0] == {}


def test_missing_fifo_directory_and_link_out_are_flags(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    os.mkfifo(root / "fifo")
    (root / "dir").mkdir()
    (tmp_path / "outside.json").write_text('{"a": 1}')
    (root / "out").symlink_to("../outside.json")
    found, flags = read_metrics(["gone", "fifo", "dir", "out"], root, {})
    assert found == ()
    assert [flag.code for flag in flags] == ["metrics-unread"] * 4


def test_a_file_of_an_earlier_run_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text('{"a": 1}')
    before = look(["m.json"], tmp_path)
    found, flags = read_metrics(["m.json"], tmp_path, before)
    assert found == ()
    assert "did not touch" in flags[0].message
    (tmp_path / "m.json").write_text('{"a": 2}')
    assert read_metrics(["m.json"], tmp_path, before)[0][0].value == 2


def test_a_name_that_occurs_twice_counts_once_and_is_flagged(tmp_path: Path) -> None:
    (tmp_path / "one").write_text('{"a": {"b": 1}, "a.b": 2}')
    (tmp_path / "two").write_text('{"a.b": 3, "c": 4}')
    found, flags = read_metrics(["one", "two"], tmp_path, {})
    assert {metric.name: metric.value for metric in found} == {"a.b": 1, "c": 4}
    assert [flag.code for flag in flags] == ["metric-twice", "metric-twice"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.dictionaries(st.text(), VALUES) | st.binary())
def test_no_content_crashes_and_what_is_read_can_be_recorded(tmp_path: Path, content: object) -> None:
    found, _ = read(tmp_path, content if isinstance(content, bytes) else json.dumps(content))
    assert json.loads(encode_json(found)) == found
