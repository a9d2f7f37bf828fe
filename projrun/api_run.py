"""One recorded run, as a program sees it: values, metrics, log, outputs, documents."""

from __future__ import annotations

import datetime as dt
import io
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from projrun.core.errors import UsageError
from projrun.core.flags import Flag
from projrun.core.nearest import did_you_mean
from projrun.store import log as logs
from projrun.store.exact import parameter_value, real_number, utc
from projrun.store.row import RunRow, row_of
from projrun.store.run import RUNNING, RunRecord, read_run, read_verdict

if TYPE_CHECKING:
    from projrun.returning import Output as Facts
    from projrun.store.store import Store

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
        return dict(self._row.tags)

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
        return {
            str(one.get("name")): parameter_value(one.get("type"), one.get("items"), one.get("value"))
            for one in entries
            if isinstance(one, dict)
        }

    @cached_property
    def metrics(self) -> Metrics:
        """The last value of every metric; called with a name, all values of it."""
        return Metrics(self)

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

        return {facts.path: Output(self._store, self.record, facts) for facts in outputs_of(self.record)}

    def reload(self) -> Run:
        """The same run as it is now. Raises UsageError when it has been removed."""
        return Run(self._store, self._store.read(self.id))

    def wait(self, timeout: float | None = None) -> Run:
        """The run when it has ended, or as it is after ``timeout`` seconds."""
        until = None if timeout is None else time.monotonic() + timeout
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


class Metrics(Mapping[str, Any]):
    """The last value of every metric by its name; called with a name, all values of it."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._values = _last_values(run)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Metrics({self._values!r})"


def _last_values(run: Run) -> Mapping[str, Any]:
    found = (run.outcome or {}).get("metrics")
    entries = found if isinstance(found, list) else []
    return {str(one.get("name")): real_number(one.get("value")) for one in entries if isinstance(one, dict)}


class Line(NamedTuple):
    """A line of a log without its end, when it came (UTC; None when that is not known) and on which stream."""

    time: dt.datetime | None
    stream: str
    text: str


class Log:
    """What a run printed, in the order in which it came. It is read anew each time that it is asked for."""

    STREAMS = ("stdout", "stderr", "build", "projrun")

    def __init__(self, directory: Path, streams: Iterable[str] = ()) -> None:
        self._directory = directory
        self._streams = tuple(streams)
        for stream in self._streams:
            if stream not in self.STREAMS:
                raise UsageError(
                    f"a log has no stream {stream!r}",
                    why=f"its streams are {', '.join(self.STREAMS)}",
                    hint=did_you_mean(stream, self.STREAMS),
                )

    def pieces(self, *, follow: bool = False) -> Iterator[logs.Piece]:
        """The bytes as they came, with time and stream; with ``follow`` also what comes until the run ends."""
        found = logs.follow(self._directory, self._lives) if follow else logs.read(self._directory)
        return (piece for piece in found if not self._streams or piece.stream in self._streams)

    def bytes(self) -> bytes:
        """All of it, byte for byte."""
        return b"".join(piece.data for piece in self.pieces())

    def text(self) -> str:
        """All of it as text; what is not UTF-8 is written as ``\\xff``."""
        return self.bytes().decode(errors="backslashreplace")

    def lines(self, *, follow: bool = False) -> Iterator[Line]:
        """Line by line; with ``follow`` also what comes until the run ends."""
        for line in logs.lines(self.pieces(follow=follow)):
            came = None if line.time is None else dt.datetime.fromtimestamp(line.time, dt.timezone.utc)
            yield Line(came, line.stream, line.data.decode(errors="backslashreplace"))

    def _lives(self) -> bool:
        return read_run(self._directory).status == RUNNING

    def __iter__(self) -> Iterator[Line]:
        return self.lines()

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Log of {self._directory.name}{': ' * bool(self._streams)}{', '.join(self._streams)}>"


class Output:
    """A declared output as the run left it.

    ``kind`` is ``file``, ``directory``, ``missing`` or ``unreadable``, ``size`` in bytes, of ``files`` files;
    ``stale``: it was there before the run and was not touched. ``kept``: the store holds it.
    """

    def __init__(self, store: Store, record: RunRecord, facts: Facts) -> None:
        self._store, self._record = store, record
        self.facts = facts
        self.path, self.kind = facts.path, facts.kind
        self.size, self.files = facts.size, facts.files
        self.sha256, self.stale = facts.sha256, facts.stale
        self.kept = bool(facts.where)

    def open(self, part: str = "") -> BinaryIO:
        """Its bytes, open for reading, or those of the file ``part`` of a directory; checked against their digest.

        Raises DataError when it is not kept, UsageError when there is no such file, StoreError when it is damaged.
        """
        from projrun.returning import output_file

        return output_file(self._store, self._record, os.path.join(self.path, part))  # noqa: PTH118

    def bytes(self, part: str = "") -> bytes:
        """The same, read."""
        with self.open(part) as file:
            return file.read()

    def text(self, part: str = "", encoding: str = "utf-8") -> str:
        """The same as text, with ``\\n`` for every end of a line."""
        with io.TextIOWrapper(self.open(part), encoding) as file:
            return file.read()

    def save(self, place: str | os.PathLike[str], part: str = "") -> Path:
        """Writes it, or a part of a directory, and gives where: to ``place``, or into the directory that is there.

        Nothing is written over. Raises as :meth:`open`, and UsageError when something is there.
        """
        from projrun.returning import save_output

        target = Path(place)
        source = os.path.join(self.path, part) if part else self.path  # noqa: PTH118
        if target.is_dir():
            target /= os.path.basename(source)  # noqa: PTH119
        save_output(self._store, self._record, source, target)
        return target

    def __repr__(self) -> str:
        return f"<Output {self.path!r}: {self.kind}{', kept' * self.kept}>"
