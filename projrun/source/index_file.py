"""git's index file, read for the few entries that status tells nothing about (gitformat-index(5)).

``git ls-files`` tells the same, at the cost of a process and of a line for every file.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from projrun.source.status import IndexEntry

_HEADER_BYTES = 12
_VERSIONS = (2, 3)  # the fourth compresses paths
# Where in an entry the upper byte of its mode is, and the object's name; two bytes of flags follow that.
_MODE_AT, _OBJECT_AT = 26, 40
_GITLINK = 0xE0
_ASSUME_VALID, _EXTENDED, _SKIP_WORKTREE = 0x80, 0x40, 0x40
_LONG = 0xFFF

_TIMES = struct.Struct(">4I")  # change and modification time, each in seconds and nanoseconds

# The last one that was read, by its checksum and time: the same bytes say the same, whose ever they are.
_known: dict[tuple[bytes, int], tuple[IndexEntry, ...]] = {}


def special_entries(worktree: Path, object_bytes: int) -> tuple[IndexEntry, ...] | None:
    """Submodules, entries marked assume-unchanged or skip-worktree, and those of files that changed just before.

    They are in the order of the index.
    ``object_bytes`` is the length of an object's name. None when git has to be asked: the work tree is a linked
    one or a submodule's, or its index is split, sparse, compressed or not to be understood.
    """
    try:
        with open(worktree / ".git" / "index", "rb") as file:
            file.seek(-object_bytes, os.SEEK_END)
            checksum, written = file.read(), os.fstat(file.fileno()).st_mtime_ns
            if (checksum, written) in _known:
                return _known[checksum, written]
            file.seek(0)
            data = file.read()
    except FileNotFoundError:
        return () if (worktree / ".git" / "objects").is_dir() else None
    except OSError:
        return None
    try:
        found = _read(data, object_bytes, written // 10**9 - 1)
    except (IndexError, ValueError, struct.error):
        return None
    if found is not None and any(checksum):  # git can be told to write none
        _known.clear()
        _known[checksum, written] = found
    return found


def _read(data: bytes, object_bytes: int, recent: int) -> tuple[IndexEntry, ...] | None:
    """``recent``: a time in seconds. Raises IndexError, ValueError or struct.error when it is no whole index."""
    since = max(0, recent).to_bytes(4, "big")
    if data[:4] != b"DIRC" or int.from_bytes(data[4:8], "big") not in _VERSIONS:
        return None
    flags_at, path_at = _OBJECT_AT + object_bytes, _OBJECT_AT + object_bytes + 2
    found, at = [], _HEADER_BYTES
    for _ in range(int.from_bytes(data[8:12], "big")):
        flags = data[at + flags_at]
        begin = at + path_at + (2 if flags & _EXTENDED else 0)
        length = (flags & 0x0F) << 8 | data[at + flags_at + 1]
        if length == _LONG:
            length = data.index(b"\0", begin) - begin
        special = flags & (_ASSUME_VALID | _EXTENDED) or data[at + _MODE_AT] == _GITLINK
        if special or data[at : at + 4] >= since:
            skipped = bool(flags & _EXTENDED and data[begin - 2] & _SKIP_WORKTREE)
            entry = IndexEntry(
                path=os.fsdecode(data[begin : begin + length]),
                mode=f"{int.from_bytes(data[at + 24 : at + 28], 'big'):06o}",
                blob=data[at + _OBJECT_AT : at + flags_at].hex(),
                gitlink=data[at + _MODE_AT] == _GITLINK,
                hidden=skipped or bool(flags & _ASSUME_VALID),
                may_be_absent=skipped,
                noted=_noted(data, at) if data[at : at + 4] >= since else None,
            )
            found += [entry] if entry.gitlink or entry.hidden or entry.noted else []
        # One to eight bytes of zero make its length a multiple of eight.
        at += (begin - at + length + 8) & ~7
    return tuple(found) if _needs_no_other(data, at, len(data) - object_bytes) else None


def _noted(data: bytes, at: int) -> tuple[int, int]:
    changed, changed_part, modified, modified_part = _TIMES.unpack_from(data, at)
    return changed * 10**9 + changed_part, modified * 10**9 + modified_part


def _needs_no_other(data: bytes, at: int, end: int) -> bool:
    """Whether all extensions, from ``at`` on, can be passed over: those that cannot have names in lower case."""
    while at < end:
        if not data[at : at + 1].isupper():
            return False
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "big")
    return at == end
