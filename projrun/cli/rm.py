"""``projrun rm``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from projrun.cli.options import all_option, json_option, store_option, where_option
from projrun.cli.render import Column, local_time, print_document, printable, table
from projrun.cli.screen import Screen
from projrun.core.amounts import size
from projrun.core.errors import UsageError

if TYPE_CHECKING:
    from projrun.core.errors import ProjrunError
    from projrun.discarding import Going, Removal

_SHOWN = 20


@click.command()
@click.argument("words", nargs=-1, metavar="[RUN]...")
@where_option
@all_option
@click.option("--yes", is_flag=True, help="Remove them, and ask nothing.")
@json_option
@store_option
@click.pass_context
def rm(  # noqa: PLR0913, PLR0917 - one parameter for each option of the command line
    ctx: click.Context,
    words: tuple[str, ...],
    where: str | None,
    everywhere: bool,
    yes: bool,
    as_json: bool,
    store: Path | None,
) -> None:
    """Remove runs: what would go is told first.

    Nothing is removed without --yes, or an answer at a terminal. A run whose process lives never is. Outputs and
    snapshots that no other run names stay until projrun gc. Exits with 2 when a run that was named goes on.

    \b
    projrun rm k3f9 last
    projrun rm --where 'status = "failed" and started < "30 days ago"' --yes
    """
    from projrun.core.paths import store_directory
    from projrun.discarding import discard, foreseen
    from projrun.picking import listed, picked
    from projrun.spec.place import project_around
    from projrun.store.store import Store

    if words and where is not None:
        raise UsageError(
            f"{words[0]} and --where are given",
            why="runs are removed that are named, or those of a query",
            hint='leave one of them out; a query names one too: id = "k3f9"',
        )
    opened = Store(store_directory(store))
    named = [run for word in words for run in listed(word)]
    runs = picked(opened, named, where, project=project_around(Path()), everywhere=everywhere)
    found = foreseen(opened, runs, Screen(quiet=not sys.stderr.isatty(), data_on_stdout=True))
    if not as_json:
        _print_foreseen(found)
    sure = bool(found.runs) and (yes or (not as_json and _asked(found)))
    failed: list[tuple[str, ProjrunError]] = []
    gone: list[str] = []
    for run, failure in discard(opened, found) if sure else ():
        if failure is None:
            gone.append(run)
        else:
            failed.append((run, failure))
    if as_json:
        print_document({"dry_run": not sure, **_document(found), "removed": gone, "failed": _failures(failed)})
    else:
        _print_done(found, gone, failed, sure=sure)
    left = set(found.alive) if words else set()
    ctx.exit(failed[0][1].exit_code if failed else UsageError.exit_code if left else 0)


def _asked(found: Removal) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return click.confirm(f"Remove {_runs(len(found.runs))}?", err=True)


def _print_foreseen(found: Removal) -> None:
    columns = [Column("run"), Column("status"), Column("started", rank=2), Column("name", rank=1), Column("size")]
    if found.runs:
        table(columns, [_cells(one) for one in found.runs[:_SHOWN]])
    if len(found.runs) > _SHOWN:
        click.echo(f"and {len(found.runs) - _SHOWN} more (--json lists them)")
    for run in found.alive:
        click.echo(f"kept {run}: its process lives", err=True)
    for one in found.runs:
        if one.done_again:
            again = ", ".join(one.done_again)
            click.echo(f"{one.row.id} was done again by {again}, which can be compared with it no more", err=True)
    click.echo(f"{_runs(len(found.runs))}, {size(found.size)}", err=True)
    if found.objects or found.snapshots:
        freed = f"{_count(found.objects, 'object')} ({size(found.objects_size)})"
        click.echo(
            f"only they name {freed} and {_count(found.snapshots, 'snapshot')}, which projrun gc removes later",
            err=True,
        )


def _print_done(found: Removal, gone: list[str], failed: list[tuple[str, ProjrunError]], *, sure: bool) -> None:
    for run, failure in failed:
        click.echo(f"kept {run}: {printable(failure.what)}: {printable(failure.brief)}", err=True)
        click.echo(f"  try: {printable(failure.hint)}", err=True)
    if sure:
        click.echo(f"removed {_runs(len(gone))}", err=True)
    elif found.runs:
        click.echo("nothing was removed; --yes removes them", err=True)


def _cells(one: Going) -> list[str]:
    row = one.row
    return [row.id, row.status, local_time(row.started), printable(row.name or ""), size(one.size)]


def _document(found: Removal) -> dict[str, Any]:
    return {
        "runs": [
            {"run": one.row.id, "status": one.row.status, "size": one.size, "done_again": list(one.done_again)}
            for one in found.runs
        ],
        "alive": list(found.alive),
        "only_they_name": {
            "objects": found.objects,
            "objects_size": found.objects_size,
            "snapshots": found.snapshots,
        },
        "unreadable": [{"run": one.run, "why": one.why} for one in found.unreadable],
    }


def _failures(failed: list[tuple[str, ProjrunError]]) -> list[dict[str, str]]:
    return [
        {"run": run, "what": failure.what, "why": failure.why, "hint": failure.hint} for run, failure in failed
    ]


def _runs(count: int) -> str:
    return _count(count, "run")


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
