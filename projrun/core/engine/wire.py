"""The wire format of protocol buffers (https://protobuf.dev/programming-guides/encoding/), for BuildKit's calls.

Fields of messages, strings and bytes are all of one wire type: who reads a field knows which it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_64_BITS = (1 << 64) - 1


class BrokenMessage(ValueError):
    """Bytes that are no message."""


def encode(fields: Sequence[tuple[int, int | str | bytes]]) -> bytes:
    """A message of fields: numbers (64 bits, signed), texts, and bytes or messages."""
    return b"".join(_field(number, value) for number, value in fields)


def decode(data: bytes) -> list[tuple[int, int | bytes]]:
    """The fields of a message in their order; numbers are unsigned, see :func:`signed`. Raises BrokenMessage."""
    return list(_fields(data))


def signed(number: int) -> int:
    """A number that was read, as the int32 or int64 that it is."""
    return number - (1 << 64) if number >> 63 else number


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value & _64_BITS)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise BrokenMessage("a field has no number")
        if kind == _VARINT:
            value, at = _read_varint(data, at)
            yield number, value
            continue
        length, at = _length(data, at, kind)
        if at + length > len(data):
            raise BrokenMessage("a field ends after its message")
        content, at = data[at : at + length], at + length
        yield number, content if kind == _BYTES else int.from_bytes(content, "little")


def _length(data: bytes, at: int, kind: int) -> tuple[int, int]:
    if kind == _BYTES:
        return _read_varint(data, at)
    if kind in (_FIXED64, _FIXED32):
        return (8 if kind == _FIXED64 else 4), at
    raise BrokenMessage(f"a field has the unknown wire type {kind}")


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for index, byte in enumerate(data[at : at + _LONGEST_VARINT]):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number & _64_BITS, at + index + 1
    raise BrokenMessage("a number does not end")
