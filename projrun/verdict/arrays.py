"""Arrays in NumPy's files, compared piece by piece without NumPy.

The format is the one that numpy.lib.format documents (NEP 1): a magic text, a version, the length of a header, the
header as a Python literal, then the items. NPZ is a zip of such files.
"""

from __future__ import annotations

import ast
import lzma
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from projrun.core.values import Struct
from projrun.verdict.distance import Apart, apart_floats, is_nan
from projrun.verdict.tally import Incomparable, Tally

_MAGIC = b"\x93NUMPY"
_PIECE = 1 << 20  # bytes
_LONGEST_HEADER = 1 << 20
_DIGITS = 7  # of the size of an item, which is held whole
# The letters of struct for the kinds and sizes of items.
_LETTERS = {
    "b1": "?",
    "i1": "b",
    "i2": "h",
    "i4": "i",
    "i8": "q",
    "u1": "B",
    "u2": "H",
    "u4": "I",
    "u8": "Q",
    "f2": "e",
    "f4": "f",
    "f8": "d",
    "m8": "q",
    "M8": "q",
}
_COMPLEX = {"c8": "f", "c16": "d"}
_TEXTS = ("S", "U", "V", "a")


class _Header(Struct, frozen=True):
    """What stands before the items. ``letter`` None: they are texts, and are compared as bytes."""

    descr: str
    fortran: bool
    shape: tuple[int, ...]
    size: int
    letter: str | None
    order: str = "<"
    complex: bool = False


def npy(before: Path, after: Path, tally: Tally) -> None:
    """Compares two NPY files. Raises Incomparable for items of an unknown kind, ValueError and OSError."""
    with before.open("rb") as first, after.open("rb") as second:
        _arrays(first, second, "", tally)


def npz(before: Path, after: Path, tally: Tally) -> None:
    """Compares two NPZ files, array by array. Raises as :func:`npy`."""
    try:
        with zipfile.ZipFile(before) as first, zipfile.ZipFile(after) as second:
            names, others = set(first.namelist()), set(second.namelist())
            if lone := sorted(names ^ others):
                tally.unlike(f"array {lone[0].removesuffix('.npy')} is only in one of them")
            for name in sorted(names & others):
                with first.open(name) as old, second.open(name) as new:
                    _arrays(old, new, name.removesuffix(".npy"), tally)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, RuntimeError) as error:
        raise ValueError(str(error)) from error


