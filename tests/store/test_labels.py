"""What runs are called, changed afterwards: read, written, by several at once, and when damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from projrun.core.labels import Labels
from projrun.core.values import replace
from projrun.store.labels import change_labels, labels_of
from projrun.store.row import row_of
from projrun.store.store import Store
from tests.schemas import validate_store
from tests.store.writing import begin_run, whole_run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_changed_labels_stand_in_the_place_of_those_of_the_start(store: Store) -> None:
    run = whole_run(store)
    path = store.runs_directory / run
    assert store.read(run).labels is None
    before = (path / "start.json").read_bytes()
    change_labels(path, lambda labels: replace(labels, name=None, tags={**labels.tags, "draft": ""}))
    record = store.read(run)
    assert labels_of(record) == Labels(None, {"draft": ""}, None)
    row = row_of(record)
    assert (row.name, row.note, dict(row.tags)) == (None, None, {"draft": ""})
    assert (path / "start.json").read_bytes() == before
    assert (path / "labels.json").stat().st_mode & 0o077 == 0
    assert validate_store(store.path) == 4


def test_nothing_is_written_when_nothing_changes(store: Store) -> None:
    path = store.runs_directory / whole_run(store)
    change_labels(path, lambda labels: labels)
    assert not (path / "labels.json").exists()


def test_a_living_run_can_be_called_otherwise(store: Store) -> None:
    run = begin_run(store)
    change_labels(run.path, lambda labels: replace(labels, name="other"))
    assert (store.read(run.id).status, row_of(store.read(run.id)).name) == ("running", "other")
    run.close()


@pytest.mark.parametrize(
    ("document", "word"),
    [
        ("", "cut off"),
        ("[]", "is not the labels document"),
        ('{"document": "labels", "version": 2}', "newer"),
        ('{"document": "labels", "version": 1, "run": "zzzzzzzzzzzz"}', "another run"),
        ('{"document": "labels", "version": 1, "run": "RUN", "name": 3, "tags": {}}', "damaged"),
        ('{"document": "labels", "version": 1, "run": "RUN", "tags": {"a": null}}', "damaged"),
        ('{"document": "labels", "version": 1, "run": "RUN"}', "damaged"),
    ],
)
def test_damaged_labels_are_told_and_those_of_the_start_hold(store: Store, document: str, word: str) -> None:
    run = whole_run(store)
    path = store.runs_directory / run
    (path / "labels.json").write_text(document.replace("RUN", run))
    record = store.read(run)
    assert record.labels is None
    assert "labels.json" in str(record.why_incomplete) and word in str(record.why_incomplete)
    assert row_of(record).name == "n"
    change_labels(path, lambda labels: labels)
    assert store.read(run).why_incomplete is None


def test_a_run_without_a_readable_start_can_be_called_something(store: Store) -> None:
    run = whole_run(store)
    path = store.runs_directory / run
    (path / "start.json").write_text("{")
    (path / "recipe.json").unlink()
    change_labels(path, lambda labels: replace(labels, note="its disk was full"))
    assert json.loads((path / "labels.json").read_bytes())["note"] == "its disk was full"
    assert row_of(store.read(run)).note == "its disk was full"
