"""Lines of metrics -> columns: streamed, so that memory stays bounded however many points there are."""

from __future__ import annotations

from collections.abc import Iterable
from json import JSONDecoder
from pathlib import Path
from typing import Any

from projrun.core.metrics.lines import Block, Point, Step, Unfit, blocks, open_regular, points_of
from projrun.core.metrics.numbers import EXACT, Value, order
from projrun.store.metrics_file import Column, Pieces, Summary
from projrun.store.metrics_rejected import Rejected

MAX_NAMES = 10_000
MAX_BYTES = 512 << 20
_HELD_POINTS = 50_000
_HELD_BLOCKS = 8
_LARGEST = 1.7976931348623157e308


class _Gathering:
    """The points of one metric that are not in a piece yet, and what is known of those that are."""

    __slots__ = ("column", "origin", "steps", "times", "values")

    def __init__(self, name: str, origin: str) -> None:
        self.values: list[Value] = []
        self.steps: list[Step] = []
        self.times: list[float | None] = []
        self.column = Column(Summary(name, origin=origin))

    def next_step(self) -> Step:
        """The step of a point that has none: one more than the last, from 0."""
        last = self.steps[-1] if self.steps else self.column.summary.last_step
        return 0 if last is None else last + 1


class Ingest:
    """Takes the points of a run's files and puts them into ``pieces``.

    A name belongs to the file that had it first; points of another one that are called so are counted in
    ``elsewhere``. Lines that are no metrics go to ``rejected``. ``cut`` tells which files were too large.
    """

    def __init__(self, pieces: Pieces) -> None:
        self.pieces = pieces
        self.rejected = Rejected()
        self.elsewhere: dict[str, str] = {}
        self.cut: list[str] = []
        self._known: dict[str, _Gathering] = {}
        self._own: dict[str, _Gathering] = {}  # of the file that is being read
        self._origin = ""
        self._blocks = 0
        self._at: dict[str, tuple[int, int]] = {}  # per file: bytes and lines that were read

    def columns(self) -> dict[str, Column]:
        """Every metric so far, in the order in which they came."""
        self._flush()
        return {name: one.column for name, one in self._known.items()}

    def file(self, path: Path, origin: str, *, ended: bool = True) -> int:
        """Takes what a file holds that was not taken yet; gives its size then. Raises OSError.

        ``ended``: nobody writes to it any more. A file that is not there holds nothing.
        """
        try:
            file = open_regular(path)
        except FileNotFoundError:
            return 0
        with file:
            size = file.seek(0, 2)
            start, lines = self._at.get(origin, (0, 0))
            file.seek(start)
            if origin != self._origin:
                self._origin = origin
                self._own = {name: one for name, one in self._known.items() if one.column.summary.origin == origin}
            for block in blocks(file, end=min(size, MAX_BYTES), first=lines + 1, ended=ended):
                self._take(block)
                self._at[origin] = (block.end, block.first + len(block.lines) - 1)
        if size > MAX_BYTES and origin not in self.cut:
            self.cut.append(origin)
        return size

    def _take(self, block: Block) -> None:
        """The way of most lines: name, value and step of a metric that is known, which loses nothing."""
        scan = JSONDecoder().scan_once  # type: ignore[attr-defined]  # what loads() calls, after looking for blanks
        own = self._own
        for number, line in enumerate(block.lines, block.first):
            try:
                found, end = scan(line, 0)
                one = own[found["name"]]
                value, step = found["value"], found["step"]
                time = found["time"] if len(found) == 4 else None
                plain = (
                    end == len(line)
                    and type(step) is int
                    and -EXACT <= step <= EXACT
                    and (len(found) == 3 or (type(time) is float and -_LARGEST <= time <= _LARGEST))
                    and (
                        (type(value) is float and -_LARGEST <= value <= _LARGEST and value != 0.0)
                        or (type(value) is int and -EXACT <= value <= EXACT)
                    )
                )
            except (StopIteration, ValueError, LookupError, TypeError, RecursionError):
                plain = False
            if plain:
                one.values.append(value)
                one.steps.append(step)
                one.times.append(time)
            else:
                self._take_carefully(number, line)
        self._blocks += 1
        if self._blocks >= _HELD_BLOCKS or sum(len(one.values) for one in own.values()) >= _HELD_POINTS:
            self._flush()

    def _take_carefully(self, number: int, line: str) -> None:
        try:
            points = points_of(line)
            gathered = [self._gathering(point) for point in points]
        except Unfit as reason:
            self.rejected.add(self._origin, number, str(reason), line)
            return
        for one, point in zip(gathered, points, strict=True):
            if one is not None:
                one.values.append(point.value)
                one.steps.append(one.next_step() if point.step is None else point.step)
                one.times.append(point.time)

    def _gathering(self, point: Point) -> _Gathering | None:
        """Where a point belongs; None where another file has that name. Raises Unfit for a name too many."""
        one = self._own.get(point.name)
        if one is None:
            known = self._known.get(point.name)
            if known is not None:
                self.elsewhere.setdefault(point.name, self._origin)
                return None
            if len(self._known) >= MAX_NAMES:
                raise Unfit(f"it is one name more than {MAX_NAMES:,}")
            one = self._known[point.name] = self._own[point.name] = _Gathering(point.name, self._origin)
        return one

    def _flush(self) -> None:
        for one in self._known.values():
            if one.values:
                _add_up(one.column.summary, one)
                one.column.rows.extend(self.pieces.write(one.steps, one.values, one.times))
                one.values, one.steps, one.times = [], [], []
        self._blocks = 0


def _add_up(summary: Summary, new: _Gathering) -> None:
    values = new.values
    if summary.first_step is None:
        summary.first_step = new.steps[0]
    summary.count += len(values)
    summary.last, summary.last_step, summary.last_time = values[-1], new.steps[-1], new.times[-1]
    summary.min = _extreme(min, summary.min, values)
    summary.max = _extreme(max, summary.max, values)


def _of_two(which: Any, first: Value, second: Value) -> Value:
    return first if which(first, second) == first else second


def _extreme(which: Any, known: Value | None, values: Iterable[Value]) -> Value | None:
    """The least or greatest of them, exactly; NaN is neither."""
    try:
        found: Value = which(values)  # numbers alone, as nearly always
        if not isinstance(found, str) and (known is None or not isinstance(known, str)):
            return found if known is None else _of_two(which, known, found)
    except TypeError:
        pass
    ordered = [(order(value), value) for value in values]
    if known is not None:
        ordered.insert(0, (order(known), known))
    ordered = [one for one in ordered if one[0] is not None]
    least: tuple[Any, Value] | None = which(ordered, key=lambda one: one[0]) if ordered else None
    return None if least is None else least[1]
