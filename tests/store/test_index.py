from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from projrun.core.errors import StoreError, UsageError
from projrun.core.values import replace
from projrun.data.model import Metric
from projrun.store import refreshing
from projrun.store.index import RunQuery
from projrun.store.store import Store
from tests.recipe import parts
from tests.store.writing import begin_run, finish_run, whole_run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def settle(store: Store) -> None:
    """Makes the runs directory look as if nothing had been written to it lately."""
    os.utime(store.runs_directory, (1_000_000_000, 1_000_000_000))


def sorted_by(store: Store, sort: str) -> list[str | None]:
    return [row.name for row in store.list_runs(RunQuery(sort=(sort,)))]


def test_a_row_tells_what_the_documents_hold(store: Store) -> None:
    run = begin_run(store, name="first")
    finish_run(run, depth=[1, "two"], metrics=(Metric("rmse", 0.5, "m.json"), Metric("big", "1e400", "m.json")))
    (row,) = store.list_runs(RunQuery())
    assert (row.id, row.project, row.root, row.entry_point) == (run.id, "bikes", str(parts.ROOT), "train")
    assert (row.status, row.exit_code, row.duration) == ("finished", 0, 2.0)
    assert (row.started, row.ended) == ("2023-11-14T22:13:20.250000Z", "2023-11-14T22:13:22.250000Z")
    assert (row.commit, row.snapshot, row.dirty) == (parts.COMMIT, "b" * 40, True)
    assert row.environment == "c" * 64
    assert (row.parameters, row.metrics) == ({"depth": [1, "two"]}, {"rmse": 0.5, "big": "1e400"})


def test_what_a_lost_run_measured_is_found_and_what_a_living_one_does_not_yet(store: Store) -> None:
    lines = [{"name": "loss", "value": 9.0 / step, "step": step} for step in range(1, 10_000)]
    odd = ["no metric at all", '{"name": "big", "value": 1e400}']
    text = "\n".join([json.dumps({"name": "first", "value": 3}), *map(json.dumps, lines), *odd])
    dead, living = begin_run(store, name="dead"), begin_run(store, name="living")
    for run in (dead, living):
        run.metrics.write_text(f"{text}\n")
    dead.close()
    begin_run(store, name="silent").close()
    (row,) = store.list_runs(RunQuery(where="metrics.loss < 1 and metrics.big > 1e300"))
    assert (row.id, row.status) == (dead.id, "lost")
    assert row.metrics == {"first": 3, "loss": 9.0 / 9999, "big": "1e400"}
    assert {row.name: len(row.metrics) for row in store.list_runs(RunQuery())} == {
        "dead": 3,
        "living": 0,
        "silent": 0,
    }
    living.close()
    assert store.index.count(RunQuery(where="metrics.first = 3")) == 2


def test_the_runs_of_each_environment_are_counted(store: Store) -> None:
    assert store.index.environments() == {}
    whole_run(store)
    whole_run(store)
    begin_run(store)  # which has none yet
    assert store.index.environments() == {"c" * 64: 2}


def test_runs_are_newest_first_and_limited(store: Store) -> None:
    runs = [whole_run(store, created=float(seconds)) for seconds in (30, 10, 20)]
    assert [row.id for row in store.list_runs(RunQuery())] == [runs[0], runs[2], runs[1]]
    assert [row.id for row in store.list_runs(RunQuery(limit=1))] == [runs[0]]
    assert [row.id for row in store.list_runs(RunQuery(sort=("started",), limit=2))] == [runs[1], runs[2]]


def test_one_projects_runs_are_told_from_anothers_even_with_odd_paths(store: Store) -> None:
    odd = Path(os.fsdecode(b"/tmp/\xff'; DROP TABLE runs; --"))
    mine = whole_run(store, root=odd)
    other = whole_run(store, root=Path("/tmp"))
    assert [row.id for row in store.list_runs(RunQuery(root=odd))] == [mine]
    assert store.list_runs(RunQuery(root=odd))[0].root == str(odd)
    assert {row.id for row in store.list_runs(RunQuery())} == {mine, other}


