"""Questions to an index that is up to date."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from projrun.core.values import Struct
from projrun.store.catalog import KeptFacts
from projrun.store.database import from_text, root_key
from projrun.store.facts import GROUPS
from projrun.store.grouping import Aggregate, Group, grouped, parse_aggregate
from projrun.store.query import numbers
from projrun.store.query.comparisons import like_bytes
from projrun.store.query.model import Condition, Key
from projrun.store.query.parser import parse, parse_fields, parse_sort
from projrun.store.query.selection import Selection
from projrun.store.query.sql import Sql, bound
from projrun.store.row import RunRow


class Asked(Struct, frozen=True):
    """Which runs: read once, whatever becomes of the index meanwhile. ``tell`` gets what is odd about it."""

    text: str
    condition: Condition
    root: bytes | None
    now: dt.datetime
    tell: Callable[[str], None] | None


def asked(where: str, root: Path | None, tell: Callable[[str], None] | None = None) -> Asked:
    """What a query asks for. Raises UsageError."""
    key = root_key(str(root)) if root is not None else None
    return Asked(where, parse(where), key, dt.datetime.now().astimezone(), tell)


def order(sort: Sequence[str]) -> tuple[Key, ...]:
    """The keys of an order. Raises UsageError."""
    return parse_sort(sort)


def columns(by: Sequence[str], aggregates: Sequence[str]) -> tuple[tuple[Key, ...], tuple[Aggregate, ...]]:
    """What to group by, and what to make of the groups. Raises UsageError."""
    return parse_fields(by), tuple(parse_aggregate(text) for text in aggregates)


def rows(
    connection: sqlite3.Connection, asked: Asked, sort: Sequence[Key], limit: int | None, skip: int
) -> tuple[RunRow, ...]:
    """The runs, in order."""
    found = _execute(connection, _selection(connection, asked).numbers(sort, limit, skip)).fetchall()
    # One by one: a sort would carry the whole rows of all runs along.
    statement = "SELECT row FROM rows WHERE n = ?"
    return tuple(from_text(connection.execute(statement, number).fetchone()[0]) for number in found)


def count(connection: sqlite3.Connection, asked: Asked) -> int:
    """How many they are."""
    return int(_execute(connection, _selection(connection, asked).count()).fetchone()[0])


def groups(
    connection: sqlite3.Connection, asked: Asked, columns: tuple[Sequence[Key], Sequence[Aggregate]]
) -> tuple[Group, ...]:
    """The runs in groups."""
    by, aggregates = columns
    keys = [*by, *(one.key for one in aggregates if one.key)]
    return grouped(_execute(connection, _selection(connection, asked).values(keys)), by, aggregates)


def known(connection: sqlite3.Connection, root: Path | None) -> tuple[tuple[str, ...], ...]:
    """The names of facts, group by group."""
    facts = KeptFacts(connection, str(root) if root is not None else None)
    return tuple(facts.known(group) for group in GROUPS)


def _selection(connection: sqlite3.Connection, asked: Asked) -> Selection:
    connection.create_function("compare_huge", 2, numbers.compare, deterministic=True)
    connection.create_function("below_huge", 1, numbers.below_text, deterministic=True)
    connection.create_function("like_bytes", 3, like_bytes, deterministic=True)
    connection.create_collation("huge", numbers.compare)
    return Selection(asked.text, asked.condition, asked.root, KeptFacts(connection, tell=asked.tell), asked.now)


def _execute(connection: sqlite3.Connection, statement: Sql) -> sqlite3.Cursor:
    if statement.lists:
        connection.execute("CREATE TEMP TABLE IF NOT EXISTS wanted (list INTEGER, value)")
        connection.execute("DELETE FROM temp.wanted")
        for place, values in enumerate(statement.lists):
            connection.executemany("INSERT INTO temp.wanted VALUES (?, ?)", ((place, value) for value in values))
    return connection.execute(statement.text, bound(statement))
