"""What a query means, in plain Python over rows, and queries as text: what the SQL is held against."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from projrun.store.query.model import (
    Alone,
    And,
    Condition,
    Field,
    In,
    Is,
    Key,
    Like,
    Not,
    Or,
    Value,
)
from projrun.store.row import RunRow

DIGESTS = ("id", "commit", "snapshot", "environment")
FOLDED = ("project", "entry_point", "name", "note")


def holds(condition: Condition, row: RunRow) -> bool:
    """Whether a condition is true of a run."""
    if isinstance(condition, And):
        return all(holds(term, row) for term in condition.terms)
    if isinstance(condition, Or):
        return any(holds(term, row) for term in condition.terms)
    if isinstance(condition, Not):
        return not holds(condition.term, row)
    value = value_of(condition.field, row)
    if isinstance(condition, Is):
        return value is None if condition.what == "null" else isinstance(value, Decimal) and value.is_nan()
    if isinstance(condition, Alone):
        return value is not None if condition.field.group == "tag" else value is True
    if isinstance(condition, Like):
        return isinstance(value, str) and _is_like(value, str(condition.pattern.value), condition.fold)
    if isinstance(condition, In):
        return any(_compares(condition.field, value, "=", one) for one in condition.values)
    return _compares(condition.field, value, condition.operator, condition.value)


def value_of(field: Field, row: RunRow) -> Any:
    """A run's value: Decimal, text or bool; None when it has none."""
    if not field.group:
        return _as_number(getattr(row, field.name))
    where: Any = {"params": row.parameters, "metrics": row.metrics, "tag": row.tags, "input": row.inputs}
    value = where[field.group].get(field.name)
    numeric = field.group == "metrics" or (
        field.group == "params" and row.types.get(field.name) in ("int", "float")
    )
    if isinstance(value, str) and numeric:
        return Decimal(value)
    return _as_number(value)


def ordered(rows: Sequence[RunRow], keys: Sequence[Key]) -> list[str]:
    """The ids in the order of sort keys: Python's sort is stable, so the last key sorts first."""
    oldest_first = next((not key.descending for key in keys if key.field == Field("", "started")), False)
    found = sorted(rows, key=lambda row: (row.started, row.id), reverse=not oldest_first)
    for key in reversed(keys):
        known: dict[int, list[tuple[Any, RunRow]]] = {0: [], 1: [], 2: []}
        unknown = []
        for row in found:
            value = value_of(key.field, row)
            if value is None or (isinstance(value, Decimal) and value.is_nan()):
                unknown.append(row)
            elif isinstance(value, str):
                folded = bool(key.field.group) or key.field.name in FOLDED
                known[1].append((_text_key(value, fold=folded), row))
            else:
                known[2 if isinstance(value, bool) else 0].append((value, row))
        found = []
        for values in known.values():
            # With ``reverse``, too, equals keep their order.
            values.sort(key=lambda pair: pair[0], reverse=key.descending)
            found += [row for _, row in values]
        found += unknown
    return [row.id for row in found]


def text_of(condition: Condition) -> str:
    """A condition as it can be written."""
    if isinstance(condition, (And, Or)):
        word = " and " if isinstance(condition, And) else " or "
        return "(" + word.join(text_of(term) for term in condition.terms) + ")"
    if isinstance(condition, Not):
        return "not " + text_of(condition.term)
    field = condition.field.text
    if isinstance(condition, Is):
        return f"{field} is {condition.what}"
    if isinstance(condition, Alone):
        return field
    if isinstance(condition, Like):
        return f"{field} {'ilike' if condition.fold else 'like'} {condition.pattern.source}"
    if isinstance(condition, In):
        return f"{field} in ({', '.join(value.source for value in condition.values)})"
    return f"{field} {condition.operator} {condition.value.source}"


def _as_number(value: Any) -> Any:
    return Decimal(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _compares(field: Field, value: Any, operator: str, literal: Value) -> bool:
    wanted = _as_number(literal.value)
    if value is None or type(value) is not type(wanted):
        return False
    if (field.name in DIGESTS and not field.group) or field.group == "input":
        return bool(value.startswith(wanted) == (operator == "="))
    if isinstance(value, Decimal) and value.is_nan():
        return False
    if isinstance(value, str):
        value, wanted = _text_key(value), _text_key(wanted)
    compared = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}[operator](value, wanted)
    return bool(compared)


def _text_key(text: str, *, fold: bool = False) -> tuple[bool, bytes]:
    """Text in the order of its characters; what is not Unicode, or holds NUL, comes after all other."""
    data = text.encode(errors="surrogatepass")
    odd = b"\0" in data or bool(re.search("[\ud800-\udfff]", text))
    return odd, data if odd or not fold else data.lower()


def _is_like(text: str, pattern: str, fold: bool) -> bool:
    parts = []
    escaped = False
    for char in pattern:
        if escaped:
            parts.append(re.escape(char) if char in "\\%_" else re.escape("\\" + char))
            escaped = False
        elif char == "\\":
            escaped = True
        else:
            parts.append({"%": ".*", "_": "."}.get(char, re.escape(char)))
    parts.append("\\\\" if escaped else "")
    flags = re.DOTALL | (re.IGNORECASE | re.ASCII if fold else 0)
    return re.fullmatch("".join(parts), text, flags) is not None
