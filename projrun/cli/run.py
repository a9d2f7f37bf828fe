"""``projrun run``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from projrun.cli.failure import fail
from projrun.cli.options import (
    Seed,
    Size,
    allow_download_option,
    builder_option,
    clean,
    json_option,
    new_store_option,
    pairs,
    refuse_downloads_offline,
    single,
)
from projrun.cli.render import print_document
from projrun.core.errors import ProjrunError, UsageError
from projrun.core.flags import REASONS

if TYPE_CHECKING:
    from projrun.choice import Options
    from projrun.cli.screen import Screen
    from projrun.runner import Result


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
def run(  # noqa: PLR0913, PLR0917 - one parameter for each option of the command line
    ctx: click.Context,
    source: str,
    entry_point: str | None,
    environment: str | None,
    version: str | None,
    subdirectory: str | None,
    given: tuple[str, ...],
    params_file: Path | None,
    seed: int | None,
    name: str | None,
    tags: tuple[str, ...],
    note: str | None,
    store: Path | None,
    snapshot_limit: int,
    keep_outputs: int,
    strict: bool,
    allow_unpushed: bool,
    dirty: str,
    refused: tuple[str, ...],
    builder: str | None,
    allow_download: bool,
    offline: bool,
    bring_outputs: bool,
    twice: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
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
    refuse_downloads_offline(offline=offline, allow_download=allow_download)
    from projrun.choice import Options
    from projrun.core.paths import cache_directory, store_directory

    options = Options(
        source=source,
        entry_point=entry_point,
        environment=environment,
        given=given,
        params_file=params_file,
        seed=seed,
        name=clean(name, "--name") if name is not None else None,
        tags=pairs(tags, "--tag"),
        note=clean(note, "--note") if note is not None else None,
        store=store_directory(store),
        cache=cache_directory(),
        snapshot_limit=snapshot_limit,
        keep_outputs=keep_outputs,
        terminals=() if as_json else _terminals(),
        version=version,
        subdirectory=subdirectory,
        offline=offline,
        builder=builder,
        allow_download=allow_download,
        strict=strict,
        allow_unpushed=allow_unpushed,
        refused=frozenset((*refused, *(("dirty",) if dirty == "refuse" else ()))),
        bring_outputs=bring_outputs,
    )
    if dry_run and twice:
        raise UsageError("--twice does not go with --dry-run", hint="leave one of them out")
    if dry_run:
        from projrun.cli.plan import show_plan

        show_plan(options, as_json=as_json)
    else:
        ctx.exit(_run(options, as_json=as_json, quiet=quiet, twice=twice))


def _run(options: Options, *, as_json: bool, quiet: bool, twice: bool) -> int:
    from projrun import runner
    from projrun.cli.screen import Screen

    screen = Screen(quiet=quiet or (as_json and not sys.stderr.isatty()), data_on_stdout=as_json)
    result = runner.run(options, screen)
    if twice:
        from projrun.cli.twice import do_again

        return do_again(options, result, as_json=as_json, quiet=quiet)
    _tell(result, screen, as_json=as_json, quiet=quiet)
    return result.exit_code


def _tell(result: Result, screen: Screen, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        try:
            print_document(result.document())
        except ProjrunError as error:
            fail(error, as_json=False)  # the run itself is over, and its exit code stands
    elif not quiet:
        from projrun.cli.summary import summarise

        summarise(result, screen)
    elif result.outcome["status"] not in ("finished", "failed") or result.exit_code == ProjrunError.exit_code:
        screen.line(result.outcome["status"], result.outcome["reason"])  # else the exit code would say it alone


def _terminals() -> tuple[str, ...]:
    return tuple(name for name, fd in (("stdout", 1), ("stderr", 2)) if os.isatty(fd))
