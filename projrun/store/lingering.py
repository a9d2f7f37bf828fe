"""A write-ahead log that stays behind when its writer goes, so that a run need not wait for the disk.

The last connection to a database copies its log back, and waits for the disk four times while it does; a busy disk
makes seconds of that. What is written in between is as safe as after ``kill -9``: complete, or not there
(https://www.sqlite.org/wal.html, "Checkpointing"). A listing closes as usual and takes the log away.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

# Bytes of log that may stay: whoever opens the database first reads all of it.
_ROOM = 1 << 20


@contextlib.contextmanager
def lingering(path: Path) -> Iterator[None]:
    """Lets a log of the database at ``path`` stay behind when it is closed for writing within the block.

    A connection that only reads cannot copy the log back, and as long as it is there nobody else is the last one.
    One that cannot be had makes no difference but time.
    """
    log = path.with_name(f"{path.name}-wal")
    try:
        reader = _reader(path) if 0 < log.stat().st_size < _ROOM else None
    except (OSError, sqlite3.Error):
        reader = None
    try:
        yield
    finally:
        if reader is not None:
            reader.close()


def _reader(path: Path) -> sqlite3.Connection:
    # A URI's own characters, of which "%" comes first (https://www.sqlite.org/uri.html).
    name = str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = sqlite3.connect(f"file:{name}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()  # it is connected from here on
    except sqlite3.Error:
        connection.close()
        raise
    return connection
