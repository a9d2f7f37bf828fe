"""Brings an index up to date with the run directories."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from projrun.core.report import FETCH, Reporter
from projrun.store.database import drop, put, put_in_order, transaction
from projrun.store.ids import is_id, names_in
from projrun.store.reading import rows_of
from projrun.store.run import RUNNING

# A directory that was written to this recently may be written to again without a new time stamp.
_RACY_NS = 2_000_000_000
_PATIENCE = 1.0  # seconds before a word is said
_BEAT = 0.2


def refresh(connection: sqlite3.Connection, runs: Path, report: Reporter) -> None:
    """Adds runs that are not known, drops those that are gone, reads again those that were not over."""
    stamp = _stamp(runs)
    seen = connection.execute("SELECT directory FROM seen").fetchone()
    to_read = {row[0] for row in connection.execute(f"SELECT id FROM runs WHERE status = '{RUNNING}'")}  # noqa: S608
    compare = stamp is None or seen is None or seen[0] != stamp
    if compare:
        # In this order: a run that begins in between is unknown, and read, instead of known and dropped.
        known = {row[0] for row in connection.execute("SELECT id FROM runs")}
        present = set(names_in(runs))
        to_read = (to_read & present) | {name for name in present - known if is_id(name)}
        if gone := known - present:
            with transaction(connection):
                drop(connection, gone)
    progress = _Progress(report, len(to_read))
    with closing(rows_of(runs, sorted(to_read))) as batches:
        for rows in batches:
            with transaction(connection):
                put(connection, rows)
            progress.count(len(rows))
    if compare:
        put_in_order(connection)
    if compare and stamp is not None:
        connection.execute("INSERT OR REPLACE INTO seen VALUES (1, ?)", (stamp,))


def _stamp(runs: Path) -> str | None:
    """What changes when a run directory comes or goes; None while it may yet change without showing."""
    try:
        status = runs.stat()
    except OSError:
        return None
    recent = time.time_ns() - status.st_mtime_ns < _RACY_NS
    return None if recent else f"{status.st_ino} {status.st_mtime_ns}"


class _Progress:
    """Says that runs are read when it begins to take long: a plain line, then a line over a line."""

    def __init__(self, report: Reporter, runs: int) -> None:
        self._report = report
        self._runs = runs
        self._done = 0
        self._began = self._told = time.monotonic()
        self._said = False

    def count(self, runs: int) -> None:
        self._done += runs
        now = time.monotonic()
        if self._said and self._done == self._runs:
            self._report.write(FETCH, f"{self._state()}, done.\n".encode())
        elif now - self._began >= _PATIENCE and now - self._told >= _BEAT:
            if not self._said:
                self._report.phase("index", f"reading {self._runs:,} runs that it does not know")
            self._said, self._told = True, now
            self._report.write(FETCH, f"{self._state()}\r".encode())

    def _state(self) -> str:
        return f"Reading runs: {100 * self._done // self._runs:3}% ({self._done:,}/{self._runs:,})"
