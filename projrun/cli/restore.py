"""``projrun restore``."""

from __future__ import annotations

from pathlib import Path

import click

from projrun.cli.options import store_option


@click.command()
@click.argument("run")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--outputs", is_flag=True, help="The outputs that the store keeps, in place of the source.")
@click.option("--offline", is_flag=True, help="Fetch nothing.")
@store_option
def restore(run: str, directory: Path, outputs: bool, offline: bool, store: Path | None) -> None:
    """Write the source of a run, as it was, or its outputs into a new directory.

    RUN is an id, the beginning of one, or last, last~1, ... of the project around here. The files come from the
    run's snapshot in the store. A run that has none was clean and pushed: its commit comes from the repository it
    was run in, from a mirror in the cache, or from its remote. Of the outputs,
    those that the store keeps.
    """
    from projrun.cli.screen import Screen
    from projrun.core.paths import cache_directory, store_directory
    from projrun.restoring import restore_source
    from projrun.returning import restore_outputs

    if outputs:
        paths = restore_outputs(store_directory(store), run, directory)
        click.echo(f"{directory}: {', '.join(paths)}", err=True)
        return
    places = store_directory(store), cache_directory()
    commit = restore_source(*places, run, directory, Screen(), offline=offline)
    click.echo(f"{directory}: the source of commit {commit}", err=True)
