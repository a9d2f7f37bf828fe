"""Runs as a table for people."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from projrun.cli.render import Column, local_time, number, printable, status, table
from projrun.core.amounts import duration
from projrun.store.columns import TEXT, Compared, compared, facts_of, text_of, value_of
from projrun.store.facts import METRICS, TAG
from projrun.store.query.model import Field

if TYPE_CHECKING:
    from projrun.store.columns import Column as Facts
    from projrun.store.row import RunRow

_LONGEST = 20  # characters of a parameter
_FIRST = 3  # metrics, and parameters, that stay when a narrow terminal has no room for the rest


def _paint_status(text: str) -> str:
    return status(text.rstrip()) + " " * (len(text) - len(text.rstrip()))


# Which columns give way on a narrow terminal, the highest number first.
_RUN = {
    "run": Column("run"),
    "status": Column("status", paint=_paint_status),
    "started": Column("started", rank=5),
    "took": Column("took", rank=4),
    "project": Column("project", rank=6),
    "entry point": Column("entry point", rank=2),
    "name": Column("name", rank=3),
    "commit": Column("commit", rank=7),
}
_ALL_FACTS = (Column("metrics", rank=1, elastic=True), Column("parameters", rank=1, elastic=True))


def print_runs(rows: Sequence[RunRow], *, with_project: bool) -> None:
    """Prints runs; those of one entry point with a column for each metric, and for each parameter that differs."""
    found = compared(rows)
    hidden = {"project"} if not with_project else set()
    if found is None:
        facts: Sequence[Column] = _ALL_FACTS
        cells = [_all_facts(row) for row in rows]
    else:
        hidden.add("entry point")
        fields = [*(Field(METRICS, name) for name in facts_of(rows, METRICS)), *found.changed]
        facts = _fact_columns(fields)
        cells = [[value_text(value_of(row, field), field) for field in fields] for row in rows]
    titles = [title for title in _RUN if title not in hidden]
    heads = [[_run_cells(row)[title] for title in titles] for row in rows]
    columns = [*(_RUN[title] for title in titles), *facts]
    left_out = table(columns, [[*head, *more] for head, more in zip(heads, cells, strict=True)])
    if found is not None:
        _tell_same(found)
    tell_left_out(left_out)


def print_columns(columns: Sequence[Facts]) -> None:
    """Prints chosen columns; the last give way first on a narrow terminal."""
    shown = [
        Column(
            printable(one.name),
            rank=place,
            elastic=one.kind == TEXT and one.name not in ("id", "status"),
            paint=_paint_status if one.name == "status" else str,
        )
        for place, one in enumerate(columns)
    ]
    cells = [[_column_text(one.name, value) for value in one.values] for one in columns]
    tell_left_out(table(shown, list(zip(*cells, strict=True))))


def tell_left_out(titles: Sequence[str]) -> None:
    """Says which columns a narrow terminal has no room for."""
    if titles:
        click.echo(f"no room for {', '.join(titles)}: choose with --columns, or --format csv", err=True)


def value_text(value: Any, field: Field) -> str:
    """A fact for people: six digits of a metric, the beginning of a long parameter."""
    if value is None:
        return ""
    return number(value) if field.group == METRICS else _short(value)


def _column_text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in ("started", "ended"):
        return local_time(value)
    if name.startswith(f"{TAG}.") and value == "":
        return "yes"  # it is there, without a value
    if name.rpartition(":")[2] == "duration" and isinstance(value, int | float):
        return duration(value)
    return number(value) if isinstance(value, float) else printable(text_of(value))


def _tell_same(found: Compared) -> None:
    told = [f"entry point {printable(found.entry_point)}"] if found.entry_point else []
    told += [f"{printable(field.text)}={_short(value)}" for field, value in found.same]
    if told:
        click.echo(f"the same in all: {', '.join(told)}", err=True)


def _fact_columns(fields: Sequence[Field]) -> list[Column]:
    """The first few stay longest; of the others the last gives way first, and before the commit does."""
    count: dict[str, int] = {}
    found = []
    for place, field in enumerate(fields):
        count[field.group] = count.get(field.group, 0) + 1
        rank = count[field.group] if count[field.group] <= _FIRST else 10 + place
        found.append(Column(printable(field.text), rank=rank))
    return found


def _run_cells(row: RunRow) -> dict[str, str]:
    return {
        "run": row.id,
        "status": row.status,
        "started": local_time(row.started),
        "took": "" if row.duration is None else duration(row.duration),
        "project": printable(row.project or ""),
        "entry point": printable(row.entry_point or ""),
        "name": printable(row.name or ""),
        "commit": (row.commit or "")[:8] + ("*" if row.dirty else ""),
    }


def _all_facts(row: RunRow) -> list[str]:
    return [
        " ".join(f"{printable(name)}={number(value)}" for name, value in row.metrics.items()),
        " ".join(f"{printable(name)}={_short(value)}" for name, value in row.parameters.items()),
    ]


def _short(value: Any) -> str:
    text = printable(text_of(value))
    cut = len(text) > _LONGEST and sys.stdout.isatty()
    return text[: _LONGEST - 1] + "…" if cut else text
