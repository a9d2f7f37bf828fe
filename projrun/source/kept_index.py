"""The index that the store keeps for a work tree: what the last snapshot read, and how the files looked then.

The format is that of gitformat-index(5), second version, which git writes when nobody asks for another.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from projrun.source.listing import File

_HEADER_BYTES = 12
# Change time and modification time, each in seconds and nanoseconds; device, inode, mode, owner, group, size.
_STATUS = struct.Struct(">10I")
_DEVICE = 4
_WHOLE = (0, 2, 4, 5, 6, 7, 8)  # what git compares of a mark: seconds only
_KINDS = {20: "sha1", 32: "sha256"}  # by the length of an object's name
_LONG = 0xFFF
# Clocks of file systems tick in steps of up to two seconds.
_CLOCK_TICK = 2_000_000_000

Mark = tuple[int, ...]


class Kept(NamedTuple):
    """An index as it was read. ``written`` is when (ns), ``tree`` the tree of all of it if git noted that."""

    data: bytes
    written: int
    marks: dict[str, Mark]
    tree: str | None


class Work(NamedTuple):
    """What is to be done to an index: the paths to take out first, and those to read."""

    outdated: frozenset[str]
    changed: frozenset[str]


def read(path: Path) -> Kept | None:
    """The index in a file; None when there is none, or one that cannot be used."""
    try:
        with open(path, "rb") as file:
            written = os.fstat(file.fileno()).st_mtime_ns
            data = file.read()
        size = next((size for size in _KINDS if _digest(data[:-size], size) == data[-size:]), None)
        if size is None or data[:8] != b"DIRC\0\0\0\2":
            return None
        marks, at = _marks(data, size)
        return Kept(data, written, marks, _tree(data, at, size))
    except (OSError, IndexError, ValueError, struct.error):
        return None


def work(files: Sequence[File], kept: Kept | None) -> Work:
    """What makes the index that of ``files``, as they were when they were listed."""
    if kept is None:
        return Work(frozenset(), frozenset(file.path for file in files))
    outdated, changed = set(kept.marks), set()
    for path, _, status in files:
        before = kept.marks.get(path)
        now = _mark(status)
        # What may have been written within the index's own tick is read again.
        if before == now and status.st_ctime_ns < kept.written - _CLOCK_TICK:
            outdated.discard(path)
            continue
        changed.add(path)
        # git compares whole seconds, and would take it to be the same.
        if before and any(before[place] != now[place] for place in _WHOLE):
            outdated.discard(path)
    return Work(frozenset(outdated), frozenset(changed))


def _digest(data: bytes, object_bytes: int) -> bytes:
    import hashlib  # brings OpenSSL, and a clean tree needs no snapshot

    return hashlib.new(_KINDS[object_bytes], data, usedforsecurity=False).digest()


def _mark(status: os.stat_result) -> Mark:
    """What git notes of a file, but for its device."""
    changed, modified = divmod(status.st_ctime_ns, 10**9), divmod(status.st_mtime_ns, 10**9)
    mode = 0o120000 if stat.S_ISLNK(status.st_mode) else 0o100755 if status.st_mode & 0o100 else 0o100644
    numbers = (*changed, *modified, status.st_ino, mode, status.st_uid, status.st_gid, status.st_size)
    return tuple(number & 0xFFFFFFFF for number in numbers)


def _marks(data: bytes, object_bytes: int) -> tuple[dict[str, Mark], int]:
    """Those of all entries, and where these end."""
    flags_at = _STATUS.size + object_bytes
    path_at = flags_at + 2
    empty = _digest(b"blob 0\0", object_bytes)
    marks: dict[str, Mark] = {}
    at = _HEADER_BYTES
    for _ in range(int.from_bytes(data[8:12], "big")):
        begin = at + path_at
        length = (data[at + flags_at] & 0x0F) << 8 | data[at + flags_at + 1]
        if length == _LONG:
            length = data.index(b"\0", begin) - begin
        status = _STATUS.unpack_from(data, at)
        # A size of nothing is how git notes that a file has to be read again.
        if status[-1] or data[at + _STATUS.size : at + flags_at] == empty:
            marks[os.fsdecode(data[begin : begin + length])] = status[:_DEVICE] + status[_DEVICE + 1 :]
        else:
            marks[os.fsdecode(data[begin : begin + length])] = ()
        at += (path_at + length + 8) & ~7
    return marks, at


def _tree(data: bytes, at: int, object_bytes: int) -> str | None:
    """The root of the extension ``TREE``: the empty path, how many entries (-1: not known), how many trees."""
    while at < len(data) - object_bytes:
        begin = at + 8
        if data[at : at + 4] == b"TREE" and data[begin : begin + 1] == b"\0":
            line = data.index(b"\n", begin)
            known = not data[begin + 1 : line].startswith(b"-")
            return data[line + 1 : line + 1 + object_bytes].hex() if known else None
        at = begin + int.from_bytes(data[at + 4 : begin], "big")
    return None
