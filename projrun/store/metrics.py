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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from projrun.core.errors import StoreError, UsageError
from projrun.core.metrics.lines import open_regular
from projrun.core.metrics.numbers import NAN, Value
from projrun.core.nearest import did_you_mean
from projrun.store import metrics_file
from projrun.store.metrics_file import Column, Damaged, Piece, Pieces, Series, SeriesFile, Summary
from projrun.store.metrics_ingest import Ingest
from projrun.store.metrics_making import FILES, LINES, ORIGIN, SOURCES, Ingested, ingest
from projrun.store.metrics_thinning import thinned
from projrun.store.run import RUNNING, read_run

__all__ = [
    "FILES",
    "LINES",
    "ORIGIN",
    "Ingested",
    "RunMetrics",
    "Series",
    "Summary",
    "ingest",
    "last_values",
    "names",
    "opened",
    "series",
    "summaries",
    "summary",
    "telling",
]


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


def last_values(run: Path) -> dict[str, Value]:
    """The last value of every metric by its name; none of what cannot be read."""
    if not any(os.path.lexists(run / name) for name in SOURCES):
        return {}
    with contextlib.suppress(StoreError):
        return {one.name: one.last for one in summaries(run) if one.last is not None}
    return {}


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
            with tempfile.TemporaryFile() as temporary, telling(run):
                taken = Ingest(Pieces(temporary))
                for name, origin in zip(SOURCES, (ORIGIN, FILES), strict=True):
                    taken.file(run / name, origin, ended=record.status != RUNNING)
                yield RunMetrics(run, temporary, taken.columns(), told)
    finally:
        if file is not None:
            file[0].close()


@contextlib.contextmanager
def telling(run: Path) -> Iterator[None]:
    """Turns an OSError of the block, which reads metrics of a run, into a StoreError."""
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
    for name in SOURCES:
        try:
            status = (run / name).lstat()
        except FileNotFoundError:
            size, changed = 0, 0
        else:
            size, changed = status.st_size, status.st_mtime_ns
        if not isinstance(sizes, dict) or sizes.get(name) != size or changed > made:
            return False
    return True
