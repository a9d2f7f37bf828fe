"""The store that measurements are made of is one as projrun makes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from projrun.store.index import RunQuery
from projrun.store.store import Store
from tests.benchmarks.store_generator import METRICS, generate
from tests.schemas import validate_store


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("made") / "store"
    generate(directory, 150, seed=7)
    return directory


def test_its_documents_are_as_the_schema_says(made: Path) -> None:
    validate_store(made)


def test_its_runs_are_found_by_what_they_are(made: Path) -> None:
    index = Store(made).index
    rows = index.runs(RunQuery(sort=("started",)))
    assert len(rows) == 150
    assert {len(row.parameters) for row in rows} == {20}
    assert {len(row.metrics) for row in rows if row.status == "finished"} == {len(METRICS)}
    where = 'metrics.rmse < 1 and params.model = "tree" and not tag.draft and started > "90 days ago"'
    expected = [
        row.id
        for row in rows
        if isinstance(row.metrics.get("rmse"), float)
        and row.metrics["rmse"] < 1
        and row.parameters["model"] == "tree"
        and "draft" not in row.tags
    ]
    few = [row.id for row in index.runs(RunQuery(where=where, sort=("started",)))]
    assert 0 < len(few) < len(expected) < 150
    assert few == expected[-len(few) :]
    assert index.count(RunQuery(where=where, limit=1)) == len(few)
    groups = index.grouped(RunQuery(where="status = 'finished'"), ("params.model",), ("count", "mean:metrics.mae"))
    assert [group.keys for group in groups] == [("boosted",), ("forest",), ("linear",), ("tree",)]
    assert sum(group.values[0] for group in groups) == sum(row.status == "finished" for row in rows)
    assert index.grouped(RunQuery(limit=1, skip=1), ("params.model",), ("count",))[0].keys == ("forest",)


def test_the_same_seed_makes_the_same_runs(made: Path, tmp_path: Path) -> None:
    generate(tmp_path / "again", 150, seed=7)
    assert Store(tmp_path / "again").index.ids("") == Store(made).index.ids("")


def test_what_runs_have_is_known_by_name(made: Path) -> None:
    known = Store(made).index.known_facts()
    assert len(known.parameters) == 20
    assert set(known.metrics) == set(METRICS)
    assert known.tags == ("draft", "team")
    assert known.inputs == ("counts",)
    assert Store(made).index.known_facts(Path("/elsewhere")).metrics == ()
