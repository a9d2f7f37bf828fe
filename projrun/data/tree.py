"""SHA-256 of files and of directories as they are on disk.

The digest of a directory is the SHA-256 of one record for each entry below it. The entries of a directory come
by their names as bytes, what is in a directory right after it. A record is ``KIND SPACE CONTENT SPACE NAME NUL``
with the name relative to the top, ``/`` between its parts:

======== ==================================== ===========================================================
KIND     entry                                CONTENT
======== ==================================== ===========================================================
``f``    file                                 SHA-256 of its bytes, hexadecimal
``x``    file that its owner may execute      the same
``d``    directory (empty ones count too)     ``-``
``l``    symbolic link, never followed        SHA-256 of its target's text
``e``    link to a file elsewhere in the      SHA-256 of its target's text, ``+``, SHA-256 of that file
         project
``s``    socket, FIFO or device, never opened ``-``
======== ==================================== ===========================================================

A link whose target is not there, or that leads in a circle, has nothing behind it: ``l``. A link to what no
record covers (a directory elsewhere, anything outside the project) is refused, for it would have no digest.
Owner, times and the other permission bits do not count, nor does what is named ``.git``: git changes it when it
only looks, and no checkout of the project has it.

The digest of files that a pattern names is that of their records, with the names relative to the project.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from projrun.core.hashing import new_sha256
from projrun.core.values import Struct
from projrun.data.reading import Digest, Reading, Uncovered, Unstable, entry_mark, file_mark, kind_of

# So many entries, or bytes to be read, are one task for a thread.
_ENTRIES, _BYTES = 256, 16 << 20
# Of smaller files it is Python that takes the time, and it runs one thread at a time.
_WORTH_A_THREAD = 64 << 10  # bytes of a file, on average

# A name, its status, and what is known of its content.
_Entry = tuple[bytes, os.stat_result, "str | None"]


class _Places(Struct, frozen=True):
    """The directory that is read, where it really is, and where the project really is."""

    top: bytes
    inside: bytes
    project: bytes


class _Records(NamedTuple):
    """The records and marks of some entries; ``size`` in bytes of ``files`` files."""

    records: bytes
    marks: bytes
    size: int
    files: int


def digest_directory(path: Path, root: Path, reading: Reading) -> Digest:
    """Digest of a directory of the project at ``root``. Raises OSError, Unstable or Uncovered."""
    top = os.fsencode(path)
    own = path.stat()
    places = _Places(top, os.path.realpath(top), os.path.realpath(os.fsencode(root)))
    total, marks = new_sha256(), new_sha256()
    size = files = 0
    batches = _Batches(places, reading)
    for found in reading.in_order(batches, batches.records, here=_is_light):
        total.update(found.records)
        marks.update(found.marks)
        size, files = size + found.size, files + found.files
    # What is known by its stat values was looked at once, and that is all there is to it.
    if batches.to_be_read and marks.digest() != _marks(top):
        raise Unstable(os.fsdecode(top))
    return Digest(total.hexdigest(), size, files, file_mark(own, marks.digest()))


def digest_files(paths: Sequence[str], root: Path, reading: Reading) -> Digest:
    """Digest of some files of the project at ``root``: of their records, as in a directory, by their paths.

    Links are followed. Raises OSError, Unstable, or Uncovered for what is no file.
    """
    total, marks = new_sha256(), new_sha256()
    size = files = 0
    places = [os.fsencode(root / path) for path in paths]
    reading.begin(places)
    for path, place in zip(paths, places, strict=True):
        found = reading.file(place)
        kind = "x" if os.stat(place).st_mode & stat.S_IXUSR else "f"  # noqa: PTH116 - names of raw bytes
        total.update(f"{kind} {found.sha256} ".encode() + os.fsencode(path) + b"\0")
        marks.update(os.fsencode(path) + b"\0" + found.mark.encode())
        size, files = size + found.size, files + 1
    return Digest(total.hexdigest(), size, files, marks.hexdigest())


def mark_of_files(paths: Sequence[str], root: Path) -> str:
    """The mark of some files, as :func:`digest_files` gives it."""
    marks = new_sha256()
    for path in paths:
        marks.update(os.fsencode(path) + b"\0" + (stat_mark(root / path) or "").encode())
    return marks.hexdigest()


class _Batches:
    """What is below a directory, some entries at a time."""

    def __init__(self, places: _Places, reading: Reading) -> None:
        self._places = places
        self._reading = reading
        self.to_be_read = False

    def __iter__(self) -> Iterator[list[_Entry]]:
        batch: list[_Entry] = []
        waiting = 0
        for name, status, known in self._entries():
            if stat.S_ISREG(status.st_mode) and not known:
                waiting += status.st_size
                self.to_be_read = True
            batch.append((name, status, known))
            if len(batch) >= _ENTRIES or waiting >= _BYTES:
                yield batch
                batch, waiting = [], 0
        if batch:
            yield batch

    def _entries(self) -> Iterator[_Entry]:
        entries = walk(self._places.top)
        while some := list(islice(entries, _ENTRIES)):
            files = [(name, status) for name, status in some if stat.S_ISREG(status.st_mode)]
            known = iter(self._reading.remembered.digests(self._places.top, files))
            for name, status in some:
                if stat.S_ISREG(status.st_mode):
                    yield name, status, next(known)
                else:
                    is_link = stat.S_ISLNK(status.st_mode)
                    yield name, status, _link(self._full(name), self._places, self._reading) if is_link else None

    def records(self, batch: Iterable[_Entry]) -> _Records:
        """The records of some entries; in any thread. Raises OSError, Unstable or Uncovered."""
        records, marks = bytearray(), bytearray()
        size = files = 0
        for name, status, known in batch:
            kind, content = "s", "-"
            if stat.S_ISREG(status.st_mode):
                content, now = (known, status) if known else self._reading.content(self._full(name), False)
                size, files = size + now.st_size, files + 1
                kind = "x" if status.st_mode & stat.S_IXUSR else "f"
            elif stat.S_ISDIR(status.st_mode):
                kind = "d"
            elif stat.S_ISLNK(status.st_mode):
                content = known or ""
                kind = "e" if "+" in content else "l"
            records += f"{kind} {content} ".encode() + name + b"\0"
            marks += _mark(self._places.top, name, status)
        return _Records(bytes(records), bytes(marks), size, files)

    def _full(self, name: bytes) -> bytes:
        return os.path.join(self._places.top, name)  # noqa: PTH118 - names of raw bytes


def _is_light(batch: list[_Entry]) -> bool:
    """Whether what has to be read of these is not worth another thread; what is behind links was read."""
    sizes = [status.st_size for _, status, known in batch if known is None and stat.S_ISREG(status.st_mode)]
    return sum(sizes) < _WORTH_A_THREAD * len(sizes) or not sizes


def stat_mark(path: Path) -> str | None:
    """A digest of the names and stat values of a file, or of all in a directory; None when it cannot be had.

    Equal marks mean that nobody wrote in between. No file is read.
    """
    try:
        status = path.stat()
        return file_mark(status, _marks(os.fsencode(path)) if stat.S_ISDIR(status.st_mode) else b"")
    except OSError:
        return None


def written_since(path: Path, since: int) -> list[str]:
    """The names below a directory of what was written after a time in nanoseconds since the epoch.

    Of what was removed only the directory is told that it was in. Raises OSError.
    """
    found = [
        os.fsdecode(name)
        for name, status in walk(os.fsencode(path))
        if max(status.st_ctime_ns, status.st_mtime_ns) > since
    ]
    # That something in it changed is no news of a directory whose entries are named.
    return [name for name in found if not any(other.startswith(f"{name}/") for other in found)]


def uncopied(path: Path) -> str | None:
    """Why a copy of a directory, entry by entry, would not have its digest; None when it would. Raises OSError."""
    top = os.fsencode(path)
    inside = os.path.realpath(top)
    for name, status in walk(top):
        if stat.S_ISLNK(status.st_mode):
            full = os.path.join(top, name)  # noqa: PTH118 - names of raw bytes
            if os.path.exists(full) and not _within(os.path.realpath(full), inside):  # noqa: PTH110 - as above
                return f"what the link {os.fsdecode(name)} leads to is not in it"
        elif not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            return f"{os.fsdecode(name)} is {kind_of(status.st_mode)}"
    return None


def changed_at(path: Path) -> float | None:
    """When a file, or anything in a directory, was written last, in seconds since the epoch; None: not known."""
    try:
        status = path.stat()
        times = [status.st_mtime]
        if stat.S_ISDIR(status.st_mode):
            times += [below.st_mtime for _, below in walk(os.fsencode(path))]
    except OSError:
        return None
    return max(times)


def walk(top: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    """Relative name and own status (links not followed) of every entry below ``top``, in the digest's order.

    Raises OSError.
    """
    pending = _names(top, b"")
    while pending:
        name = pending.pop()
        status = os.lstat(os.path.join(top, name))  # noqa: PTH118 - names of raw bytes
        yield name, status
        if stat.S_ISDIR(status.st_mode):
            pending += _names(top, name + b"/")


def _names(top: bytes, prefix: bytes) -> list[bytes]:
    """The names in a directory, the first one last."""
    names = os.listdir(os.path.join(top, prefix))  # noqa: PTH118, PTH208 - names of raw bytes
    return [prefix + name for name in sorted(names, reverse=True) if name != b".git"]


def _marks(top: bytes) -> bytes:
    marks = new_sha256()
    for name, status in walk(top):
        marks.update(_mark(top, name, status))
    return marks.digest()


def _mark(top: bytes, name: bytes, status: os.stat_result) -> bytes:
    """The mark of an entry, and of the file that a link leads to."""
    mark = entry_mark(name, status)
    if stat.S_ISLNK(status.st_mode):
        with suppress(OSError):
            behind = os.stat(os.path.join(top, name))  # noqa: PTH116, PTH118 - names of raw bytes
            mark += entry_mark(b"", behind) if stat.S_ISREG(behind.st_mode) else b""
    return mark


def _link(path: bytes, places: _Places, reading: Reading) -> str:
    text = new_sha256(os.readlink(path)).hexdigest()  # noqa: PTH115 - names of raw bytes
    real = os.path.realpath(path)
    if not os.path.exists(path) or _within(real, places.inside):  # noqa: PTH110 - names of raw bytes
        return text
    if not _within(real, places.project):
        raise Uncovered(f"{os.fsdecode(path)} is a symbolic link that leads out of the project")
    return f"{text}+{reading.file(real).sha256}"


def _within(path: bytes, top: bytes) -> bool:
    return path == top or path.startswith(top.rstrip(b"/") + b"/")
