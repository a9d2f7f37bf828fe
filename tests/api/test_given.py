"""What a program gives that is not what is asked for: told, and never an error from somewhere inside."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import projrun
from projrun.api.given import LARGEST_SEED, parameter_text, valid_seed
from projrun.data.model import Metric
from projrun.store.store import Store
from tests.store.writing import begin_run, finish_run


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> projrun.Store:
    place = tmp_path_factory.mktemp("given") / "store"
    finish_run(begin_run(Store(place)), metrics=(Metric("rmse", 0.5, "m"), Metric("val.loss", 1, "m")))
    return projrun.Store(place)


ODD: tuple[Any, ...] = (3, 2.5, b"bytes", True, object(), ["a", 1], {"a": 1}, Store, float("nan"))

CALLS: dict[str, Callable[[projrun.Store, Any], object]] = {
    "a store": lambda store, odd: projrun.Store(odd),
    "a query": lambda store, odd: store.runs(odd),
    "a sort": lambda store, odd: store.runs(sort=odd),
    "a project": lambda store, odd: store.runs(project=odd),
    "a run": lambda store, odd: store.run(odd),
    "columns": lambda store, odd: store.runs().fields(odd),
    "groups": lambda store, odd: store.runs().grouped(odd),
    "aggregates": lambda store, odd: store.runs().grouped("params.depth", odd),
    "the order of groups": lambda store, odd: store.runs().grouped("params.depth", sort=odd),
    "a stream": lambda store, odd: store.run().log(odd),
    "a metric": lambda store, odd: store.run().metrics(odd),
    "a part": lambda store, odd: store.run().relabel(without=odd),
    "a name": lambda store, odd: store.run().relabel(name=odd),
    "a project to run": lambda store, odd: projrun.run(odd),
    "an entry point": lambda store, odd: projrun.run(".", odd),
    "a store to run in": lambda store, odd: projrun.run(".", store=odd),
    "a ref": lambda store, odd: projrun.run(".", version=odd),
    "a builder": lambda store, odd: projrun.run(".", builder=odd),
    "a note": lambda store, odd: projrun.run(".", note=odd),
    "a run to do again": lambda store, odd: projrun.reproduce(odd, store=store),
}


@pytest.mark.parametrize("what", CALLS)
def test_a_value_of_another_type_is_told_with_what_to_give(store: projrun.Store, what: str) -> None:
    for odd in ODD:
        with pytest.raises(projrun.UsageError) as caught:
            CALLS[what](store, odd)
        error = caught.value
        assert "has to be" in error.what, odd
        assert error.why.startswith("it is "), odd
        assert error.hint, odd


@pytest.mark.parametrize("odd", ["no", 1, 0, None, [], b""])
@pytest.mark.parametrize("what", ["strict", "offline", "allow_download", "echo"])
def test_what_is_neither_true_nor_false_is_not_taken_for_it(what: str, odd: Any) -> None:
    options: dict[str, Any] = {what: odd}
    with pytest.raises(projrun.UsageError, match=f"{what} has to be True or False"):
        projrun.run(".", **options)


@pytest.mark.parametrize("odd", [["draft"], "draft", 3, {3: "x"}, {b"x": ""}, {"draft": {1}}])
@pytest.mark.parametrize("what", ["tags", "parameters", "tolerances"])
def test_a_mapping_has_names_and_what_belongs_to_them(store: projrun.Store, what: str, odd: Any) -> None:
    options: dict[str, Any] = {what: odd}
    with pytest.raises(projrun.UsageError) as caught:
        projrun.reproduce(store.run(), **options) if what == "tolerances" else projrun.run(".", **options)
    assert caught.value.hint


def test_a_builder_that_is_none_is_told_with_those_that_are() -> None:
    with pytest.raises(projrun.UsageError, match="there is no builder 'vu'") as caught:
        projrun.run(".", builder="vu")
    assert caught.value.hint == "known: uv, pip"


def test_limits_are_whole_numbers_of_any_kind(store: projrun.Store) -> None:
    assert len(store.runs(limit=np.int32(1))) == 1
    for odd in (True, np.True_, 1.0, "1", -1, np.int8(-1)):
        with pytest.raises(projrun.UsageError, match="limit"):
            store.runs(limit=odd)  # type: ignore[arg-type]
    with pytest.raises(projrun.UsageError, match="timeout has to be a number of seconds"):
        store.run().wait("5")  # type: ignore[arg-type]
    assert store.run().wait(np.float32(0.5)).status == "finished"


@pytest.mark.parametrize("of", ["parameters", "metrics", "tags", "outputs"])
def test_a_name_that_a_run_does_not_have_is_told_with_those_it_has(store: projrun.Store, of: str) -> None:
    run = store.run().relabel(tags={"paper": "one"})
    has = getattr(run, of)
    name = next(iter(has))
    with pytest.raises(KeyError) as caught:
        has[name + "x"]
    told = str(caught.value)
    assert told.startswith(f"run {run.id} has no {of.removesuffix('s')} '{name}x': did you mean '{name}'? it has ")
    assert name in told.rpartition("it has ")[2]
    for odd in ("nothing like it", 3, None, ("a",)):
        with pytest.raises(KeyError, match="it has "):
            has[odd]
        assert has.get(odd) is None
        assert odd not in has


def test_what_has_no_names_says_so(store: projrun.Store) -> None:
    run = store.run().relabel(without=["paper"])
    with pytest.raises(KeyError, match="has no tag 'paper': it has none"):
        run.tags["paper"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((np.int64(3), "3"), (np.uint8(3), "3"), (np.float64(0.5), "0.5"), (np.float32(0.25), "0.25")),
        *((np.True_, "true"), (np.array([1, 2]), "[1, 2]"), (np.array(7), "7"), (np.str_("x"), "x")),
        *(([np.int64(3), np.False_], "[3, false]"), ({"a": np.float32(0.5)}, '{"a": 0.5}')),
        *(((np.int16(1), "b"), '[1, "b"]'), ({"p": Path("a/b")}, '{"p": "a/b"}'), (Fraction(1, 4), "0.25")),
        *((Decimal("0.10"), "0.10"), (float("inf"), "inf"), (Path("a/b"), "a/b"), (None, "null")),
    ],
)
def test_numbers_of_other_libraries_are_numbers(value: Any, text: str) -> None:
    assert parameter_text("p", value) == text


@pytest.mark.parametrize("value", [object(), b"x", {1, 2}, 1j, [object()], np.complex64(1), [float("nan"), b""]])
def test_what_no_parameter_can_be_is_told(value: Any) -> None:
    with pytest.raises(projrun.UsageError, match="parameter 'p' cannot be given as"):
        parameter_text("p", value)


@given(st.integers(0, LARGEST_SEED), st.sampled_from([int, np.uint32, np.int64, np.uint64]))
def test_a_seed_is_a_whole_number_of_any_kind(seed: int, kind: Callable[[int], Any]) -> None:
    found = valid_seed(kind(seed))
    assert found == seed
    assert type(found) is int


@pytest.mark.parametrize(
    "seed", [-1, LARGEST_SEED + 1, np.int8(-1), 1.0, np.float64(1), True, np.True_, "1", b"1"]
)
def test_what_is_none_is_refused(seed: Any) -> None:
    with pytest.raises(projrun.UsageError, match="a seed is a whole number from 0"):
        valid_seed(seed)
