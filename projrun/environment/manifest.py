"""Which files an environment had when it was built, and how they looked then.

Beside the marker lie two files. ``projrun-files`` is text, never changes, and the marker has its digest::

    projrun-files 1
    names <sha256 of the names in it> <folder>   one for each folder in which a new name would be imported or run
                                                 (an empty line)
    <sha256> <size> <st_mode, octal> <path>      nearest to the top first; of a link: of what it leads to

``projrun-stats`` has size, mtime_ns, ctime_ns and st_mode of each of these paths in the same order, as signed
64-bit numbers of this machine. It is written again when a file's times change and its content does not.
``__pycache__`` is in neither: Python writes there whenever it imports.
"""

from __future__ import annotations

import os
import stat
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from projrun.core.files import write_atomic
from projrun.core.hashing import sha256_bytes

FILES, STATS = "projrun-files", "projrun-stats"
PER_FILE = 4  # numbers in STATS
CACHED = "__pycache__"
_FIRST_LINE = b"projrun-files 1\n"
GONE = (-1, -1, -1, -1)  # what the stats of a file that is not there count as


@dataclass(frozen=True)
class Entry:
    """A file or link. ``path`` is relative to the environment; ``sha256`` of a link is that of where it leads."""

    path: str
    sha256: str
    size: int
    mode: int

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)


@dataclass(frozen=True)
class Manifest:
    """``folders`` are those whose names are watched, with the digest of the names."""

    folders: Mapping[str, str]
    entries: tuple[Entry, ...]


def write(directory: Path, folders: Iterable[str], entries: Iterable[Entry]) -> str:
    """Writes both files and returns the digest of the first. Raises OSError."""
    ordered = sorted(entries, key=lambda entry: (entry.path.count("/"), entry.path))
    lines = [f"names {names_digest(directory, folder)} {folder}\n" for folder in folders]
    lines.append("\n")
    lines += [f"{entry.sha256} {entry.size} {entry.mode:o} {entry.path}\n" for entry in ordered]
    data = _FIRST_LINE + os.fsencode("".join(lines))
    write_atomic(directory / FILES, data, durable=False)
    write_stats(directory, stats(directory, [entry.path for entry in ordered]))
    return sha256_bytes(data)


def read(directory: Path, digest: str) -> Manifest:
    """All of ``projrun-files``. Raises OSError, and ValueError when it is not the one with this digest."""
    data = (directory / FILES).read_bytes()
    if sha256_bytes(data) != digest:
        raise ValueError(f"{FILES} is not the one that was written when the environment was built")
    head, _, rest = data.removeprefix(_FIRST_LINE).partition(b"\n\n")
    entries = []
    for line in os.fsdecode(rest).splitlines():
        sha256, size, mode, path = line.split(" ", 3)
        entries.append(Entry(path, sha256, int(size), int(mode, 8)))
    return Manifest(_folders(head.splitlines(keepends=True)), tuple(entries))


def read_paths(directory: Path, limit: int | None) -> tuple[Mapping[str, str], list[str]]:
    """The watched folders, and the paths of the first ``limit`` entries. Raises OSError and ValueError."""
    with (directory / FILES).open("rb") as file:
        if file.readline() != _FIRST_LINE:
            raise ValueError(f"{FILES} has another format")
        head = []
        while (line := file.readline()) not in (b"\n", b""):
            head.append(line)
        lines = islice(file, limit)
        return _folders(head), [os.fsdecode(line[:-1].split(b" ", 3)[3]) for line in lines]


def stats(directory: Path, paths: Iterable[str]) -> array[int]:
    """The numbers of these paths as they are now; :data:`GONE` for what is not there."""
    found = array("q")
    add, look, prefix = found.extend, os.lstat, f"{directory}/"
    for path in paths:
        try:
            status = look(prefix + path)
        except OSError:
            add(GONE)
        else:
            add((status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_mode))
    return found


def read_stats(directory: Path, count: int) -> array[int]:
    """The kept numbers of the first ``count`` entries; zeros for those that were not kept."""
    found = array("q")
    size = count * PER_FILE * found.itemsize
    try:
        with (directory / STATS).open("rb") as file:
            data = file.read(size)
    except OSError:
        data = b""
    found.frombytes(data.ljust(size, b"\0"))
    return found


def write_stats(directory: Path, numbers: array[int]) -> None:
    write_atomic(directory / STATS, numbers.tobytes(), durable=False)


def differing(numbers: array[int], kept: array[int]) -> Iterator[int]:
    """The places of the entries whose numbers are not those that were kept."""
    for place in range(len(numbers) // PER_FILE):
        begin, end = place * PER_FILE, (place + 1) * PER_FILE
        if numbers[begin:end] != kept[begin:end]:
            yield place


def names(directory: Path, folder: str) -> list[str]:
    """The names in a folder, sorted; none when it is not there."""
    try:
        return sorted(name for name in os.listdir(directory / folder) if name != CACHED)  # noqa: PTH208 - every run
    except OSError:
        return []


def names_digest(directory: Path, folder: str) -> str:
    return sha256_bytes(os.fsencode("\0".join(names(directory, folder))))


def scan(directory: Path, leaving: Sequence[str]) -> Iterator[str]:
    """The relative paths of all files and links, but for ``leaving`` at the top and all in ``__pycache__``."""
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(directory / folder) as entries:
            for entry in entries:
                path = folder + entry.name
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != CACHED:
                        folders.append(f"{path}/")
                elif path not in leaving:
                    yield path


def _folders(lines: Iterable[bytes]) -> Mapping[str, str]:
    found = {}
    for line in lines:
        word, digest, folder = os.fsdecode(line.rstrip(b"\n")).split(" ", 2)
        if word != "names":
            raise ValueError(f"{FILES} has another format")
        found[folder] = digest
    return found
