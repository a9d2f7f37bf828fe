"""Digests of files that were read before, by their stat values: what nobody wrote since is not read again.

As git's index does it: a digest counts as long as inode, size, mtime and ctime are what they were, and is kept
only of a file that was written well before it was read, because a file system's clock does not tell two writes
within one of its ticks apart. A ctime cannot be set, so putting back an mtime hides nothing. What is written
through memory that a process mapped is seen when the system writes it back. Losing the database costs time and
nothing else.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

_FILE = "digests.sqlite"
_VERSION = 1
_TABLE = "CREATE TABLE digests (path BLOB PRIMARY KEY, stat TEXT NOT NULL, sha256 TEXT NOT NULL, day INT NOT NULL)"
# The coarsest clock of a file system in use (FAT's mtime), in nanoseconds; also what another machine's clock may
# be off by when the files are on a server.
_TICK = 2_000_000_000
# Reading so few bytes is quicker than opening a database.
_WORTH = 128 * 1024
_BUSY_SECONDS = 0.5
# So many digests are kept at one go, and so many are asked for.
_TOGETHER, _ASKED = 4096, 256
_DAY, _KEPT_DAYS = 86_400, 180


class Remembered:
    """The digests that are kept in a cache, for as long as the block. None: nothing is known, nothing is kept."""

    def __init__(self, cache: Path | None) -> None:
        self._file = cache and cache / _FILE
        self._database: sqlite3.Connection | None = None
        self._known: dict[bytes, tuple[str, str]] = {}
        self._new: dict[bytes, tuple[str, str]] = {}
        self._kept_more = False

    def __enter__(self) -> Remembered:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._save()
        if self._kept_more and self._database is not None:
            with self._tolerant():
                _forget(self._database)
        if self._database is not None:
            self._database.close()
            self._database = None

    def look_below(self, top: bytes) -> None:
        """Gets ready for the files in a directory, all at once."""
        with self._tolerant():
            if database := self._opened():
                asked = "SELECT path, stat, sha256 FROM digests WHERE path > ? AND path < ?"
                rows = database.execute(asked, (_place(top) + b"/", _place(top) + b"0"))
                self._known.update((path, (mark, sha256)) for path, mark, sha256 in rows)

    def digest(self, path: bytes, status: os.stat_result, *, alone: bool) -> str | None:
        """The SHA-256 of the file with that status; None when it has to be read.

        ``alone``: it is not one of a directory that :meth:`look_below` looked at.
        """
        if alone and status.st_size < _WORTH:
            return None
        if not self._known and not alone:
            return None
        place = _place(path)
        if alone:
            with self._tolerant():
                if database := self._opened():
                    row = database.execute("SELECT stat, sha256 FROM digests WHERE path = ?", (place,)).fetchone()
                    self._known.update({place: row} if row else {})
        mark, sha256 = self._known.get(place, ("", ""))
        return sha256 if mark == _mark(status) else None

    def digests(self, top: bytes, found: Sequence[tuple[bytes, os.stat_result]]) -> list[str | None]:
        """As :meth:`digest`, of some files below ``top`` by their names, in few questions.

        What was noted until now is kept, so that no more is remembered of very many files than these.
        """
        if len(self._new) >= _TOGETHER:
            self._save()
        prefix = _place(top).rstrip(b"/") + b"/"
        known: dict[bytes, tuple[str, str]] = {}
        for begin in range(0, len(found), _ASKED):
            places = [prefix + name for name, _ in found[begin : begin + _ASKED]]
            with self._tolerant():
                if database := self._opened():
                    marks = ",".join("?" * len(places))
                    asked = f"SELECT path, stat, sha256 FROM digests WHERE path IN ({marks})"  # noqa: S608 - of ?
                    known.update((path, (mark, sha256)) for path, mark, sha256 in database.execute(asked, places))
        given = ((known.get(prefix + name), status) for name, status in found)
        return [one[1] if one and one[0] == _mark(status) else None for one, status in given]

    def note(self, path: bytes, status: os.stat_result, sha256: str, began: int) -> None:
        """Remembers a digest. ``began`` is when the file was opened to be read, in nanoseconds since the epoch."""
        if max(status.st_mtime_ns, status.st_ctime_ns) < began - _TICK:
            self._new[_place(path)] = _mark(status), sha256

    def _save(self) -> None:
        """Keeps what was noted. Called in one thread, while others may note more."""
        if not self._new:
            return
        new, self._new = self._new, {}
        with self._tolerant():
            if database := self._opened():
                _save(database, list(new.items()))
                self._kept_more = True

    def _opened(self) -> sqlite3.Connection | None:
        import sqlite3  # a run without data does without

        if self._database is None and self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self._file, timeout=_BUSY_SECONDS)
            self._database.execute("PRAGMA synchronous = OFF")  # it may be lost
            if self._database.execute("PRAGMA user_version").fetchone() != (_VERSION,):
                _make(self._database)
        return self._database

    @contextlib.contextmanager
    def _tolerant(self) -> Iterator[None]:
        """A database that fails is not asked again; one that is no database makes room for the next."""
        import sqlite3

        try:
            yield
        except (sqlite3.Error, OSError) as error:
            file, self._file = self._file, None
            if (
                file
                and isinstance(error, sqlite3.DatabaseError)
                and not isinstance(error, sqlite3.OperationalError)
            ):
                with contextlib.suppress(OSError):
                    file.unlink()


def _make(database: sqlite3.Connection) -> None:
    with database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("DROP TABLE IF EXISTS digests")
        database.execute(_TABLE)
        database.execute(f"PRAGMA user_version = {_VERSION}")


def _save(database: sqlite3.Connection, new: Sequence[tuple[bytes, tuple[str, str]]]) -> None:
    day = int(time.time()) // _DAY
    with database:
        database.executemany(
            "INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?)",
            ((path, mark, sha256, day) for path, (mark, sha256) in new),
        )


def _forget(database: sqlite3.Connection) -> None:
    """What is of files that are long gone; one that is still there is read once more."""
    with database:
        database.execute("DELETE FROM digests WHERE day < ?", (int(time.time()) // _DAY - _KEPT_DAYS,))


def _place(path: bytes) -> bytes:
    return os.path.abspath(path)  # noqa: PTH100 - names of raw bytes


def _mark(status: os.stat_result) -> str:
    return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
