"""The metrics of a run: names, summaries and series, from the lines that its program wrote.

metrics.jsonl           what the program appended to $PROJRUN_METRICS
metrics.files.jsonl     the points of metrics files that are tables, copied when the run ended
metrics.series          derived from both, see :mod:`projrun.store.metrics_file`
metrics.rejected        the lines that are no metrics
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from projrun.core.errors import StoreError, UsageError
from projrun.core.files import create, written_aside
from projrun.core.metrics.lines import Point, Step, Unfit, blocks, open_regular, points_of
from projrun.core.metrics.numbers import NAN, Value
from projrun.core.nearest import did_you_mean
from projrun.core.values import Struct
from projrun.store import metrics_file, metrics_rejected
from projrun.store.metrics_file import Column, Damaged, Piece, Pieces, Series, SeriesFile, Summary
from projrun.store.metrics_ingest import MAX_NAMES, Ingest
from projrun.store.metrics_thinning import thinned
from projrun.store.run import METRICS, RUNNING, read_run

__all__ = [
    "Ingested",
    "RunMetrics",
    "Series",
    "Summary",
    "follow",
    "ingest",
    "names",
    "opened",
    "recent",
    "series",
    "summaries",
    "summary",
]

LINES = METRICS
FILES = "metrics.files.jsonl"
ORIGIN = "PROJRUN_METRICS"
_SOURCES = (LINES, FILES)
_RECENT = 256 * 1024  # bytes
_POLL_SECONDS = 0.2


def names(run: Path) -> tuple[str, ...]:
    """The metrics of a run, given by its directory, in the order in which they came first. Raises StoreError."""
    return tuple(one.name for one in summaries(run))


def summaries(run: Path) -> tuple[Summary, ...]:
    """Every metric of a run in short. Raises StoreError."""
    with opened(run) as metrics:
        return tuple(metrics.summaries().values())


def summary(run: Path, name: str) -> Summary:
    """A metric of a run in short. Raises UsageError when it has none of that name, and StoreError."""
    with opened(run) as metrics:
        return metrics.summary(name)


def series(run: Path, name: str, points: int | None = None) -> Series:
    """The points of a metric; of more than ``points`` so many, with the least and the greatest of each stretch.

    Raises UsageError when the run has no metric of that name, and StoreError.
    """
    with opened(run) as metrics:
        return metrics.series(name, points)


class RunMetrics:
    """The metrics of a run, open to be read. For one that has ended they do not change any more."""

    def __init__(self, run: Path, file: BinaryIO, columns: Mapping[str, Column] | SeriesFile, told: Any) -> None:
        self.run = run
        self._file = file
        self._columns = columns
        self._told = told  # metrics of its outcome

    def summaries(self) -> dict[str, Summary]:
        """By name. A metric of a file that is no table has one point, without a step."""
        if isinstance(self._columns, SeriesFile):
            found = self._columns.summaries()
        else:
            found = {name: column.summary for name, column in self._columns.items()}
        for name, value, origin in self._told:
            if name not in found:
                extreme = None if value == NAN else value
                found[name] = Summary(name, 1, value, extreme, extreme, origin=origin)
            elif found[name].origin == FILES:
                found[name].origin = origin
        return found

    def summary(self, name: str) -> Summary:
        """Raises UsageError when there is none of that name."""
        found = self.summaries()
        if name not in found:
            raise UsageError(
                f"run {self.run.name} has no metric {name!r}",
                why=did_you_mean(name, found) if found else "it reported none",
                hint=f"projrun metrics {self.run.name} lists them",
            )
        return found[name]

    def series(self, name: str, points: int | None = None) -> Series:
        """As :func:`series`."""
        told = self.summary(name)
        try:
            pieces = self._pieces(name)
            if pieces is None:
                assert told.last is not None
                return Series([0], [told.last], None)
            found = metrics_file.read_series(self._file, pieces)
        except (Damaged, OSError) as error:
            raise _unreadable(self.run, error) from error
        return thinned(found, points) if points is not None else found

    def _pieces(self, name: str) -> tuple[Piece, ...] | None:
        """Where the points are; None for a metric of a file that is no table."""
        if isinstance(self._columns, SeriesFile):
            return self._columns.pieces(name) if name in self._columns.summaries() else None
        return self._columns[name].pieces() if name in self._columns else None


@contextlib.contextmanager
def opened(run: Path) -> Iterator[RunMetrics]:
    """The metrics of a run. Of one that has ended ``metrics.series`` is used, and made where it is lacking.

    Of a living one the lines are read anew. Raises StoreError.
    """
    record = read_run(run)
    told = tuple(_told(record.outcome))
    file = None if record.status == RUNNING else _made(run)
    try:
        if file is not None:
            yield RunMetrics(run, file[0], file[1], told)
        else:
            with tempfile.TemporaryFile() as temporary, _telling(run):
                taken = Ingest(Pieces(temporary))
                for name, origin in zip(_SOURCES, (ORIGIN, FILES), strict=True):
                    taken.file(run / name, origin, ended=record.status != RUNNING)
                yield RunMetrics(run, temporary, taken.columns(), told)
    finally:
        if file is not None:
            file[0].close()


@contextlib.contextmanager
def _telling(run: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unreadable(run, error) from error


def _unreadable(run: Path, error: Exception) -> StoreError:
    return StoreError(
        f"the metrics of run {run.name} cannot be read",
        why=getattr(error, "strerror", None) or str(error),
        hint=f"its lines are in {run / LINES}; remove {metrics_file.FILE} beside it to have that made anew",
    )


def _told(outcome: Mapping[str, Any] | None) -> Iterator[tuple[str, Value, str]]:
    listed = (outcome or {}).get("metrics")
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            value = one.get("value")
            if isinstance(value, (bool, int, float, str)):
                yield one["name"], value, str(one.get("file", ""))


def _made(run: Path) -> tuple[BinaryIO, SeriesFile] | None:
    """The derived file of a run that has ended, made when it is lacking; None where it cannot be kept."""
    for attempt in range(2):
        with contextlib.suppress(OSError):
            file = open_regular(run / metrics_file.FILE)
            try:
                found = SeriesFile(file)
                if _fits(run, file, found):
                    return file, found
            except Damaged:
                pass
            file.close()
        if attempt == 0:
            try:
                ingest(run)
            except OSError:
                return None
    return None


def _fits(run: Path, file: BinaryIO, found: SeriesFile) -> bool:
    """Whether it was made from the files as they are."""
    made = os.fstat(file.fileno()).st_mtime_ns
    sizes = found.facts.get("sizes")
    for name in _SOURCES:
        try:
            status = (run / name).lstat()
        except FileNotFoundError:
            size, changed = 0, 0
        else:
            size, changed = status.st_size, status.st_mtime_ns
        if not isinstance(sizes, dict) or sizes.get(name) != size or changed > made:
            return False
    return True


class Ingested(Struct, frozen=True):
    """What a run's lines came to. ``elsewhere`` are names that the first file has already, and the file that
    repeats them; ``cut`` are files that were too large to be read whole; ``failure`` is why there is no
    ``metrics.series``.
    """

    summaries: tuple[Summary, ...]
    rejected: Mapping[str, int]
    first_rejected: Mapping[str, tuple[int, str]]
    elsewhere: Mapping[str, str]
    cut: tuple[str, ...]
    failure: str = ""


def ingest(run: Path) -> Ingested:
    """Makes ``metrics.series`` and ``metrics.rejected`` of a run that writes no more.

    What cannot be written is told as ``failure``. Raises OSError when the lines cannot be read.
    """
    failure = ""
    columns: Mapping[str, Column] = {}
    taken = None
    try:
        with written_aside(run / metrics_file.FILE) as aside, create(aside) as file:
            taken = _taken(run, file)
            columns = taken[1]
            if taken[0].pieces.failure is not None:
                raise _Unwritten(taken[0].pieces.failure.strerror or str(taken[0].pieces.failure))
    except _Unwritten as error:
        failure = str(error)
    except OSError as error:
        if taken is None:  # nothing can be created there
            taken = _taken(run, None)
            columns = taken[1]
        failure = error.strerror or str(error)
    assert taken is not None
    rejected = taken[0].rejected
    failure = _write_rejected(run, rejected) or failure
    return Ingested(
        tuple(column.summary for column in columns.values()),
        dict(rejected.counts),
        dict(rejected.first),
        dict(taken[0].elsewhere),
        tuple(taken[0].cut),
        failure,
    )


class _Unwritten(Exception):
    """Why the derived file cannot be written."""


def _taken(run: Path, file: BinaryIO | None) -> tuple[Ingest, dict[str, Column]]:
    taken = Ingest(Pieces(file))
    sizes = {name: taken.file(run / name, origin) for name, origin in ((LINES, ORIGIN), (FILES, FILES))}
    columns = taken.columns()
    taken.pieces.finish(columns, {"sizes": sizes})
    return taken, columns


def _write_rejected(run: Path, rejected: metrics_rejected.Rejected) -> str:
    path = run / metrics_rejected.FILE
    try:
        if rejected.count:
            with written_aside(path) as aside, create(aside) as file:
                file.write(rejected.document())
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def recent(run: Path) -> dict[str, Value]:
    """The last values that a living run wrote, from the end of its lines: those of the last 256 KiB."""
    found: dict[str, Value] = {}
    with contextlib.suppress(OSError), open_regular(run / LINES) as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _RECENT))
        for block in blocks(file, end=size, ended=False):
            lines = block.lines[1:] if block.first == 1 and size > _RECENT else block.lines
            for line in lines:
                with contextlib.suppress(Unfit):
                    found |= {point.name: point.value for point in points_of(line)}
    return dict(list(found.items())[:MAX_NAMES])


def follow(run: Path) -> Iterator[Point]:
    """The points of a run so far and those that come, until it ends. Raises StoreError."""
    steps: dict[str, Step] = {}
    at, first = 0, 1
    while True:
        living = read_run(run).status == RUNNING
        with _telling(run), contextlib.suppress(FileNotFoundError), open_regular(run / LINES) as file:
            size = file.seek(0, 2)
            file.seek(min(at, size))
            for block in blocks(file, end=size, first=first, ended=not living):
                at, first = block.end, block.first + len(block.lines)
                for line in block.lines:
                    yield from _counted(line, steps)
        if not living:
            return
        time.sleep(_POLL_SECONDS)


def _counted(line: str, steps: dict[str, Step]) -> Iterator[Point]:
    """The points of a line, those without a step counted."""
    with contextlib.suppress(Unfit):
        for point in points_of(line):
            step = point.step
            if step is None:
                step = steps.get(point.name, -1) + 1
            if point.name in steps or len(steps) < MAX_NAMES:
                steps[point.name] = step
            yield point._replace(step=step)
