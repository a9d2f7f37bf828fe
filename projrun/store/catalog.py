"""What facts the runs of an index have: their names, and the kinds of their values."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from functools import cache

from projrun.store.database import name_key, name_of, root_key
from projrun.store.query.model import Field

_USED = "EXISTS (SELECT 1 FROM facts WHERE facts.fact = names.fact)"


class KeptFacts:
    """The facts of a database; ``root`` is that of the runs whose names :meth:`known` gives (None: all).

    ``tell`` gets what is to be known of a query.
    """

    def __init__(
        self, connection: sqlite3.Connection, root: str | None = None, tell: Callable[[str], None] | None = None
    ) -> None:
        self._connection = connection
        self._tell = tell
        self._root = root
        self.kinds = cache(self._kinds)

    def known(self, group: str) -> tuple[str, ...]:
        """The names of a group that some run has, in order."""
        used = _USED
        values: tuple[str | bytes, ...] = (group,)
        if self._root is not None:
            used = "EXISTS (SELECT 1 FROM facts, runs WHERE facts.fact = names.fact AND n = run AND root = ?)"
            values = (group, root_key(self._root))
        found = self._connection.execute(f"SELECT DISTINCT name FROM names WHERE part = ? AND {used}", values)  # noqa: S608
        return tuple(sorted(name_of(name) for (name,) in found))

    def has_runs(self) -> bool:
        """Whether there is any run."""
        return self._connection.execute("SELECT 1 FROM runs LIMIT 1").fetchone() is not None

    def tell(self, notice: str) -> None:
        """Something about a query that people should know, and that is no error."""
        if self._tell is not None:
            self._tell(notice)

    def _kinds(self, field: Field) -> Mapping[str, int]:
        statement = f"SELECT kind, fact FROM names WHERE part = ? AND name = ? AND {_USED}"  # noqa: S608
        return dict(self._connection.execute(statement, (field.group, name_key(field.name))).fetchall())
