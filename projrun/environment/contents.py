"""What the files of an environment hold, read to the last byte."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from projrun.core.hashing import sha256_bytes, sha256_file
from projrun.environment.manifest import Entry

_BATCH = 64  # files that a thread hashes in one go
_EXECUTABLE = stat.S_IXUSR


def entry_of(directory: Path, path: str) -> Entry:
    """A file or link as it is now. Raises OSError."""
    place = directory / path
    status = place.lstat()
    if stat.S_ISLNK(status.st_mode):
        digest = sha256_bytes(os.fsencode(os.readlink(place)))  # noqa: PTH115 - bytes, exactly as they are
    elif stat.S_ISREG(status.st_mode):
        digest = sha256_file(place)
    else:
        raise OSError(0, "it is neither a file nor a link", str(place))
    return Entry(path, digest, status.st_size, status.st_mode)


def entries_of(directory: Path, paths: Iterable[str]) -> tuple[Entry, ...]:
    """The same of many, hashed by a thread for each core. Raises OSError."""
    from concurrent.futures import ThreadPoolExecutor

    listed = list(paths)
    batches = [listed[begin : begin + _BATCH] for begin in range(0, len(listed), _BATCH)]

    def hashed(batch: list[str]) -> list[Entry]:
        return [entry_of(directory, path) for path in batch]

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as threads:
        return tuple(entry for entries in threads.map(hashed, batches) for entry in entries)


def is_same(entry: Entry, now: Entry) -> bool:
    """Whether it holds what it held: kind, content, and whether its owner may execute it."""
    kinds = stat.S_IFMT(entry.mode) == stat.S_IFMT(now.mode)
    may_run = entry.is_link or (entry.mode & _EXECUTABLE) == (now.mode & _EXECUTABLE)
    return kinds and may_run and entry.sha256 == now.sha256
