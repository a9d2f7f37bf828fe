"""The index: what ``projrun runs`` asks. Derived from the run directories, so it may be wrong, late or gone.

Every listing first brings it up to date: run directories it does not know are added, those that went away
are dropped, runs that were not over are read again. A damaged index, or one of another version, is made
again. Where it cannot be written (somebody else's store, or a read-only one), it is read as it is, and what it
lacks is added in memory; where it cannot be read either, the same listing comes from the directories.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from projrun.core.errors import StoreError
from projrun.core.report import Reporter, Silent
from projrun.core.values import Struct
from projrun.store.failures import ANOTHER_STORE, writing
from projrun.store.ids import is_id, names_in
from projrun.store.row import RunRow, row_of
from projrun.store.run import read_run

if TYPE_CHECKING:
    import sqlite3

    from projrun.store.grouping import Group

Answer = TypeVar("Answer")


class RunQuery(Struct, frozen=True):
    """Which runs, in which order.

    ``root`` is a project's directory (None: all projects). ``where`` is a query (docs/reference/query.md; empty:
    all runs). ``sort`` are fields, with ``-`` before them for the largest first; runs without a value come last,
    and equals are in the order newest first. The first ``skip`` are left out.
    """

    root: Path | None = None
    where: str = ""
    sort: tuple[str, ...] = ("-started",)
    limit: int | None = None
    skip: int = 0


_EVERY_RUN = RunQuery()


class KnownFacts(Struct, frozen=True):
    """The names of what runs have, in order."""

    parameters: tuple[str, ...]
    metrics: tuple[str, ...]
    tags: tuple[str, ...]
    inputs: tuple[str, ...]


class Index:
    """The index of the store at a directory. What takes long to read is told to ``report``.

    ``notices`` is what people should be told of it: usually nothing.
    """

    def __init__(self, store: Path, report: Reporter | None = None) -> None:
        self._report = report or Silent()
        self._path = store / "index.sqlite"
        self._runs = store / "runs"
        self.notices: list[str] = []

    def record(self, run: Path, *, durable: bool = True) -> None:
        """Notes the run of that directory as it is now. Fails in silence: the next listing finds it anyway.

        ``durable`` may wait for the disk. What is not can be forgotten when the power fails, and is read again.
        """
        import sqlite3

        from projrun.store.database import put
        from projrun.store.lingering import lingering
        from projrun.store.opening import opened, transaction

        try:
            with contextlib.ExitStack() as last, opened(self._path, self.notices.append) as connection:
                # Read when it is our turn: of several who change one run, the last one sees what all have changed.
                with transaction(connection):
                    put(connection, [row_of(read_run(run))])
                if not durable:
                    last.enter_context(lingering(self._path))
        except (sqlite3.Error, OSError):
            return

    def is_ready(self) -> bool:
        """Whether there is an index to be written to; loads what that takes."""
        from projrun.store import database, lingering  # noqa: F401

        return os.path.lexists(self._path)

    def forget(self, run: str) -> None:
        """Has the next listing read a run again. Fails in silence: an index that cannot be written is not used."""
        import sqlite3

        from projrun.store.database import distrust
        from projrun.store.opening import opened

        try:
            with opened(self._path, self.notices.append) as connection:
                distrust(connection, run)
        except (sqlite3.Error, OSError):
            return

    def rebuild(self) -> int:
        """Makes the index again from the directories alone and returns the number of runs. Raises StoreError."""
        import sqlite3

        from projrun.store.database import clear
        from projrun.store.opening import is_damage, opened, remove_damaged, transaction
        from projrun.store.refreshing import refresh

        for attempt in range(2):
            try:
                with opened(self._path, self.notices.append) as connection:
                    with transaction(connection):
                        clear(connection)
                    refresh(connection, self._runs, self._report)
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

    def runs(self, query: RunQuery = _EVERY_RUN) -> tuple[RunRow, ...]:
        """The runs of a query. Raises UsageError for a mistake in it, with the place."""
        from projrun.store import asking

        asked = asking.asked(query.where, query.root, self.notices.append)
        sort = asking.order(query.sort)
        return self._fresh(lambda connection: asking.rows(connection, asked, sort, query.limit, query.skip))

    def count(self, query: RunQuery = _EVERY_RUN) -> int:
        """How many runs there are of a query, whatever its limit. Raises UsageError for a mistake in it."""
        from projrun.store import asking

        asked = asking.asked(query.where, query.root, self.notices.append)
        return self._fresh(lambda connection: asking.count(connection, asked))

    def grouped(self, query: RunQuery, by: tuple[str, ...], aggregates: tuple[str, ...]) -> tuple[Group, ...]:
        """The runs of a query in groups that are alike in the fields ``by``, in the order of those.

        ``aggregates`` are ``count``, ``count:FIELD``, and ``mean``, ``min``, ``max``, ``sum``, ``median`` and
        ``std`` (of a sample) of a field. Values that are no numbers do not count (``min`` and ``max`` take text
        when there are no numbers), and what has no value is None. Limit and skip are of groups. Raises UsageError.
        """
        from projrun.store import asking

        asked = asking.asked(query.where, query.root, self.notices.append)
        columns = asking.columns(by, aggregates)
        found = self._fresh(lambda connection: asking.groups(connection, asked, columns))
        return found[query.skip : None if query.limit is None else query.skip + query.limit]

    def known_facts(self, root: Path | None = None) -> KnownFacts:
        """The names of parameters, metrics, tags and inputs that runs of a project have (None: any run)."""
        from projrun.store import asking

        return KnownFacts(*self._fresh(lambda connection: asking.known(connection, root)))

    def ids(self, prefix: str) -> tuple[str, ...]:
        """The ids that begin with ``prefix``, in order; straight from the directories."""
        return tuple(sorted(run for run in names_in(self._runs) if run.startswith(prefix) and is_id(run)))

    def environments(self) -> dict[str, int]:
        """How many runs used each environment, by its key."""
        statement = "SELECT environment, count(*) FROM runs WHERE environment IS NOT NULL GROUP BY environment"
        return dict(self._fresh(lambda connection: connection.execute(statement).fetchall()))

    def _fresh(self, ask: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """The answer of an index that is up to date: the kept one, mended if need be, or one in memory."""
        import sqlite3

        from projrun.store.opening import in_memory, is_damage, opened, remove_damaged
        from projrun.store.refreshing import refresh

        # Listing makes no index where there is no store.
        for attempt in range(2) if self._runs.is_dir() else ():
            try:
                with opened(self._path, self.notices.append) as connection:
                    refresh(connection, self._runs, self._report)
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
            with contextlib.suppress(sqlite3.Error, OSError):
                return self._read_only(ask, why)
            self.notices.append(_not_kept(self._path, why))
        with in_memory() as connection:
            refresh(connection, self._runs, self._report)
            return ask(connection)

    def _read_only(self, ask: Callable[[sqlite3.Connection], Answer], why: Exception) -> Answer:
        """The answer of an index that cannot be written; what it lacks is added to a copy in memory.

        Raises sqlite3.Error and OSError when it cannot be read either.
        """
        from projrun.store.opening import in_memory, read_only
        from projrun.store.refreshing import lacking, supply

        with read_only(self._path) as kept:
            what = lacking(kept, self._runs)
            if what.nothing:
                return ask(kept)
            with in_memory(kept) as connection:
                supply(connection, self._runs, what, self._report)
                answer = ask(connection)
        self.notices.append(_lags(self._path, why, len(what.to_read)))
        return answer


def _not_kept(path: Path, why: Exception) -> str:
    """What to tell when a listing had to do without the index."""
    return f"the index cannot be used, so every run was read: {path}: {_reason(why)}"


def _lags(path: Path, why: Exception, runs: int) -> str:
    """What to tell when an index lags behind the runs, and cannot be mended."""
    count = f"{runs} run{'s' * (runs != 1)}"
    return f"the index cannot be brought up to date, so {count} had to be read besides: {path}: {_reason(why)}"


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
