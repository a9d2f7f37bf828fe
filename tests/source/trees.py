"""What a directory holds, as a value that two of them can be compared by."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path


def contents(root: Path) -> dict[bytes, tuple[object, ...]]:
    """Every file and link below ``root`` but those in ``.git``: its kind and its bytes."""
    return {
        os.fsencode(path.relative_to(root)): _described(path)
        for path in _below(root)
        if ".git" not in path.relative_to(root).parts and (path.is_symlink() or not path.is_dir())
    }


def everything(root: Path) -> dict[Path, tuple[object, ...]]:
    """Every entry below ``root``, ``.git`` too: content, mode, times and inode. Reading changes none of it."""
    found: dict[Path, tuple[object, ...]] = {}
    for path in _below(root):
        known = path.lstat()
        times = (known.st_mtime_ns, known.st_ctime_ns, known.st_ino)
        found[path] = (*_described(path), stat.S_IMODE(known.st_mode), *times)
    return found


def _below(root: Path) -> Iterator[Path]:
    for directory, directories, files in os.walk(root):
        for name in (*directories, *files):
            yield Path(directory, name)


def _described(path: Path) -> tuple[object, ...]:
    known = path.lstat()
    if stat.S_ISLNK(known.st_mode):
        return ("link", os.readlink(os.fsencode(path)))  # noqa: PTH115 - the bytes, as they are
    if not stat.S_ISREG(known.st_mode):
        return ("other", stat.S_IFMT(known.st_mode))
    return ("executable" if known.st_mode & stat.S_IXUSR else "file", path.read_bytes())
