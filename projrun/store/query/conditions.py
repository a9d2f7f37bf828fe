"""A query's tree to the condition of a WHERE. Every condition is true or false for every run, and never NULL.

``not`` is moved down to the single conditions: of those, the ones about a run's own column may be NULL where the
column is, which is as good as false, and their negations ask for ``IS NOT 1``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Protocol

from projrun.core.nearest import nearest
from projrun.store import facts
from projrun.store.facts import INPUT, METRICS, PARAMS, TAG
from projrun.store.query import columns, comparisons
from projrun.store.query.mistakes import mistake
from projrun.store.query.model import (
    NUMBER,
    TEXT,
    TRUTH,
    Alone,
    And,
    Comparison,
    Condition,
    Field,
    In,
    Is,
    Like,
    Not,
    Or,
    Value,
)
from projrun.store.query.sql import ALWAYS, NEVER, Sql, joined

_KINDS = {NUMBER: (facts.NUMBER, facts.HUGE), TEXT: (facts.TEXT,), TRUTH: (facts.TRUTH,)}
_NAMES = {PARAMS: "parameter", METRICS: "metric", TAG: "tag", INPUT: "input"}

_SHOWN = 8
_COMPARED = 2000  # names: more take too long


class Catalog(Protocol):
    """What facts the runs have."""

    def kinds(self, field: Field) -> Mapping[str, int]:
        """The kinds that some run's value of that name has, and the numbers they have in the table of facts."""

    def known(self, group: str) -> tuple[str, ...]:
        """The names of a group, in order."""

    def has_runs(self) -> bool:
        """Whether there is any run."""

    def tell(self, notice: str) -> None:
        """Something about the query that people should know, and that is no error."""


