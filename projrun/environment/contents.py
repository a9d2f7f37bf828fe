"""What the files of an environment hold, read to the last byte."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from projrun.core.hashing import new_sha256, sha256_bytes, sha256_file
from projrun.environment.manifest import Entry, names

_BATCH = 64  # files that a thread hashes in one go
_BLOCK = 1 << 20  # bytes of a file that are read at one go
_EXECUTABLE = stat.S_IXUSR


def entry_of(directory: Path, path: str) -> Entry:
    """A file, link or directory as it is now. Raises OSError."""
    place = f"{directory}/{path}"  # a Path for each of thousands costs as much as to hash them
    status = os.lstat(place)
    size = status.st_size
    if stat.S_ISREG(status.st_mode):
        digest = _digest(place, size)
    elif stat.S_ISLNK(status.st_mode):
        digest = sha256_bytes(os.fsencode(os.readlink(place)))  # noqa: PTH115 - exactly as it is
    elif stat.S_ISDIR(status.st_mode):
        digest, size = sha256_bytes(os.fsencode("\0".join(names(directory, path)))), 0
    else:
        raise OSError(errno.EINVAL, "it is no file, link or directory", place)
    return Entry(path, digest, size, status.st_mode)


def _digest(place: str, size: int) -> str:
    """That of a file of about this size."""
    if size >= _BLOCK:
        return sha256_file(Path(place))
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(descriptor, size + 1)
        if len(data) != size:  # somebody writes it
            return sha256_file(Path(place))
    finally:
        os.close(descriptor)
    return new_sha256(data).hexdigest()


def entries_of(directory: Path, paths: Iterable[str], *, broken: bool = False) -> tuple[Entry, ...]:
    """The same of many, hashed by a thread for each core.

    Raises OSError, unless ``broken`` ones are asked for: then what cannot be read has no digest.
    """
    from concurrent.futures import ThreadPoolExecutor

    listed = list(paths)
    batches = [listed[begin : begin + _BATCH] for begin in range(0, len(listed), _BATCH)]

    def hashed(batch: list[str]) -> list[Entry]:
        return [(_entry_or_none if broken else entry_of)(directory, path) for path in batch]

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as threads:
        return tuple(entry for entries in threads.map(hashed, batches) for entry in entries)


def _entry_or_none(directory: Path, path: str) -> Entry:
    try:
        return entry_of(directory, path)
    except OSError:
        return Entry(path, "", 0, 0)


def is_same(entry: Entry, now: Entry) -> bool:
    """Whether it holds what it held: kind, content, and whether its owner may execute it."""
    kinds = stat.S_IFMT(entry.mode) == stat.S_IFMT(now.mode)
    may_run = not entry.is_file or (entry.mode & _EXECUTABLE) == (now.mode & _EXECUTABLE)
    return kinds and may_run and entry.sha256 == now.sha256
