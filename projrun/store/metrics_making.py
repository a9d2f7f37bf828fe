"""The derived files of a run's metrics, made when it has ended: ``metrics.series`` and ``metrics.rejected``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from projrun.core.files import create, written_aside
from projrun.core.values import Struct
from projrun.store import metrics_file, metrics_rejected
from projrun.store.metrics_file import Column, Pieces, Summary
from projrun.store.metrics_ingest import Ingest
from projrun.store.run import METRICS

LINES = METRICS
FILES = "metrics.files.jsonl"
ORIGIN = "PROJRUN_METRICS"
SOURCES = (LINES, FILES)


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
