"""Statements for the runs of a query: which, in which order, how many."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from projrun.core.errors import UsageError
from projrun.store import facts
from projrun.store.query.columns import column
from projrun.store.query.conditions import Catalog, Conditions
from projrun.store.query.model import FIELDS, TEXT, Condition, Field, Key
from projrun.store.query.sql import Sql, joined

_BOTH_CASES = Sql(" COLLATE NOCASE")
_STARTED = Field("", "started")
_TABLES = 60  # SQLite joins 64


class Selection:
    """The runs of one project (``root``; None: of all) that a condition holds for.

    ``text`` is what the condition was read from, ``now`` what ``7 days ago`` in it counts from.
    """

    def __init__(
        self, text: str, condition: Condition, root: bytes | None, catalog: Catalog, now: dt.datetime
    ) -> None:
        self._catalog = catalog
        self._now = now
        where = Conditions(text, catalog, now).where(condition)
        self._where = where if root is None else Sql("r.root = ? AND ", (root,)) + where

    def count(self) -> Sql:
        """How many they are."""
        return Sql("SELECT count(*) FROM runs AS r WHERE ") + self._where

    def numbers(self, sort: Sequence[Key], limit: int | None, skip: int) -> Sql:
        """Their numbers in the order of the keys.

        Runs without a value are last. Equals are newest first, or oldest first where ``started`` is a key.
        """
        tables: list[Sql] = []
        terms: list[Sql] = []
        by_time = next((key for key in sort if key.field == _STARTED), None)
        for key in sort:
            direction = Sql(" DESC" if key.descending else " ASC")
            terms += self._own(key.field, direction) or self._fact(key, tables, direction)
        direction = Sql(" ASC" if by_time and not by_time.descending else " DESC")
        if not by_time:
            terms.append(Sql("r.started") + direction)
        terms.append(Sql("r.id") + direction)
        return (
            Sql("SELECT r.n FROM runs AS r")
            + joined("", tables)
            + Sql(" WHERE ")
            + self._where
            + Sql(" ORDER BY ")
            + joined(", ", terms)
            + Sql(" LIMIT ? OFFSET ?", (-1 if limit is None else limit, skip))
        )

    def values(self, keys: Sequence[Key]) -> Sql:
        """For each run, and each field, the kind of a fact (empty for other fields) and a value."""
        tables: list[Sql] = []
        columns: list[Sql] = []
        for key in keys:
            if not key.field.group:
                columns += [Sql("''"), column(key.field)]
                continue
            kinds = self._kinds(key)
            if not kinds:
                columns += [Sql("NULL"), Sql("NULL")]
                continue
            names = [self._join(fact, tables) for fact in kinds.values()]
            which = " ".join(
                f"WHEN {name}.run IS NOT NULL THEN '{kind}'" for name, kind in zip(names, kinds, strict=True)
            )
            value = (
                f"{names[0]}.value" if len(names) == 1 else f"coalesce({', '.join(f'{n}.value' for n in names)})"
            )
            columns += [Sql(f"CASE {which} END"), Sql(value)]
        chosen = joined(", ", columns) if columns else Sql("NULL")
        begin = Sql("SELECT ") + chosen + Sql(" FROM runs AS r") + joined("", tables)
        return begin + Sql(" WHERE ") + self._where

    def _own(self, field: Field, direction: Sql) -> list[Sql]:
        """The terms of an ORDER BY for a field without a group; none for one with a group."""
        if field.group:
            return []
        own = column(field)
        if field.name in ("started", "id", "status"):
            return [own + direction]  # never NULL: by its index, if there is one
        folded = _BOTH_CASES if FIELDS[field.name] == TEXT else Sql("")
        return [own + Sql(" IS NULL"), own + folded + direction]

    def _fact(self, key: Key, tables: list[Sql], direction: Sql) -> list[Sql]:
        """Those for a fact: numbers come first, then text, then truth values, then runs without it."""
        found = {kind: self._join(fact, tables) for kind, fact in self._kinds(key).items()}
        terms: list[Sql] = []
        number, huge = found.pop(facts.NUMBER, None), found.pop(facts.HUGE, None)
        if number and not huge:
            terms += [Sql(f"{number}.value IS NULL"), Sql(f"{number}.value") + direction]
        elif huge:
            near = f"below_huge({huge}.value)"
            value = f"coalesce({number}.value, {near})" if number else near
            # Equal to the double below it, a huge number is still more than that.
            terms += [Sql(f"{value} IS NULL"), Sql(value) + direction]
            terms.append(Sql(f"{huge}.value COLLATE huge") + direction)
        for name in found.values():
            terms += [Sql(f"{name}.value IS NULL"), Sql(f"{name}.value COLLATE NOCASE") + direction]
        return terms

    def _kinds(self, key: Key) -> Mapping[str, int]:
        return Conditions(key.text, self._catalog, self._now).kinds(key.field, key.at)

    def _join(self, fact: int, tables: list[Sql]) -> str:
        """Puts the values of a fact beside the runs and gives the name they have there."""
        if len(tables) == _TABLES:
            raise UsageError("these are too many fields to sort or to group by", hint="name fewer of them")
        name = f"f{len(tables)}"
        tables.append(Sql(f" LEFT JOIN facts AS {name} ON {name}.fact = ? AND {name}.run = r.n", (fact,)))
        return name
