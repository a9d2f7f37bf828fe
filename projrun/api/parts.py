"""What a recorded run left: its log, its outputs, its metrics."""

from __future__ import annotations

import datetime as dt
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from projrun.api.given import absent, path_text, text
from projrun.core.errors import UsageError
from projrun.core.nearest import did_you_mean
from projrun.core.values import Struct
from projrun.store import log as logs
from projrun.store.exact import real_number
from projrun.store.run import RUNNING, RunRecord, read_run

if TYPE_CHECKING:
    import pandas as pd

    from projrun.returning import Output as Facts
    from projrun.store.metrics import Summary
    from projrun.store.store import Store


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
            text("a stream", stream, 'run.log("stdout"), for example')
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

        name = path_text("part", part)
        return output_file(self._store, self._record, os.path.join(self.path, name))  # noqa: PTH118

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

        target = Path(path_text("place", place))
        name = path_text("part", part)
        source = os.path.join(self.path, name) if name else self.path  # noqa: PTH118
        if target.is_dir():
            target /= os.path.basename(source)  # noqa: PTH119
        save_output(self._store, self._record, source, target)
        return target

    def __repr__(self) -> str:
        return f"<Output {self.path!r}: {self.kind}{', kept' * self.kept}>"


class Metrics(Mapping[str, Any]):
    """The last value of every metric by its name; called with a name, all values of it."""

    def __init__(self, record: RunRecord) -> None:
        self._record = record

    @cached_property
    def _values(self) -> Mapping[str, Any]:
        """Those of the outcome; of a run that has none (yet), those that it has written so far."""
        if self._record.outcome is None:
            from projrun.store.metrics import summaries

            return {one.name: real_number(one.last) for one in summaries(self._record.path)}
        found = self._record.outcome.get("metrics")
        entries = found if isinstance(found, list) else []
        return {str(one.get("name")): real_number(one.get("value")) for one in entries if isinstance(one, dict)}

    def __call__(self, name: str) -> Series:
        """All points of a metric. Raises UsageError when the run has none of that name."""
        from projrun.store.metrics import opened

        text("the name of a metric", name, 'run.metrics("loss"), for example')
        with opened(self._record.path) as metrics:
            found = metrics.series(name)
            return Series(metrics.summary(name), _exact(found.steps), _exact(found.values), found.times)

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            raise absent(f"run {self._record.id}", "metric", name, list(self._values))
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Metrics({self._values!r})"


class Series(Struct, frozen=True, eq=False):
    """The points of a metric in the order in which they came.

    ``steps`` and ``values`` are arrays where one kind of number will do, else lists. ``times`` are seconds since
    the epoch as the program told them, NaN where it did not; None when it never did.
    """

    summary: Summary
    steps: Sequence[Any]
    values: Sequence[Any]
    times: Sequence[float] | None

    @property
    def name(self) -> str:
        """The metric's name."""
        return self.summary.name

    @property
    def last(self) -> Any:
        """The value that came last."""
        return real_number(self.summary.last)

    @property
    def min(self) -> Any:
        """The least value; None where every one is NaN."""
        return real_number(self.summary.min)

    @property
    def max(self) -> Any:
        """The greatest value; None where every one is NaN."""
        return real_number(self.summary.max)

    def dataframe(self) -> pd.DataFrame:
        """``step``, ``value`` and ``time`` (UTC), a row for each point. Takes pandas: ``projrun[pandas]``."""
        from projrun.store.frames import points_frame

        return points_frame(self.steps, self.values, self.times)

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Step and value of every point."""
        return zip(self.steps, self.values, strict=True)

    def __repr__(self) -> str:
        return f"<Series {self.name!r}: {len(self)} points, last {self.last!r}>"


def _exact(values: Sequence[Any]) -> Sequence[Any]:
    """Numbers that are kept as text as numbers; an array has none."""
    return [real_number(value) for value in values] if isinstance(values, list) else values
