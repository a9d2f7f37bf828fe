"""The run store: every run in a directory of its own, kept content beside them, and a derived index.

    <store>/store.json                        the format of all this
    <store>/runs/<id>/                        start.json, recipe.json, outcome.json, output.log, ...; alive
    <store>/objects/                          kept content by sha256
    <store>/sources.git                       snapshots
    <store>/index.sqlite                      derived

A run is written by its own process alone, so runs need no lock against each other.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from projrun.core.errors import StoreError, UsageError
from projrun.core.files import is_directory, make_private, read_json, remove_tree, write_atomic, write_json
from projrun.core.labels import Labels
from projrun.core.locks import take
from projrun.core.nearest import nearest
from projrun.core.regex import regex
from projrun.core.report import Reporter
from projrun.store.failures import ANOTHER_STORE, writing
from projrun.store.ids import is_id, new_id
from projrun.store.index import Index, RunQuery
from projrun.store.labels import change_labels
from projrun.store.objects import Objects
from projrun.store.row import RunRow
from projrun.store.run import ALIVE, RunDirectory, RunRecord, read_run

if TYPE_CHECKING:
    from projrun.store.scratch import Scratch

FORMAT = 1

_MARKER = "store.json"
_ENTRIES = (_MARKER, "runs", "objects", "sources.git", ".gitignore")
_LAST = regex(r"last(?:~(?P<back>[0-9]{1,9}))?")
_SHOWN = 8
_PAGE = 20  # runs that are looked at together


class Store:
    """The store at a directory. Nothing is made or read before a method needs it.

    ``report`` is told when many runs have to be read for the index.
    """

    def __init__(self, path: Path, report: Reporter | None = None) -> None:
        self.path = path
        self.runs_directory = path / "runs"
        self.sources = path / "sources.git"
        self.objects = Objects(path / "objects")
        self.index = Index(path, report)

    def prepare(self) -> None:
        """Makes the store if it is not there yet. Raises StoreError when that, or using it, is impossible."""
        with writing(self.path):
            make_private(self.path, parents=True)
            if not self._is_marked():
                self._refuse_foreign()
                self._close()
                # A store inside a project is no part of its source.
                write_atomic(self.path / ".gitignore", b"*\n", mode=0o600)
                write_json(self.path / _MARKER, {"format": FORMAT}, mode=0o600)
            make_private(self.runs_directory)

    def begin(self, scratch: Scratch | None = None) -> RunDirectory:
        """A new run with a directory that is this process's alone. Raises StoreError.

        ``scratch`` is what it has outside the store, closed with it.
        """
        try:
            return self._begun(scratch)
        except BaseException:
            if scratch is not None:
                scratch.close()
            raise

    def _begun(self, scratch: Scratch | None) -> RunDirectory:
        self.prepare()
        with writing(self.runs_directory):
            while True:
                run = self.runs_directory / new_id()
                # Locked before it has its name: whoever sees a run sees whether it lives.
                aside = self.runs_directory / f".{run.name}.{os.getpid()}.new"
                make_private(aside)
                try:
                    lock = take(aside / ALIVE)
                    try:
                        aside.rename(run)
                        return RunDirectory(run, lock, scratch)
                    except OSError:
                        lock.close()
                        raise
                except OSError:
                    remove_tree(aside)
                    if not run.exists():
                        raise

    def read(self, run: str) -> RunRecord:
        """The run of that full id. Raises UsageError when there is none, StoreError for another's store."""
        self.check()
        if not is_id(run) or not is_directory(self.runs_directory / run):
            raise self._unknown(run)
        return read_run(self.runs_directory / run)

    def relabel(self, run: str, change: Callable[[Labels], Labels]) -> Labels:
        """Replaces name, note and tags of the run of that full id, and gives what they are then.

        Raises UsageError for labels that are too long, and StoreError.
        """
        self.check()
        path = self.runs_directory / run
        self.index.forget(run)  # so that it is read again, should we be killed before it is noted
        try:
            return change_labels(path, change)
        finally:
            self.index.record(path)

    def list_runs(self, query: RunQuery) -> tuple[RunRow, ...]:
        """The runs of a query, from an index that is up to date. Raises UsageError and StoreError."""
        self.check()
        return self.index.runs(query)

    def rebuild(self) -> int:
        """Makes the index again from the run directories and returns their number. Raises StoreError."""
        self.prepare()
        return self.index.rebuild()

    def resolve(
        self, text: str, project: Path | None = None, suits: Callable[[RunRecord], bool] | None = None
    ) -> str:
        """The full id that ``text`` stands for: an id, the beginning of exactly one, ``last`` or ``last~N``.

        ``last`` is the run of ``project`` (its directory; None: of any) that was started last, ``last~2`` the
        second before it; with ``suits``, of those that do. Raises UsageError, and StoreError for another's store.
        """
        self.check()
        wanted = text.strip().lower()
        if match := _LAST.fullmatch(wanted):
            back = int(match["back"] or 0)
            return self._last_that(suits, back, project) if suits else self._last(back, project)
        if is_id(wanted) and is_directory(self.runs_directory / wanted):
            return wanted
        found = self.index.ids(wanted) if wanted else ()
        if not found:
            raise self._unknown(text)
        if len(found) > 1:
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            raise UsageError(
                f"{text!r} is the beginning of {len(found)} runs",
                why=f"they are {', '.join(found[:_SHOWN])}{more}",
                hint="give more characters of the one you mean",
            )
        return found[0]

    def _last(self, back: int, project: Path | None) -> str:
        found = self.index.runs(RunQuery(project, limit=1, skip=back))
        if found:
            return found[0].id
        known = len(self.index.ids("") if project is None else self.index.runs(RunQuery(project)))
        whose = f" of {project}" if project else ""
        raise UsageError(
            f"there is no run last~{back}{whose}" if back else f"there is no run yet{whose}",
            why=f"the store holds {known} run{'s' * (known != 1)}{' of it' * bool(project)}: {self.path}",
            hint="projrun run starts one" * (not known)
            + "; of other projects: " * (not known and project is not None)
            + "projrun runs" * bool(known or project)
            + " --all, and name it by its id" * bool(project),
        )

    def _last_that(self, suits: Callable[[RunRecord], bool], back: int, project: Path | None) -> str:
        skipped, found = 0, 0
        while rows := self.index.runs(RunQuery(project, limit=_PAGE, skip=skipped)):
            for row in rows:
                found += suits(self.read(row.id))
                if found > back:
                    return row.id
            skipped += len(rows)
        if not skipped:
            return self._last(back, project)
        whose = f" of {project}" if project else ""
        raise UsageError(
            f"there is no run last~{back}{whose} to do again" if back else f"there is no run{whose} to do again",
            why=f"{found} of {skipped} runs can be; others are reproductions or ended before they had a recipe",
            hint="name one by its id: projrun runs" + " --all" * (project is None),
        )

    def _unknown(self, text: str) -> UsageError:
        wanted = text.strip().lower()
        # Comparing with all of 100,000 ids would take seconds.
        close = nearest(wanted, self.index.ids(wanted[0])) if wanted else None
        return UsageError(
            f"there is no run {text!r}",
            why=f"no run of the store begins so: {self.path}",
            hint=f"did you mean {close!r}? List the runs with: projrun runs --all"
            if close
            else "projrun runs --all; by its name: projrun runs --all 'name = \"NAME\"'",
        )

    def check(self) -> None:
        """Raises StoreError when the store is there but not ours to read."""
        try:
            self._is_marked()
        except OSError as error:
            raise StoreError(
                f"the run store cannot be read: {self.path}", why=error.strerror or str(error), hint=ANOTHER_STORE
            ) from error

    def is_there(self) -> bool:
        """Whether there is a store with a place for runs. Raises StoreError for one that is not ours to read."""
        self.check()
        return self._is_marked() and is_directory(self.runs_directory)

    def _is_marked(self) -> bool:
        """Whether the directory is a store of a format we know. Raises StoreError for one that we do not."""
        marker = self.path / _MARKER
        try:
            document = read_json(marker)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except ValueError:
            document = None
        number = document.get("format") if isinstance(document, dict) else None
        if number == FORMAT:
            return True
        if isinstance(number, int) and number > FORMAT:
            raise StoreError(
                f"the run store is of a newer projrun: {self.path}",
                why=f"it has format {number}, this projrun knows format {FORMAT}",
                hint="update projrun, or choose another store: --store DIR",
            )
        raise StoreError(
            f"the run store's {_MARKER} is damaged: {marker}",
            why="it does not name the store's format",
            hint=f'if this is a store, write {{"format": {FORMAT}}} to it; otherwise {ANOTHER_STORE}',
        )

    def _close(self) -> None:
        """Takes everybody else's rights from an empty directory that becomes a store."""
        if self.path.stat().st_mode & 0o077:
            with contextlib.suppress(PermissionError):  # whose it is has decided
                self.path.chmod(0o700)

    def _refuse_foreign(self) -> None:
        """Keeps a mistyped --store from being strewn with runs."""
        names = sorted(entry.name for entry in self.path.iterdir())
        # Another process may be making the same store: its files begin so before they have their name.
        ours = tuple(f".{entry}." for entry in _ENTRIES)
        foreign = [name for name in names if name not in _ENTRIES and not name.startswith(ours)]
        if foreign and not self._is_marked():
            raise StoreError(
                f"{self.path} is not a run store",
                why=f"it has no {_MARKER} but holds other files, such as {foreign[0]!r}",
                hint="choose an empty or new directory: --store DIR",
            )
