"""Directories with all that is in them, gone: read-only ones too, and no link followed."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path


def remove_tree(place: Path) -> None:
    """Removes a file, a link, or a directory with all that is in it. What is not there is no error.

    Read-only directories are opened first. Raises OSError when something cannot be removed.
    """
    try:
        is_directory = stat.S_ISDIR(os.lstat(place).st_mode)
    except FileNotFoundError:
        return
    if not is_directory:
        place.unlink(missing_ok=True)
        return
    waiting, emptied = [os.fsencode(place)], []
    while waiting:
        directory = waiting.pop()
        with contextlib.suppress(FileNotFoundError):  # another process may be at the same
            _open_up(directory)
            with os.scandir(directory) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        _unlink(entry.path)
        emptied.append(directory)
    for directory in reversed(emptied):
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(directory)  # noqa: PTH106 - a name of any bytes


def _unlink(path: bytes) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - a name of any bytes


def _open_up(directory: bytes) -> None:
    """Lets us list and empty a directory. Raises NotADirectoryError for a link to one."""
    mode = os.lstat(directory).st_mode
    if not stat.S_ISDIR(mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), directory)
    if mode & 0o700 != 0o700:
        os.chmod(directory, mode & 0o777 | 0o700)  # noqa: PTH101 - a name of any bytes


def size_of(place: Path) -> int:
    """The bytes of a file, or of all files in a directory, as far as it can be read. No link is followed."""
    try:
        status = os.lstat(place)
    except OSError:
        return 0
    if not stat.S_ISDIR(status.st_mode):
        return status.st_size
    total, folders = 0, [os.fspath(place)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
