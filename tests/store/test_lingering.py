"""A log that stays behind: no run waits for the disk, and nothing of what was written is lost or lies."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from projrun.store import lingering as module
from projrun.store.index import RunQuery
from projrun.store.lingering import lingering
from projrun.store.store import Store
from tests.store.writing import whole_run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store with ?, # and %41")


def log_of(store: Store) -> Path:
    return store.path / "index.sqlite-wal"


def listed(store: Store) -> set[str]:
    return {row.id for row in store.list_runs(RunQuery())}


def test_a_run_leaves_the_log_and_a_listing_takes_it_away(store: Store) -> None:
    runs = {whole_run(store) for _ in range(3)}
    for run in runs:
        store.index.record(store.runs_directory / run, durable=False)
    assert log_of(store).stat().st_size
    assert listed(Store(store.path)) == runs
    assert not log_of(store).exists()


def test_what_must_last_is_copied_back_at_once(store: Store) -> None:
    run = whole_run(store)
    store.index.record(store.runs_directory / run, durable=False)
    store.index.record(store.runs_directory / run)
    assert not log_of(store).exists()


def test_a_log_that_grew_is_copied_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = whole_run(store)
    store.index.record(store.runs_directory / run, durable=False)
    monkeypatch.setattr(module, "_ROOM", log_of(store).stat().st_size)
    store.index.record(store.runs_directory / run, durable=False)
    assert not log_of(store).exists()


def test_a_log_that_is_lost_costs_a_look_and_no_run(store: Store) -> None:
    """As after a power cut: what was not copied back is gone."""
    first, second = whole_run(store), whole_run(store)
    store.index.record(store.runs_directory / first)
    store.index.record(store.runs_directory / second, durable=False)
    for end in ("-wal", "-shm"):
        (store.path / f"index.sqlite{end}").unlink()
    with sqlite3.connect(store.path / "index.sqlite") as connection:
        assert connection.execute("SELECT id FROM runs").fetchall() == [(first,)]
    connection.close()
    assert listed(Store(store.path)) == {first, second}


def test_a_log_that_was_cut_off_is_read_as_far_as_it_is_whole(store: Store) -> None:
    runs = [whole_run(store) for _ in range(3)]
    for run in runs:
        store.index.record(store.runs_directory / run, durable=False)
    with log_of(store).open("r+b") as file:
        file.truncate(log_of(store).stat().st_size - 100)
    assert listed(Store(store.path)) == set(runs)


def test_without_a_log_there_is_nothing_to_leave(tmp_path: Path) -> None:
    path = tmp_path / "plain.sqlite"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE t (a)")
    with lingering(path), lingering(tmp_path / "absent.sqlite"):
        connection.close()
    assert [found.name for found in tmp_path.iterdir()] == ["plain.sqlite"]