def _arrays(first: IO[bytes], second: IO[bytes], name: str, tally: Tally) -> None:
    old, new = _header(first), _header(second)
    called = name or "the array"
    if (old.shape, old.descr) != (new.shape, new.descr):
        tally.unlike(f"{called} is {_told(old)} in one, {_told(new)} in the other")
        return
    if old.fortran != new.fortran and sum(length > 1 for length in old.shape) > 1:
        raise Incomparable(f"{called} is stored by rows in one and by columns in the other")
    count = math.prod(old.shape)
    for at, one, other in _pieces(first, second, old.size, count):
        if one == other:
            tally.count(len(one) // old.size)
        else:
            _items(old, one, other, lambda index, at=at: _place(name, old, at + index), tally)  # type: ignore[misc]


def _pieces(first: IO[bytes], second: IO[bytes], size: int, count: int) -> Iterator[tuple[int, bytes, bytes]]:
    """The items, so many at a time: the number of the first, and the bytes of both."""
    step, at = max(1, _PIECE // size), 0
    while at < count:
        wanted = min(step, count - at) * size
        one, other = first.read(wanted), second.read(wanted)
        if len(one) < wanted or len(other) < wanted:
            raise ValueError("it is cut off")
        yield at, one, other
        at += wanted // size


def _items(head: _Header, one: bytes, other: bytes, place: Callable[[int], str], tally: Tally) -> None:
    size = head.size
    if head.letter is None:
        for index in range(len(one) // size):
            tally.count(1)
            part = slice(index * size, (index + 1) * size)
            if one[part] != other[part]:
                tally.other(lambda index=index: place(index))  # type: ignore[misc]
        return
    form = f"{head.order}{len(one) // size * (2 if head.complex else 1)}{head.letter}"
    for index, (old, new) in enumerate(zip(_values(head, form, one), _values(head, form, other), strict=True)):
        tally.count(1)
        if old == new or _both_nan(old, new):
            continue
        tally.numbers(_apart(old, new), lambda index=index: place(index))  # type: ignore[misc]


def _both_nan(old: complex, new: complex) -> bool:
    """Whether they are no numbers in the same way: of complex ones, what is a number is the same."""
    if not (is_nan(old) and is_nan(new)):
        return False
    pairs = (old.real, new.real), (old.imag, new.imag)
    return all(one == other or (is_nan(one) and is_nan(other)) for one, other in pairs)


def _apart(old: complex, new: complex) -> Apart | None:
    if not (isinstance(old, complex) or isinstance(new, complex)):
        return apart_floats(old, new)
    if is_nan(old) or is_nan(new):
        return None
    absolute = abs(new - old)
    return Apart(absolute, absolute / abs(old) if old else math.inf)


def _values(head: _Header, form: str, data: bytes) -> tuple[complex, ...]:
    numbers = struct.unpack(form, data)
    return tuple(map(complex, numbers[::2], numbers[1::2])) if head.complex else numbers


def _header(file: IO[bytes]) -> _Header:
    """The header of an array. Raises ValueError, and Incomparable for items that are no plain values."""
    start = file.read(8)
    if len(start) < 8 or start[:6] != _MAGIC:
        raise ValueError("it does not begin as an NPY file does")
    width, form = (2, "<H") if start[6] == 1 else (4, "<I")
    (length,) = struct.unpack(form, file.read(width).ljust(width, b"\0"))
    text = file.read(min(length, _LONGEST_HEADER)).decode("latin-1" if start[6] < 3 else "utf-8")
    try:
        found = ast.literal_eval(text.strip())
        descr, fortran, shape = found["descr"], bool(found["fortran_order"]), tuple(map(int, found["shape"]))
    except (SyntaxError, LookupError, TypeError, OverflowError, MemoryError) as error:
        raise ValueError("its header is damaged") from error
    return _described(descr, fortran, shape)


def _described(descr: object, fortran: bool, shape: tuple[int, ...]) -> _Header:
    if not isinstance(descr, str) or descr[1:2] == "O":
        raise Incomparable("its items are records or objects, which are not compared by content")
    order = ">" if descr[:1] == ">" else "<"
    kind, digits = descr[1:2], descr[2:].partition("[")[0]
    if not digits.isdigit() or len(digits) > _DIGITS or min(shape, default=0) < 0:
        raise ValueError("its header is damaged")
    if kind in _TEXTS:
        size = int(digits) * (4 if kind == "U" else 1)
        return _Header(descr, fortran, shape, max(size, 1), None) if size else _empty(descr, fortran)
    letter = _LETTERS.get(f"{kind}{digits}") or _COMPLEX.get(f"{kind}{digits}")
    if letter is None:
        raise Incomparable(f"its items are of the kind {descr}, which is not compared by content")
    return _Header(descr, fortran, shape, int(digits), letter, order, f"{kind}{digits}" in _COMPLEX)


def _empty(descr: str, fortran: bool) -> _Header:
    """Of texts of no length: whatever the shape is, there is nothing to compare."""
    return _Header(descr, fortran, (0,), 1, None)


def _told(head: _Header) -> str:
    return f"{head.descr} {'x'.join(map(str, head.shape)) or 'scalar'}"


def _place(name: str, head: _Header, index: int) -> str:
    places = []
    for length in head.shape if head.fortran else reversed(head.shape):
        places.append(index % length)
        index //= length
    return f"{name}[{', '.join(map(str, places if head.fortran else reversed(places)))}]"
