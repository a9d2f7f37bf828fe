"""The SQLite file behind the index: its tables and its statements, every value a bound parameter."""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from projrun.core.locks import exclusive
from projrun.store import abilities
from projrun.store.row import RunRow

VERSION = 1
_BUSY_SECONDS = 5.0
_NOT_SHARED = "memory cannot be shared in {}: the index of the runs is kept without a write-ahead log"

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
def opened(path: Path, tell: Callable[[str], None] | None = None) -> Iterator[sqlite3.Connection]:
    """The database at ``path``, made if absent or another version's. Raises sqlite3.Error, OSError.

    ``tell`` gets a sentence, once in the life of the file, when it cannot be made as usual.
    """
    abilities.require_locks(path.with_name("store.json"))
    with _connected(path) as connection:
        if _version(connection) != VERSION:
            with exclusive(path.with_suffix(".lock"), holder=f"process {os.getpid()}"):
                if _version(connection) != VERSION:
                    path.chmod(0o600)
                    shared = abilities.shares_memory(path.parent)
                    if tell is not None and not shared:
                        tell(_NOT_SHARED.format(path.parent))
                    _make(connection, "WAL" if shared else "DELETE")
        yield connection


@contextmanager
def in_memory() -> Iterator[sqlite3.Connection]:
    """A database for this process alone, for a store that cannot be written."""
    with _connected(":memory:") as connection:
        _make(connection, "MEMORY")
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
            if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                return False
            columns = tuple(column[1] for column in connection.execute("PRAGMA table_info(runs)"))
            connection.execute("SELECT directory FROM seen").fetchone()
            return columns == _COLUMNS
    except sqlite3.Error as error:
        return not is_damage(error)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _make(connection: sqlite3.Connection, journal: str) -> None:
    connection.execute(f"PRAGMA journal_mode = {journal}")
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
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
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
