"""``projrun reproduce``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from projrun.cli.options import json_option, new_store_option, single
from projrun.cli.render import label, print_document, printable
from projrun.cli.words import refuse_downloads_offline
from projrun.core.errors import UsageError

if TYPE_CHECKING:
    from projrun.cli.screen import Screen
    from projrun.reproducing import Asked, Reproduced


@click.command()
@click.argument("run", metavar="RUN")
@click.option(
    "--tolerance",
    "tolerances",
    multiple=True,
    metavar="NAME=ABS[,REL%]",
    help="How far a metric may be from what it was; repeatable. Goes before the spec's.",
)
@click.option("--check", is_flag=True, help="Tell what is missing on this machine; build and run nothing.")
@single(
    "--environment-matrix",
    "matrix",
    metavar="NAME,...",
    help="In each of these environments: Pythons (3.10,3.12), or names of others of the spec.",
)
@click.option("--offline", is_flag=True, help="Fetch nothing: neither commits nor packages.")
@click.option("--allow-download", is_flag=True, help="Let uv download the recorded Python when it is not here.")
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Only the verdict, and what the program prints.")
@new_store_option
@click.pass_context
def reproduce(  # noqa: PLR0913, PLR0917 - one parameter for each option of the command line
    ctx: click.Context,
    run: str,
    tolerances: tuple[str, ...],
    check: bool,
    matrix: str | None,
    offline: bool,
    allow_download: bool,
    as_json: bool,
    quiet: bool,
    store: Path | None,
) -> None:
    """Do a recorded run again, from its record alone, and judge what comes of it.

    RUN is an id, the beginning of one, or last, last~1, ... of the project around here, which are no reproductions
    themselves; or the recipe.json of any run. Its commit, environment, inputs, parameters, seed and variables are
    had again, in a private checkout, and the new run is recorded with a verdict, layer by layer.

    Exits with 0 when exit code, outputs and metrics are what they were, with 10 when they are not, with a stage's
    code (112 source, 113 environment, 114 data) when it cannot be done, and with the program's own when it fails
    and did not.

    \b
    projrun reproduce last
    projrun reproduce last --tolerance rmse=0.001,1%
    projrun reproduce last --check
    projrun reproduce last --environment-matrix 3.10,3.12
    """
    refuse_downloads_offline(offline=offline, allow_download=allow_download)
    from projrun.cli.screen import Screen
    from projrun.core.paths import cache_directory, store_directory
    from projrun.records import names_file
    from projrun.reproducing import Asked
    from projrun.store.failures import check_kept
    from projrun.verdict.tolerances import parse

    if store is not None and not names_file(run):
        check_kept(store_directory(store))
    asked = Asked(
        run=run,
        store=store_directory(store),
        cache=cache_directory(),
        tolerances=parse(tolerances),
        offline=offline,
        allow_download=allow_download,
    )
    screen = Screen(quiet=quiet or (as_json and not sys.stderr.isatty()), data_on_stdout=True)
    if check and matrix is not None:
        raise UsageError("--environment-matrix does not go with --check", hint="leave one of them out")
    if matrix is not None:
        from projrun.cli.matrix import reproduce_in_each

        ctx.exit(reproduce_in_each(asked, matrix, screen, as_json=as_json))
    if check:
        ctx.exit(_check(asked, screen, as_json=as_json))
    ctx.exit(_reproduce(asked, screen, as_json=as_json))


def _reproduce(asked: Asked, screen: Screen, *, as_json: bool) -> int:
    from projrun.reproducing import reproduce as flow

    done = flow(asked, screen)
    if as_json:
        print_document(done.document())
    else:
        _tell(done)
    return done.exit_code


def _tell(done: Reproduced) -> None:
    from projrun.cli.verdict import painted, verdict_lines

    if done.verdict is None:
        click.echo(f"{label('verdict')} none: {done.result.outcome['reason']}")
        return
    for name, text in verdict_lines(done.verdict):
        click.echo(f"{label(name)} {painted(name, printable(text))}")
    click.echo(f"{label('next')} projrun show {done.result.id} · projrun logs {done.result.id}", err=True)


def _check(asked: Asked, screen: Screen, *, as_json: bool) -> int:
    from projrun.foreseeing import foresee

    found = foresee(asked, screen)
    if as_json:
        print_document(found.document())
    else:
        for one in found.needs:
            hint = f" ({one.hint})" if one.hint else ""
            click.echo(f"{label(one.what)} {printable(f'{one.state}: {one.message}{hint}')}")
    return found.exit_code
