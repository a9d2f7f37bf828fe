"""Runs with every odd value under every odd name, to be asked for."""

from __future__ import annotations

import sqlite3
from typing import Any

from projrun.store import asking
from projrun.store.row import RunRow
from projrun.store.run import STATUSES

INTEGERS = (
    *(0, 1, -1, 3, 2**53, 2**53 + 1, -(2**63), 2**63 - 1),
    *(2**63, 2**63 + 1, -(2**63) - 1, 10**20, 10**30 + 1),
)
FLOATS = (0.1, 3.0, -1.0, 5e-324, 1e22, 2.0**53, 2.0**63, 1.7976931348623157e308, float("inf"), float("-inf"))
NUMBER_TEXTS = (
    "NaN",
    "Infinity",
    "1e400",
    "10e399",
    "-1e400",
    "1e401",
    "9007199254740993",
    "-12345678901234567890",
)
TEXTS = (
    *("", "08", "8", "tree", "TREE", "treE ", "Ünï", "ünï", "a%b", "a_b", "a*b", "[x]", "a?b", "a\\b", "日本"),
    *("it's", 'say "x"', "a\0b", "a\0c", "\ud800x", "\udcff", "two\nlines", "null", "'; DROP TABLE runs; --"),
)
PATTERNS = (
    *("%", "_%", "", "t%", "%e", "a_b", "a\\_b", "a\\%b", "a%b", "[x]", "a*b", "a?b", "a\\b", "tree", "%Ü%"),
    *("a\\\\b", "\ud800%", "%\udcff", "a\0_", "___", "%ee%", "日_", "%\n%", "\\"),
)
NAMES = ("plain", "a.b", "a-b", "with blank", 'quo"te', "back`tick", "日本", "\ud800", "nul\0", "x' OR 1=1 --")


def _rows() -> list[RunRow]:
    """Runs that have every odd value under every odd name, and several kinds of values under each name."""
    every: list[tuple[str, Any]] = [
        *(("int", value) for value in INTEGERS),
        *(("float", value) for value in FLOATS),
        *(("float", value) for value in NUMBER_TEXTS),
        *(("str", value) for value in TEXTS),
        *(("json", value) for value in ("1e400", 7, "seven", None, True)),
        *(("bool", value) for value in (True, False)),
    ]
    rows = []
    for place, (kind, value) in enumerate(every):
        names = [name for at, name in enumerate(NAMES) if (place + at) % 3]
        metric = value if isinstance(value, bool) or kind in ("int", "float") else None
        rows.append(
            RunRow(
                id=f"{'abc'[place % 3]}{place:03d}",
                status=STATUSES[place % len(STATUSES)],
                started=f"2026-11-{place % 28 + 1:02d}T10:00:{place % 7:02d}.000000Z",
                ended=None if place % 4 == 0 else "2026-11-29T00:00:00.000000Z",
                duration=None if place % 5 == 0 else float(place % 9),
                project=("bikes", "Bikes", "wine")[place % 3],
                name=TEXTS[place % len(TEXTS)],
                note=None if place % 2 else TEXTS[place * 7 % len(TEXTS)],
                exit_code=(None, 0, 1, 2**70)[place % 4],
                commit=(None, "a" * 40, "ab" * 20)[place % 3],
                dirty=(None, True, False)[place % 3],
                environment="c" * 64,
                tags={name: TEXTS[place % len(TEXTS)] for name in names[:4]},
                parameters=dict.fromkeys(names, value),
                types=dict.fromkeys(names, kind),
                metrics={}
                if metric is None
                else dict.fromkeys(NAMES if kind == "bool" else names[place % 2 :: 2], metric),
                inputs=dict.fromkeys(names[place % 2 :: 2], f"{place % 5}f" * 32),
            )
        )
    return rows


ROWS = _rows()


def found(connection: sqlite3.Connection, where: str, *sort: str) -> list[str]:
    """The ids of the runs that the index finds."""
    asked = asking.asked(where, None)
    return [row.id for row in asking.rows(connection, asked, asking.order(sort or ("id",)), None, 0)]
