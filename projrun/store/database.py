"""The SQLite file behind the index: its tables and its statements, every value a bound parameter."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from projrun.core.files import shared_mode
from projrun.core.locks import exclusive
from projrun.core.values import asdict
from projrun.store import abilities
from projrun.store.facts import facts_of, stored_text
from projrun.store.query import numbers
from projrun.store.row import RunRow

VERSION = 2
_BUSY_SECONDS = 5.0
_NOT_SHARED = "memory cannot be shared in {}: the index of the runs is kept without a write-ahead log"

_COLUMNS = (
    *("n", "id", "status", "started", "ended", "duration", "root", "project", "entry_point", "name", "note"),
    *("exit_code", "commit", "snapshot", "dirty", "environment"),
)
_TABLES = {
    # Narrow: what is asked of all runs. What is shown of a few of them is in rows.
    "runs": """CREATE TABLE runs (
      n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, status TEXT NOT NULL, started TEXT NOT NULL, ended TEXT,
      duration REAL, root BLOB, project TEXT, entry_point TEXT, name TEXT, note TEXT, exit_code INTEGER,
      "commit" TEXT, snapshot TEXT, dirty INTEGER, environment TEXT
    )""",
    "rows": "CREATE TABLE rows (n INTEGER PRIMARY KEY, row TEXT NOT NULL)",
    "names": """CREATE TABLE names (
      fact INTEGER PRIMARY KEY, part TEXT NOT NULL, name BLOB NOT NULL, kind TEXT NOT NULL,
      UNIQUE (part, name, kind)
    )""",
    # All values of one name lie together, in the order of the runs: read in one go, and added at an end.
    "facts": "CREATE TABLE facts (fact INTEGER, run INTEGER, value, PRIMARY KEY (fact, run)) WITHOUT ROWID",
    # The run directories as they were when all of them were last compared with the table.
    "seen": "CREATE TABLE seen (one INTEGER PRIMARY KEY CHECK (one = 1), directory TEXT NOT NULL)",
}
_RUNNING = "CREATE INDEX runs_running ON runs (id) WHERE status = 'running'"
# Runs come in the order of their ids: kept up while very many come, these would be written over and over.
_ORDERS = (
    "CREATE INDEX IF NOT EXISTS runs_by_start ON runs (started, id)",
    "CREATE INDEX IF NOT EXISTS runs_by_root ON runs (root, started, id)",
)
_PUT = f"INSERT INTO runs VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608


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
                    with suppress(PermissionError):  # another one of the group made it
                        path.chmod(shared_mode(path.parent, 0o600))
                    shared = abilities.shares_memory(path.parent)
                    if tell is not None and not shared:
                        tell(_NOT_SHARED.format(path.parent))
                    _make(connection, "WAL" if shared else "DELETE")
        if _acts(connection):
            raise sqlite3.DatabaseError("the index holds more than tables")
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
    names = {(part, name, kind): fact for fact, part, name, kind in connection.execute("SELECT * FROM names")}
    for row in rows:
        run = _forget(connection, row.id, names.values())
        text = _row_text(row)
        # Facts are those of the row as it will be read again.
        kept = from_text(text) if "NaN" in text or "Infinity" in text else row
        run = connection.execute(_PUT, (run, *_values(kept))).lastrowid
        connection.execute("INSERT OR REPLACE INTO rows VALUES (?, ?)", (run, text))
        values = []
        for part, name, kind, value in facts_of(kept):
            key = (part, name_key(name), kind)
            if key not in names:
                names[key] = _new_name(connection, key)
            values.append((names[key], run, value))
        connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", values)


def _new_name(connection: sqlite3.Connection, key: tuple[str, bytes, str]) -> int:
    number = connection.execute("INSERT INTO names (part, name, kind) VALUES (?, ?, ?)", key).lastrowid
    assert number is not None
    return number


def _forget(connection: sqlite3.Connection, run: str, facts: Iterable[int]) -> int | None:
    """Removes a run and gives the number it had; None when it was not there."""
    found = connection.execute("SELECT n FROM runs WHERE id = ?", (run,)).fetchone()
    if found is None:
        return None
    connection.execute("DELETE FROM runs WHERE n = ?", found)
    connection.execute("DELETE FROM rows WHERE n = ?", found)
    connection.executemany("DELETE FROM facts WHERE fact = ? AND run = ?", ((fact, *found) for fact in facts))
    return int(found[0])


def drop(connection: sqlite3.Connection, ids: Iterable[str]) -> None:
    """Forgets runs."""
    facts = [fact for (fact,) in connection.execute("SELECT fact FROM names")]
    for run in ids:
        _forget(connection, run, facts)


def put_in_order(connection: sqlite3.Connection) -> None:
    """Makes what finds runs by time and project, unless it is there. Everything works without, but slower."""
    for statement in _ORDERS:
        connection.execute(statement)


def clear(connection: sqlite3.Connection) -> None:
    """Forgets everything."""
    with transaction(connection):
        for name in ("runs_by_start", "runs_by_root"):
            connection.execute(f"DROP INDEX IF EXISTS {name}")
        for table in _TABLES:
            connection.execute(f"DELETE FROM {table}")  # noqa: S608


def from_text(text: str) -> RunRow:
    """The run of a ``row`` column. Raises sqlite3.DatabaseError when it is damaged."""
    try:
        return RunRow(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise sqlite3.DatabaseError(f"damaged row: {error}") from error


def root_key(root: str) -> bytes:
    """A project's directory as it is compared: bytes, for a path need not be Unicode."""
    return root.encode(errors="surrogatepass")


def name_key(name: str) -> bytes:
    """The name of a fact as it is kept: bytes, for it need not be Unicode."""
    return name.encode(errors="surrogatepass")


def name_of(key: bytes) -> str:
    """The name that :func:`name_key` made it of."""
    return key.decode(errors="surrogatepass")


def _values(row: RunRow) -> tuple[object, ...]:
    """The columns of a run after its number."""
    exit_code = None if row.exit_code is None else numbers.plain(row.exit_code)
    return (
        row.id,
        row.status,
        stored_text(row.started),
        _stored(row.ended),
        row.duration,
        root_key(row.root) if row.root is not None else None,
        *map(_stored, (row.project, row.entry_point, row.name, row.note)),
        exit_code,
        *map(_stored, (row.commit, row.snapshot)),
        row.dirty,
        _stored(row.environment),
    )


def _stored(text: str | None) -> str | bytes | None:
    return None if text is None else stored_text(text)


def _row_text(row: RunRow) -> str:
    """The row as JSON that SQLite reads too: a number that only Python's JSON knows is its text."""
    text = json.dumps(asdict(row))
    return (
        text if "NaN" not in text and "Infinity" not in text else json.dumps(json.loads(text, parse_constant=str))
    )


def _is_sound(path: Path) -> bool:
    try:
        with _connected(path) as connection:
            if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",) or _acts(connection):
                return False
            columns = tuple(column[1] for column in connection.execute("PRAGMA table_info(runs)"))
            for table in _TABLES:
                connection.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()  # noqa: S608
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


def _make(connection: sqlite3.Connection, journal: str) -> None:
    connection.execute(f"PRAGMA journal_mode = {journal}")
    with transaction(connection):
        for table, statement in _TABLES.items():
            connection.execute(f"DROP TABLE IF EXISTS {table}")
            connection.execute(statement)
        connection.execute(_RUNNING)
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
        connection.execute("PRAGMA temp_store = MEMORY")
        yield connection
    finally:
        connection.close()
