"""A file system that shows another folder and lacks what network file systems lack. A real mount, by FUSE.

    python -m tests.passthrough FOLDER MOUNTPOINT LACKING...

LACKING: ``flock`` (it refuses flock, as one mounted without locks does), ``posix`` (the other kind of locks,
which SQLite uses), ``shared-memory`` (no file can be mapped to be shared, which SQLite's WAL needs),
``fine-clock`` (the times of files are even seconds, as FAT's are).
It serves until it is unmounted.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from typing import Any

import mfusepy


class Passthrough:
    """Every operation on the folder below ``root``; opened files are descriptors."""

    use_ns = True

    def __init__(self, root: str, *, mapped: bool, tick: int) -> None:
        self._root = root
        self._mapped = mapped
        self._tick = tick  # nanoseconds

    def _at(self, path: str) -> str:
        return self._root + path

    def getattr(self, path: str, fh: Any = None) -> dict[str, Any]:
        found = os.lstat(self._at(path))
        names = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_ino", "st_blocks")
        times = {f"st_{kind}time": self._told(getattr(found, f"st_{kind}time_ns")) for kind in "amc"}
        return {**{name: getattr(found, name) for name in names}, **times}

    def _told(self, time: int) -> int:
        return time - time % self._tick

    def readdir(self, path: str, fh: Any) -> Iterator[str]:
        yield from (".", "..", *os.listdir(self._at(path)))

    def open(self, path: str, fi: Any) -> int:
        fi.fh = os.open(self._at(path), fi.flags & ~os.O_NOFOLLOW)
        fi.direct_io = not self._mapped
        return 0

    def create(self, path: str, mode: int, fi: Any) -> int:
        fi.fh = os.open(self._at(path), fi.flags | os.O_CREAT, mode)
        fi.direct_io = not self._mapped
        return 0

    def read(self, path: str, size: int, offset: int, fi: Any) -> bytes:
        return os.pread(fi.fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fi: Any) -> int:
        return os.pwrite(fi.fh, data, offset)

    def truncate(self, path: str, length: int, fh: Any = None) -> int:
        os.truncate(self._at(path), length)
        return 0

    def release(self, path: str, fi: Any) -> int:
        os.close(fi.fh)
        return 0

    def fsync(self, path: str, datasync: int, fi: Any) -> int:
        os.fsync(fi.fh)
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        os.mkdir(self._at(path), mode)
        return 0

    def rmdir(self, path: str) -> int:
        os.rmdir(self._at(path))
        return 0

    def unlink(self, path: str) -> int:
        os.unlink(self._at(path))
        return 0

    def rename(self, old: str, new: str, flags: int = 0) -> int:
        os.rename(self._at(old), self._at(new))
        return 0

    def chmod(self, path: str, mode: int) -> int:
        os.chmod(self._at(path), mode)
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        os.chown(self._at(path), uid, gid)
        return 0

    def utimens(self, path: str, times: Any = None) -> int:
        os.utime(self._at(path), ns=times)
        return 0

    def symlink(self, target: str, source: str) -> int:
        os.symlink(source, self._at(target))
        return 0

    def readlink(self, path: str) -> str:
        return os.readlink(self._at(path))

    def link(self, target: str, source: str) -> int:
        os.link(self._at(source), self._at(target))
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._at(path))
        return {name: getattr(found, name) for name in ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail")}


def refuse(*_: Any) -> int:
    """The answer of a file system without locks."""
    raise mfusepy.FuseOSError(errno.ENOLCK)


def main() -> None:
    folder, mountpoint, *lacking = sys.argv[1:]
    kinds = {"flock": "flock", "posix": "lock"}
    without = {name: refuse for kind, name in kinds.items() if kind in lacking}
    operations = type("Lacking", (Passthrough, mfusepy.Operations), without)(
        folder, mapped="shared-memory" not in lacking, tick=2 * 10**9 if "fine-clock" in lacking else 1
    )
    mfusepy.FUSE(operations, mountpoint, foreground=True, nothreads=True, raw_fi=True)


if __name__ == "__main__":
    main()
