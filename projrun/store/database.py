"""The SQLite file behind the index: its tables and its statements, every value a bound parameter."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from projrun.core.values import asdict
from projrun.store.facts import facts_of, stored_text
from projrun.store.query import numbers
from projrun.store.row import RunRow
from projrun.store.run import RUNNING

VERSION = 3

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
    # The directory of the runs as it was when all that is in it was last compared with the table.
    "seen": "CREATE TABLE seen (one INTEGER PRIMARY KEY CHECK (one = 1), directory TEXT NOT NULL)",
    # Most of the ids in the table in one piece: read in a fraction of the time that the table takes.
    "listed": "CREATE TABLE listed (one INTEGER PRIMARY KEY CHECK (one = 1), ids TEXT NOT NULL)",
}
_RUNNING = "CREATE INDEX runs_running ON runs (id) WHERE status = 'running'"
# Runs come in the order of their ids: kept up while very many come, these would be written over and over.
_ORDERS = (
    "CREATE INDEX IF NOT EXISTS runs_by_start ON runs (started, id)",
    "CREATE INDEX IF NOT EXISTS runs_by_root ON runs (root, started, id)",
)
_PUT = f"INSERT INTO runs VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608


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
    """Forgets runs. To be called in a transaction: nothing is ever listed that is not there."""
    connection.execute("DELETE FROM listed")
    facts = [fact for (fact,) in connection.execute("SELECT fact FROM names")]
    for run in ids:
        _forget(connection, run, facts)


def distrust(connection: sqlite3.Connection, run: str) -> None:
    """Has the next listing read a run again."""
    connection.execute(f"UPDATE runs SET status = '{RUNNING}' WHERE id = ?", (run,))  # noqa: S608


def is_over(connection: sqlite3.Connection, run: str) -> bool:
    """Whether a run is there, and not to be read again."""
    found = connection.execute("SELECT status FROM runs WHERE id = ?", (run,)).fetchone()
    return found is not None and found[0] != RUNNING


def put_in_order(connection: sqlite3.Connection) -> None:
    """Makes what finds runs by time and project, unless it is there. Everything works without, but slower."""
    for statement in _ORDERS:
        connection.execute(statement)


def clear(connection: sqlite3.Connection) -> None:
    """Forgets everything."""
    for name in ("runs_by_start", "runs_by_root"):
        connection.execute(f"DROP INDEX IF EXISTS {name}")
    for table in _TABLES:
        connection.execute(f"DELETE FROM {table}")  # noqa: S608


def make_tables(connection: sqlite3.Connection) -> None:
    """Makes the tables, in the place of what is called so."""
    for table, statement in _TABLES.items():
        connection.execute(f"DROP TABLE IF EXISTS {table}")
        connection.execute(statement)
    connection.execute(_RUNNING)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def are_whole(connection: sqlite3.Connection) -> bool:
    """Whether the tables are there as they were made. Raises sqlite3.Error for one that cannot be read."""
    columns = tuple(column[1] for column in connection.execute("PRAGMA table_info(runs)"))
    for table in _TABLES:
        connection.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()  # noqa: S608
    return columns == _COLUMNS


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
