"""A store for a group: its directories are the group's (setgid, writable), and so is all that is made in them.

Writers ask the directory that they write to, by :func:`projrun.core.files.is_shared`.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from projrun.core.errors import StoreError, UsageError
from projrun.core.files import is_shared
from projrun.store.store import Store


def share(store: Path, group: str | None) -> tuple[str, int]:
    """Gives a store to a group, made if it is not there; gives the group's name and how many files there are.

    Without ``group`` it is the one that the directory has. Raises UsageError for a group that is not there or not
    the caller's, and StoreError.
    """
    Store(store).prepare()
    number = store.stat().st_gid if group is None else _number(group)
    if number not in {os.getegid(), *os.getgroups()} and os.geteuid() != 0:
        raise UsageError(
            f"you are not of the group {_name(number)}",
            why="files can be given to a group of one's own only",
            hint=f"projrun store share --group {_name(os.getegid())}",
        )
    return _name(number), _changed(store, number)


def close(store: Path) -> int:
    """Takes a store back from its group, and gives how many files there are. Raises StoreError."""
    return _changed(store, None)


def group_of(store: Path) -> str | None:
    """The name of the group that a store is shared with; None when it is its owner's alone."""
    return _name(store.stat().st_gid) if is_shared(store) else None


def closed_above(store: Path) -> Path | None:
    """The uppermost directory above a shared store that keeps its group out; None when all of them let it pass."""
    group = store.stat().st_gid
    for folder in reversed(store.resolve().parents):
        status = folder.stat()
        passing = stat.S_IXGRP if status.st_gid == group else stat.S_IXOTH
        if not status.st_mode & passing:
            return folder
    return None


def _number(group: str) -> int:
    import grp

    with contextlib.suppress(KeyError):
        return grp.getgrnam(group).gr_gid
    if group.isdecimal():
        return int(group)
    mine = ", ".join(sorted({_name(one) for one in (os.getegid(), *os.getgroups())}))
    raise UsageError(f"there is no group {group!r}", why=f"you are of {mine}", hint="groups lists your groups")


def _name(number: int) -> str:
    import grp

    with contextlib.suppress(KeyError):
        return grp.getgrgid(number).gr_name
    return str(number)


def _changed(store: Path, group: int | None) -> int:
    """Sets group and mode of everything in the store, directories before what is in them."""
    files = 0
    for path in _all(store):
        try:
            files += _set(path, group)
        except FileNotFoundError:
            continue  # a run has ended meanwhile
        except PermissionError as error:
            raise StoreError(
                f"{path} is another user's",
                why="only its owner may say who else may use it",
                hint=f"have user {path.lstat().st_uid} do the same, or root",
            ) from error
        except OSError as error:
            raise StoreError(
                f"the rights of {path} cannot be set", why=error.strerror or str(error), hint="ls -la, and chmod"
            ) from error
    return files


def _set(path: Path, group: int | None) -> bool:
    """Whether it is a file. A link is left alone: what is behind it is none of the store's."""
    status = path.lstat()
    folder, file = stat.S_ISDIR(status.st_mode), stat.S_ISREG(status.st_mode)
    if not folder and not file:
        return False
    if group is not None and status.st_gid != group:
        os.chown(path, -1, group, follow_symlinks=False)
    mine = status.st_mode & 0o700
    rights = (0o2770 if folder else mine | mine >> 3 | 0o060) if group is not None else (0o700 if folder else mine)
    if stat.S_IMODE(status.st_mode) != rights:
        path.chmod(rights)
    return file


def _all(store: Path) -> Iterator[Path]:
    yield store
    for place, folders, files in os.walk(store):
        yield from (Path(place, name) for name in (*folders, *files))
