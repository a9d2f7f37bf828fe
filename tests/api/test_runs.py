"""Listings as a program sees them: lazy, sliced, typed."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import projrun
from projrun.core.labels import Labels
from projrun.store.store import Store
from tests.api.kept import keep_run
from tests.recipe import parts


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of four runs: three of one entry point, and one of another."""
    place = tmp_path_factory.mktemp("kept") / "store"
    store = Store(place)
    keep_run(store, 0, {"depth": 3, "rate": 0.5, "model": "tree", "loud": True}, {"rmse": 1.5, "n": 7, "big": 1.0})
    keep_run(store, 1, {"depth": 4, "rate": "nan", "model": "nan", "loud": False}, {"rmse": "NaN", "n": 2**40})
    labels = Labels("the best", {"draft": "", "paper": "one"}, "a note")
    third = {"rmse": 0.25, "n": str(2**63), "big": "1e400"}
    keep_run(store, 2, {"depth": 5, "rate": 1.0, "model": "=1+1", "extra": {"a": [1]}}, third, labels=labels)
    keep_run(store, 3, {"size": 3}, {"other": True}, entry_point="test")
    return place


@pytest.fixture
def store(place: Path) -> projrun.Store:
    return projrun.Store(place)


def depths(runs: projrun.Runs) -> list[Any]:
    return [run.parameters.get("depth") for run in runs]


def test_runs_are_those_of_a_query_in_its_order(store: projrun.Store) -> None:
    assert depths(store.runs()) == [None, 5, 4, 3]
    assert depths(store.runs("params.depth >= 4", sort="params.depth")) == [4, 5]
    assert depths(store.runs(sort=["-entry_point", "params.depth"], limit=2)) == [3, 4]
    assert depths(store.runs("tag.draft and not tag.other")) == [5]
    assert len(store.runs(project=parts.ROOT)) == 4
    assert len(store.runs(project=parts.ROOT / "..")) == 0


def test_a_slice_asks_for_no_more_than_it_has(store: projrun.Store) -> None:
    runs = store.runs(sort="started")
    assert [run.id for run in runs[1:3]] == [run.id for run in list(runs)[1:3]]
    fresh = store.runs(sort="started")
    assert "not asked yet" in repr(fresh)
    assert fresh[2] == runs[2]
    assert fresh[1:][1:][0].id == runs[2].id
    assert depths(fresh[:3][2:9]) == [5]
    assert (len(fresh[4:]), len(fresh[2:1]), len(fresh[:0])) == (0, 0, 0)
    assert "not asked yet" in repr(fresh)
    assert fresh[-1] == runs[3]
    assert [run.id for run in fresh[::-1]] == [run.id for run in reversed(runs)]
    assert runs[0] in runs
    with pytest.raises(IndexError):
        store.runs()[4]
    with pytest.raises(IndexError):
        fresh[4]


def test_what_was_asked_for_stays_until_it_is_asked_anew(tmp_path: Path) -> None:
    kept = Store(tmp_path / "store")
    keep_run(kept, 0, {"depth": 1})
    runs = projrun.Store(tmp_path / "store").runs()
    assert len(runs) == 1
    keep_run(kept, 1, {"depth": 2})
    assert (len(runs), depths(runs), depths(runs.reload())) == (1, [1], [2, 1])
    assert (runs.total(), runs[:1].total()) == (2, 2)


def test_a_mistake_is_told_at_once(store: projrun.Store) -> None:
    with pytest.raises(projrun.UsageError) as told:
        store.runs("metrics.rmse <")
    assert "^" in told.value.why
    with pytest.raises(projrun.UsageError):
        store.runs(sort="started desc")
    with pytest.raises(projrun.UsageError) as told:
        store.runs().dataframe(["id", "params.dept"])
    with pytest.raises(projrun.UsageError, match="limit -1"):
        store.runs(limit=-1)
    assert told.value.hint == "did you mean params.depth?"
    with pytest.raises(projrun.UsageError, match="there is no store at"):
        projrun.Store(store.path / "nowhere").runs()
    with pytest.raises(projrun.UsageError):
        store.run("zzzz")


