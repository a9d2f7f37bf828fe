"""The wire format: the published examples, round trips, and bytes that are no message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projrun.core.engine import wire

NUMBERS = st.integers(1, (1 << 29) - 1)
VALUES = st.integers(-(1 << 63), (1 << 63) - 1) | st.binary() | st.text()


def test_it_is_the_format_of_its_documentation() -> None:
    """The three examples of https://protobuf.dev/programming-guides/encoding/."""
    assert wire.encode([(1, 150)]) == bytes.fromhex("089601")
    assert wire.encode([(2, "testing")]) == bytes.fromhex("120774657374696e67")
    assert wire.encode([(3, wire.encode([(1, 150)]))]) == bytes.fromhex("1a03089601")
    assert wire.signed(wire.decode(bytes.fromhex("08feffffffffffffffff01"))[0][1]) == -2  # type: ignore[arg-type]
    assert wire.decode(bytes.fromhex("0d01000000110200000000000000")) == [(1, 1), (2, 2)]


@given(st.lists(st.tuples(NUMBERS, VALUES)))
def test_what_is_written_is_read_back(fields: list[tuple[int, int | bytes | str]]) -> None:
    read = [(number, wire.signed(one) if isinstance(one, int) else one) for number, one in _decoded(fields)]
    assert read == [(number, one.encode() if isinstance(one, str) else one) for number, one in fields]


def _decoded(fields: list[tuple[int, int | bytes | str]]) -> list[tuple[int, int | bytes]]:
    return wire.decode(wire.encode(fields))


@given(st.binary())
def test_any_bytes_are_a_message_or_a_broken_one(data: bytes) -> None:
    try:
        fields = wire.decode(data)
    except wire.BrokenMessage:
        return
    assert len(fields) <= len(data) / 2


@pytest.mark.parametrize("data", ["08", "0a05616263", "00", "0b", "08ffffffffffffffffffff01", "09000000"])
def test_what_is_cut_off_or_unknown_is_broken(data: str) -> None:
    with pytest.raises(wire.BrokenMessage):
        wire.decode(bytes.fromhex(data))
