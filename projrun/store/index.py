"""The index: what ``projrun runs`` asks. Derived from the run directories, so it may be wrong, late or gone.

Every listing first brings it up to date: run directories it does not know are added, those that went away
are dropped, runs that were not over are read again. A damaged index, or one of another version, is made
again. Where it cannot be kept (a store that cannot be written), the same listing comes from the directories.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from projrun.core.errors import StoreError, UsageError
from projrun.core.nearest import did_you_mean, nearest
from projrun.store.failures import ANOTHER_STORE, writing
from projrun.store.ids import is_id
from projrun.store.row import RunRow, row_of
from projrun.store.run import RUNNING, read_run

if TYPE_CHECKING:
    import sqlite3

Answer = TypeVar("Answer")

_BATCH = 500
# A directory that was written to this recently may be written to again without a new time stamp.
_RACY_NS = 2_000_000_000

_SORTS = {
    "started": "started",
    "duration": "duration",
    "status": "status",
    "name": "name COLLATE NOCASE",
    "project": "project COLLATE NOCASE",
    "entry-point": "entry_point COLLATE NOCASE",
}
_FACTS = {"metric": "metrics", "param": "parameters"}


@dataclass(frozen=True)
class RunQuery:
    """Which runs, in which order.

    ``root`` is a project's directory (None: all projects). ``sort`` is ``started``, ``duration``, ``status``,
    ``name``, ``project``, ``entry-point``, ``metric:NAME`` or ``param:NAME``, with ``-`` before it for the largest
    first; runs without that value come last, and equals are in the order newest first. The first ``skip`` are
    left out.
    """

    root: Path | None = None
    sort: str = "-started"
    limit: int | None = None
    skip: int = 0


class Index:
    """The index of the store at a directory. ``notices`` is what people should be told of it: usually nothing."""

    def __init__(self, store: Path) -> None:
        self._path = store / "index.sqlite"
        self._runs = store / "runs"
        self.notices: list[str] = []

    def record(self, run: Path) -> None:
        """Notes the run of that directory as it is now. Fails in silence: the next listing finds it anyway."""
        import sqlite3

        from projrun.store.database import opened, put

        try:
            with opened(self._path, self.notices.append) as connection:
                put(connection, [row_of(read_run(run))])
        except (sqlite3.Error, OSError):
            return

    def rebuild(self) -> int:
        """Makes the index again from the directories alone and returns the number of runs. Raises StoreError."""
        import sqlite3

        from projrun.store.database import clear, is_damage, opened, remove_damaged

        for attempt in range(2):
            try:
                with opened(self._path, self.notices.append) as connection:
                    clear(connection)
                    _refresh(connection, self._runs)
                    return int(connection.execute("SELECT count(*) FROM runs").fetchone()[0])
            except sqlite3.Error as error:
                if attempt or not is_damage(error):
                    raise StoreError(
                        f"the index cannot be written: {self._path}", why=_reason(error), hint=ANOTHER_STORE
                    ) from error
                with writing(self._path):
                    remove_damaged(self._path)
            except OSError as error:
                with writing(self._path):
                    raise error
        raise AssertionError("the second attempt returns or raises")

    def runs(self, query: RunQuery = RunQuery()) -> tuple[RunRow, ...]:
        """The runs of a query. Raises UsageError for a sort key that is not known."""
        order = _order(query.sort)
        rows = self._fresh(lambda connection: _select(connection, query, order))
        self._refuse_unknown_fact(query, rows)
        return rows

    def ids(self, prefix: str) -> tuple[str, ...]:
        """The ids that begin with ``prefix``, in order; straight from the directories."""
        return tuple(sorted(run for run in _names(self._runs) if run.startswith(prefix)))

    def environments(self) -> dict[str, int]:
        """How many runs used each environment, by its key."""
        statement = "SELECT json_extract(row, '$.environment') AS used, count(*) FROM runs GROUP BY used"
        counted = self._fresh(lambda connection: connection.execute(statement).fetchall())
        return {str(used): int(count) for used, count in counted if used is not None}

    def _refuse_unknown_fact(self, query: RunQuery, rows: Sequence[RunRow]) -> None:
        """Raises UsageError when the runs are sorted by a metric or parameter that none of them has."""
        kind, _, name = query.sort.removeprefix("-").partition(":")
        if kind not in _FACTS or not rows or name in getattr(rows[0], _FACTS[kind]):
            return
        everything = self.runs(RunQuery(query.root))
        known = sorted({fact for row in everything for fact in getattr(row, _FACTS[kind])})
        if name not in known:
            raise UsageError(
                f"no run has a {kind} {name!r} to sort by",
                why=f"looked at {len(everything)} runs",
                hint=did_you_mean(name, known) or "projrun runs",
            )

    def _fresh(self, ask: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """The answer of an index that is up to date: the kept one, mended if need be, or one in memory."""
        import sqlite3

        from projrun.store.database import in_memory, is_damage, opened, remove_damaged

        # Listing makes no index where there is no store.
        for attempt in range(2) if self._runs.is_dir() else ():
            try:
                with opened(self._path, self.notices.append) as connection:
                    _refresh(connection, self._runs)
                    return ask(connection)
            except sqlite3.Error as error:
                why: Exception = error
                if attempt or not is_damage(error):
                    break
                try:
                    remove_damaged(self._path)
                except OSError as refusal:
                    why = refusal
                    break
            except OSError as error:
                why = error
                break
        if self._runs.is_dir():
            self.notices.append(_not_kept(self._path, why))
        with in_memory() as connection:
            _refresh(connection, self._runs)
            return ask(connection)


def _not_kept(path: Path, why: Exception) -> str:
    """What to tell when a listing had to do without the index."""
    return f"the index cannot be used, so every run was read: {path}: {_reason(why)}"


# What SQLite says, and what it means to people.
_REASONS = (
    ("locked", "somebody else is writing it"),
    ("full", "the disk is full"),
    ("readonly", "it cannot be written"),
    ("unable to open", "it cannot be written"),
)


def _reason(why: Exception) -> str:
    said = (isinstance(why, OSError) and why.strerror) or str(why)
    return next((meaning for words, meaning in _REASONS if words in said), said)


def _refresh(connection: sqlite3.Connection, runs: Path) -> None:
    """Brings the table up to date with the run directories."""
    from projrun.store.database import drop, put, transaction

    stamp = _stamp(runs)
    seen = connection.execute("SELECT directory FROM seen").fetchone()
    to_read = {row[0] for row in connection.execute("SELECT id FROM runs WHERE status = ?", (RUNNING,))}
    compare = stamp is None or seen is None or seen[0] != stamp
    if compare:
        # In this order: a run that begins in between is unknown, and read, instead of known and dropped.
        known = {row[0] for row in connection.execute("SELECT id FROM runs")}
        present = set(_names(runs))
        to_read = (to_read & present) | (present - known)
        if gone := known - present:
            with transaction(connection):
                drop(connection, gone)
    for batch in _batches(sorted(to_read)):
        rows = [row_of(read_run(runs / run)) for run in batch]
        with transaction(connection):
            put(connection, rows)
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


def _names(runs: Path) -> list[str]:
    try:
        return [name for name in os.listdir(runs) if is_id(name)]  # noqa: PTH208 - 100,000 names, no Path each
    except (FileNotFoundError, NotADirectoryError):
        return []


def _batches(runs: Sequence[str]) -> list[Sequence[str]]:
    return [runs[begin : begin + _BATCH] for begin in range(0, len(runs), _BATCH)]


def _order(sort: str) -> tuple[str, tuple[str, ...]]:
    """The ORDER BY of a sort key and the values bound in it. Raises UsageError."""
    key = sort.removeprefix("-")
    direction = "DESC" if sort.startswith("-") else "ASC"
    kind, colon, name = key.partition(":")
    if key == "started":
        return f"started {direction}, id {direction}", ()
    if colon and name and kind in _FACTS:
        # Only constants of this module are put into the text, here and below.
        value = f"(SELECT number(fact.value) FROM json_each(row, '$.{_FACTS[kind]}') AS fact WHERE fact.key = ?)"  # noqa: S608
        return f"{value} IS NULL, {value} {direction}, started DESC, id DESC", (name, name)
    if key in _SORTS:
        column = _SORTS[key]
        return f"{column} IS NULL, {column} {direction}, started DESC, id DESC", ()
    keys = [*_SORTS, "metric:NAME", "param:NAME"]
    raise UsageError(
        f"runs cannot be sorted by {key!r}",
        why=f"the keys are {', '.join(keys)}",
        hint=f"projrun runs --sort {nearest(key, keys) or '-started'}",
    )


def _select(
    connection: sqlite3.Connection, query: RunQuery, order: tuple[str, tuple[str, ...]]
) -> tuple[RunRow, ...]:
    from projrun.store.database import from_text, root_key

    where = "WHERE root = ?" if query.root is not None else ""
    values: list[object] = [root_key(str(query.root))] if query.root is not None else []
    limit = -1 if query.limit is None else query.limit
    statement = f"SELECT row FROM runs {where} ORDER BY {order[0]} LIMIT ? OFFSET ?"  # noqa: S608
    found = connection.execute(statement, (*values, *order[1], limit, query.skip))
    return tuple(from_text(text) for (text,) in found)
