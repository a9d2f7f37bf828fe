"""``projrun check``."""

from __future__ import annotations

from pathlib import Path

import click

from projrun.cli.options import json_option
from projrun.cli.terminal import styled


@click.command()
@click.argument("directory", default=".", type=click.Path(path_type=Path), metavar="[DIR]")
@json_option
@click.pass_context
def check(ctx: click.Context, directory: Path, as_json: bool) -> None:
    """List every problem of a project's ProjectSpec.yaml.

    Each with its place, what is wrong, and the nearest valid key or value. Also finds what no schema can: a
    placeholder with no parameter, a parameter that never reaches the program, a missing lock or data file,
    a lock out of step with its requirements, a path that leaves the project. Exits with 111 when there are any.
    """
    from projrun.checking import check as find_problems
    from projrun.core.paths import cache_directory

    checked = find_problems(directory, cache_directory())
    if as_json:
        from projrun.cli.failure import problem_documents
        from projrun.cli.render import print_document

        documents = {"problems": checked.problems, "warnings": checked.warnings}
        told = {name: problem_documents(problems) for name, problems in documents.items()}
        print_document({"spec": str(checked.spec), **told})
    else:
        from projrun.cli.failure import problem_line

        for problem in checked.problems:
            click.echo(problem_line(problem))
        for warning in checked.warnings:
            click.echo(f"{styled('warning', fg='yellow')}: {problem_line(warning)}")
        count = len(checked.problems)
        verdict = styled("no problems", fg="green") if not count else f"{count} problem{'s' * (count > 1)}"
        for line in checked.read_as:
            click.echo(f"{styled('read as', fg='cyan')}: {line}", err=True)
        click.echo(f"{checked.spec}: {verdict}", err=True)
    ctx.exit(111 if checked.problems else 0)
