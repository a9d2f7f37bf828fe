"""The metrics of a run that ends: from its metrics files, and from what its program wrote while it ran."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from projrun.core.amounts import size
from projrun.core.files import create, written_aside
from projrun.core.flags import Flag
from projrun.core.metrics.lines import BLOCK, open_regular
from projrun.core.values import Struct
from projrun.data.metrics import read_metrics
from projrun.data.model import Metric
from projrun.live import Live
from projrun.recording import Recording
from projrun.store.metrics import FILES, LINES, ORIGIN, Ingested, ingest
from projrun.store.metrics_copies import Copies
from projrun.store.metrics_rejected import FILE as REJECTED

_TOLD_FROM = 16 << 20  # bytes of metrics that take long enough to be worth a line
_NAMES_TOLD = 5


class Measured(Struct, frozen=True):
    """The metrics of a run, and what is wrong: with its metrics files (``file_flags``), and with the rest."""

    metrics: tuple[Metric, ...] = ()
    flags: tuple[Flag, ...] = ()
    file_flags: tuple[Flag, ...] = ()


def measured(live: Live, before: Mapping[str, str | None]) -> Measured:
    """All of them, those of the metrics files first. Raises nothing for what a program wrote.

    ``before`` is what the products looked like before the program ran.
    """
    masked = without_secrets(live)  # before all that takes time: we may be told to stop
    run, root = live.directory.path, live.choice.spec.root
    with Copies(run, live.recording.text) as copies:
        found, flags = read_metrics(live.choice.entry_point.metrics, root, before, copies)
    if copies.failure:
        flags += (Flag("metrics-unkept", f"the points of metrics files could not all be kept: {copies.failure}"),)
    lines, line_flags = _lines(live)
    metrics = _joined(found, lines)
    return Measured(metrics, (*masked, *line_flags, *_twice(found, lines)), flags)


def measured_lines(live: Live) -> Measured:
    """Those alone that the program told while it ran."""
    masked = without_secrets(live)
    metrics, flags = _lines(live)
    return Measured(metrics, (*masked, *flags))


def without_secrets(live: Live) -> tuple[Flag, ...]:
    """Keeps what the program wrote to PROJRUN_METRICS with declared secrets masked; a flag tells of them."""
    path, reported = live.directory.metrics, live.directory.reported
    masked = False
    try:
        if reported != path and os.path.lexists(reported):
            masked = _copied(reported, path, live.recording)
        elif os.path.lexists(path):
            masked = _masked(path, live.recording)
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"what the program wrote to {ORIGIN} could not be gone over for secrets: {reason}"
        return (Flag("metrics-secret", message, f"look into it yourself: {path}"),)
    message = f"what the program wrote to {ORIGIN} held a declared secret, which is masked"
    return (Flag("metrics-secret", message, "let it write no secrets"),) if masked else ()


def _lines(live: Live) -> tuple[tuple[Metric, ...], tuple[Flag, ...]]:
    """The last values of the lines; all that they come to is in the run's directory afterwards."""
    run = live.directory.path
    if not (os.path.lexists(run / LINES) or os.path.lexists(run / FILES)):
        return (), ()
    try:
        written = (run / LINES).lstat().st_size if os.path.lexists(run / LINES) else 0
        if written > _TOLD_FROM:
            live.recording.phase("finish", f"reading the metrics ({size(written)})")
        found = ingest(run)
    except OSError as error:
        reason = error.strerror or str(error)
        return (), (Flag("metrics-unread", f"no metrics from {ORIGIN}: {reason}"),)
    metrics = tuple(
        Metric(one.name, one.last, ORIGIN)
        for one in found.summaries
        if one.origin == ORIGIN and one.last is not None
    )
    return metrics, tuple(_flags(found))


def _copied(source: Path, target: Path, recording: Recording) -> bool:
    """Whether declared secrets were in a file; ``target`` is as it is, without them.

    It was copied as it grew. But a program may have written it anew meanwhile.
    """
    with open_regular(source) as file, written_aside(target) as aside, create(aside) as clean:

        def pairs() -> Iterator[tuple[bytes, bytes]]:
            for before, after in recording.masked(_blocks(file)):
                clean.write(after)
                yield before, after

        return _is_changed(pairs())


def _masked(path: Path, recording: Recording) -> bool:
    """Whether declared secrets were in a file; they are masked now, or the file is empty."""
    with open_regular(path) as file:
        if not _is_changed(recording.masked(_blocks(file))):
            return False
        file.seek(0)
        try:
            with written_aside(path) as aside, create(aside) as clean:
                for _, after in recording.masked(_blocks(file)):
                    clean.write(after)
        except OSError:  # a secret must not stay, and there is no room for the file without it
            with contextlib.suppress(OSError):
                os.truncate(path, 0)
            raise
    return True


def _is_changed(pairs: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether what comes out is not what went in; the end of it may come later."""
    ahead = b""
    changed = False
    for before, after in pairs:  # to the end: the redactor holds nothing back then
        ahead += before
        changed = changed or not ahead.startswith(after)
        ahead = b"" if changed else ahead[len(after) :]
    return changed or bool(ahead)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while data := file.read(BLOCK):
        yield data


def _flags(found: Ingested) -> Iterator[Flag]:
    rejected = found.rejected.get(ORIGIN, 0)
    if rejected:
        line, reason = found.first_rejected[ORIGIN]
        counted = "1 line" if rejected == 1 else f"{rejected:,} lines"
        are = "is no metric" if rejected == 1 else "are no metrics"
        message = f"{counted} of {ORIGIN} {are}: line {line}, {reason}"
        yield Flag("metrics-rejected", message, f"see {REJECTED} in the run's directory")
    for origin in found.cut:
        yield Flag("metrics-cut", f"not all of {origin} is read: it is too large, and what came first counts")
    if found.failure:
        message = f"the metrics are recorded, and not ready to be read fast: {found.failure}"
        yield Flag("metrics-series", message)


def _joined(first: Sequence[Metric], second: Sequence[Metric]) -> tuple[Metric, ...]:
    known = {one.name for one in first}
    return (*first, *(one for one in second if one.name not in known))


def _twice(first: Sequence[Metric], second: Sequence[Metric]) -> tuple[Flag, ...]:
    """That metrics files have what the program also reported while it ran: the files count."""
    known = {one.name: one for one in first}
    both = [one.name for one in second if one.name in known]
    if not both:
        return ()
    told = ", ".join(repr(name) for name in both[:_NAMES_TOLD])
    more = f" and {len(both) - _NAMES_TOLD:,} more" if len(both) > _NAMES_TOLD else ""
    of = repr(known[both[0]].file) if len(both) == 1 else "metrics files, which count"
    return (Flag("metric-twice", f"metric {told}{more} of {ORIGIN} is already in {of}"),)
