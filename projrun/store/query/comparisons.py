"""Single comparisons as SQL: numbers without rounding, patterns, lists."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from projrun.store import facts
from projrun.store.query import numbers
from projrun.store.query.mistakes import mistake
from projrun.store.query.model import Value
from projrun.store.query.sql import NEVER, Sql
from projrun.store.query.sql import among as one_of

if TYPE_CHECKING:
    from decimal import Decimal

_PART = re.compile(r"\\([\\%_])|(.)", re.DOTALL)


def number(operator: str, value: int | float | Decimal) -> dict[str, Sql]:
    """The test of ``value`` for each kind of number."""
    text = numbers.text_of(value)
    equality = operator in ("=", "!=")
    huge = (
        Sql(f"value {operator} ?", (text,)) if equality else Sql(f"compare_huge(value, ?) {operator} 0", (text,))
    )
    return {facts.NUMBER: plain_number(Sql("value"), operator, value), facts.HUGE: huge}


def plain_number(left: Sql, operator: str, value: int | float | Decimal) -> Sql:
    """The test for a number that the database has as a number; of NaN it is NULL."""
    plain = numbers.plain(value)
    if plain is not None:
        return left + Sql(f" {operator} ?", (plain,))
    # A huge number lies between two doubles, and integers of the database are nowhere near.
    if operator == "=":
        return NEVER
    if operator == "!=":
        return left + Sql(" IS NOT NULL")
    if operator[0] == "<":
        return left + Sql(" <= ?", (numbers.below(value),))
    return left + Sql(" >= ?", (numbers.above(value),))


def among(values: Iterable[Value]) -> dict[str, Sql]:
    """The test of being in a list for each kind that the list has values of."""
    by_kind: dict[str, dict[Any, None]] = {}
    for one in values:
        value = one.value
        kind: str
        stored: Any
        if isinstance(value, bool):
            kind, stored = facts.TRUTH, int(value)
        elif isinstance(value, str):
            kind, stored = facts.TEXT, facts.stored_text(value)
        else:
            kind, stored = facts.number_fact(value)
        by_kind.setdefault(kind, {})[stored] = None
    return {kind: one_of(Sql("value"), tuple(found)) for kind, found in by_kind.items()}


def like(left: Sql, pattern: str, *, fold: bool) -> Sql:
    """Whether ``left`` is text of a pattern. GLOB minds the case, LIKE does not mind that of A to Z.

    Neither sees more than the begin of what is kept as bytes.
    """
    if fold:
        test = Sql(" LIKE ? ESCAPE '\\'", ("".join(_like(*part) for part in parts(pattern)),))
    else:
        test = Sql(" GLOB ?", ("".join(_glob(*part) for part in parts(pattern)),))
    if isinstance(facts.stored_text(pattern), bytes):
        test = Sql(" IS NULL")  # no text has what this pattern has
    odd = Sql(" ELSE like_bytes(") + left + Sql(", ?, ?) END", (pattern.encode(errors="surrogatepass"), fold))
    return Sql("CASE typeof(") + left + Sql(") WHEN 'text' THEN ") + left + test + odd


def parts(pattern: str) -> list[tuple[str, bool]]:
    """The characters of a pattern, and whether each is a wildcard: not after a backslash."""
    return [(found[1] or found[2], found[2] in ("%", "_")) for found in _PART.finditer(pattern)]


def like_bytes(value: bytes | None, pattern: bytes, fold: int) -> bool:
    """The same for text that is kept as bytes. Takes no longer than the product of the lengths."""
    if value is None:
        return False
    text = _unfolded(value, fold)
    wanted = parts(_unfolded(pattern, fold))
    at, goal, star, resume = 0, 0, -1, 0
    while at < len(text):
        if goal < len(wanted) and wanted[goal] == ("%", True):
            star, resume = goal, at
            goal += 1
        elif goal < len(wanted) and (wanted[goal] == ("_", True) or wanted[goal] == (text[at], False)):
            at, goal = at + 1, goal + 1
        elif star >= 0:
            resume += 1
            at, goal = resume, star + 1
        else:
            return False
    return all(part == ("%", True) for part in wanted[goal:])


def check_truth(text: str, operator: str, value: Value) -> None:
    """Raises UsageError for an order of true and false."""
    if operator not in ("=", "!="):
        raise mistake(text, value.at, f"{value.source} is neither more nor less", hint="compare it by = or !=")


def rewritten(value: Value, kinds: Iterable[str]) -> str:
    """What to write instead of a value of another kind."""
    if value.is_text:
        inner = str(value.value)
        read = numbers.read(inner) if facts.NUMBER in kinds else None
        if read is not None or inner in ("true", "false"):
            return f"write it without quotes: {inner}"
        return "compare it with a number" if facts.NUMBER in kinds else "compare it with true or false"
    return f'write it in quotes: "{value.source}"' if facts.TEXT in kinds else "compare it with what it holds"


def _like(char: str, wild: bool) -> str:
    return char if wild or char not in "\\%_" else f"\\{char}"


def _glob(char: str, wild: bool) -> str:
    if wild:
        return "*" if char == "%" else "?"
    return f"[{char}]" if char in "*?[" else char


def _unfolded(data: bytes, fold: int) -> str:
    return (data.lower() if fold else data).decode(errors="surrogatepass")
