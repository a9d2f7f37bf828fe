"""``metrics.series``: the points of a run's metrics as columns, made for reading and never the truth.

    magic, pieces..., table, footer (JSON), 8 bytes: where the footer begins, end mark

A piece has points of one metric that came after each other: steps, values, perhaps times, perhaps kinds, each as
an array of the machine's own order, and the texts of numbers that no double can hold. The table has a row for each
piece; the footer tells each metric's summary and its rows, and which files of which sizes all this was made from.
The file is made anew where it does not fit them, comes from a machine of another order, or is damaged.
"""

from __future__ import annotations

import json
import math
import sys
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from projrun.core.metrics.lines import Step
from projrun.core.metrics.numbers import Value
from projrun.core.values import Struct, as_dict, field

FILE = "metrics.series"
_MAGIC = f"projrun metrics.series 1 {sys.byteorder}\n".encode()
_END = b"\nend of metrics.series\n"
_ROW = 4  # numbers in a row of the table
_INTEGER_STEPS, _INTEGERS, _TIMES, _KINDS = 1, 2, 4, 8
_FLOAT, _INT, _FALSE, _TRUE, _TEXT = range(5)
_LARGEST_FOOTER = 64 << 20


class Damaged(Exception):
    """The file is not what it should be."""


class Summary(Struct):
    """A metric of a run in short: steps and values as they were given, ``last`` the one that came last.

    ``min`` and ``max`` are None where every value is NaN. ``origin`` is ``PROJRUN_METRICS`` or a metrics file.
    """

    name: str
    count: int = 0
    last: Value | None = None
    min: Value | None = None
    max: Value | None = None
    first_step: Step | None = None
    last_step: Step | None = None
    last_time: float | None = None
    origin: str = ""


class Piece(NamedTuple):
    """Where points are: ``flags`` say which columns there are."""

    offset: int
    points: int
    flags: int
    size: int


class Column(Struct):
    """A metric, and where its points are: rows of pieces one after the other, there may be many."""

    summary: Summary
    rows: array[int] = field(default_factory=lambda: array("Q"))

    def pieces(self) -> tuple[Piece, ...]:
        return _pieces(self.rows)


class Series(Struct, frozen=True):
    """The points of a metric in the order in which they came; the three are of one length.

    ``steps`` and ``values`` are arrays (``array.array``) where one kind of number will do, else lists: of int,
    float and bool, and of text where a double would lose (``NaN``, ``1e400``). ``times`` are seconds since the
    epoch as the program told them, NaN where it did not; None when it never did.
    """

    steps: Sequence[Step]
    values: Sequence[Value]
    times: Sequence[float] | None


