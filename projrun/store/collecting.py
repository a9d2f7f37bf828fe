"""Objects that no record names, found and removed while runs begin, go on and end.

No lock is taken against runs. What a run puts and finds there already it touches (see Objects); and it puts before
it names. So of what no record names, everything that was touched after a moment in the past is left alone: the
grace period before now, and the beginning of the oldest run that goes on. An object is moved aside before it goes,
and looked at there once more: one that was touched meanwhile goes back, and who touches one that was moved finds
none there and writes it anew. Lists of directories go before files: a list that was touched keeps what it lists.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from projrun.core.clocks import now_in
from projrun.core.errors import StoreError
from projrun.core.files import open_plain
from projrun.core.removal import size_of
from projrun.core.values import Struct
from projrun.store.failures import writing
from projrun.store.objects import Objects
from projrun.store.references import Named, listed_in

# Clocks of file systems tick in steps of up to two seconds.
_TICK = 2.0
_FOLDER = re.compile("[0-9a-f]{2}")
_NAME = re.compile("[0-9a-f]{62}")
_LIST = b'"document": "directory"'
_HEAD = 64  # bytes in which a list says that it is one
_ASIDE = ".collected"


class Object(Struct, frozen=True):
    """An object as it lies in the store. ``size`` is in bytes, ``touched`` in seconds since the epoch."""

    sha256: str
    size: int
    touched: float


class Unnamed(Struct, frozen=True):
    """What no record names: ``going`` may be removed, ``young`` is not old enough, or listed by what is not."""

    lists: tuple[Object, ...]
    files: tuple[Object, ...]
    young: tuple[Object, ...]

    @property
    def going(self) -> tuple[Object, ...]:
        return (*self.lists, *self.files)


def clock(folder: Path) -> float:
    """The time, in seconds since the epoch, by the clock that touching a file in ``folder`` goes by.

    Of a network file system that is the server's. Where nothing may be written it is ours.
    """
    try:
        return now_in(folder)
    except OSError:
        return time.time()


def cutoff(now: float, grace: float, since: float | None) -> float:
    """The moment before which an object must have been touched last to be removed."""
    moment = now - grace
    return (moment if since is None else min(moment, since)) - _TICK


def unnamed(objects: Objects, named: Named, before: float) -> Unnamed:
    """The objects that no record names, parted by whether they were touched last ``before`` that moment.

    Raises StoreError for a directory that cannot be read.
    """
    old: list[Object] = []
    young: list[Object] = []
    for one in all_objects(objects):
        if one.sha256 not in named.objects:
            (old if one.touched < before else young).append(one)
    listed = {file for one in young if _is_list(objects, one) for file in _files_of(objects, one)}
    young += [one for one in old if one.sha256 in listed]
    old = [one for one in old if one.sha256 not in listed]
    lists = tuple(one for one in old if _is_list(objects, one))
    chosen = {one.sha256 for one in lists}
    return Unnamed(lists, tuple(one for one in old if one.sha256 not in chosen), tuple(young))


def sweep(objects: Objects, found: Unnamed, before: float) -> tuple[Object, ...]:
    """Removes what is going and was not touched since, and gives that. Raises StoreError."""
    gone: list[Object] = []
    spared: set[str] = set()
    with writing(objects.root):
        for one in found.lists:
            if _remove(objects.path(one.sha256), before):
                gone.append(one)
            else:
                spared |= _files_of(objects, one)
        for one in found.files:
            if one.sha256 not in spared and _remove(objects.path(one.sha256), before):
                gone.append(one)
    return tuple(gone)


def mend(objects: Objects) -> None:
    """Puts back what a collector that was killed had moved aside; no other may be at work. Raises StoreError."""
    with writing(objects.root):
        for aside in _asides(objects):
            place = aside.with_name(aside.name[1:63])
            if place.exists():
                aside.unlink(missing_ok=True)
            else:
                aside.rename(place)


def all_objects(objects: Objects) -> Iterator[Object]:
    """Every object, whole or not. Raises StoreError for a directory that cannot be read."""
    for folder in _folders(objects):
        for entry in _scanned(folder):
            if not _NAME.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
                continue
            with contextlib.suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                yield Object(folder.name + entry.name, status.st_size, status.st_mtime)


def unfinished(objects: Objects, before: float) -> Iterator[tuple[Path, int]]:
    """Files that a writer which was killed left beside the objects, with their bytes."""
    for folder in _folders(objects):
        for entry in _scanned(folder):
            if entry.name.startswith(".") and entry.name.endswith(".part"):
                with contextlib.suppress(FileNotFoundError):
                    if entry.stat(follow_symlinks=False).st_mtime < before:
                        yield Path(entry.path), size_of(Path(entry.path))


def _remove(place: Path, before: float) -> bool:
    """Removes a file unless it was touched since ``before``; it is looked at where nobody touches it any more."""
    aside = place.with_name(f".{place.name}{_ASIDE}")
    try:
        if place.stat().st_mtime >= before:
            return False
        place.rename(aside)
        if aside.stat().st_mtime >= before:
            aside.rename(place)
            return False
        aside.unlink()
    except FileNotFoundError:
        return False
    return True


def _is_list(objects: Objects, one: Object) -> bool:
    """Whether it says that it is a list of a directory; what cannot be read may be anything, and lists nothing."""
    try:
        with FileIO(open_plain(objects.path(one.sha256))) as file:
            return _LIST in file.read(_HEAD)
    except OSError:
        return False


def _files_of(objects: Objects, one: Object) -> frozenset[str]:
    """What a list lists; nothing when it is damaged, and so of no use to anybody, or no list of ours."""
    try:
        return listed_in(objects, one.sha256)
    except StoreError:
        return frozenset()


def _asides(objects: Objects) -> Iterator[Path]:
    for folder in _folders(objects):
        for entry in _scanned(folder):
            if entry.name.startswith(".") and entry.name.endswith(_ASIDE) and _NAME.fullmatch(entry.name[1:63]):
                yield Path(entry.path)


def _folders(objects: Objects) -> list[Path]:
    return [Path(entry.path) for entry in _scanned(objects.root) if _FOLDER.fullmatch(entry.name)]


def _scanned(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreError(
            f"the run store cannot be read: {folder}",
            why=error.strerror or str(error),
            hint=f"make it readable: chmod u+rwx {folder}",
        ) from error
