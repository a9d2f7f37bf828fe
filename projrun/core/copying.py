"""Files as copies of their own: sharing blocks where the file system can, never linked."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import sys
from pathlib import Path

from projrun.core.files import written_aside

_FICLONE = 0x40049409  # ioctl_ficlonerange(2)


def copy_file(source: Path, place: Path) -> None:
    """Copies a file or a symbolic link to ``place``, replacing what has that name and following no link.

    Executable bits are kept. Raises OSError, also for what is neither file nor link.
    """
    with written_aside(place) as aside:
        if source.is_symlink():
            aside.symlink_to(os.readlink(source))  # noqa: PTH115 - the text, as it is
            return
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as data:
            mode = os.fstat(data.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise OSError(0, "it is neither a file nor a link", str(source))
            made = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666 | mode & 0o111)
            with open(made, "wb") as copy:
                if not shares_blocks(data.fileno(), copy.fileno()):
                    import shutil  # slow to import

                    shutil.copyfileobj(data, copy, 1 << 20)


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
