"""``projrun gc``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from projrun.cli.options import Age, json_option, single, store_option
from projrun.cli.render import print_document, printable
from projrun.cli.screen import Screen
from projrun.core.amounts import size

if TYPE_CHECKING:
    from projrun.collecting import Collected

_SHOWN = 20


@click.command()
@single(
    "--grace",
    type=Age(),
    metavar="AGE",
    help="Leave what was put or used so recently: 30d, 12h, 0s (default: 1d).",
)
@click.option("--yes", is_flag=True, help="Remove it, and ask nothing.")
@json_option
@store_option
def gc(grace: float | None, yes: bool, as_json: bool, store: Path | None) -> None:
    """Remove what no run of the store names any more: what would go is told first.

    Objects (outputs, kept inputs, build logs), snapshots, and what processes that were killed left. Nothing is
    removed without --yes, or an answer at a terminal. Runs may begin, go on and end meanwhile; what was put since
    the oldest of those that go on began stays. While a record cannot be read, no object and no snapshot goes.
    """
    from projrun.collecting import DAY, collect
    from projrun.core.paths import cache_directory, store_directory
    from projrun.store.scratch import folder_in, sweep
    from projrun.store.store import Store

    opened = Store(store_directory(store))
    seconds = DAY if grace is None else grace
    screen = Screen(quiet=not sys.stderr.isatty(), data_on_stdout=True)
    found, sure = None, yes
    if not yes:
        found = collect(opened, screen, grace=seconds)
        if not as_json:
            _print(found, done=False)
            sure = _asked(found)
    if sure:
        found = collect(opened, screen, grace=seconds, dry_run=False)
        sweep(folder_in(cache_directory()))
        if not as_json:
            _print(found, done=True)
    if as_json and found is not None:
        print_document({"dry_run": not sure, **_document(found)})


def _asked(found: Collected) -> bool:
    anything = found.objects or found.snapshots or found.leftovers
    if anything and sys.stdin.isatty() and sys.stderr.isatty():
        return click.confirm("Remove this?", err=True)
    if anything:
        click.echo("nothing was removed; --yes removes it", err=True)
    return False


def _print(found: Collected, *, done: bool) -> None:
    verb = "removed" if done else "would remove"
    freed = "" if found.snapshots_size is None else f", {size(found.snapshots_size)}"
    click.echo(f"{verb} {found.objects} objects, {size(found.objects_size)}")
    click.echo(f"{verb} {found.snapshots} snapshots{freed}")
    for path, count in found.leftovers[:_SHOWN]:
        click.echo(f"{verb} {printable(str(path))}, {size(count)}, left behind")
    if len(found.leftovers) > _SHOWN:
        click.echo(f"and {len(found.leftovers) - _SHOWN} more (--json lists them)")
    if found.young:
        click.echo(f"kept {found.young} objects, {size(found.young_size)}: used too recently (--grace)", err=True)
    for one in found.unreadable[:_SHOWN]:
        click.echo(f"cannot tell what run {one.run} names: {printable(one.why)}", err=True)
    if found.unreadable:
        click.echo("so no object and no snapshot is removed", err=True)
        click.echo(
            f"  try: projrun store check; or give the record up: projrun rm {found.unreadable[0].run}", err=True
        )


def _document(found: Collected) -> dict[str, Any]:
    return {
        "runs": found.runs,
        "objects": {"count": found.objects, "size": found.objects_size},
        "young": {"count": found.young, "size": found.young_size},
        "snapshots": {"count": found.snapshots, "size": found.snapshots_size},
        "leftovers": [{"path": str(path), "size": count} for path, count in found.leftovers],
        "unreadable": [{"run": one.run, "why": one.why} for one in found.unreadable],
    }
