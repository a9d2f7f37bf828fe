"""Metrics files that are YAML or tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projrun.core.files import encode_json
from projrun.core.metrics import yaml_values
from projrun.core.metrics.lines import Point
from projrun.data import metrics
from projrun.data.metrics import read_metrics
from tests.data.test_metrics import read


class Kept:
    """Remembers the points of tables."""

    def __init__(self) -> None:
        self.points: list[Point] = []

    def keep(self, point: Point) -> None:
        self.points.append(point)


def points(root: Path, content: str, path: str = "m.csv") -> list[tuple[Any, ...]]:
    (root / path).write_text(content)
    kept = Kept()
    read_metrics([path], root, {}, kept)
    return [tuple(one) for one in kept.points]


BIG = '"big": 9007199254740993'
ROWS = '"4","big",9007199254740993\n"5","less",-Inf\n'  # as R writes them
SAME = {"val.loss": 0.5, "n": 3, "nan": "NaN", "big": "9007199254740993", "less": "-Infinity", "ok": True}


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("m.json", '{"val": {"loss": 0.5}, "n": 3, "nan": NaN, ' + BIG + ', "less": "-Infinity", "ok": true}'),
        ("m.yaml", "val:\n  loss: 0.5\nn: 3\nnan: .nan\nbig: 9007199254740993\nless: -.INF\nok: true\n"),
        ("m.yml", '{"val": {loss: 5e-1}, n: 0x3, "nan": .NaN, ' + BIG + ', less: "-Infinity", ok: TRUE}'),
        ("m.csv", "step,val.loss,n,nan,big,less,ok\n1,2,3,4,5,6,FALSE\n2,.5,3,nan,9007199254740993,-inf,True\n"),
        ("m.csv", '"","name","value"\n"1","val.loss",0.5\n"2","n",3\n"3","nan",NaN\n' + ROWS + '"6","ok",TRUE\n'),
        ("m.tsv", "val.loss\t0.5\nn\t3\nnan\tNaN\nbig\t9007199254740993\nless\t-Infinity\nok\ttrue\n"),
        (
            "m.jsonl",
            '{"val": {"loss": 0.5}, "n": 3, "nan": NaN}\n{' + BIG + ', "ok": true}\n{"less": -Infinity}\n',
        ),
    ],
)
def test_every_kind_of_file_tells_the_same(tmp_path: Path, path: str, content: str) -> None:
    found, flags = read(tmp_path, content, path)
    assert found == SAME
    assert {name: type(value) for name, value in found.items()} == {name: type(SAME[name]) for name in SAME}
    assert flags == []


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e3", 1000.0),
        ("+.5E2", 50.0),
        ("1.", 1.0),
        ("0x10", 16),
        ("0o17", 15),
        ("017", 17),
        ("+7", 7),
        ("-0", 0),
        ("0x20000000000001", "9007199254740993"),
        (".inf", "Infinity"),
        ("-.Inf", "-Infinity"),
        (".NAN", "NaN"),
        ("1e400", "1e400"),
        ("1e-400", "1e-400"),
        ("-12345678901234567890", "-12345678901234567890"),
        ("True", True),
        *(
            (text, None)
            for text in ("yes", "on", "1_000", "12:30:45", "2020-10-10", "~", "", "null", '"1"', "'2'")
        ),
        *((text, None) for text in ("[1, 2]", "text", "0b1", "inf", "nan", "1 2")),
    ],
)
def test_yaml_is_read_by_the_rules_of_1_2(tmp_path: Path, written: str, value: object) -> None:
    found, flags = read(tmp_path, f"a: {written}\nb: 1\n", "m.yaml")
    assert found.pop("b") == 1
    assert found == ({} if value is None else {"a": value})
    assert all(type(one) is type(value) for one in found.values())
    assert flags == []


LAUGHS = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (LAUGHS, "anchors and aliases"),
        ("a: !!python/object/apply:os.getcwd []\n", "tag"),
        ("a: 1\n---\nb: 2\n", "second document"),
        ("? [a, b]\n: 1\n", "a key is no text"),
        ("- 1\n", "no mapping"),
        ("", "no mapping"),
        ("a: [1\n", "line 2, column 1"),
        ("a: \x00\n", "not YAML"),
        ("{a: " * 101 + "1" + "}" * 101, "nested too deeply"),
    ],
)
def test_yaml_that_is_not_plain_data_is_a_flag(tmp_path: Path, content: str, reason: str) -> None:
    found, flags = read(tmp_path, content, "m.yaml")
    assert found == {}
    assert len(flags) == 1
    assert reason in flags[0]


@pytest.mark.parametrize(("path", "content"), [("m.yaml", "a: 1\na: 2\nb: {c: 1, c: 2}\n"),
                                               ("m.json", '{"a": 1, "a": 2, "b": {"c": 1, "c": 2}}')])  # fmt: skip
def test_of_a_key_that_is_there_twice_the_first_counts(tmp_path: Path, path: str, content: str) -> None:
    found, flags = read(tmp_path, content, path)
    assert found == {"a": 1, "b.c": 1}
    assert {flag.split()[1] for flag in flags} == {"'a'", "'b.c'"}


def test_a_key_that_is_there_very_often_is_one_flag(tmp_path: Path) -> None:
    assert len(read(tmp_path, "a: 1\n" * 30_000, "m.yaml")[1]) == 1


def test_a_column_is_a_series_with_the_rows_or_a_column_as_steps(tmp_path: Path) -> None:
    assert points(tmp_path, "loss,acc\n1.5,\n,0.5\n0.5,x\n") == [
        ("loss", 1.5, 0, None),
        ("acc", 0.5, 1, None),
        ("loss", 0.5, 2, None),
    ]
    assert points(tmp_path, "Epoch,loss,time\n3,1,10.5\n2.5,2,\n,3,\n") == [
        ("loss", 1, 3, 10.5),
        ("loss", 2, 2.5, None),
        ("loss", 3, None, None),
    ]
    assert points(tmp_path, "step,epoch,loss\n7,1,0.5\n") == [("epoch", 1, 7, None), ("loss", 0.5, 7, None)]


def test_a_table_of_names_and_values_may_tell_steps(tmp_path: Path) -> None:
    assert points(tmp_path, "step,name,value\n1,a,0.5\n2,a,1.5\n2,b,\n") == [
        ("a", 0.5, 1, None),
        ("a", 1.5, 2, None),
    ]
    assert points(tmp_path, "\ufeffa,0.5\nb,1e3\n") == [("a", 0.5, None, None), ("b", 1000.0, None, None)]


@pytest.mark.parametrize(
    ("content", "found", "reason"),
    [
        ("", {}, "no number"),
        ("step;loss\n1;2\n", {}, "no number"),
        ("a,b\nx,y\n", {}, "no number"),
        ("a,a,b\n1,2,3\n", {"a": 1, "b": 3}, "the column 'a' is there twice"),
        ("name,value\na,1\nb,much\n,3\n", {"a": 1}, "line 3: the value 'much' is no number and 1 more"),
        ('a,b\n1,2\n"3,4\n' + "x" * 200_000 + "\n", {"a": 1, "b": 2}, "nothing after line"),
        ("a\x1b[31m,b\n1,2\n", {"b": 2}, "U+001B"),
    ],
)  # fmt: skip
def test_what_is_no_metric_in_a_table_is_a_flag(tmp_path: Path, content: str, found: object, reason: str) -> None:
    read_now, flags = read(tmp_path, content, "m.csv")
    assert read_now == found
    assert len(flags) == 1
    assert reason in flags[0]


def test_bytes_that_are_no_text_end_a_table(tmp_path: Path) -> None:
    found, flags = read(tmp_path, b"a,b\n1,2\n\xff\xfe,4\n", "m.csv")
    assert found in ({}, {"a": 1, "b": 2})  # what is decoded at one go is lost together
    assert "not UTF-8" in flags[0]


def test_bad_json_lines_are_counted_with_their_first_line(tmp_path: Path) -> None:
    found, flags = read(tmp_path, '{"a": 1}\nbad\n{"name": "b"}\n{"a": 2}', "m.ndjson")
    assert found == {"a": 2}
    assert len(flags) == 1
    assert "line 2: it is not JSON" in flags[0]
    assert flags[0].endswith("and 1 more")


def test_points_of_a_name_that_another_file_has_are_not_kept(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text('{"a": 1}')
    (tmp_path / "two.csv").write_text("a,b\n2,3\n")
    kept = Kept()
    found, flags = read_metrics(["one.json", "two.csv"], tmp_path, {}, kept)
    assert {one.name: (one.value, one.file) for one in found} == {"a": (1, "one.json"), "b": (3, "two.csv")}
    assert [one.name for one in kept.points] == ["b"]
    assert [one.code for one in flags] == ["metric-twice"]


def test_a_table_that_is_too_large_is_a_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "m.csv").open("wb") as file:
        file.truncate(metrics.MAX_TABLE_BYTES + 1)
    assert [one.code for one in read_metrics(["m.csv"], tmp_path, {})[1]] == ["metrics-unread"]
    monkeypatch.setattr(metrics, "MAX_METRICS", 2)
    assert read(tmp_path, "a,b,c\n1,2,3\n", "m.csv")[0] == {}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(
    st.sampled_from(["m.yaml", "m.csv", "m.tsv", "m.jsonl"]),
    st.binary(max_size=200) | st.text(st.sampled_from("a1,:\t\n\r\"'{}[]-.e&*!#% ")).map(str.encode),
)
def test_no_content_crashes_and_what_is_read_can_be_recorded(tmp_path: Path, path: str, content: bytes) -> None:
    found, _ = read(tmp_path, content, path)
    assert json.loads(encode_json(found)) == found


@settings(max_examples=100)
@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(categories=("L", "N"))),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(st.characters(categories=["L"])), below),
    max_leaves=8,
))  # fmt: skip
def test_json_is_yaml_with_the_same_values(value: object) -> None:
    assert yaml_values.load(json.dumps(value, ensure_ascii=False)) == value
