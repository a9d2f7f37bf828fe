"""``projrun runs``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from projrun.cli.options import json_option, single, store_option
from projrun.cli.placing import place as write_file
from projrun.cli.render import print_bytes, printable
from projrun.cli.screen import Screen
from projrun.core.errors import UsageError
from projrun.core.values import Struct, as_dict

if TYPE_CHECKING:
    from projrun.api.runs import Runs
    from projrun.store.columns import Column
    from projrun.store.query.model import Field

_FORMATS = ("table", "json", "csv", "parquet", "markdown")
_ALL = "all"


class _Wish(Struct, frozen=True):
    """How the runs are to be shown. ``place`` is the file to write, None for standard output."""

    columns: tuple[str, ...]
    group_by: tuple[str, ...]
    aggregates: tuple[str, ...]
    format: str
    place: Path | None
    with_project: bool


@click.command()
@click.argument("query", default="")
@click.option("--all", "all_projects", is_flag=True, help="Runs of all projects, not only of the one around here.")
@click.option("--limit", type=click.IntRange(min=0), default=25, show_default=True, help="At most N; 0 for all.")
@click.option(
    "--sort",
    "sort",
    multiple=True,
    metavar="FIELD,...",
    help="By these fields, such as -metrics.rmse,started; a '-' before one: largest first. Default: -started.",
)
@click.option(
    "--columns",
    "columns",
    multiple=True,
    metavar="FIELD,...",
    help="These columns, in this order; all: every one that there is.",
)
@click.option(
    "--group-by",
    "group_by",
    multiple=True,
    metavar="FIELD,...",
    help="One line for all runs that are alike in these.",
)
@click.option(
    "--aggregate",
    "aggregates",
    multiple=True,
    metavar="WHAT,...",
    help="Of a group: count, or mean, median, min, max, sum, std with :FIELD. Default: count, means of metrics.",
)
@single("--format", "format_", type=click.Choice(_FORMATS), help="Default: table.")
@single(
    "-o",
    "--output",
    "place",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write it there.",
)
@json_option
@store_option
def runs(  # noqa: PLR0913, PLR0917 - one parameter for each option of the command line
    query: str,
    all_projects: bool,
    limit: int,
    sort: tuple[str, ...],
    columns: tuple[str, ...],
    group_by: tuple[str, ...],
    aggregates: tuple[str, ...],
    format_: str | None,
    place: Path | None,
    as_json: bool,
    store: Path | None,
) -> None:
    """List runs.

    Those of the project around the current directory; of all projects with --all, or outside any project. QUERY
    chooses among them. Runs of one entry point are compared: each metric has a column, and so has each parameter
    that is not the same in all of them.

    \b
    projrun runs 'metrics.rmse < 1 and params.model = "tree" and not tag.draft'
    projrun runs --sort metrics.rmse,-started --columns id,params.depth,metrics.rmse
    projrun runs --group-by params.depth --aggregate count,mean:metrics.rmse
    projrun runs --limit 0 --format csv -o runs.csv
    """
    from projrun.api.store import Store
    from projrun.spec.place import project_around

    root = None if all_projects else project_around(Path())
    wish = _Wish(columns, group_by, aggregates, _format(format_, as_json=as_json), place, root is None)
    _check(wish)
    grouped = bool(group_by)
    order = ("-started",) if grouped or not sort else sort
    opened = Store(store, report=Screen(quiet=not sys.stderr.isatty(), data_on_stdout=True))
    found = opened.runs(query, sort=order, limit=None if grouped else limit or None, project=root)
    if grouped:
        _show_groups(found, wish, sort, limit or None)
    elif len(found) or wish.format not in ("table", "markdown"):
        _show_runs(found, wish)
    else:
        _tell_none(query, root)
    if not grouped and limit and len(found) == limit:
        _tell_more(limit, found.total(), "runs")
    for notice in opened.notices:
        click.echo(f"note: {notice}", err=True)


def _format(given: str | None, *, as_json: bool) -> str:
    if as_json and given not in (None, "json"):
        raise UsageError(
            f"--json and --format {given} are given", why="the list is printed once", hint="leave one of them out"
        )
    return "json" if as_json else given or "table"


def _check(wish: _Wish) -> None:
    """Raises UsageError for options that do not go together."""
    if wish.group_by and wish.columns:
        raise UsageError(
            "--columns does not go with --group-by", hint="the columns are those of --group-by and --aggregate"
        )
    if wish.aggregates and not wish.group_by:
        raise UsageError("--aggregate takes --group-by", hint="--group-by params.NAME, for example")
    if wish.place is not None and wish.format == "table":
        raise UsageError("-o takes a --format", why="a table is for people", hint="--format csv, for example")
    if wish.format == "parquet":
        from projrun.core.parquet import library

        library()
        if wish.place is None and sys.stdout.isatty():
            raise UsageError("Parquet is not for a terminal", why="it is binary", hint="-o runs.parquet")


def _show_runs(found: Runs, wish: _Wish) -> None:
    from projrun.cli.listing import print_columns, print_runs
    from projrun.store.columns import columns_of

    if wish.format == "table" and not wish.columns:
        print_runs(found.rows, with_project=wish.with_project)
    elif wish.format == "json" and not wish.columns:
        from projrun.core.files import encode_json

        _write(encode_json([as_dict(row) for row in found.rows]), wish)
    else:
        fields = _fields(found, wish)
        columns = columns_of(found.rows, fields)
        if wish.format == "table":
            print_columns(columns)
        else:
            _write_columns(columns, wish)


def _fields(found: Runs, wish: _Wish) -> Sequence[Field] | None:
    """The columns that were asked for; without that those of the format, None for all there are."""
    if wish.columns and wish.columns != (_ALL,):
        return found.fields(wish.columns)
    if wish.columns or wish.format != "markdown":
        return None
    from projrun.store.columns import brief_fields

    return brief_fields(found.rows)


def _show_groups(found: Runs, wish: _Wish, sort: Sequence[str], limit: int | None) -> None:
    from projrun.cli.listing import print_columns

    columns = found.grouped(wish.group_by, wish.aggregates or None, sort=sort)
    count = len(columns[0].values)
    if limit is not None and limit < count:
        columns = tuple(one.first(limit) for one in columns)
        _tell_more(limit, count, "groups")
    if wish.format == "table":
        print_columns(columns)
    else:
        _write_columns(columns, wish)


def _write_columns(columns: Sequence[Column], wish: _Wish) -> None:
    from projrun.cli.formats import WRITERS, formulas

    _write(WRITERS[wish.format](columns), wish)
    if wish.format == "csv" and (count := formulas(columns)):
        text = "text begins" if count == 1 else "texts begin"
        click.echo(f"note: {count} {text} as a formula does: have a spreadsheet import them as text", err=True)


def _write(data: bytes, wish: _Wish) -> None:
    if wish.place is None:
        print_bytes(_for_terminal(data) if sys.stdout.isatty() else data)
    else:
        write_file(wish.place, data)


def _for_terminal(data: bytes) -> bytes:
    """Text without anything that a terminal would obey: a file gets all of it."""
    return b"".join(
        printable(line).encode(errors="backslashreplace") + b"\n" for line in data.decode().splitlines()
    )


def _tell_more(shown: int, count: int, what: str) -> None:
    if count > shown:
        click.echo(f"{shown} of {count:,} {what}: --limit 0 for all of them", err=True)


def _tell_none(query: str, root: Path | None) -> None:
    here = f" of {root}" if root else ""
    if query.strip():
        click.echo(f"no run{here} is so; projrun runs lists all of them", err=True)
        return
    click.echo(
        f"no runs{here} yet; projrun run starts one" + (", --all lists all projects" * bool(root)), err=True
    )
