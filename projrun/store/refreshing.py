"""Brings an index up to date with the run directories."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from projrun.core.report import FETCH, Reporter
from projrun.core.values import Struct
from projrun.store.database import drop, is_over, put, put_in_order
from projrun.store.ids import is_id, names_in
from projrun.store.opening import snapshot, transaction
from projrun.store.reading import rows_of
from projrun.store.run import RUNNING

# A directory that was written to this recently may be written to again without a new time stamp.
_RACY_NS = 2_000_000_000
_PATIENCE = 1.0  # seconds before a word is said
_BEAT = 0.2
_FEW = 500  # runs that are looked up one by one
_LIST = "INSERT OR REPLACE INTO listed SELECT 1, group_concat(id, ' ') FROM runs HAVING count(*)"


class Lacking(Struct, frozen=True):
    """What an index lacks: the runs that are ``to_read``, and those that are ``gone``, by their ids.

    ``stamp`` is of the directory that was ``compared`` with it; ``list_anew``: the list of what is in the table
    does not help any more.
    """

    to_read: Sequence[str]
    gone: Sequence[str] = ()
    compared: bool = False
    stamp: str | None = None
    list_anew: bool = False

    @property
    def nothing(self) -> bool:
        """Whether the index is up to date."""
        return not self.to_read and not self.gone


def refresh(connection: sqlite3.Connection, runs: Path, report: Reporter) -> None:
    """Adds runs that are not known, drops those that are gone, reads again those that were not over."""
    supply(connection, runs, lacking(connection, runs), report)


def lacking(connection: sqlite3.Connection, runs: Path) -> Lacking:
    """What an index lacks. Nothing is written."""
    stamp = _stamp(runs)
    with snapshot(connection):
        seen = connection.execute("SELECT directory FROM seen").fetchone()
        unfinished = {row[0] for row in connection.execute(f"SELECT id FROM runs WHERE status = '{RUNNING}'")}  # noqa: S608
        if stamp is not None and seen is not None and seen[0] == stamp:
            return Lacking(sorted(unfinished))
        # In this order: a run that begins in between is unknown, and read, instead of known and dropped.
        listed = connection.execute("SELECT ids FROM listed").fetchone()
        present = set(names_in(runs))
        found = _by_list(connection, set(listed[0].split()), present, unfinished, stamp) if listed else None
        return found or _by_table(connection, present, unfinished, stamp)


def _by_list(
    connection: sqlite3.Connection, listed: set[str], present: set[str], unfinished: set[str], stamp: str | None
) -> Lacking | None:
    """What is lacking, by a list of most runs of the table; None when too much is, or the table has others too.

    All that are listed are in the table. So it has just those that are present when these are in it, and the
    numbers are the same.
    """
    names = present - listed
    left = listed - present
    if len(names) + len(left) > _FEW:
        return None
    new = {name for name in names if is_id(name)}
    known = set(_kept(connection, new))
    gone = set(_kept(connection, left))
    (count,) = connection.execute("SELECT count(*) FROM runs").fetchone()
    if count - len(gone) - len(known) != len(present) - len(names):
        return None
    to_read = (unfinished & present) | (new - known)
    return Lacking(sorted(to_read), sorted(gone), compared=True, stamp=stamp, list_anew=bool(gone))


def _kept(connection: sqlite3.Connection, runs: Iterable[str]) -> list[str]:
    """Those of some runs that the table has."""
    return [run for run in runs if connection.execute("SELECT 1 FROM runs WHERE id = ?", (run,)).fetchone()]


def _by_table(connection: sqlite3.Connection, names: set[str], unfinished: set[str], stamp: str | None) -> Lacking:
    known = {row[0] for row in connection.execute("SELECT id FROM runs")}
    new = {name for name in names - known if is_id(name)}
    to_read = (unfinished & names) | new
    return Lacking(sorted(to_read), sorted(known - names), compared=True, stamp=stamp, list_anew=True)


def supply(connection: sqlite3.Connection, runs: Path, what: Lacking, report: Reporter) -> None:
    """Reads what an index lacks, and puts it there."""
    if what.gone:
        with transaction(connection):
            drop(connection, what.gone)
    progress = _Progress(report, len(what.to_read))
    with closing(rows_of(runs, what.to_read)) as batches:
        for rows in batches:
            with transaction(connection):
                # Who noted a run while it was read here has seen no less of it.
                put(connection, [row for row in rows if not is_over(connection, row.id)])
            progress.count(len(rows))
    if not what.compared:
        return
    put_in_order(connection)
    if what.list_anew:
        connection.execute(_LIST)
    if what.stamp is not None:
        connection.execute("INSERT OR REPLACE INTO seen VALUES (1, ?)", (what.stamp,))


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
