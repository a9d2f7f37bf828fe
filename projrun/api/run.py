"""One recorded run, as a program sees it: values, metrics, log, outputs, documents."""

from __future__ import annotations

import datetime as dt
import numbers
import time
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from projrun.api.given import ByName, label_or_none, texts, unfit, valid_tags
from projrun.api.parts import Log, Metrics, Output
from projrun.core.flags import Flag
from projrun.core.labels import Labels
from projrun.store.exact import parameter_value, utc
from projrun.store.row import RunRow, row_of
from projrun.store.run import RUNNING, RunRecord, read_run, read_verdict

if TYPE_CHECKING:
    from projrun.store.store import Store

_AS_IT_IS = "\0"  # what no name and no note can be
_FIRST_LOOK, _LONGEST_PAUSE = 0.02, 1.0  # seconds


class Run:
    """A run of a store, as it was when it was read; :meth:`reload` reads it again.

    What is not known (yet) is None. Its documents are read when something of them is asked for. Two are equal when
    they are the same run of the same store.
    """

    def __init__(self, store: Store, row: RunRow | RunRecord) -> None:
        self._store = store
        if isinstance(row, RunRecord):
            self.record = row
            row = row_of(row)
        self._row = row

    @cached_property
    def record(self) -> RunRecord:
        """The documents as they were read, with what is wrong with them."""
        return self._store.read(self.id)

    @property
    def id(self) -> str:
        """Its id, twelve characters."""
        return self._row.id

    @property
    def directory(self) -> Path:
        """Its directory in the store."""
        return self._store.runs_directory / self.id

    @property
    def status(self) -> str:
        """``finished``, ``failed``, ``timeout``, ``interrupted``, ``not-started``, ``running`` or ``lost``."""
        return self._row.status

    @property
    def started(self) -> dt.datetime | None:
        """When it began, in UTC."""
        return utc(self._row.started)

    @property
    def ended(self) -> dt.datetime | None:
        """When it was over, in UTC."""
        return utc(self._row.ended)

    @property
    def duration(self) -> float | None:
        """Seconds from one to the other."""
        return self._row.duration

    @property
    def exit_code(self) -> int | None:
        """The exit code that projrun ended with: the program's own, 128+n for signal n, 124 for a timeout, ..."""
        return self._row.exit_code

    @property
    def project(self) -> str | None:
        """The project's name."""
        return self._row.project

    @property
    def entry_point(self) -> str | None:
        """The entry point's name."""
        return self._row.entry_point

    @property
    def name(self) -> str | None:
        """The name that the user gave it."""
        return self._row.name

    @property
    def note(self) -> str | None:
        """The note that the user gave it."""
        return self._row.note

    @property
    def tags(self) -> Mapping[str, str]:
        """Its tags; one without a value has an empty text."""
        return ByName(self._row.tags, whose=f"run {self.id}", what="tag")

    @property
    def commit(self) -> str | None:
        """HEAD as it was; what was not in it is in :attr:`snapshot`."""
        return self._row.commit

    @property
    def snapshot(self) -> str | None:
        """The commit in the store that holds the files as they were; None when :attr:`commit` does."""
        return self._row.snapshot

    @property
    def dirty(self) -> bool | None:
        """Whether files differed from :attr:`commit`."""
        return self._row.dirty

    @property
    def environment(self) -> str | None:
        """The key of its environment."""
        return self._row.environment

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        """Every parameter with its value, in declared order.

        A float that JSON cannot hold is a float here (``nan``, ``inf``), or a Decimal (``1e400``).
        """
        found = (self.recipe or {}).get("parameters")
        entries = found if isinstance(found, list) else []
        values = {
            str(one.get("name")): parameter_value(one.get("type"), one.get("items"), one.get("value"))
            for one in entries
            if isinstance(one, dict)
        }
        return ByName(values, whose=f"run {self.id}", what="parameter")

    @cached_property
    def metrics(self) -> Metrics:
        """The last value of every metric by name; ``run.metrics("loss")`` are all values of one."""
        return Metrics(self.record)

    @property
    def start(self) -> Mapping[str, Any] | None:
        """``start.json``, or None when it cannot be read."""
        return self.record.start

    @property
    def recipe(self) -> Mapping[str, Any] | None:
        """``recipe.json``: all it takes to do the run again. None when there is none (yet)."""
        return self.record.recipe

    @property
    def outcome(self) -> Mapping[str, Any] | None:
        """``outcome.json``: what happened. None while it runs, and of a lost run."""
        return self.record.outcome

    @property
    def verdict(self) -> Mapping[str, Any] | None:
        """``verdict.json``: what a reproduction found. None for a run that is none."""
        return read_verdict(self.directory)

    @property
    def flags(self) -> tuple[Flag, ...]:
        """What keeps it from being reproducible by itself, and what was found afterwards."""
        told = [flag for document in (self.recipe, self.outcome) for flag in (document or {}).get("flags", ())]
        return tuple(Flag(flag["code"], flag["message"], flag["mend"]) for flag in told)

    @property
    def why_incomplete(self) -> str | None:
        """What is wrong with its record; None when nothing is."""
        return self.record.why_incomplete

    def log(self, *streams: str) -> Log:
        """What was printed, or what of it came on these streams: ``stdout``, ``stderr``, ``build``, ``projrun``.

        Raises UsageError for another one.
        """
        return Log(self.directory, streams)

    @cached_property
    def outputs(self) -> Mapping[str, Output]:
        """Its declared outputs by their paths. Raises DataError for a run that has not ended."""
        from projrun.returning import outputs_of

        found = {facts.path: Output(self._store, self.record, facts) for facts in outputs_of(self.record)}
        return ByName(found, whose=f"run {self.id}", what="output")

    def relabel(
        self,
        *,
        name: str | None = _AS_IT_IS,
        note: str | None = _AS_IT_IS,
        tags: Mapping[str, str] | None = None,
        without: str | Iterable[str] = (),
    ) -> Run:
        """Changes what it is called, and gives the run as it is then: ``tags`` are added, ``without`` taken away.

        None takes name or note away. Raises UsageError for what no record keeps, and StoreError.
        """
        added, removed = valid_tags(tags), frozenset(texts("without", without, 'without="draft"'))
        new_name = name if name is _AS_IT_IS else label_or_none("name", name)
        new_note = note if note is _AS_IT_IS else label_or_none("note", note)

        def change(labels: Labels) -> Labels:
            kept = {key: value for key, value in labels.tags.items() if key not in removed}
            return Labels(
                name=labels.name if name is _AS_IT_IS else new_name,
                tags={**kept, **added},
                note=labels.note if note is _AS_IT_IS else new_note,
            )

        from projrun.relabelling import relabel as changed

        changed(self._store, self.id, change)
        return self.reload()

    def reload(self) -> Run:
        """The same run as it is now. Raises UsageError when it has been removed."""
        return Run(self._store, self._store.read(self.id))

    def wait(self, timeout: float | None = None) -> Run:
        """The run when it has ended, or as it is after ``timeout`` seconds."""
        if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, numbers.Real)):
            raise unfit(
                "timeout", "a number of seconds", timeout, "timeout=60, or timeout=None for as long as it takes"
            )
        until = None if timeout is None else time.monotonic() + float(timeout)
        pause = _FIRST_LOOK
        while read_run(self.directory).status == RUNNING:
            left = pause if until is None else min(pause, until - time.monotonic())
            if left <= 0:
                break
            time.sleep(left)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return self.reload()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and self.directory == other.directory

    def __hash__(self) -> int:
        return hash(self.directory)

    def __repr__(self) -> str:
        called = f" {self.name!r}" if self.name else ""
        return f"<Run {self.id} {self.status} of {self.project!r} {self.entry_point!r}{called}>"
