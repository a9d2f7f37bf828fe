"""``projrun run``, as click reads it; what is plainly typed is read by :mod:`projrun.cli.plain`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from projrun.cli.options import (
    Seed,
    Size,
    allow_download_option,
    builder_option,
    json_option,
    new_store_option,
    single,
)
from projrun.cli.running import Wish, start
from projrun.core.flags import REASONS


@click.command()
@click.argument("source", default=".", metavar="[SOURCE]")
@single(
    "-e",
    "--entry-point",
    metavar="NAME",
    help="What to run (default: main, or the only one).",
)
@single("--environment", metavar="NAME", help="What to run it in, of the environments that the spec names.")
@single(
    "-v",
    "--version",
    metavar="REF",
    help="The branch, tag or commit to run, in a private checkout (with ~N, an older one).",
)
@single("--subdirectory", metavar="DIR", help="Where in the repository, from its root, the project is.")
@click.option("-P", "--param", "given", multiple=True, metavar="NAME=VALUE", help="A parameter; repeatable.")
@single(
    "--params",
    "params_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Parameters, YAML or JSON.",
)
@single(
    "--seed",
    type=Seed(),
    metavar="N",
    help="The seed (default: a random one).",
)
@single("--name", metavar="TEXT", help="A name for the run.")
@click.option("--tag", "tags", multiple=True, metavar="K[=V]", help="A tag for the run; repeatable.")
@single("--note", metavar="TEXT", help="A note that is kept with the run.")
@new_store_option
@click.option(
    "--snapshot-limit",
    type=Size(),
    default="100MB",
    show_default=True,
    envvar="PROJRUN_SNAPSHOT_LIMIT",
    help="How much new untracked content a snapshot may take in.",
)
@click.option(
    "--keep-outputs",
    type=Size(),
    default="100MB",
    show_default=True,
    envvar="PROJRUN_KEEP_OUTPUTS",
    help="How much of the outputs of a run in place the store keeps.",
)
@click.option("--strict", is_flag=True, help="Refuse whatever keeps the run from being had again by itself.")
@click.option(
    "--allow-unpushed", is_flag=True, help="With --strict, take a commit that is on no remote; it is kept."
)
@click.option(
    "--dirty",
    type=click.Choice(["flag", "refuse"]),
    default="flag",
    show_default=True,
    help="What to do about files that are not committed.",
)
@click.option(
    "--refuse",
    "refused",
    multiple=True,
    type=click.Choice(REASONS),
    metavar="REASON",
    help="Refuse one of the things that --strict refuses (input-unpinned, lock-out-of-step, ...); repeatable.",
)
@builder_option
@single("--python", metavar="VERSION", help="The Python of the environment, in place of the spec's (3.11).")
@allow_download_option
@click.option("--offline", is_flag=True, help="Fetch nothing: neither commits nor packages.")
@click.option(
    "--bring-outputs",
    is_flag=True,
    help="Copy the outputs of a private checkout of your own repository to your own directory.",
)
@click.option(
    "--twice",
    is_flag=True,
    help="Do the run again at once, from its record, and tell whether it comes to the same.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan; build, record and run nothing.")
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Only the program's own output, and errors.")
@click.pass_context
def run(ctx: click.Context, /, **typed: Any) -> None:
    """Run an entry point of a project in its own environment and record the recipe.

    SOURCE is a directory of the project (default: the project around this directory), or the address of a
    repository: host:path, ssh://, https://, file://, a bare repository, each with #subdirectory at the end or
    not. Exits with the program's own code; projrun's own codes are 2 usage, 111 spec, 112 source, 113
    environment, 114 data, 124 timeout, 125 internal, 126/127 the command cannot be run / is not found.

    \b
    projrun run -e train -P depth=3
    projrun run examples/wine -e train --tag paper=draft --note "first try"
    projrun run -v v1.2 --strict
    projrun run git@host:org/repo.git -v 4f0c2a9
    projrun run --dry-run
    """
    ctx.exit(start(Wish(**typed)))
