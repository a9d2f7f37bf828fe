"""``projrun store``."""

from __future__ import annotations

from pathlib import Path

import click

from projrun.cli.options import new_store_option, single, store_option
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
    count = Store(directory).rebuild()
    click.echo(f"{directory}: {count} run{'s' * (count != 1)} in the index", err=True)


@store.command()
@single("--group", metavar="NAME", help="The group (default: that of the store's directory).")
@click.option("--close", is_flag=True, help="Take it back: it is its owner's alone again.")
@new_store_option
def share(group: str | None, close: bool, store: Path | None) -> None:
    """Give the run store to a group: all of it may run, list, tag and tidy up there.

    A store is its owner's alone until then. What is not there yet is made.
    """
    from projrun.core.paths import store_directory
    from projrun.store import sharing

    directory = store_directory(store)
    if close:
        if group is not None:
            raise UsageError("--group does not go with --close", hint="leave one of them out")
        click.echo(f"{directory}: {sharing.close(directory)} files, its owner's alone", err=True)
        return
    name, files = sharing.share(directory, group)
    click.echo(f"{directory}: {files} files, shared with the group {name}", err=True)
