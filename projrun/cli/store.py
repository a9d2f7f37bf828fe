"""``projrun store``."""

from __future__ import annotations

from pathlib import Path

import click

from projrun.cli.options import store_option
from projrun.core.errors import UsageError


@click.group()
def store() -> None:
    """Look after the run store."""


@store.command()
@store_option
def rebuild(store: Path | None) -> None:
    """Make the index again from the run directories alone."""
    from projrun.core.paths import store_directory
    from projrun.store.store import Store

    directory = store_directory(store)
    if not directory.is_dir():
        raise UsageError(f"there is no store at {directory}", hint="projrun store rebuild --store DIR")
    opened = Store(directory)
    count = opened.rebuild()
    for notice in opened.index.notices:
        click.echo(f"note: {notice}", err=True)
    click.echo(f"{directory}: {count} run{'s' * (count != 1)} in the index", err=True)