def test_a_data_frame_has_typed_columns(store: projrun.Store) -> None:
    frame = store.runs("entry_point = 'train'", sort="started").dataframe()
    kinds = {name: str(kind) for name, kind in frame.dtypes.items()}
    assert kinds["started"] == kinds["ended"] == "datetime64[us, UTC]"
    assert kinds["id"] == kinds["params.model"] == kinds["tag.paper"] == "string"
    assert kinds["exit_code"] == kinds["params.depth"] == "Int64"
    assert kinds["duration"] == kinds["params.rate"] == kinds["metrics.rmse"] == "float64"
    assert kinds["dirty"] == kinds["params.loud"] == "boolean"
    assert frame["started"][0] == dt.datetime(2023, 11, 14, 22, 13, 20, 250000, dt.timezone.utc)
    assert list(frame["duration"]) == [2.5, 3.5, 4.5]
    assert list(frame["params.model"]) == ["tree", "nan", "=1+1"]  # a text is never a number
    assert list(frame["params.loud"].isna()) == [False, False, True]
    # What a type of pandas would lose is as Python has it.
    assert list(frame["metrics.n"]) == [7, 2**40, 2**63]
    assert kinds["metrics.n"] == kinds["metrics.big"] == "object"
    assert list(frame["metrics.big"])[2] == Decimal("1e400")
    assert list(frame["input.counts"]) == [parts.SHA] * 3


def test_a_data_frame_of_nothing_has_its_columns_and_types(store: projrun.Store) -> None:
    frame = store.runs("params.depth > 100").dataframe()
    assert len(frame) == 0
    assert str(frame.dtypes["started"]) == "datetime64[us, UTC]"
    assert list(store.runs().dataframe("metrics.rmse, id").columns) == ["metrics.rmse", "id"]
    chosen = store.runs().dataframe(["metrics.rmse, id", "tag.paper"])
    assert list(chosen.columns) == ["metrics.rmse", "id", "tag.paper"]
    assert pd.isna(chosen["tag.paper"][0])


def test_text_that_is_no_unicode_is_told_apart(tmp_path: Path) -> None:
    keep_run(Store(tmp_path), 0, {"model": "a\udcff"})
    assert list(projrun.Store(tmp_path).runs().dataframe()["params.model"]) == ["a\\udcff"]


def test_without_pandas_it_is_told_what_to_install(store: projrun.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(projrun.UsageError) as told:
        store.runs().dataframe()
    assert "projrun[pandas]" in told.value.hint


def test_groups_are_columns(store: projrun.Store) -> None:
    kind, count, rmse = store.runs().grouped("entry_point", ["count", "min:metrics.rmse"])
    assert (kind.name, count.name, rmse.name) == ("entry_point", "count", "min:metrics.rmse")
    assert (kind.values, count.values, rmse.values) == (("test", "train"), (1, 3), (None, 0.25))
    (_, _, rmse) = store.runs().grouped("entry_point", ["count", "min:metrics.rmse"], sort="-count")
    assert rmse.values == (0.25, None)
    names = [one.name for one in store.runs("params.depth > 3").grouped("dirty")]
    assert "mean:metrics.rmse" in names
    assert "mean:metrics.other" not in names


def test_importing_projrun_imports_next_to_nothing() -> None:
    code = """
import sys
before = set(sys.modules)
import projrun
print(*sorted(set(sys.modules) - before))
assert projrun.Store and "Store" in dir(projrun)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert told == ["__future__", "projrun"]


def test_every_public_name_is_there_and_no_other() -> None:
    for name in projrun.__all__:
        assert getattr(projrun, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Stroe'"):
        projrun.Stroe  # noqa: B018


@pytest.mark.parametrize("seed", [True, -1, 2**32, "7"])
def test_what_is_no_seed_is_refused(seed: Any) -> None:
    with pytest.raises(projrun.UsageError, match="a seed is a whole number"):
        projrun.run(".", seed=seed)
