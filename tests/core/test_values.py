"""Frozen values: they are made, compared, copied and refused as dataclasses are."""

from __future__ import annotations

import copy
import pickle
from functools import cached_property
from typing import ClassVar

import pytest

from projrun.core.values import Struct, as_dict, asdict, astuple, field, replace


class Point(Struct, frozen=True):
    x: int
    y: int = 0
    tags: dict[str, int] = field(default_factory=dict)
    seen: ClassVar[int] = 7

    @cached_property
    def sum(self) -> int:
        return self.x + self.y


class Named(Point, frozen=True):
    name: str = "it"


class Loose(Struct):
    value: object = None


class Pair(Struct, frozen=True):
    left: int
    right: str


class Alone(Struct, frozen=True, eq=False):
    value: int


def test_a_value_is_made_by_position_and_by_name() -> None:
    assert Point(1) == Point(x=1) == Point(1, 0) == Point(1, y=0, tags={})
    assert astuple(Named(1, 2, {}, "n")) == (1, 2, {}, "n")
    assert repr(Point(1, tags={"a": 1})) == "Point(x=1, y=0, tags={'a': 1})"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ((), {}),
        ((), {"y": 1}),
        ((1, 2, {}, 4), {}),
        ((1,), {"x": 2}),
        ((1, 2, {}), {"x": 1}),
        ((1, 2), {"z": 1}),
        ((1,), {"z": 1}),
        ((1, 2), {"y": 1}),
        ((), {"y": 1, "tags": {}, "z": 3}),
        ((1,), {"seen": 3}),
    ],
)
def test_what_does_not_fit_is_refused(given: tuple[object, ...], named: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="Point"):
        Point(*given, **named)  # type: ignore[arg-type]


def test_defaults_that_can_change_are_not_shared() -> None:
    assert Point(1).tags is not Point(1).tags
    with pytest.raises(TypeError, match="default_factory"):
        type("Bad", (Struct,), {"__annotations__": {"x": "list[int]"}, "x": []})


def test_a_frozen_value_stays_as_it_is() -> None:
    point = Point(1, 2)
    with pytest.raises(AttributeError, match="frozen"):
        point.x = 3  # type: ignore[misc]
    with pytest.raises(AttributeError, match="frozen"):
        del point.y
    assert point.sum == 3
    assert point == Point(1, 2), "what is worked out is no field"
    loose = Loose()
    loose.value = 1
    assert loose == Loose(1)


def test_values_are_equal_within_their_class_alone() -> None:
    assert Point(1) != Named(1)
    assert Point(1) != (1, 0, {})
    assert Alone(1) != Alone(1)
    assert len({Alone(1), Alone(1)}) == 2
    assert hash(Pair(1, "a")) == hash(Pair(1, "a"))
    with pytest.raises(TypeError):
        hash(Loose(1))
    with pytest.raises(TypeError):
        hash(Point(1))  # a dict is in it


def test_a_copy_has_other_fields() -> None:
    named = Named(1, name="a")
    assert replace(named, x=2) == Named(2, name="a")
    assert type(replace(named)) is Named
    with pytest.raises(TypeError, match="Named"):
        replace(named, z=1)
    assert copy.copy(named) == copy.deepcopy(named) == pickle.loads(pickle.dumps(named)) == named


def test_a_value_as_a_document() -> None:
    assert asdict(Point(1, tags={"a": 1})) == {"x": 1, "y": 0, "tags": {"a": 1}}
    nested = Loose((Point(1), {"k": [Named(2)]}))
    inner = {"x": 2, "y": 0, "tags": {}, "name": "it"}
    assert as_dict(nested) == {"value": [{"x": 1, "y": 0, "tags": {}}, {"k": [inner]}]}
