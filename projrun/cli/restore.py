"""``projrun restore``."""

from __future__ import annotations

from pathlib import Path

import click

from projrun.cli.options import store_option


@click.command()
@click.argument("run")
@click.argument("directory", type=click.Path(path_type=Path))
@store_option
def restore(run: str, directory: Path, store: Path | None) -> None:
    """Write the source of a run, as it was, into a new directory.

    RUN is an id, the beginning of one, or last, last~1, ... Only a run that has a snapshot is restored from
    the store; the source of a clean, pushed run is its commit, in its own repository.
    """
    from projrun.core.paths import store_directory
    from projrun.restoring import restore_source

    commit = restore_source(store_directory(store), run, directory)
    click.echo(f"{directory}: the source of snapshot {commit}", err=True)