def test_every_sort_key_sorts_both_ways_with_the_unknown_last(store: Store) -> None:
    finish_run(begin_run(store, name="b"), seconds=9, depth=10, metrics=(Metric("größe 'x\"", 2, "m"),))
    finish_run(begin_run(store, name="A"), seconds=1, depth=9, metrics=(Metric("größe 'x\"", "1e400", "m"),))
    finish_run(
        begin_run(store, name="c"),
        seconds=5,
        status="failed",
        depth=100,
        metrics=(Metric("größe 'x\"", 1.5, "m"),),
    )
    begin_run(store, name="lost").close()
    assert sorted_by(store, "name") == ["A", "b", "c", "lost"]
    assert sorted_by(store, "-name") == ["lost", "c", "b", "A"]
    assert sorted_by(store, "duration") == ["A", "c", "b", "lost"]
    assert sorted_by(store, "-duration") == ["b", "c", "A", "lost"]
    assert sorted_by(store, "params.depth") == ["A", "b", "c", "lost"]
    assert sorted_by(store, "-params.depth") == ["c", "b", "A", "lost"]
    assert sorted_by(store, "metrics.`größe 'x\"`") == ["c", "b", "A", "lost"]
    assert sorted_by(store, "-metrics.`größe 'x\"`") == ["A", "b", "c", "lost"]
    assert [row.status for row in store.list_runs(RunQuery(sort=("status",)))] == [
        "failed",
        "finished",
        "finished",
        "lost",
    ]


@pytest.mark.parametrize(
    ("sort", "column"),
    [
        *(("duraton", 0), ("", 0), ("-", 1), ("metric.x", 0), ("metrics.", 8), ("id; DROP TABLE runs", 2)),
        *(("--started", 1), ("started,", 8), ("started duration", 8), ("-status,-nothing", 9)),
    ],
)
def test_an_unknown_sort_key_is_a_usage_error(store: Store, sort: str, column: int) -> None:
    with pytest.raises(UsageError) as caught:
        store.list_runs(RunQuery(sort=(sort,)))
    line, mark = caught.value.why.splitlines()
    assert line == sort
    assert mark.index("^") == column


def test_a_metric_that_no_run_has_is_answered_with_the_nearest(store: Store) -> None:
    finish_run(begin_run(store), metrics=(Metric("test.rmse", 1.0, "m"),))
    with pytest.raises(UsageError) as caught:
        store.list_runs(RunQuery(sort=("metrics.test.rmsee",)))
    assert "test.rmse" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        store.list_runs(RunQuery(sort=("-params.deph",)))
    assert "depth" in caught.value.hint


def test_a_tag_that_is_nearly_that_of_a_run_is_told_and_no_mistake(store: Store) -> None:
    run = whole_run(store)
    store.relabel(run, lambda labels: replace(labels, tags={"draft": ""}))
    for query in ("tag.drft", "tag.drft = 'x' and not tag.drft", "tag.nothing", "not tag.other", "tag.draft"):
        store.list_runs(RunQuery(where=query))
    store.list_runs(RunQuery(sort=("tag.drafts",)))
    assert list(dict.fromkeys(store.index.notices)) == [
        "no run has tag.drft: did you mean tag.draft?",
        "no run has tag.drafts: did you mean tag.draft?",
    ]


def _delete(path: Path) -> None:
    path.unlink()


def _statement(*statements: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        connection = sqlite3.connect(path, isolation_level=None)
        for statement in statements:
            connection.execute(statement)
        connection.close()

    return change


def _garbage(path: Path) -> None:
    path.write_bytes(b"this is no database at all" * 1000)


def _torn(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:4096] + os.urandom(4096) + data[8192:])


