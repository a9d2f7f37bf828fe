"""Files as copies of their own: sharing blocks where the file system can, never linked."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import sys
from pathlib import Path

_FICLONE = 0x40049409  # ioctl_ficlonerange(2)
_BLOCK = 1 << 20


def copy_file(source: str | Path, place: str | Path) -> None:
    """Copies a file or a symbolic link to ``place``, replacing what has that name and following no link.

    Executable bits are kept. Raises OSError, also for what is neither file nor link.
    """
    # Of very many files it is names as Path that take the time.
    folder, name = os.path.split(place)
    aside = os.path.join(folder, f".{name}.{os.urandom(4).hex()}.part")  # noqa: PTH118
    try:
        if stat.S_ISLNK(os.lstat(source).st_mode):
            os.symlink(os.readlink(source), aside)  # noqa: PTH115, PTH211 - the text, as it is
        else:
            _copy_regular(source, aside)
        os.replace(aside, place)  # noqa: PTH105
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(aside)  # noqa: PTH108
        raise


def _copy_regular(source: str | Path, place: str) -> None:
    data = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(data)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is neither a file nor a link", str(source))
        mode = 0o666 | status.st_mode & 0o111
        copy = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            if status.st_size < _BLOCK or not shares_blocks(data, copy):
                _copy_content(data, copy, min(_BLOCK, status.st_size + 1))
        finally:
            os.close(copy)
    finally:
        os.close(data)


def _copy_content(source: int, copy: int, size: int) -> None:
    while block := os.read(source, size):
        left = memoryview(block)
        while left:
            left = left[os.write(copy, left) :]


def shares_blocks(source: int, copy: int) -> bool:
    """Makes an empty file share the blocks of another, by their descriptors; False where that cannot be."""
    if sys.platform != "linux":
        return False
    try:
        fcntl.ioctl(copy, _FICLONE, source)
    except OSError:
        return False
    return True


def make_parents(root: Path, relative: str) -> Path:
    """The place of ``relative`` below ``root``, its directories made where they are missing.

    Raises OSError when something on the way is no directory, or a link to one.
    """
    place = root
    parts = Path(relative).parts
    for part in parts[:-1]:
        place /= part
        with contextlib.suppress(FileExistsError):
            place.mkdir()
        if place.is_symlink() or not place.is_dir():
            raise OSError(0, "it is in the way of a directory", str(place))
    return place / parts[-1]
