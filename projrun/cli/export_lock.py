"""``projrun export-lock``."""

from __future__ import annotations

from pathlib import Path

import click

from projrun.cli.options import means, offline_option, single, store_option
from projrun.cli.placing import place
from projrun.core.errors import UsageError


@click.command("export-lock")
@click.argument("run", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["requirements", "pylock", "cyclonedx", "dockerfile"]),
    default="requirements",
    show_default=True,
    help="What to write.",
)
@single(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write to this file instead of standard output.",
)
@single("--environment", metavar="NAME", help="Without RUN: which lock, when the spec names several environments.")
@offline_option
@store_option
def export_lock(
    run: str | None,
    form: str,
    output: Path | None,
    environment: str | None,
    offline: bool,
    store: Path | None,
) -> None:
    """Write a project's lock, or exactly what a run executed in, for other tools.

    RUN is an id, the beginning of one, or last, last~1, ...; without it, the lock of the project around here.
    Of a run it is what applied of the lock in its record, checked against what was installed; it can be written
    without the project, and without the environment. Formats: requirements lines; pylock.toml (PEP 751) with the
    addresses of your package index; a CycloneDX bill of materials; a Dockerfile with the interpreter and the lock.

    \b
    projrun export-lock last -o requirements.lock
    projrun export-lock --format cyclonedx -o bill.json
    """
    from projrun.cli.screen import Screen
    from projrun.core.paths import store_directory
    from projrun.exporting import ExportOptions, export_lock
    from projrun.stopping import ended_by_signals

    if run is not None and environment is not None:
        raise UsageError(
            "--environment goes with no run",
            why="A run executed in one environment.",
            hint="leave one of the two out",
        )
    places = store_directory(store), means(offline=offline)
    options = ExportOptions(Path(), *places, run, form, environment)
    with ended_by_signals():
        text = export_lock(options, Screen(data_on_stdout=True))
    if output is None:
        click.echo(text, nl=False)
        return
    place(output, text.encode())
