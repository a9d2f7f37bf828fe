"""Declared inputs, had and checked: brought where they have an address, hashed, compared with pin and schema."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from projrun.core.errors import DataError
from projrun.core.report import Reporter
from projrun.core.values import replace
from projrun.data.fingerprint import inputs
from projrun.data.model import Fingerprint
from projrun.spec.model import DataEntry


def had(
    entries: Sequence[DataEntry], root: Path, cache: Path, report: Reporter, *, offline: bool
) -> tuple[Fingerprint, ...]:
    """The inputs of a run. Raises DataError for all that keeps them from being what the spec says."""
    if any(entry.url for entry in entries):
        from projrun.data.remote import bring  # most projects have all their data

        bring(entries, root, cache, report, offline=offline)
    return looked_at(entries, root, cache, report)


def expected(entry: DataEntry, root: Path, cache: Path, report: Reporter, *, offline: bool) -> Fingerprint:
    """An input as a run would find it, with nothing fetched. Raises as :func:`had`."""
    if entry.url is None or (root / entry.path).exists():
        return looked_at((entry,), root, cache, report)[0]
    from projrun.data.remote import is_at_hand

    if offline and not is_at_hand(entry, cache):
        why = "nothing may be fetched (--offline), and it is not in the cache"
        raise DataError(f"data {entry.name!r} is not here: {entry.path}", why=why, hint="leave --offline out")
    # What it has to be is known.
    return Fingerprint(entry.name, entry.path, "file", 0, 1, entry.sha256, entry.sha256, url=entry.url)


def looked_at(entries: Sequence[DataEntry], root: Path, cache: Path, report: Reporter) -> tuple[Fingerprint, ...]:
    """The inputs that are there. Raises DataError."""
    found = inputs(entries, root, cache, report)
    if any(entry.schema for entry in entries):
        from projrun.data.gate import checked

        found = checked(entries, found, root, cache, report)
    urls = {entry.name: entry.url for entry in entries}
    return tuple(replace(one, url=urls[one.name]) for one in found)
