"""How far numbers are apart, tolerances as they are typed, and metrics compared."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projrun.core.errors import UsageError
from projrun.spec.model import Tolerance
from projrun.verdict import metrics, tolerances
from projrun.verdict.distance import apart, apart_floats, as_number, within
from projrun.verdict.model import DIFFERS, VERIFIED

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)
AMOUNTS = st.floats(min_value=0, max_value=1e300, allow_nan=False)


def number(value: object) -> Any:
    found = as_number(value)
    assert found is not None
    return found


@given(FINITE, FINITE)
def test_the_exact_way_and_the_fast_way_agree(before: float, after: float) -> None:
    exact, fast = apart(number(before), number(after)), apart_floats(before, after)
    assert exact is not None
    assert fast is not None
    assert (exact.absolute == 0) == (fast.absolute == 0) or exact.absolute < 1e-300
    if math.isfinite(fast.absolute) and fast.absolute > 1e-3 * max(abs(before), abs(after)) > 1e-290:
        assert exact.absolute == pytest.approx(fast.absolute, rel=1e-9)


@given(FINITE, AMOUNTS, st.floats(min_value=0, max_value=10))
def test_a_number_is_always_within_a_tolerance_of_itself(value: float, absolute: float, relative: float) -> None:
    assert within(number(value), number(value), Tolerance(absolute, relative))


@given(st.integers(-(10**12), 10**12), st.integers(0, 10**6), st.integers(0, 6))
def test_a_bound_is_kept_up_to_the_last_digit(value: int, steps: int, digits: int) -> None:
    def text(count: int) -> str:
        return f"{count}e-{digits}"

    before, after, bound = number(text(value)), number(text(value + steps)), float(text(steps))
    assert within(before, after, Tolerance(absolute=bound))
    assert not within(before, number(text(value + steps + 1)), Tolerance(absolute=bound))


@pytest.mark.parametrize(
    ("before", "after", "tolerance", "kept"),
    [
        (0.25, 0.250001, Tolerance(absolute=1e-6), True),  # though the doubles are a hair further apart
        (0.25, 0.2500011, Tolerance(absolute=1e-6), False),
        (100, 101, Tolerance(relative=0.01), True),
        (100, 101.01, Tolerance(relative=0.01), False),
        (-100, -99, Tolerance(relative=0.01), True),
        (0, 1e-9, Tolerance(relative=1.0), False),  # a part of nothing is nothing
        (100, 100.5, Tolerance(absolute=0.1, relative=0.01), True),  # one of the two will do
        ("NaN", "NaN", Tolerance(), True),
        ("NaN", 1.0, Tolerance(absolute=1e300), False),
        ("Infinity", "Infinity", Tolerance(), True),
        ("Infinity", "-Infinity", Tolerance(absolute=1e300, relative=1e300), False),
        (1.0, "Infinity", Tolerance(absolute=1e300, relative=1e300), False),
        ("9007199254740993", "9007199254740992", Tolerance(absolute=1), True),
        ("9007199254740993", "9007199254740992", Tolerance(), False),  # as doubles they are equal
    ],
)
def test_tolerances_bound_what_counts_as_the_same(
    before: object, after: object, tolerance: Tolerance, kept: bool
) -> None:
    assert within(number(before), number(after), tolerance) is kept


@pytest.mark.parametrize("text", ["08", "", "1_0", "0x1", "\u0661", "- 1", "1e", "true", "1" * 500])
def test_what_is_no_number_of_a_file_is_a_text(text: str) -> None:
    assert as_number(text) is None


@given(AMOUNTS, AMOUNTS)
def test_a_tolerance_is_read_as_it_was_written(absolute: float, percent: float) -> None:
    found = tolerances.parse([f"a.b=c={absolute!r},{percent!r}%"])["a.b=c"]
    assert found.absolute == absolute
    assert found.relative == pytest.approx(percent / 100, rel=1e-15)


@given(st.text(max_size=30))
def test_any_text_is_a_tolerance_or_a_mistake(text: str) -> None:
    try:
        found = tolerances.parse([text])
    except UsageError as error:
        assert error.hint
    else:
        assert all(one.absolute >= 0 and one.relative >= 0 for one in found.values())


@pytest.mark.parametrize(
    "text",
    [
        "rmse",
        "=1",
        "rmse=",
        "rmse=-1",
        "rmse=nan",
        "rmse=inf",
        "rmse=1,2",
        "rmse=1%,1",
        "rmse=1%,2%",
        "rmse=1e999",
    ],
)
def test_a_mistake_in_a_tolerance_says_what_to_type(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        tolerances.parse([text])
    assert "--tolerance rmse=" in caught.value.hint


def test_a_tolerance_is_given_once() -> None:
    with pytest.raises(UsageError, match="twice"):
        tolerances.parse(["rmse=1", "rmse=2"])


def compared(before: dict[str, Any], after: dict[str, Any], **bounds: Tolerance) -> dict[str, str]:
    first, second = ([{"name": name, "value": value} for name, value in one.items()] for one in (before, after))
    return {one.name: one.state for one in metrics.compare(first, second, bounds)}


def test_metrics_are_the_same_exactly_or_within_their_tolerance() -> None:
    before = {"a": 1, "b": 0.5, "c": True, "d": "NaN", "gone": 1, "near": 1.0, "far": 1.0}
    after = {"a": 1.0, "b": 0.6, "c": 1, "d": "NaN", "near": 1.01, "far": 1.02, "new": 2}
    assert compared(before, after, near=Tolerance(relative=0.01), far=Tolerance(relative=0.01)) == {
        "a": VERIFIED,
        "b": DIFFERS,
        "c": DIFFERS,
        "d": VERIFIED,
        "gone": DIFFERS,
        "near": VERIFIED,
        "far": DIFFERS,
        "new": DIFFERS,
    }


def test_a_metric_that_differs_says_by_how_much_and_what_was_allowed() -> None:
    first, second = ([{"name": "rmse", "value": value}] for value in (2.0, 2.5))
    (found,) = metrics.compare(first, second, {"rmse": Tolerance(0.1, 0.2)})
    assert (found.absolute, found.relative) == (0.5, 0.25)
    assert found.message == "differs by 0.5 (25%), more than its tolerance of 0.1 or 20%"


def test_a_number_of_thousands_of_digits_does_not_fill_the_screen() -> None:
    first, second = ([{"name": "n", "value": value}] for value in (1, "9" * 4000))
    (found,) = metrics.compare(first, second, {})
    assert found.state == DIFFERS
    assert len(found.message) < 100
    assert "4000 characters" in found.message
