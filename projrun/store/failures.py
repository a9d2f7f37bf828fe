"""Operating system errors of the store -> StoreError with what to type."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from projrun.core.errors import StoreError

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