class Pieces:
    """Writes pieces to a file; when that cannot be written any more, ``failure`` says why, the rest is dropped."""

    def __init__(self, file: BinaryIO | None) -> None:
        self.file = file
        self.failure: OSError | None = None
        self._at = 0
        self._put(_MAGIC)

    def write(self, steps: Sequence[Step], values: Sequence[Value], times: Sequence[float | None]) -> Piece:
        """Writes a piece and tells where it is."""
        flags, parts = _steps(steps)
        more, columns = _values(values)
        parts += columns
        if any(time is not None for time in times):
            more |= _TIMES
            parts.append(array("d", (math.nan if time is None else time for time in times)).tobytes())
        data = b"".join(parts)
        piece = Piece(self._at, len(steps), flags | more, len(data))
        self._put(data)
        return piece

    def finish(self, columns: Mapping[str, Column], facts: Mapping[str, Any]) -> None:
        """Writes table and footer."""
        table: array[int] = array("Q")
        listed = []
        for column in columns.values():
            listed.append([as_dict(column.summary), len(table) // _ROW, len(column.rows) // _ROW])
            table.extend(column.rows)
        at = self._at
        self._put(table.tobytes())
        footer = self._at
        self._put(json.dumps({"facts": dict(facts), "table": at, "metrics": listed}).encode())
        self._put(footer.to_bytes(8, "little") + _END)
        if self.file is not None and self.failure is None:
            try:
                self.file.flush()
            except OSError as error:
                self.failure = error

    def _put(self, data: bytes) -> None:
        self._at += len(data)
        if self.file is not None and self.failure is None:
            try:
                self.file.write(data)
            except OSError as error:  # a full disk: what is known of the metrics is told all the same
                self.failure = error


def _steps(steps: Sequence[Step]) -> tuple[int, list[bytes]]:
    try:
        whole: array[int] = array("q", steps)  # type: ignore[arg-type]
        return _INTEGER_STEPS, [whole.tobytes()]
    except TypeError:
        return 0, [array("d", steps).tobytes()]


def _values(values: Sequence[Value]) -> tuple[int, list[bytes]]:
    kinds = set(map(type, values))
    plain: Any = values
    if kinds == {float}:
        return 0, [array("d", plain).tobytes()]
    if kinds == {int}:
        return _INTEGERS, [array("q", plain).tobytes()]
    numbers = array("d", (math.nan if isinstance(value, str) else float(value) for value in values))
    marks = bytes(_kind(value) for value in values)
    texts = json.dumps([value for value in values if isinstance(value, str)]).encode()
    return _KINDS, [numbers.tobytes(), marks, len(texts).to_bytes(8, "little"), texts]


def _kind(value: Value) -> int:
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    return _INT if isinstance(value, int) else _FLOAT if isinstance(value, float) else _TEXT


class SeriesFile:
    """A file that was written whole. Raises Damaged, and OSError."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        size = file.seek(0, 2)
        tail = len(_END) + 8
        if size < len(_MAGIC) + tail or self._read(0, len(_MAGIC)) != _MAGIC:
            raise Damaged("it does not begin as it should")
        end = self._read(size - tail, tail)
        footer = int.from_bytes(end[:8], "little")
        if end[8:] != _END or not 0 <= size - tail - footer <= _LARGEST_FOOTER:
            raise Damaged("it does not end as it should")
        try:
            document = json.loads(self._read(footer, size - tail - footer))
            self.facts: Mapping[str, Any] = dict(document["facts"])
            self._table = int(document["table"])
            self._listed = {
                summary["name"]: (Summary(**summary), int(row), int(count))
                for summary, row, count in document["metrics"]
            }
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise Damaged("its list of metrics is not to be read") from error

    def summaries(self) -> dict[str, Summary]:
        """Of every metric, in the order in which they came."""
        return {name: summary for name, (summary, _, _) in self._listed.items()}

    def pieces(self, name: str) -> tuple[Piece, ...]:
        """Where the points of a metric are. Raises KeyError."""
        _, row, count = self._listed[name]
        rows: array[int] = array("Q", self._read(self._table + row * _ROW * 8, count * _ROW * 8))
        return _pieces(rows)

    def _read(self, offset: int, size: int) -> bytes:
        return read_exactly(self.file, offset, size)


def _pieces(rows: array[int]) -> tuple[Piece, ...]:
    return tuple(Piece(*rows[at : at + _ROW]) for at in range(0, len(rows), _ROW))


def read_exactly(file: BinaryIO, offset: int, size: int) -> bytes:
    """Bytes from the middle of a file. Raises Damaged when they are not there."""
    if offset < 0 or size < 0 or offset + size > file.seek(0, 2):
        raise Damaged("it points out of itself")
    file.seek(offset)
    data = file.read(size)
    if len(data) != size:
        raise Damaged("it is shorter than it was")
    return data


def read_series(file: BinaryIO, pieces: Sequence[Piece]) -> Series:
    """The points of a metric. Raises Damaged."""
    reading = _Reading()
    for piece in pieces:
        try:
            reading.add(piece, read_exactly(file, piece.offset, piece.size))
        except (ValueError, LookupError, RecursionError) as error:
            raise Damaged("a piece of it is not to be read") from error
    return reading.series()


class _Reading:
    """Columns that grow piece by piece; a list once one kind of number does not do any more."""

    def __init__(self) -> None:
        self.steps: Any = None
        self.values: Any = None
        self.times: Any = None
        self.count = 0

    def add(self, piece: Piece, data: bytes) -> None:
        width = piece.points * 8
        steps = _array("q" if piece.flags & _INTEGER_STEPS else "d", data[:width], piece.points)
        self.steps = _joined(self.steps, _normal(steps))
        at = 2 * width
        values: Any = _array("q" if piece.flags & _INTEGERS else "d", data[width:at], piece.points)
        if piece.flags & _KINDS:
            size = int.from_bytes(data[at + piece.points : at + piece.points + 8], "little")
            texts_at = at + piece.points + 8
            texts = iter(json.loads(data[texts_at : texts_at + size]))
            marks = data[at : at + piece.points]
            values = [_value(mark, number, texts) for mark, number in zip(marks, values, strict=True)]
            at = texts_at + size
        self.values = _joined(self.values, values)
        if piece.flags & _TIMES or self.times is not None:
            given = _array("d", data[at:], piece.points) if piece.flags & _TIMES else _none(piece.points)
            self.times = _joined(_none(self.count) if self.times is None else self.times, given)
        self.count += piece.points

    def series(self) -> Series:
        empty: array[float] = array("d")
        return Series(
            empty if self.steps is None else self.steps, empty if self.values is None else self.values, self.times
        )


def _array(code: str, data: bytes, count: int) -> array[Any]:
    found: array[Any] = array(code)
    found.frombytes(data)
    if len(found) != count:
        raise ValueError("too short")
    return found


def _normal(steps: array[Any]) -> Any:
    """Steps that are not all whole: each as it was given."""
    if steps.typecode == "q":
        return steps
    return [int(step) if step.is_integer() else step for step in steps]


def _none(count: int) -> array[float]:
    return array("d", [math.nan]) * count


def _joined(before: Any, more: Any) -> Any:
    if before is None:
        return more
    alike = isinstance(before, array) and isinstance(more, array) and before.typecode == more.typecode
    if alike or isinstance(before, list):
        before.extend(more)
        return before
    return [*before, *more]


def _value(mark: int, number: float, texts: Any) -> Value:
    if mark == _TEXT:
        return str(next(texts, ""))
    if mark == _INT:
        return int(number)
    return number if mark == _FLOAT else mark == _TRUE
