"""Declared data as it is now, beside its pins: whatever is wrong with one of them hides nothing of the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from projrun.core.errors import DataError
from projrun.core.report import Reporter
from projrun.core.values import Struct
from projrun.data.fingerprint import fingerprint, reading_with
from projrun.data.model import Fingerprint
from projrun.data.tree import changed_at
from projrun.spec.model import DataEntry

# What is not as it should be.
WRONG = ("differs", "missing", "unreadable")


class Status(Struct, frozen=True):
    """An entry as it is. ``state``: ``pinned`` (and as its pin says), ``unpinned``, ``remote`` (to be fetched by a
    run that needs it), or one of :data:`WRONG`.

    ``found`` is None for what cannot be read, and ``why`` says why. ``changed`` is when it was written last, in
    seconds since the epoch.
    """

    entry: DataEntry
    state: str
    found: Fingerprint | None = None
    changed: float | None = None
    why: str = ""
    hint: str = ""


def statuses(entries: Sequence[DataEntry], root: Path, cache: Path | None, report: Reporter) -> tuple[Status, ...]:
    """The entries as they are, in their order. Without ``cache`` every byte is read. Raises nothing."""
    with reading_with(cache, report) as reading:
        found: list[Status] = []
        for entry in entries:
            try:
                one = fingerprint(entry.name, entry.path, root, entry.sha256, reading)
            except DataError as error:
                found.append(Status(entry, "unreadable", why=f"{error.what}: {error.brief}", hint=error.hint))
            else:
                found.append(_status(entry, one, root))
    return tuple(found)


def _status(entry: DataEntry, found: Fingerprint, root: Path) -> Status:
    times = [changed_at(root / path) or 0 for path in found.members or (entry.path,)]
    changed = max(times) or None
    if found.kind == "missing":
        state = "remote" if entry.url else "missing"
    elif found.pin is None:
        state = "unpinned"
    else:
        state = "pinned" if found.pin == found.sha256 else "differs"
    return Status(entry, state, found, changed)
