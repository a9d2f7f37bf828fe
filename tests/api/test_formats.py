"""`projrun runs`: what is compared, columns, groups, and every format."""

from __future__ import annotations

import csv
import importlib
import io
import json
import os
import pty
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projrun.cli.formats import csv_bytes, formulas, json_bytes, markdown_bytes, parquet_bytes
from projrun.cli.listing import print_runs
from projrun.cli.render import Column as Shown
from projrun.cli.render import table_lines
from projrun.core.labels import Labels
from projrun.store.columns import ANY, Column, columns_of, kind_of
from projrun.store.index import RunQuery
from projrun.store.store import Store
from tests.api.kept import keep_run

parquet: Any = importlib.import_module("pyarrow.parquet")  # which has no types


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of three runs of one entry point that differ in one parameter."""
    place = tmp_path_factory.mktemp("kept") / "store"
    store = Store(place)
    same = {"rate": 0.5, "model": "tree"}
    keep_run(store, 0, {"depth": 3, **same}, {"rmse": 1.5, "n": str(2**60 + 1)}, labels=Labels("a|b", {"t": ""}))
    keep_run(store, 1, {"depth": 4, **same}, {"rmse": "NaN", "n": 3}, labels=Labels("=1+1\n<b>", {}, "\x1b[2J"))
    keep_run(store, 2, {"depth": 5, **same}, {"rmse": 0.25, "big": "1e400"})
    return place


def runs(place: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[bytes]:
    """Types `projrun runs` for that store."""
    done = subprocess.run(
        [sys.executable, "-m", "projrun", "runs", "--store", str(place), "--all", *words],
        capture_output=True,
        check=False,
    )
    assert done.returncode == code, done.stderr.decode()
    return done


def titles(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    return re.split(r" {2,}", done.stdout.decode().splitlines()[0])


def test_runs_of_one_entry_point_are_compared(place: Path) -> None:
    done = runs(place, "--sort", "params.depth")
    shown = titles(done)
    assert shown[-4:] == ["metrics.rmse", "metrics.n", "metrics.big", "params.depth"]
    assert "entry point" not in shown
    lines = done.stdout.decode().splitlines()
    assert [line.split()[-1] for line in lines[1:]] == ["3", "4", "5"]
    assert str(2**60 + 1) in lines[1]
    assert b"\x1b" not in done.stdout
    assert done.stderr.decode() == "the same in all: entry point train, params.rate=0.5, params.model=tree\n"


def test_other_runs_are_not_compared(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    keep_run(store, 0, {"depth": 3}, {"rmse": 1.5})
    assert titles(runs(store.path))[-2:] == ["metrics", "parameters"]  # one alone
    keep_run(store, 1, {"depth": 3}, entry_point="test")
    done = runs(store.path)
    assert "entry point" in titles(done)
    assert titles(done)[-2:] == ["metrics", "parameters"]
    assert done.stderr == b""


def test_columns_are_chosen_and_a_wrong_name_names_the_nearest(place: Path) -> None:
    done = runs(place, "--columns", "params.depth,id", "--columns", "metrics.rmse", "--sort", "-params.depth")
    assert titles(done) == ["params.depth", "id", "metrics.rmse"]
    assert done.stdout.decode().splitlines()[1].split()[::2] == ["5", "0.25"]
    assert "input.counts" in titles(runs(place, "--columns", "all"))
    assert b"did you mean params.depth?" in runs(place, "--columns", "params.dpeth", code=2).stderr
    assert b"'status'" in runs(place, "--columns", "staus", code=2).stderr
    assert runs(place, "params.depth > 99", "--columns", "id").stdout == b""


def test_groups_have_aggregates_and_an_order_of_their_own(place: Path) -> None:
    done = runs(place, "--group-by", "params.model, dirty", "--aggregate", "count, max:params.depth,mean:duration")
    assert titles(done) == ["params.model", "dirty", "count", "max:params.depth", "mean:duration"]
    assert re.split(r" {2,}", done.stdout.decode().splitlines()[1]) == ["tree", "true", "3", "5", "3.50 s"]
    by_depth = ("--group-by", "params.depth", "--aggregate", "mean:metrics.rmse", "--json")
    assert json.loads(runs(place, *by_depth, "--sort", "-mean:metrics.rmse").stdout) == [
        {"params.depth": 3, "mean:metrics.rmse": 1.5},
        {"params.depth": 5, "mean:metrics.rmse": 0.25},
        {"params.depth": 4, "mean:metrics.rmse": None},
    ]
    few = runs(place, "--group-by", "params.depth", "--limit", "2")
    assert len(few.stdout.splitlines()) == 3
    assert few.stderr == b"2 of 3 groups: --limit 0 for all of them\n"
    assert b"did you mean" in runs(place, *by_depth, "--sort", "-mean:metrics.rsme", code=2).stderr
    assert runs(place, "--group-by", "params.depth", "--columns", "id", code=2).stderr.startswith(b"error: --col")
    assert b"--group-by" in runs(place, "--aggregate", "count", code=2).stderr


def test_more_runs_than_are_shown_are_told(place: Path) -> None:
    done = runs(place, "--limit", "2", "--format", "csv")
    assert len(list(csv.reader(io.StringIO(done.stdout.decode())))) == 3
    assert b"2 of 3 runs: --limit 0 for all of them" in done.stderr
    assert runs(place, "--limit", "3", "--json").stderr == b""


def test_csv_has_what_was_recorded_and_tells_of_formulas(place: Path, tmp_path: Path) -> None:
    done = runs(place, "--format", "csv", "--sort", "params.depth", "-o", str(tmp_path / "runs.csv"))
    assert done.stdout == b""
    assert b"note: 1 text begins as a formula does" in done.stderr
    with (tmp_path / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["a|b", "=1+1\n<b>", ""]
    assert [row["metrics.n"] for row in rows] == [str(2**60 + 1), "3", ""]
    assert [row["metrics.rmse"] for row in rows] == ["1.5", "NaN", "0.25"]
    assert rows[2]["metrics.big"] == "1e400"
    assert rows[0]["started"] == "2023-11-14T22:13:20.250000Z"
    assert (tmp_path / "runs.csv").read_text().splitlines()[1].count(
        '""'
    ) == 1  # the tag is there, without a value


def test_a_file_that_was_there_is_replaced_and_told_and_what_is_none_is_written_to(
    place: Path, tmp_path: Path
) -> None:
    words = ("--format", "csv", "--columns", "id", "-o")
    first, expected = tmp_path / "runs.csv", runs(place, *words[:-1]).stdout
    assert runs(place, *words, str(first)).stderr == b""
    (tmp_path / "link.csv").symlink_to(first)
    first.write_text("old")
    done = runs(place, *words, str(tmp_path / "link.csv"))
    assert done.stderr.decode() == f"{tmp_path / 'link.csv'}: replaced\n"
    assert (tmp_path / "link.csv").is_symlink()
    assert first.read_bytes() == expected
    os.mkfifo(tmp_path / "pipe")
    # Open for both, nobody waits for the other end.
    reader = os.open(tmp_path / "pipe", os.O_RDWR | os.O_NONBLOCK)
    assert runs(place, *words, str(tmp_path / "pipe")).stderr == b""
    assert os.read(reader, 1 << 16) == expected
    os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_parquet_has_types(place: Path, tmp_path: Path) -> None:
    runs(place, "--format", "parquet", "--sort", "params.depth", "-o", str(tmp_path / "runs.parquet"))
    table = parquet.read_table(tmp_path / "runs.parquet")
    kinds = {name: str(table.schema.field(name).type) for name in table.schema.names}
    assert kinds["started"] == "timestamp[us, tz=UTC]"
    assert (kinds["params.depth"], kinds["params.rate"], kinds["dirty"]) == ("int64", "double", "bool")
    assert table.column("metrics.n").to_pylist() == [2**60 + 1, 3, None]
    assert table.column("metrics.big").to_pylist() == [None, None, "1e400"]
    nan, *others = table.column("metrics.rmse").to_pylist()[1::-1]
    assert (nan != nan, others) == (True, [1.5])


def test_parquet_is_not_for_a_terminal_and_takes_pyarrow(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "projrun", "runs", "--store", str(place), "--all", "--format", "parquet"]
    done = subprocess.run(words, stdout=theirs, stderr=subprocess.PIPE, check=False)
    os.close(ours)
    os.close(theirs)
    assert (done.returncode, b"-o runs.parquet" in done.stderr) == (2, True)
    (tmp_path / "pyarrow.py").write_text("raise ImportError('no such thing')")
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from projrun.__main__ import main; main()"
    lacking = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), *words[3:]], capture_output=True, check=False
    )
    assert (lacking.returncode, b"projrun[parquet]" in lacking.stderr) == (2, True), lacking.stderr


@pytest.mark.parametrize("format_", ["csv", "json", "markdown", "table"])
def test_no_format_commands_a_terminal(tmp_path: Path, format_: str) -> None:
    evil = "\x1b[2J\x9b1m\n|"
    labels = Labels(evil, {evil: evil}, evil)
    keep_run(Store(tmp_path), 0, {"model": evil}, {evil: 1.0}, labels=labels)
    ours, theirs = pty.openpty()
    with open(ours, "rb", buffering=0) as screen:
        words = [sys.executable, "-m", "projrun", "runs", "--store", str(tmp_path), "--all"]
        done = subprocess.run(
            [*words, "--format", format_, "--columns", "all"], stdout=theirs, stderr=subprocess.PIPE, check=False
        )
        os.close(theirs)
        shown = screen.read(4096).decode(errors="replace")
    assert done.returncode == 0, done.stderr
    assert not {"\x1b", "\x9b"} & set(shown)
    assert b"\x1b" not in done.stderr


def test_markdown_is_a_table_of_texts(place: Path) -> None:
    lines = runs(place, "--format", "markdown", "--sort", "params.depth").stdout.decode().splitlines()
    assert len(lines) == 5
    assert "| a\\|b |" in lines[2]
    assert "| =1+1\\\\n\\<b\\> |" in lines[3]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {lines[1].count("|")}
    assert "params.model" not in lines[0]


def test_what_does_not_go_together_is_told(place: Path) -> None:
    for words in (["--json", "--format", "csv"], ["-o", "x.txt"], ["--format", "xml"], ["--sort", "metric:rmse"]):
        assert runs(place, *words, code=2).stdout.find(b"Traceback") < 0
    assert runs(place, "--format", "csv", "-o", str(place / "none" / "x"), code=2).stderr.startswith(b"error: ")


def test_a_narrow_terminal_has_the_first_facts_and_tells_of_the_rest(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = Store(place).list_runs(RunQuery())
    columns = [Shown("run"), *(Shown(f"metrics.m{number}", rank=number + 1) for number in range(9))]
    lines, left_out = table_lines(columns, [[row.id, *"123456789"] for row in rows], 60)
    assert max(map(len, lines)) <= 60
    assert (len(left_out), left_out[-1]) == (5, "metrics.m8")
    print_runs(rows, with_project=False)
    assert "no room" not in capsys.readouterr().err


texts = st.text(st.characters(exclude_characters="\0"), max_size=8)  # the reader of Python 3.10 takes no NUL
values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts
)


@settings(max_examples=80)
@given(st.lists(st.tuples(values, texts), min_size=1, max_size=4))
def test_no_format_changes_a_value(rows: list[tuple[object, str]]) -> None:
    first, second = zip(*rows, strict=True)
    columns = [Column("a", kind_of(first), first, first), Column("b|,", "text", second, second)]
    told = list(csv.reader(io.StringIO(csv_bytes(columns).decode(errors="surrogateescape"), newline="")))
    assert told[0] == ["a", "b|,"]
    for row, (value, text) in zip(told[1:], rows, strict=True):
        assert row[1] == text.encode(errors="backslashreplace").decode()
        if value is None:
            assert row[0] == ""
        elif not isinstance(value, str):
            assert json.loads(row[0]) == value
    assert [one["a"] for one in json.loads(json_bytes(columns))] == list(first)
    assert markdown_bytes(columns).count(b"\n") == len(rows) + 2
    kept = parquet.read_table(io.BytesIO(parquet_bytes(columns))).column("a").to_pylist()
    if kind_of(first) != ANY and "\\" not in repr(first):
        assert kept == list(first)


def test_kinds_lose_nothing() -> None:
    assert kind_of([1, None, 2**63 - 1]) == "int"
    assert kind_of([1, 2**63]) == "any"
    assert kind_of([1, 2.5, float("nan")]) == "float"
    assert kind_of([2**53 + 1, 2.5]) == "any"
    assert kind_of([True, 1]) == kind_of(["a", 1]) == kind_of([[1]]) == "any"
    assert kind_of([None]) == kind_of(["a"]) == "text"


def test_formulas_are_counted_and_numbers_are_none() -> None:
    texts = ("=1", "+1", "-1.5", "@x", "-x", "a=1", "\tx", "-Infinity", None, -3)
    assert formulas([Column("a", "text", texts, texts)]) == 4


def test_columns_of_all_fields_are_those_of_the_runs(place: Path) -> None:
    names = [one.name for one in columns_of(Store(place).list_runs(RunQuery()))]
    assert names[:3] == ["id", "status", "started"]
    assert names[-2:] == ["tag.t", "input.counts"]
