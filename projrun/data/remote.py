"""Data that has an address: fetched once into the cache, by its SHA-256, and from there into the project."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from projrun.core.amounts import size as amount
from projrun.core.copying import make_parents, shares_blocks
from projrun.core.errors import DataError, system_reason
from projrun.core.locks import exclusive
from projrun.core.paths import escape_reason
from projrun.core.report import FETCH, Reporter
from projrun.core.userinfo import without_userinfo
from projrun.data.transfer import TransferError, opened
from projrun.spec.model import SPEC_NAME, DataEntry

_BLOCK = 1 << 20
_WAITS = (0.5, 2.0, 5.0)  # seconds before each further attempt
_BEAT = 0.5  # seconds between two words of how far it is


def bring(entries: Sequence[DataEntry], root: Path, cache: Path, report: Reporter, *, offline: bool) -> None:
    """Puts the data that has an address where it belongs, unless something is there: that is never written over.

    Raises DataError for what cannot be had, or has another SHA-256.
    """
    for entry in entries:
        if entry.url is None or escape_reason(root, entry.path) or os.path.lexists(root / entry.path):
            continue
        try:
            _bring(entry, root, cache, report, offline=offline)
        except OSError as error:
            why = system_reason(error, entry.path)
            hint = "make room, or see who may write there"
            raise DataError(f"{entry.path} cannot be fetched", why=why, hint=hint) from error


def is_at_hand(entry: DataEntry, cache: Path) -> bool:
    """Whether data with an address is in the cache."""
    return _cached(entry, cache).is_file()


def _cached(entry: DataEntry, cache: Path) -> Path:
    return cache / "downloads" / str(entry.sha256)


def _bring(entry: DataEntry, root: Path, cache: Path, report: Reporter, *, offline: bool) -> None:
    cached = _cached(entry, cache)
    cached.parent.mkdir(parents=True, exist_ok=True)
    lock = cached.with_name(f"{cached.name}.lock")
    with exclusive(lock, holder=f"process {os.getpid()}", waiting=lambda who: _tell_waiting(entry, who, report)):
        if cached.is_file() and _placed(entry, cached, root):
            return
        with contextlib.suppress(FileNotFoundError):
            cached.unlink()  # it was damaged
        if offline:
            raise DataError(
                f"data {entry.name!r} is not here: {entry.path}",
                why=f"nothing may be fetched (--offline), and {_shown(entry)} is not in the cache",
                hint="run it once without --offline",
            )
        _download(entry, cached, report)
        _placed(entry, cached, root)


def _tell_waiting(entry: DataEntry, who: str, report: Reporter) -> None:
    report.phase("data", f"{entry.path} is being fetched by {who}: waiting")


def _placed(entry: DataEntry, cached: Path, root: Path) -> bool:
    """Copies what is cached to its place; False when it is not what it was."""
    place = make_parents(root, entry.path)
    aside = place.with_name(f".{place.name}.{os.urandom(4).hex()}.part")
    try:
        if _copy(cached, aside) != entry.sha256:
            return False
        try:
            os.link(aside, place)  # unlike a rename it never replaces what somebody put there meanwhile
        except FileExistsError:
            return True
        except OSError:  # no links on this file system
            if not os.path.lexists(place):
                aside.rename(place)
    finally:
        with contextlib.suppress(FileNotFoundError):
            aside.unlink()
    return True


def _copy(source: Path, place: Path) -> str:
    digest = hashlib.sha256()
    with source.open("rb", buffering=0) as data, place.open("x+b") as copy:
        shared = shares_blocks(data.fileno(), copy.fileno())
        while block := (copy if shared else data).read(_BLOCK):
            digest.update(block)
            if not shared:
                copy.write(block)
    return digest.hexdigest()


def _download(entry: DataEntry, cached: Path, report: Reporter) -> None:
    report.phase("data", f"fetching {entry.path} from {_shown(entry)}")
    part = cached.with_name(f"{cached.name}.part")
    waits = iter(_WAITS)
    while True:
        resumed = part.is_file() and part.stat().st_size > 0
        try:
            found = _receive(str(entry.url), part, report)
        except TransferError as error:
            wait = next(waits, None) if error.passing else None
            if wait is None:
                raise _failed(entry, error, part) from error
            report.phase("data", f"{entry.path}: {without_userinfo(str(error))}; trying again in {wait:g} s")
            time.sleep(wait)
            continue
        if found == entry.sha256:
            part.replace(cached)
            return
        size = part.stat().st_size
        part.unlink()
        if not resumed:
            raise _other_content(entry, found, size)
        # What was begun may be of another version: all of it once more.


def _receive(url: str, part: Path, report: Reporter) -> str:
    """Writes on what was begun, and gives the digest of the whole. Raises OSError and TransferError."""
    digest = hashlib.sha256()
    with part.open("a+b") as file:
        file.seek(0)
        while block := file.read(_BLOCK):
            digest.update(block)
        had = told = file.tell()
        with opened(url, had) as stream:
            if stream.start != had:
                file.truncate(0)
                digest, had = hashlib.sha256(), 0
            beat = time.monotonic()
            for block in stream.blocks:
                file.write(block)
                digest.update(block)
                had += len(block)
                if time.monotonic() - beat > _BEAT:
                    beat = time.monotonic()
                    _tell(had, stream.size, "\r", report)
        file.flush()
        os.fsync(file.fileno())
    if had != told:
        _tell(had, stream.size, ", done.\n", report)
    if stream.size is not None and had < stream.size:
        raise TransferError(f"it ended after {had} of {stream.size} bytes", passing=True)
    return digest.hexdigest()


def _tell(had: int, size: int | None, end: str, report: Reporter) -> None:
    of = f" of {amount(size)}" if size is not None else ""
    report.write(FETCH, f"Fetching data: {amount(had)}{of}{end}".encode())


def _shown(entry: DataEntry) -> str:
    return without_userinfo(str(entry.url))


def _failed(entry: DataEntry, error: TransferError, part: Path) -> DataError:
    begun = part.stat().st_size if part.is_file() else 0
    goes_on = f"run it again: it goes on after {amount(begun)}" if begun else "look whether the address is right"
    return DataError(
        f"data {entry.name!r} cannot be fetched from {_shown(entry)}",
        why=without_userinfo(str(error)),
        hint=error.hint or f"{goes_on}; or put the file at {entry.path} yourself",
    )


def _other_content(entry: DataEntry, found: str, size: int) -> DataError:
    return DataError(
        f"what {_shown(entry)} has is not what the pin of data {entry.name!r} says",
        why=f"it has sha256 {found} ({size} bytes), the pin is {entry.sha256}",
        hint=f"look what changed there; if it is meant, set data.{entry.name}.sha256 in {SPEC_NAME}",
    )
