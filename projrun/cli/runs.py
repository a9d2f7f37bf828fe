"""``projrun runs``."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from projrun.cli.options import json_option, store_option
from projrun.cli.render import Column, local_time, number, print_document, printable, status, table
from projrun.core.amounts import duration
from projrun.core.errors import UsageError

if TYPE_CHECKING:
    from projrun.store.row import RunRow

_PLAIN = (
    *("id", "status", "started", "ended", "duration", "project", "entry_point", "name", "note"),
    *("exit_code", "commit", "dirty", "snapshot", "environment"),
)


@click.command()
@click.argument("query", default="")
@click.option("--all", "all_projects", is_flag=True, help="Runs of all projects, not only of the one around here.")
@click.option("--limit", type=click.IntRange(min=0), default=25, show_default=True, help="At most N; 0 for all.")
@click.option(
    "--sort",
    multiple=True,
    default=("-started",),
    show_default=True,
    metavar="KEYS",
    help="Fields as in a query, -metrics.rmse,started; a '-' before one: largest first.",
)
@click.option("--csv", "as_csv", is_flag=True, help="As CSV, one column for each parameter, metric and tag.")
@json_option
@store_option
def runs(  # noqa: PLR0913, PLR0917 - one parameter for each option of the command line
    query: str,
    all_projects: bool,
    limit: int,
    sort: tuple[str, ...],
    as_csv: bool,
    as_json: bool,
    store: Path | None,
) -> None:
    """List runs.

    Those of the project around the current directory; of all projects with --all, or outside any project. QUERY
    says which of them: 'metrics.rmse < 1 and params.model = "tree"'.
    """
    from projrun.core.paths import store_directory
    from projrun.spec.load import project_around
    from projrun.store.index import RunQuery
    from projrun.store.store import Store

    if as_csv and as_json:
        raise UsageError(
            "--csv and --json are given", why="the list is printed once", hint="leave one of them out"
        )
    root = None if all_projects else project_around(Path())
    found = Store(store_directory(store)).list_runs(RunQuery(root, query, sort, limit or None))
    if as_json:
        print_document([dataclasses.asdict(row) for row in found])
    elif as_csv:
        _print_csv(found)
    elif found:
        _print_table(found, with_project=root is None)
    else:
        here = f" of {root}" if root else ""
        click.echo(
            f"no runs{here} yet; projrun run starts one" + (", --all lists all projects" * bool(root)), err=True
        )


# Which columns give way on a narrow terminal, the highest number first.
_COLUMNS = (
    Column("run"),
    Column("status", paint=lambda text: status(text.rstrip()) + " " * (len(text) - len(text.rstrip()))),
    Column("started", rank=5),
    Column("took", rank=4),
    Column("project", rank=6),
    Column("entry point", rank=2),
    Column("name", rank=3),
    Column("commit", rank=7),
    Column("metrics", rank=1, elastic=True),
    Column("parameters", rank=1, elastic=True),
)


def _print_table(rows: Sequence[RunRow], *, with_project: bool) -> None:
    columns = [column for column in _COLUMNS if with_project or column.title != "project"]
    table(columns, [_cells(row, with_project=with_project) for row in rows])


def _cells(row: RunRow, *, with_project: bool) -> list[str]:
    commit = (row.commit or "")[:8] + ("*" if row.dirty else "")
    return [
        row.id,
        row.status,
        local_time(row.started),
        "" if row.duration is None else duration(row.duration),
        *([printable(row.project or "")] * with_project),
        printable(row.entry_point or ""),
        printable(row.name or ""),
        commit,
        " ".join(f"{printable(name)}={number(value)}" for name, value in row.metrics.items()),
        " ".join(f"{printable(name)}={_short(value)}" for name, value in row.parameters.items()),
    ]


def _short(value: Any) -> str:
    text = printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= 20 else text[:19] + "…"


def _print_csv(rows: Sequence[RunRow]) -> None:
    facts = {
        f"{prefix}.{name}": None
        for prefix, field in (("param", "parameters"), ("metric", "metrics"), ("tag", "tags"))
        for name in sorted({name for row in rows for name in getattr(row, field)})
    }
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow([*_PLAIN, *facts])
    for row in rows:
        given = {f"param.{name}": value for name, value in row.parameters.items()}
        given |= {f"metric.{name}": value for name, value in row.metrics.items()}
        given |= {f"tag.{name}": value for name, value in row.tags.items()}
        out.writerow(
            [*(_cell(getattr(row, name)) for name in _PLAIN), *(_cell(given.get(name)) for name in facts)]
        )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
