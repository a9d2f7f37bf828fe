"""From the documents of two runs to layers, and from layers to one verdict."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projrun.recipe.document import outcome_document, recipe_document
from projrun.verdict import layers
from projrun.verdict.deciding import decide, metrics_layer, outputs_layer
from projrun.verdict.document import verdict_document
from projrun.verdict.model import (
    CAUSES,
    DIFFERENT,
    DIFFERS,
    NOT_DETERMINISTIC,
    REPRODUCED,
    RESULTS,
    UNCHECKED,
    UNVERIFIED,
    VERIFIED,
    Compared,
    Finding,
    Layer,
    MetricFinding,
    OutputFinding,
)
from tests.recipe import parts
from tests.schemas import problems

STATES = st.sampled_from((VERIFIED, DIFFERS, UNCHECKED))


def layer(name: str, state: str, *, declared: bool = True) -> Layer:
    return Layer(name, (Finding(name, state, "a message"),), "a summary", declared)


@given(st.fixed_dictionaries(dict.fromkeys((*CAUSES, *RESULTS), STATES)))
def test_a_verdict_follows_from_the_results_and_its_candidates_from_the_rest(found: dict[str, str]) -> None:
    verdict = decide([layer(name, state) for name, state in found.items()])
    results = {found[name] for name in RESULTS}
    differing = [name for name in CAUSES if found[name] == DIFFERS]
    if DIFFERS in results:
        assert verdict.verdict == (DIFFERENT if differing else NOT_DETERMINISTIC)
        assert list(verdict.candidates) == differing
    else:
        assert verdict.verdict == (UNVERIFIED if UNCHECKED in results else REPRODUCED)
        assert not verdict.candidates
    assert all(name in verdict.summary for name in verdict.candidates)


def test_what_is_not_declared_keeps_nothing_from_being_reproduced_and_is_told() -> None:
    known = [layer(name, VERIFIED) for name in CAUSES] + [layer("exit code", VERIFIED)]
    verdict = decide([*known, outputs_layer(()), metrics_layer((), declared=False)])
    assert verdict.verdict == REPRODUCED
    assert verdict.summary == "exit code is what the run had; no outputs and no metrics are declared"


@given(st.lists(STATES, min_size=1))
def test_a_layer_is_as_bad_as_the_worst_of_it(states: list[str]) -> None:
    worst = next(state for state in (DIFFERS, UNCHECKED, VERIFIED) if state in states)
    assert Layer("code", tuple(Finding("one", state) for state in states), "").state == worst


def recipes(change: Callable[[Any], None] = lambda _: None) -> tuple[Any, Any]:
    """A recipe, and one that ``change`` was done to."""
    before = recipe_document(parts.recipe_parts())
    after = copy.deepcopy(before)
    change(after)
    return before, after


def outcomes() -> tuple[Any, Any]:
    return outcome_document(parts.outcome_parts()), outcome_document(parts.outcome_parts())


def differing(found: Layer) -> list[str]:
    return [one.what for one in found.findings if one.state == DIFFERS]


def test_a_recipe_differs_from_itself_in_nothing() -> None:
    before, after = recipes()
    for found in (
        layers.code(before, after, (None, None)),
        layers.data(before, after, (None, None)),
        layers.parameters(before, after),
        layers.host(before, after),
    ):
        assert differing(found) == []


def _seed(recipe: Any) -> None:
    recipe["seed"] += 1


def _value(recipe: Any) -> None:
    recipe["parameters"][0]["raw"] = "other"


def _word(recipe: Any) -> None:
    recipe["argv"][-1] += "x"


def _variable(recipe: Any) -> None:
    recipe["variables"]["inherited"]["NEW"] = "1"


def _time_zone(recipe: Any) -> None:
    recipe["variables"]["base"]["TZ"] = "UTC+3"


def _home(recipe: Any) -> None:
    recipe["variables"]["base"]["HOME"] = "/elsewhere"


def _run_directory(recipe: Any) -> None:
    old = recipe["variables"]["base"].get("PROJRUN_RUN_DIR", "/store/runs/one")
    recipe["variables"]["base"]["PROJRUN_RUN_DIR"] = "/another/run"
    recipe["argv"] = [word.replace(old, "/another/run") for word in recipe["argv"]]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (_seed, ["seed"]),
        (_value, ["depth"]),
        (_word, ["argv"]),
        (_variable, ["variable NEW"]),
        (_time_zone, ["variable TZ"]),
        (_home, []),
        (_run_directory, []),
    ],
)
def test_each_thing_that_reaches_the_program_is_compared(change: Callable[[Any], None], found: list[str]) -> None:
    before, after = recipes(change)
    if found == ["depth"]:
        found = [before["parameters"][0]["name"]]
    assert differing(layers.parameters(before, after)) == found


def test_a_tree_or_an_input_that_changed_while_a_run_went_on_cannot_be_checked() -> None:
    before, after = recipes()
    old, new = outcomes()
    new["flags"] = []
    old["flags"] = [
        {"code": code, "message": "it changed", "mend": ""} for code in ("tree-changed", "input-changed")
    ]
    assert layers.code(before, after, (old, new)).state == UNCHECKED
    assert layers.data(before, after, (old, new)).state == UNCHECKED
    assert layers.code(before, after, (new, new)).state == VERIFIED


def test_the_host_is_compared_as_far_as_results_may_depend_on_it() -> None:
    def change(recipe: Any) -> None:
        recipe["host"] = {**recipe["host"], "hostname": "another", "memory": 1, "cpu": "another", "libc": None}

    before, after = recipes(change)
    before["host"]["libc"] = "glibc 2.36"
    found = layers.host(before, after)
    assert differing(found) == ["cpu"]
    assert [one.what for one in found.findings if one.state == UNCHECKED] == ["libc"]
    before["host"]["libc"] = None
    assert [one.message for one in layers.host(before, after).findings if one.what == "libc"] == [
        "neither recipe says"
    ]


def test_how_a_run_ended_is_compared_when_it_ended() -> None:
    old, new = outcomes()
    assert layers.exit_code(old, new, "").state == VERIFIED
    assert layers.exit_code(old, {**new, "exit_code": 99}, "").state == DIFFERS
    lost = layers.exit_code(None, new, "there is no outcome")
    assert (lost.state, lost.told) == (UNCHECKED, ("exit code: there is no outcome",))
    refused = {**old, "process": None, "reason": "no space left"}
    assert layers.exit_code(refused, new, "").state == UNCHECKED


def test_a_verdict_is_a_document_by_the_schema() -> None:
    compared = Compared("CSV", 4, 1, 0.5, float("inf"), "row 1")
    outputs = (
        OutputFinding("a.csv", DIFFERS, "content", "differs", parts.SHA, parts.SHA, compared),
        OutputFinding("b", UNCHECKED, None, "why"),
    )
    metrics = (
        MetricFinding("rmse", DIFFERS, "differs", 1.0, "Infinity", float("inf"), float("inf")),
        MetricFinding("flag", VERIFIED, "equal", True, True),
    )
    known = [layer(name, VERIFIED) for name in CAUSES] + [layer("exit code", VERIFIED)]
    verdict = decide([*known, outputs_layer(outputs), metrics_layer(metrics)], outputs, metrics)
    before, _ = recipes()
    head = {key: before[key] for key in ("version", "run", "created", "projrun")}
    link = {"run": parts.RUN, "sha256": parts.SHA}
    document = verdict_document(verdict, {"document": "verdict", **head, "reproduces": link}, 10)
    assert problems(document) == []
    assert document["outputs"][0]["compared"]["largest_relative"] == "Infinity"
    for key in document:
        assert problems({name: value for name, value in document.items() if name != key})
    assert problems({**document, "verdict": "perhaps"})
