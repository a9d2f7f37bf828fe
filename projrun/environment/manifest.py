"""Which files an environment had when it was built, and how they looked then.

Beside the marker lie two files. ``projrun-files`` is text, never changes, and the marker has its digest::

    projrun-files 1
    <sha256> <size> <st_mode, octal> <path>      nearest to the top first

The digest is that of a file's content, of where a link leads, or of the names in a directory. ``projrun-stats``
has size, mtime_ns, ctime_ns and st_mode of each of these paths in the same order, as signed 64-bit numbers of this
machine; it is written again when those of a path change and its content does not. ``__pycache__`` is in neither:
Python writes there whenever it imports.
"""

from __future__ import annotations

import os
import stat
from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from projrun.core.files import write_atomic
from projrun.core.hashing import sha256_bytes

FILES, STATS = "projrun-files", "projrun-stats"
# What describes the files, and the marker, which is written after them.
UNLISTED = ("projrun-environment.json", FILES, STATS)
CACHED = "__pycache__"
GONE = (-1, -1, -1, -1)  # the numbers of a path that is not there
_CTIME, _PER_PATH = 2, 4
_FIRST_LINE = b"projrun-files 1\n"


class Entry(NamedTuple):
    """A file, link or directory; ``path`` is relative to the environment."""

    path: str
    sha256: str
    size: int
    mode: int

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)


class Numbers:
    """Size, times and mode of paths, in the order of the list."""

    def __init__(self, values: array[int]) -> None:
        self.values = values

    def differing(self, kept: Numbers) -> list[int]:
        """The places of the paths whose numbers are not those that were kept."""
        if self.values == kept.values:
            return []
        ours, theirs = memoryview(self.values), memoryview(kept.values)
        return [
            begin // _PER_PATH
            for begin in range(0, len(ours), _PER_PATH)
            if ours[begin : begin + _PER_PATH] != theirs[begin : begin + _PER_PATH]
        ]

    def take_over(self, now: Numbers, places: Iterable[int], *, before: int) -> None:
        """Takes the numbers of those paths that last changed ``before`` a time (nanoseconds since the epoch)."""
        for begin in (place * _PER_PATH for place in places):
            if now.values[begin + _CTIME] < before:
                self.values[begin : begin + _PER_PATH] = now.values[begin : begin + _PER_PATH]


def write(directory: Path, entries: Iterable[Entry]) -> str:
    """Writes both files and returns the digest of the first. Raises OSError."""
    ordered = sorted(entries, key=lambda entry: (entry.path.count("/"), entry.path))
    lines = [f"{entry.sha256} {entry.size} {entry.mode:o} {entry.path}\n" for entry in ordered]
    data = _FIRST_LINE + os.fsencode("".join(lines))
    write_atomic(directory / FILES, data)
    write_numbers(directory, numbers(directory, [entry.path for entry in ordered]))
    return sha256_bytes(data)


def read(directory: Path, digest: str) -> tuple[Entry, ...]:
    """All of the list. Raises OSError, and ValueError when it is not the one with this digest."""
    entries = []
    for line in _lines(directory, digest):
        sha256, size, mode, path = line.split(" ", 3)
        entries.append(Entry(path, sha256, int(size), int(mode, 8)))
    return tuple(entries)


def read_paths(directory: Path, digest: str) -> list[str]:
    """All paths of the list. Raises as :func:`read` does."""
    return [line.split(" ", 3)[3] for line in _lines(directory, digest)]


def read_first_paths(directory: Path, limit: int) -> list[str]:
    """The first ``limit`` paths of the list. Raises OSError, and ValueError or IndexError when it is no list."""
    with (directory / FILES).open("rb") as file:
        if file.readline() != _FIRST_LINE:
            raise ValueError(f"{FILES} has another format")
        return [os.fsdecode(line[:-1].split(b" ", 3)[3]) for line in islice(file, limit)]


def _lines(directory: Path, digest: str) -> list[str]:
    data = (directory / FILES).read_bytes()
    if sha256_bytes(data) != digest:
        raise ValueError(f"{FILES} is not the one that was written when it was built")
    return os.fsdecode(data.removeprefix(_FIRST_LINE)).split("\n")[:-1]


def numbers(directory: Path, paths: Iterable[str]) -> Numbers:
    """Those of these paths as they are now."""
    found = array("q")
    add, look, prefix = found.extend, os.lstat, f"{directory}/"
    for path in paths:
        try:
            status = look(prefix + path)
        except OSError:
            add(GONE)
        else:
            add((status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_mode))
    return Numbers(found)


def read_numbers(directory: Path, count: int) -> Numbers:
    """The kept ones of the first ``count`` paths; zeros for what was not kept."""
    found = array("q")
    size = count * _PER_PATH * found.itemsize
    try:
        with (directory / STATS).open("rb") as file:
            data = file.read(size)
    except OSError:
        data = b""
    found.frombytes(data.ljust(size, b"\0"))
    return Numbers(found)


def write_numbers(directory: Path, kept: Numbers) -> None:
    write_atomic(directory / STATS, kept.values.tobytes(), durable=False)


def names(directory: Path, folder: str) -> list[str]:
    """The names in a folder that are listed, sorted. Raises OSError."""
    unlisted = (CACHED, *UNLISTED) if not folder else (CACHED,)
    return sorted(name for name in os.listdir(directory / folder) if name not in unlisted)  # noqa: PTH208


def scan(directory: Path) -> Iterator[str]:
    """The relative paths of all that is to be listed. Raises OSError."""
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(directory / folder) as entries:
            for entry in entries:
                path = folder + entry.name
                if entry.name == CACHED or path in UNLISTED:
                    continue
                yield path
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{path}/")