DAMAGES: dict[str, Callable[[Path], None]] = {
    "deleted": _delete,
    "garbage": _garbage,
    "empty": lambda path: os.truncate(path, 0),
    "torn": _torn,
    "newer": _statement("DROP TABLE runs", "CREATE TABLE runs (other)", "PRAGMA user_version = 99"),
    "older": _statement("DROP TABLE seen", "PRAGMA user_version = 0"),
    "other columns": _statement("DROP TABLE runs", "CREATE TABLE runs (id, other)"),
    "no table": _statement("DROP TABLE runs"),
    "emptied": _statement("DELETE FROM runs", "DELETE FROM seen"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("way", ["list", "record", "rebuild"])
def test_an_index_that_is_damaged_or_anothers_gives_the_same_listing(store: Store, damage: str, way: str) -> None:
    for seconds in range(5):
        whole_run(store, created=float(seconds))
    expected = store.list_runs(RunQuery())
    DAMAGES[damage](store.path / "index.sqlite")
    if way == "record":
        store.index.record(store.runs_directory / expected[0].id)
    if way == "rebuild":
        assert store.rebuild() == 5
    assert store.list_runs(RunQuery()) == expected
    with sqlite3.connect(store.path / "index.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (5,)
    connection.close()


def test_a_row_that_is_damaged_gives_the_same_listing(store: Store) -> None:
    whole_run(store)
    expected = store.list_runs(RunQuery())
    for text in ("{", "[]", '{"odd": 1}'):
        _statement(f"UPDATE rows SET row = '{text}'")(store.path / "index.sqlite")
        assert store.list_runs(RunQuery()) == expected


def test_runs_that_come_go_or_end_are_noticed(store: Store) -> None:
    first = whole_run(store, created=1.0)
    running = begin_run(store, created=2.0)
    assert [row.status for row in store.list_runs(RunQuery())] == ["running", "finished"]
    settle(store)
    store.list_runs(RunQuery())
    finish_run(running, status="failed")
    settle(store)
    assert [row.status for row in store.list_runs(RunQuery())] == ["failed", "finished"]
    shutil.rmtree(store.runs_directory / first)
    assert [row.id for row in store.list_runs(RunQuery())] == [running.id]
    third = whole_run(store, created=3.0)
    assert [row.id for row in store.list_runs(RunQuery())] == [third, running.id]


def test_directories_are_not_compared_again_while_none_came_or_went(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = whole_run(store)
    settle(store)
    assert len(store.list_runs(RunQuery())) == 1

    def never(runs: Path) -> list[str]:
        raise AssertionError("the run directories were listed")

    monkeypatch.setattr(refreshing, "names_in", never)
    assert [row.id for row in store.list_runs(RunQuery())] == [run]


def test_an_index_that_cannot_be_kept_gives_the_same_listing(store: Store) -> None:
    run = whole_run(store)
    expected = store.list_runs(RunQuery())
    (store.path / "index.sqlite").unlink()
    (store.path / "index.sqlite").mkdir()
    store.index.record(store.runs_directory / run)
    assert store.list_runs(RunQuery()) == expected
    assert store.resolve("last") == run


def test_a_busy_index_gives_the_same_listing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projrun.store.opening._BUSY_SECONDS", 0.05)
    whole_run(store)
    expected = store.list_runs(RunQuery())
    added = whole_run(store, created=parts.CREATED + 1)
    connection = sqlite3.connect(store.path / "index.sqlite", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        store.index.record(store.runs_directory / added)
        found = store.list_runs(RunQuery())
        with pytest.raises(StoreError) as refused:
            store.rebuild()
    finally:
        connection.close()
    assert found == (replace(expected[0], id=added, started="2023-11-14T22:13:21.250000Z"), expected[0])
    assert refused.value.why == "somebody else is writing it"
    (notice,) = store.index.notices
    assert notice.endswith(": somebody else is writing it")
    store.list_runs(RunQuery())
    assert store.index.notices == [notice]


def test_the_index_is_in_wal_mode(store: Store) -> None:
    whole_run(store)
    store.list_runs(RunQuery())
    connection = sqlite3.connect(store.path / "index.sqlite")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


@pytest.mark.parametrize("way", ["first", "rebuild", "cut off"])
def test_what_finds_runs_by_time_is_there_after_every_listing(store: Store, way: str) -> None:
    whole_run(store)
    store.list_runs(RunQuery())
    if way == "rebuild":
        store.rebuild()
    if way == "cut off":  # a rebuild that was killed before it came to these
        _statement("DROP INDEX runs_by_start", "DROP INDEX runs_by_root", "DELETE FROM seen")(
            store.path / "index.sqlite"
        )
        store.list_runs(RunQuery())
    connection = sqlite3.connect(store.path / "index.sqlite")
    found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    connection.close()
    assert {"runs_by_start", "runs_by_root", "runs_running"} <= found
