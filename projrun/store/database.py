"""The SQLite file behind the index: its tables and its statements, every value a bound parameter."""

from __future__ import annotations

import errno
import json
import math
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from projrun.core.files import shared_mode
from projrun.core.locks import exclusive
from projrun.store.row import RunRow

VERSION = 1
_BUSY_SECONDS = 5.0

_COLUMNS = ("id", "started", "status", "duration", "root", "name", "entry_point", "project", "row")
_TABLES = (
    """CREATE TABLE runs (
      id TEXT PRIMARY KEY, started TEXT NOT NULL, status TEXT NOT NULL, duration REAL, root BLOB, name TEXT,
      entry_point TEXT, project TEXT, row TEXT NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX runs_by_start ON runs (started, id)",
    "CREATE INDEX runs_by_root ON runs (root, started, id)",
    "CREATE INDEX runs_by_status ON runs (status)",
    # The run directories as they were when all of them were last compared with the table.
    "CREATE TABLE seen (one INTEGER PRIMARY KEY CHECK (one = 1), directory TEXT NOT NULL)",
)
_PUT = "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database at ``path``, made if absent or another version's. Raises sqlite3.Error, OSError."""
    with _connected(path) as connection:
        if _version(connection) != VERSION:
            with exclusive(path.with_suffix(".lock"), holder=f"process {os.getpid()}"):
                if _version(connection) != VERSION:
                    with suppress(PermissionError):  # another one of the group made it
                        path.chmod(shared_mode(path.parent, 0o600))
                    _make(connection)
        if _acts(connection):
            raise sqlite3.DatabaseError("the index holds more than tables")
        yield connection


@contextmanager
def in_memory() -> Iterator[sqlite3.Connection]:
    """A database for this process alone, for a store that cannot be written."""
    with _connected(":memory:") as connection:
        _make(connection)
        yield connection


def remove_damaged(path: Path) -> None:
    """Takes the database at ``path`` away, unless somebody else has mended it by now. Raises OSError."""
    with exclusive(path.with_suffix(".lock"), holder=f"process {os.getpid()}"):
        if not _is_sound(path):
            for name in (f"{path.name}-wal", f"{path.name}-shm", path.name):
                path.with_name(name).unlink(missing_ok=True)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error tells of a broken or foreign file, and not of one that is busy or cannot be written."""
    if not isinstance(error, sqlite3.OperationalError):
        return isinstance(error, sqlite3.DatabaseError)
    return any(words in str(error) for words in ("no such", "has no column", "columns but", "malformed"))


def put(connection: sqlite3.Connection, rows: Iterable[RunRow]) -> None:
    """Adds runs, or puts them in the place of what was known of them."""
    connection.executemany(_PUT, (_values(row) for row in rows))


def drop(connection: sqlite3.Connection, ids: Iterable[str]) -> None:
    """Forgets runs."""
    connection.executemany("DELETE FROM runs WHERE id = ?", ((run,) for run in ids))


def clear(connection: sqlite3.Connection) -> None:
    """Forgets everything."""
    with transaction(connection):
        connection.execute("DELETE FROM runs")
        connection.execute("DELETE FROM seen")


def from_text(text: str) -> RunRow:
    """The run of a ``row`` column. Raises sqlite3.DatabaseError when it is damaged."""
    try:
        return RunRow(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise sqlite3.DatabaseError(f"damaged row: {error}") from error


def root_key(root: str) -> bytes:
    """A project's directory as it is compared: bytes, for a path need not be Unicode."""
    return root.encode(errors="surrogatepass")


def _values(row: RunRow) -> tuple[object, ...]:
    return (
        row.id,
        _plain(row.started),
        row.status,
        row.duration,
        root_key(row.root) if row.root is not None else None,
        _plain(row.name),
        _plain(row.entry_point),
        _plain(row.project),
        _row_text(row),
    )


def _row_text(row: RunRow) -> str:
    """The row as JSON that SQLite reads too: a number that only Python's JSON knows is its text."""
    text = json.dumps(vars(row))
    return (
        text if "NaN" not in text and "Infinity" not in text else json.dumps(json.loads(text, parse_constant=str))
    )


def _plain(text: str | None) -> str | None:
    """Text that SQLite takes: lone surrogates replaced."""
    return None if text is None else text.encode(errors="replace").decode()


def _is_sound(path: Path) -> bool:
    try:
        with _connected(path) as connection:
            if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",) or _acts(connection):
                return False
            columns = tuple(column[1] for column in connection.execute("PRAGMA table_info(runs)"))
            connection.execute("SELECT directory FROM seen").fetchone()
            return columns == _COLUMNS
    except sqlite3.Error as error:
        return not is_damage(error)


def _refuse_irregular(path: Path) -> None:
    """Raises OSError when a file of the database is no file: SQLite would follow a link, and write there."""
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm", f"{path.name}-journal"):
        try:
            mode = path.with_name(name).lstat().st_mode
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a file", str(path.with_name(name)))


def _acts(connection: sqlite3.Connection) -> bool:
    """Whether the database does something when it is asked: views and triggers are none of ours."""
    counted = connection.execute("SELECT count(*) FROM sqlite_master WHERE type IN ('view', 'trigger')")
    return bool(counted.fetchone()[0])


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _make(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    with transaction(connection):
        connection.execute("DROP TABLE IF EXISTS runs")
        connection.execute("DROP TABLE IF EXISTS seen")
        for statement in _TABLES:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block's changes or none; other writers wait."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def _connected(path: Path | str) -> Iterator[sqlite3.Connection]:
    if isinstance(path, Path):
        _refuse_irregular(path)
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA trusted_schema = OFF")  # it may be anybody's
        connection.create_function("number", 1, _number, deterministic=True)
        yield connection
    finally:
        connection.close()


def _number(value: str | bytes | int | float | None) -> str | bytes | int | float | None:
    """A value as it is sorted: numbers that are kept as text count as numbers, NaN is nothing."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return value
    return None if isinstance(value, float) and math.isnan(value) else value