class Conditions:
    """Makes the SQL of one query. ``now`` is what ``7 days ago`` counts from."""

    def __init__(self, text: str, catalog: Catalog, now: dt.datetime) -> None:
        self._text = text
        self._catalog = catalog
        self._own = columns.Columns(text, now)

    def where(self, condition: Condition, *, negated: bool = False) -> Sql:
        """The condition as SQL about ``runs AS r``. Raises UsageError."""
        if isinstance(condition, Not):
            return self.where(condition.term, negated=not negated)
        if isinstance(condition, (And, Or)):
            if not condition.terms:
                return NEVER if negated else ALWAYS
            both = isinstance(condition, And) != negated
            terms = [self.where(term, negated=negated) for term in condition.terms]
            return Sql("(") + joined(" AND " if both else " OR ", terms) + Sql(")")
        if not condition.field.group:
            own = self._own.where(condition)
            return Sql("(") + own + Sql(") IS NOT 1") if negated else own
        parts = self._parts(condition)
        if not parts:
            return ALWAYS if negated else NEVER
        # The plus keeps SQLite from looking up the runs of the list one by one, which is slower for long lists.
        runs = joined(" UNION ALL ", parts)
        return Sql("+r.n NOT IN (" if negated else "+r.n IN (") + runs + Sql(")")

    def kinds(self, field: Field, at: int) -> Mapping[str, int]:
        """The kinds of a fact's values. Raises UsageError when no run has it, though there are runs.

        That no run has a tag is no mistake, for tags come and go; one that is nearly called so is told.
        """
        found = self._catalog.kinds(field)
        if not found and field.group == TAG:
            if near := self._near(field):
                self._catalog.tell(f"no run has {field.text[:80]}: did you mean {near}?")
        elif not found and self._catalog.has_runs():
            what = _NAMES[field.group]
            raise mistake(
                self._text,
                at,
                f"no run has a{'n' * (what[0] in 'aeiou')} {what} {field.name[:80]!r}",
                hint=self._others(field),
            )
        return found

    def _others(self, field: Field) -> str:
        """The name that was meant, or some that there are."""
        known = self._known(field)
        near = self._near(field)
        if near or not known:
            return f"did you mean {near!r}?" if near else "projrun runs --all lists all runs"
        more = f", and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        return f"there are {', '.join(known[:_SHOWN])}{more}"

    def _known(self, field: Field) -> list[str]:
        return [Field(field.group, name).text for name in self._catalog.known(field.group)]

    def _near(self, field: Field) -> str | None:
        return nearest(field.text[:80], self._known(field)[:_COMPARED])

    def _parts(self, condition: Comparison | Like | In | Is | Alone) -> list[Sql]:
        """The runs of a condition about a fact, as statements of which each gives some."""
        field = condition.field
        kinds = self.kinds(field, condition.at)
        if isinstance(condition, Is):
            return self._is(condition, kinds)
        if isinstance(condition, Alone):
            return self._alone(condition, kinds)
        if isinstance(condition, Like):
            self._check(field, kinds, condition.pattern)
            made = {facts.TEXT: comparisons.like(Sql("value"), str(condition.pattern.value), fold=condition.fold)}
        elif isinstance(condition, In):
            made = self._in(condition, kinds)
        else:
            made = self._comparison(condition, kinds)
        return [_runs(kinds[kind], test) for kind, test in made.items() if kind in kinds and test is not NEVER]

    def _comparison(self, condition: Comparison, kinds: Mapping[str, int]) -> dict[str, Sql]:
        field, operator, value = condition.field, condition.operator, condition.value
        self._check(field, kinds, value)
        if field.group == INPUT:
            return {facts.TEXT: self._own.digest(Sql("value"), operator, value, field)}
        if value.kind == NUMBER:
            assert not isinstance(value.value, str)
            return comparisons.number(operator, value.value)
        if value.kind == TRUTH:
            comparisons.check_truth(self._text, operator, value)
            return {facts.TRUTH: Sql(f"value {operator} ?", (int(bool(value.value)),))}
        return {facts.TEXT: Sql(f"value {operator} ?", (facts.stored_text(str(value.value)),))}

    def _in(self, condition: In, kinds: Mapping[str, int]) -> dict[str, Sql]:
        if condition.field.group == INPUT:
            for value in condition.values:
                self._check(condition.field, kinds, value)
            return {facts.TEXT: self._own.digests(Sql("value"), condition.values, condition.field)}
        made = comparisons.among(condition.values)
        if kinds and not set(made) & set(kinds):
            self._check(condition.field, kinds, condition.values[0])
        return made

    def _is(self, condition: Is, kinds: Mapping[str, int]) -> list[Sql]:
        if condition.what == "nan":
            return [_runs(kinds[facts.NUMBER], Sql("value IS NULL"))] if facts.NUMBER in kinds else []
        if not kinds:
            return [Sql("SELECT n FROM runs")]
        has = joined(" UNION ALL ", [_runs(fact, ALWAYS) for fact in kinds.values()])
        return [Sql("SELECT n FROM runs WHERE n NOT IN (") + has + Sql(")")]

    def _alone(self, condition: Alone, kinds: Mapping[str, int]) -> list[Sql]:
        field = condition.field
        if field.group == TAG:
            return [_runs(fact, ALWAYS) for fact in kinds.values()]
        if kinds and facts.TRUTH not in kinds:
            raise mistake(
                self._text,
                condition.at,
                f"{field.text} is {_describe(kinds)}, and no condition by itself",
                hint=f"compare it, or write: {field.text} is not null",
            )
        return [_runs(kinds[facts.TRUTH], Sql("value = 1"))] if kinds else []

    def _check(self, field: Field, kinds: Mapping[str, int], value: Value) -> None:
        """Raises UsageError when no run's value of that name is of the kind it is compared with."""
        have = kinds or ({facts.TEXT: 0} if field.group in (TAG, INPUT) else {})
        if have and not set(_KINDS[value.kind]) & set(have):
            raise mistake(
                self._text,
                value.at,
                f"{field.text} is {_describe(have)} in every run that has it, and never equal to a {value.kind}",
                hint=comparisons.rewritten(value, have),
            )


def _runs(fact: int, test: Sql) -> Sql:
    """The runs that have a fact which passes a test."""
    begin = Sql("SELECT run FROM facts WHERE fact = ?", (fact,))
    return begin if test is ALWAYS else begin + Sql(" AND (") + test + Sql(")")


def _describe(kinds: Mapping[str, int]) -> str:
    words = {facts.NUMBER: "a number", facts.HUGE: "a number", facts.TEXT: "text", facts.TRUTH: "true or false"}
    return " or ".join(dict.fromkeys(words[kind] for kind in kinds))
