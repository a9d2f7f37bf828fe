"""Operating system errors of the store -> StoreError with what to type."""

from __future__ import annotations

import contextlib
import errno
import stat
from collections.abc import Iterator
from pathlib import Path

from projrun.core.errors import StoreError, UsageError

ANOTHER_STORE = "choose another store: --store DIR, or set PROJRUN_STORE"

_REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space, or choose another store: --store DIR"),
    errno.EDQUOT: ("your disk quota is used up", "free some space, or choose another store: --store DIR"),
    errno.EROFS: ("its file system is read-only", ANOTHER_STORE),
    errno.EACCES: ("you may not write there", ANOTHER_STORE),
    errno.EPERM: ("you may not write there", ANOTHER_STORE),
    errno.ENOTDIR: ("a file is in the way of a directory", ANOTHER_STORE),
    errno.EEXIST: ("a file is in the way of a directory", ANOTHER_STORE),
    errno.ENOLCK: ("its file system has no locks", ANOTHER_STORE),
    errno.EOPNOTSUPP: ("its file system has no locks", ANOTHER_STORE),
}


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an OSError of the block, which writes to ``path`` of the store, into a StoreError."""
    try:
        yield
    except OSError as error:
        reason, hint = _REASONS.get(error.errno or 0, (error.strerror or str(error), ANOTHER_STORE))
        place = error.filename if isinstance(error.filename, str) else path
        raise StoreError(
            f"the run store cannot be written: {path}", why=f"{place}: {reason}", hint=hint
        ) from error


def check_kept(store: Path) -> None:
    """Raises UsageError when no store is there."""
    try:
        why = "" if stat.S_ISDIR(store.stat().st_mode) else "it is no directory"
    except (FileNotFoundError, NotADirectoryError):
        why = "no run was ever kept there"
    except OSError:
        why = ""  # the store itself tells why it cannot be read
    if why:
        raise UsageError(
            f"there is no store at {store}",
            why=why,
            hint="name the directory that was given to projrun run --store, or leave --store out",
        )
