"""``projrun init``."""

from __future__ import annotations

from pathlib import Path

import click

from projrun.cli.terminal import styled


@click.command()
@click.argument("directory", default=".", type=click.Path(path_type=Path), metavar="[DIR]")
@click.option(
    "--from-mlproject",
    is_flag=True,
    required=True,
    help="Write what the project's MLproject file says, with its comments.",
)
@click.option("--print", "only_print", is_flag=True, help="Print it to standard output, and write nothing.")
def init(directory: Path, from_mlproject: bool, only_print: bool) -> None:
    """Write the ProjectSpec.yaml of a project that is declared otherwise.

    Both files run the same commands in the same environment; once it is there, ProjectSpec.yaml goes before.
    What was passed over is told, line by line.
    """
    from projrun.beginning import of_mlproject, write
    from projrun.cli.failure import problem_line

    assert from_mlproject
    begun = of_mlproject(directory)
    for warning in begun.warnings:
        click.echo(f"{styled('warning', fg='yellow')}: {problem_line(warning)}", err=True)
    if only_print:
        click.echo(begun.text, nl=False)
        return
    write(begun)
    click.echo(f"wrote {begun.place}", err=True)
