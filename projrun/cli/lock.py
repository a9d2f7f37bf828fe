"""``projrun lock``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from projrun.cli.options import (
    allow_download_option,
    builder_option,
    environment_option,
    json_option,
    means,
    offline_option,
)
from projrun.cli.render import label, print_document, printable
from projrun.core.errors import UsageError

if TYPE_CHECKING:
    from projrun.cli.screen import Screen
    from projrun.environment.compiled import Change
    from projrun.locking import Compiled


@click.command()
@click.argument("directory", default=".", type=click.Path(path_type=Path), metavar="[DIR]")
@click.option("--upgrade", is_flag=True, help="Take the newest versions that the requirements allow.")
@click.option(
    "--upgrade-package",
    multiple=True,
    metavar="NAME[==V]",
    help="Take the newest version of this package, or that one; repeatable.",
)
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    metavar="NAME",
    help="A platform the lock is for, such as linux-x86_64 or macos-arm64; repeatable.",
)
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit with 113 when it is out of step.")
@environment_option
@builder_option
@allow_download_option
@offline_option
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Only what changed, and errors.")
@click.pass_context
def lock(  # noqa: PLR0913, PLR0917 - one parameter for each option of the command line
    ctx: click.Context,
    directory: Path,
    upgrade: bool,
    upgrade_package: tuple[str, ...],
    platforms: tuple[str, ...],
    only_check: bool,
    environment: str | None,
    builder: str | None,
    allow_download: bool,
    offline: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compile the project's requirements into its lock: every line pinned and hashed.

    environment.requirements (a file of requirements, or pyproject.toml with environment.extras and
    environment.groups) is resolved for environment.python and this platform, and written to environment.lock.
    The versions of the lock that is there are kept, unless an upgrade is asked for. Prints what changed.

    \b
    projrun lock
    projrun lock --upgrade-package numpy --upgrade-package "scipy==1.15.3"
    projrun lock --platform linux-x86_64 --platform macos-arm64
    projrun lock --check
    """
    from projrun.cli.screen import Screen
    from projrun.locking import LockOptions, compile_lock
    from projrun.stopping import ended_by_signals

    if only_check and (upgrade or upgrade_package or platforms):
        raise UsageError(
            "--check goes with no upgrade and no platform",
            why="It compares the lock with what it is compiled from, as it is.",
            hint="projrun lock --check",
        )
    screen = Screen(quiet=quiet or (as_json and not sys.stderr.isatty()), data_on_stdout=True)
    options = LockOptions(
        start=directory,
        means=means(offline=offline, allow_download=allow_download),
        environment=environment,
        check=only_check,
        upgrade_all=upgrade,
        upgrade=upgrade_package,
        platforms=platforms,
        builder=builder,
    )
    with ended_by_signals():
        compiled = compile_lock(options, screen)
    if as_json:
        print_document(_document(compiled))
    else:
        _tell(compiled, screen)
    ctx.exit(113 if compiled.problems else 0)


def _document(compiled: Compiled) -> dict[str, object]:
    from projrun.cli.failure import problem_documents

    return {
        "lock": compiled.file,
        "written": compiled.written,
        "changes": [change._asdict() for change in compiled.changes],
        "problems": problem_documents(compiled.problems),
        "to_add": compiled.to_add or None,
        "untold": compiled.untold or None,
    }


def _tell(compiled: Compiled, screen: Screen) -> None:
    from projrun.cli.failure import problem_line

    for problem in compiled.problems:
        click.echo(problem_line(problem))
    for change in compiled.changes:
        kind, text = _words(change)
        click.echo(f"{label(kind)} {printable(text)}")
    if compiled.written and not compiled.changes:
        screen.phase("lock", f"{compiled.file} is written anew, with the same versions")
    if compiled.problems:
        screen.line("lock", f"{compiled.file} is out of step")
    if compiled.untold:
        screen.line("not told", compiled.untold)
    if compiled.to_add:
        screen.line("next", f"add to the environment in ProjectSpec.yaml: {compiled.to_add}")


def _words(change: Change) -> tuple[str, str]:
    before, after = " and ".join(change.before), " and ".join(change.after)
    if not before:
        return "added", f"{change.name} {after}"
    if not after:
        return "removed", f"{change.name} {before}"
    if change.detail:
        return "changed", f"{change.name} {before}: {change.detail}"
    return "changed", f"{change.name} {before} -> {after}"
