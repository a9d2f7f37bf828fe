"""``projrun rename``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from projrun.cli.options import json_option, store_option
from projrun.cli.relabelling import print_labels, relabelled, stores_runs
from projrun.cli.words import clean
from projrun.core.errors import UsageError

if TYPE_CHECKING:
    from projrun.core.labels import Labels


@click.command()
@click.argument("run", metavar="RUN[,RUN]...")
@click.argument("name", required=False)
@click.option("--clear", is_flag=True, help="Take the name away.")
@json_option
@store_option
def rename(run: str, name: str | None, clear: bool, as_json: bool, store: Path | None) -> None:
    """Give a run another name, at any time.

    Its id stays what it is. RUN is an id, the beginning of one, or last, last~1, ...; several are parted by
    commas.
    """
    if (name is None) != clear:
        raise UsageError(
            "--clear takes the name away" if clear else "no name is given",
            why="and one is given" if clear else "a run has one name, or none",
            hint="leave one of them out" if clear else "projrun rename RUN NAME, or --clear",
        )
    wanted = clean(name, "the name") if name is not None else None

    def change(labels: Labels) -> Labels:
        from projrun.core.values import replace

        return replace(labels, name=wanted)

    print_labels(relabelled(stores_runs((run,), None, store), change), "name", as_json=as_json, asked=False)
