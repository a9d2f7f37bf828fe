"""What makes two environments two is named: the inputs of their keys, and the packages of their locks."""

from __future__ import annotations

from typing import Any

import pytest

from projrun.core.hashing import sha256_bytes
from projrun.environment.comparison import Change, Side, changes

ONE, TWO = "1" * 64, "2" * 64


def side(lock: str | None = "", **interpreter: str) -> Side:
    inputs: dict[str, Any] = {
        "kind": "lock",
        "options": {"only_wheels": True, "source_distributions": []},
        "lock": {"sha256": sha256_bytes((lock or "").encode())},
        "interpreter": {"version": "3.11.7", **interpreter},
    }
    return Side("a" * 64, inputs, lock)


def pinned(name: str, version: str = "1.0", digest: str = ONE, marker: str = "") -> str:
    return f"{name}=={version}{f' ; {marker}' if marker else ''} --hash=sha256:{digest}\n"


def test_equal_ones_have_no_changes() -> None:
    assert changes(side(pinned("alpha")), side(pinned("alpha"))) == ()


def test_an_input_is_named_with_both_values() -> None:
    assert changes(side(), side(version="3.12.1", soabi="abi")) == (
        Change("interpreter.version", "3.11.7", "3.12.1"),
        Change("interpreter.soabi", None, "abi"),
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (pinned("alpha"), pinned("alpha") + pinned("beta"), [Change("lock: beta", None, "1.0")]),
        (pinned("alpha") + pinned("beta"), pinned("alpha"), [Change("lock: beta", "1.0", None)]),
        (pinned("alpha"), pinned("alpha", "1.1"), [Change("lock: alpha", "1.0", "1.1")]),
        (
            pinned("alpha"),
            pinned("alpha", digest=TWO),
            [Change("lock: alpha", "1.0, 1 hash", "1.0, other hashes")],
        ),
        (
            pinned("alpha"),
            pinned("alpha", marker='os_name == "nt"'),
            [Change("lock: alpha", "1.0", '1.0 ; os_name == "nt"')],
        ),
        (
            pinned("alpha", marker='os_name == "nt"') + pinned("alpha", "2.0", marker='os_name != "nt"'),
            pinned("alpha"),
            [Change("lock: alpha", '1.0 ; os_name == "nt" | 2.0 ; os_name != "nt"', "1.0")],
        ),
        (
            pinned("alpha"),
            "# by hand\n" + pinned("alpha"),
            [Change("lock: the same packages", "other comments, order or spaces", "the same otherwise")],
        ),
    ],
)
def test_the_packages_of_the_locks_are_compared(before: str, after: str, expected: list[Change]) -> None:
    first, *rest = changes(side(before), side(after))
    assert first.what == "lock.sha256"
    assert rest == expected


@pytest.mark.parametrize("lock", [None, "not a lock at all", "[[packages]]\n"])
def test_a_lock_that_cannot_be_had_or_read_leaves_its_digest(lock: str | None) -> None:
    found = changes(side(pinned("alpha")), side(lock))
    assert [change.what for change in found] == ["lock.sha256"]
