"""The layers of two runs' documents: what is the same, what differs, what is not told."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projrun.cli.differences import lines
from projrun.comparing import Code, Difference
from projrun.recipe import comparison
from projrun.recipe.comparison import Layer, change, same_distribution, same_value
from projrun.recipe.document import outcome_document, recipe_document, start_document
from projrun.recipe.facts import Documents
from projrun.store.run import RunRecord
from tests.recipe import parts

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
MISSING = {name: f"there is no {name}" for name in ("start", "recipe", "outcome")}
START = json.loads(json.dumps(start_document(parts.start_parts())))
RECIPE = json.loads(json.dumps(recipe_document(parts.recipe_parts())))
CONTAINED = json.loads(json.dumps(recipe_document(parts.container_parts())))
OUTCOME = json.loads(json.dumps(outcome_document(parts.outcome_parts())))


def documents(
    recipe: Any = RECIPE, outcome: Any = OUTCOME, start: Any = START, status: str = "finished"
) -> Documents:
    return Documents(parts.RUN, status, start, recipe, outcome, MISSING)


def states(before: Documents, after: Documents) -> dict[str, str]:
    return {layer.name: layer.state for layer in comparison.layers(before, after)}


def with_changed(document: Any, *path: Any, value: Any) -> Any:
    changed = copy.deepcopy(document)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


@given(JSON)
def test_a_value_is_the_same_as_itself(value: Any) -> None:
    assert same_value(value, copy.deepcopy(value))


@given(JSON, JSON)
def test_values_that_are_the_same_are_so_both_ways_and_compare_equal_but_for_nan(before: Any, after: Any) -> None:
    assert same_value(before, after) == same_value(after, before)
    if same_value(before, after) and "NaN" not in json.dumps(before):
        assert before == after


@pytest.mark.parametrize(
    ("before", "after"), [(1, True), (0, False), ("1", 1), (None, False), ([1], [True]), (None, 0)]
)
def test_values_of_two_kinds_are_not_the_same(before: Any, after: Any) -> None:
    assert not same_value(before, after)


def test_numbers_are_compared_by_value() -> None:
    assert same_value(1, 1.0) and same_value({"a": [float("nan")]}, {"a": [float("nan")]})


@given(st.integers() | st.floats() | st.text() | st.booleans(), st.integers() | st.floats() | st.text())
def test_a_change_tells_how_much_only_of_numbers_and_never_fails(before: Any, after: Any) -> None:
    found = change("x", before, after)
    if found.absolute is not None:
        assert isinstance(before, (int, float)) and not isinstance(before, bool)
        assert before + found.absolute == pytest.approx(after, abs=max(abs(before), abs(after)) * 1e-9 + 1e-9)
    json.dumps([found.absolute, found.relative], allow_nan=False)


@pytest.mark.parametrize(
    ("before", "after", "absolute", "relative"),
    [(2, 3, 1, 0.5), (-2, -3, -1, -0.5), (0, 3, 3, None), (10**400, 1.5, None, None), (1e308, -1e308, None, None)],
)
def test_the_relative_change_is_a_part_of_what_was(before: Any, after: Any, absolute: Any, relative: Any) -> None:
    found = change("x", before, after)
    assert (found.absolute, found.relative) == (absolute, relative)


@pytest.mark.parametrize("recipe", [RECIPE, CONTAINED])
def test_a_run_differs_from_itself_in_nothing(recipe: Any) -> None:
    assert set(states(documents(recipe), documents(recipe)).values()) == {"same"}


@pytest.mark.parametrize(
    ("layer", "path", "value"),
    [
        ("environment", ("environment", "key"), "d" * 64),
        ("interpreter", ("environment", "interpreter", "version"), "3.11.8"),
        ("lock", ("environment", "lock", "sha256"), "e" * 64),
        ("packages", ("environment", "installed", 0, "sha256"), "e" * 64),
        ("parameters", ("parameters", 0, "value"), 4),
        ("parameters", ("parameters", 0, "type"), "float"),
        ("seed", ("seed",), 43),
        ("command", ("argv",), ["python", "train.py", "4"]),
        ("variables", ("variables", "set", "OMP_NUM_THREADS"), "2"),
        ("variables", ("variables", "secrets"), []),
        ("inputs", ("inputs", 0, "sha256"), "e" * 64),
        ("host", ("host", "kernel"), "Linux 9"),
        ("project", ("spec", "project"), "cars"),
    ],
)
def test_a_change_shows_in_its_layer_and_in_no_other(layer: str, path: tuple[Any, ...], value: Any) -> None:
    found = states(documents(), documents(with_changed(RECIPE, *path, value=value)))
    assert {name for name, state in found.items() if state == "differs"} == {layer}


@pytest.mark.parametrize(
    ("layer", "path", "value"),
    [
        ("image", ("image", "id"), "sha256:" + "0" * 64),
        ("image", ("configuration", "network"), "host"),
        ("image", ("bases", 0, "digest"), "sha256:" + "0" * 64),
        ("image", ("build", "arguments", "V"), "2"),
        ("system packages", ("packages", 0, "version"), "0.6"),
    ],
)
def test_a_change_of_the_container_shows(layer: str, path: tuple[Any, ...], value: Any) -> None:
    changed = with_changed(CONTAINED, "environment", "container", *path, value=value)
    found = states(documents(CONTAINED), documents(changed))
    assert {name for name, state in found.items() if state == "differs"} == {layer}


@pytest.mark.parametrize(
    ("layer", "path", "value"),
    [
        ("outputs", ("outputs", 0, "sha256"), "e" * 64),
        ("outputs", ("outputs", 0, "stale"), True),
        ("metrics", ("metrics", 0, "value"), 2.5),
        ("result", ("exit_code",), 3),
    ],
)
def test_a_change_of_what_came_of_it_shows(layer: str, path: tuple[Any, ...], value: Any) -> None:
    found = states(documents(), documents(outcome=with_changed(OUTCOME, *path, value=value)))
    assert {name for name, state in found.items() if state == "differs"} == {layer}


def test_what_names_the_run_makes_no_difference() -> None:
    recipes = []
    for run in ("/a/b", "/c/d"):
        base = {**RECIPE["variables"]["base"], "PROJRUN_RUN_DIR": run, "PYTHONPYCACHEPREFIX": f"{run}/bytecode"}
        recipe = with_changed(RECIPE, "variables", "base", value=base)
        recipes.append(with_changed(recipe, "argv", value=["python", f"{run}/params.json"]))
    assert set(states(*map(documents, recipes)).values()) == {"same"}


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        (("1", "a", "x"), ("1", "a", "x"), True),
        (("1", "a", "x"), ("2", "a", "x"), False),
        (("1", "a", "x"), ("1", "b", "x"), False),
        (("1", "a", "x"), ("1", "a", "y"), False),
        (("1", "", "x"), ("1", "b", "x"), True),
        (("1", None, ""), ("1", "b", "x"), True),
    ],
)
def test_a_digest_that_is_not_known_makes_no_difference(before: Any, after: Any, same: bool) -> None:
    keys = ("version", "archive", "sha256")
    assert same_distribution(dict(zip(keys, before, strict=True)), dict(zip(keys, after, strict=True))) is same


def test_a_run_without_a_recipe_says_so_of_each_layer_that_needs_it() -> None:
    found = comparison.layers(documents(), documents(None, None, status="lost"))
    unknown = {layer.name: layer.why for layer in found if layer.state == "unknown"}
    assert unknown["packages"] == "there is no recipe" and unknown["metrics"] == "there is no outcome"
    assert next(layer for layer in found if layer.name == "result").state == "differs"
    assert next(layer for layer in found if layer.name == "project").state == "same"
    assert comparison.took(documents(), documents(outcome=None)) is None


def assert_told(layers: tuple[Layer, ...]) -> None:
    """Each layer that differs, or is not known, can be put in words that do nothing to a terminal."""
    run = RunRecord(parts.RUN, Path(), None, None, None, "lost", None)
    told = [text for _, text in lines(Difference(run, run, Code(None, None, why="gone"), layers, None))]
    assert len(told) >= sum(layer.state == "differs" for layer in layers)
    assert all(click.unstyle(text).isprintable() for text in told)


def keys_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [found for key, below in value.items() for found in ((*path, key), *keys_of(below, (*path, key)))]
    if isinstance(value, list):
        return [
            found for key, below in enumerate(value) for found in ((*path, key), *keys_of(below, (*path, key)))
        ]
    return []


@given(st.sampled_from(keys_of(CONTAINED)), st.none() | st.integers() | st.text() | st.lists(st.integers()))
def test_a_damaged_recipe_is_told_and_never_raised(path: tuple[Any, ...], value: Any) -> None:
    damaged = documents(with_changed(CONTAINED, *path, value=value))
    found = comparison.layers(documents(CONTAINED), damaged)
    assert_told(found)
    for layer in found:
        assert layer.state in ("same", "differs") or "do not tell" in (layer.why or "")


@given(st.sampled_from(keys_of(OUTCOME)), st.none() | st.integers() | st.text() | st.lists(st.integers()))
def test_a_damaged_outcome_is_told_and_never_raised(path: tuple[Any, ...], value: Any) -> None:
    damaged = documents(outcome=with_changed(OUTCOME, *path, value=value))
    assert_told(comparison.layers(documents(), damaged))
    comparison.took(documents(), damaged)
