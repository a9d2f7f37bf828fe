"""``projrun outputs``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from projrun.cli.options import json_option, single, store_option
from projrun.cli.render import Column, print_document, printable, table
from projrun.core.amounts import size
from projrun.core.errors import UsageError
from projrun.core.values import as_dict

if TYPE_CHECKING:
    from projrun.returning import Output

_COLUMNS = (
    Column("PATH", elastic=True),
    Column("KIND", rank=1),
    Column("SIZE"),
    Column("FILES", rank=2),
    Column("STORE"),
    Column("SHA256", rank=3),
)


@click.command()
@click.argument("run")
@click.option(
    "--get", "paths", multiple=True, metavar="PATH", help="Write this one, or what is in it; repeatable."
)
@single(
    "-o",
    "--output-directory",
    "directory",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where to write (default: here).",
)
@json_option
@store_option
def outputs(run: str, paths: tuple[str, ...], directory: Path | None, as_json: bool, store: Path | None) -> None:
    """List the outputs of a run, or write those that the store keeps to files again.

    RUN is an id, the beginning of one, or last, last~1, ... of the project around here. What --get names, an
    output or what is in one, is written to its path below DIR; nothing is written over.
    """
    from projrun.api.store import Store
    from projrun.returning import get_outputs
    from projrun.spec.place import project_around

    if directory is not None and not paths:
        hint = f"projrun restore {run} {directory} --outputs writes all of them"
        raise UsageError("-o says where to, and nothing says what", hint=hint)
    chosen = Store(store)
    found = chosen.run(run, project=project_around(Path()))
    if paths:
        target = directory or Path()
        written = get_outputs(chosen.path, found.id, paths, target)
        if as_json:
            print_document({"run": found.id, "written": [str(target / path) for path in written]})
        else:
            click.echo(f"{target}: {', '.join(map(printable, written))}", err=True)
        return
    facts = [one.facts for one in found.outputs.values()]
    if as_json:
        print_document({"run": found.id, "outputs": [as_dict(one) for one in facts]})
    elif facts:
        table(_COLUMNS, [_cells(one) for one in facts])
    else:
        click.echo(f"run {found.id} declares no outputs", err=True)


def _cells(one: Output) -> list[str]:
    there = one.kind in ("file", "directory")
    return [
        printable(one.path),
        f"{one.kind}, not touched" if one.stale else one.kind,
        size(one.size) if there else "",
        f"{one.files:,}" if there else "",
        one.where or "no",
        one.sha256 or "",
    ]
