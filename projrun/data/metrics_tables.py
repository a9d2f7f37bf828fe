"""Tables of metrics -> points: CSV and TSV with a header, JSON lines.

step,loss,acc        each numeric column is a metric, its rows the points; empty cells are none
name,value[,step]    each row is a point of the metric that it names
accuracy,0.9         two columns without a header: likewise
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from projrun.core.metrics.lines import Point, Step, Unfit, blocks, points_of, whole_step
from projrun.core.metrics.numbers import unfit_name, written
from projrun.core.values import Struct

DELIMITERS: Mapping[str, str] = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
LINES = (".jsonl", ".ndjson")


class Fault(Struct, frozen=True):
    """What is wrong in a line of a table; ``last``: nothing is read after it."""

    line: int
    reason: str
    last: bool = False


def rows(file: BinaryIO, delimiter: str) -> Iterator[Point | Fault]:
    """The points of a table, row by row. Raises OSError."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    reader = csv.reader(text, delimiter=delimiter)
    layout: _Wide | _Long | None = None
    try:
        for number, row in enumerate(reader):
            cells = [cell.strip() for cell in row]
            if layout is None:
                layout = _layout(cells)
                yield from layout.begin(cells)
            elif any(cells):
                yield from layout.points(cells, number - 1, reader.line_num)
    except csv.Error as error:
        yield Fault(reader.line_num, str(error), last=True)
    except UnicodeDecodeError:
        yield Fault(reader.line_num + 1, "it is not UTF-8", last=True)
    finally:
        text.detach()


def _layout(header: Sequence[str]) -> _Wide | _Long:
    names = [cell.lower() for cell in header]
    if "name" in names and "value" in names:
        return _Long(names, header=True)
    if len(header) == 2 and header[0] and written(header[0]) is None and written(header[1]) is not None:
        return _Long(["name", "value"], header=False)
    return _Wide(header)


class _Long:
    """A row is a point."""

    def __init__(self, columns: Sequence[str], *, header: bool) -> None:
        self._columns = {name: place for place, name in reversed(tuple(enumerate(columns)))}
        self._header = header

    def begin(self, cells: Sequence[str]) -> Iterator[Point | Fault]:
        if not self._header:
            yield from self.points(cells, 0, 1)

    def points(self, cells: Sequence[str], _: int, line: int) -> Iterator[Point | Fault]:
        name = self._cell(cells, "name")
        value = written(self._cell(cells, "value"))
        if reason := unfit_name(name):
            yield Fault(line, reason)
        elif value is None:
            if text := self._cell(cells, "value"):
                yield Fault(line, f"the value {text[:40]!r} is no number")
        else:
            step = _step(self._cell(cells, "step") or self._cell(cells, "epoch"))
            yield Point(name, value, step, _time(self._cell(cells, "time")))

    def _cell(self, cells: Sequence[str], column: str) -> str:
        place = self._columns.get(column, len(cells))
        return cells[place] if place < len(cells) else ""


class _Wide:
    """A column is a metric. Of columns of one name the first counts."""

    def __init__(self, header: Sequence[str]) -> None:
        places: dict[str, int] = {}
        self._twice = []
        for place, name in enumerate(header):
            if name in places:
                self._twice.append(name)
            elif name:  # R calls the column of its row names so
                places[name] = place
        self._unfit = [reason for name in places if (reason := unfit_name(name))]
        by_lower = {name.lower(): name for name in reversed(tuple(places))}
        self._step = places.pop(by_lower.get("step", by_lower.get("epoch", "")), None)
        self._time = places.pop(by_lower.get("time", ""), None)
        self._places = {name: place for name, place in places.items() if not unfit_name(name)}

    def begin(self, _: Sequence[str]) -> Iterator[Point | Fault]:
        yield from (Fault(1, f"the column {name!r} is there twice") for name in self._twice if name)
        yield from (Fault(1, reason) for reason in self._unfit)

    def points(self, cells: Sequence[str], number: int, _: int) -> Iterator[Point | Fault]:
        width = len(cells)
        step: Step | None = number
        if self._step is not None:
            step = _step(cells[self._step]) if self._step < width else None
        time = _time(cells[self._time]) if self._time is not None and self._time < width else None
        for name, place in self._places.items():
            if place < width and (value := written(cells[place])) is not None:
                yield Point(name, value, step, time)


def _step(text: str) -> Step | None:
    """None for what is no step: it is counted then."""
    found = written(text)
    if isinstance(found, (bool, str)) or found is None:
        return None
    try:
        return whole_step(found)
    except Unfit:
        return None


def _time(text: str) -> float | None:
    found = written(text)
    return None if isinstance(found, (bool, str)) or found is None else float(found)


def json_lines(file: BinaryIO, size: int) -> Iterator[Point | Fault]:
    """The points of JSON lines, as those of PROJRUN_METRICS. Raises OSError."""
    for block in blocks(file, end=size):
        for number, line in enumerate(block.lines, block.first):
            try:
                yield from points_of(line)
            except Unfit as reason:
                yield Fault(number, str(reason))
