"""``projrun env``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from projrun.cli.kept import cells, document, failed_document, lines, print_findings, pruned_document, when
from projrun.cli.options import (
    Age,
    allow_download_option,
    builder_option,
    environment_option,
    json_option,
    means,
    offline_option,
    single,
    store_option,
)
from projrun.cli.render import Column, label, print_document, printable, table
from projrun.cli.screen import Screen
from projrun.core.amounts import size
from projrun.core.values import as_dict

if TYPE_CHECKING:
    from projrun.core.errors import EnvironmentFailure
    from projrun.environments import Places
    from projrun.removing import Pruned


@click.group()
def env() -> None:
    """Look after the environments that were built.

    An environment is named by its key or that of a run (the beginning will do, or last, last~1, ...), or by the
    directory of a project; left out, it is that of the project around here.
    """


@env.command("list")
@json_option
@store_option
def list_(as_json: bool, store: Path | None) -> None:
    """List the environments that are kept, the one that was used last first."""
    from projrun.environments import listed

    found = listed(_places(store))
    if as_json:
        print_document({"environments": [document(one) for one in found]})
        return
    columns = [Column("key"), Column("python", rank=3), Column("builder", rank=5), Column("packages", rank=4)]
    columns += [Column("size"), Column("last used", rank=1), Column("runs", rank=2), Column("state", elastic=True)]
    if found:
        table(columns, [cells(one) for one in found])
    total = size(sum(one.kept.size for one in found))
    click.echo(f"{len(found)} environment{'s' * (len(found) != 1)}, {total}", err=True)


@env.command()
@click.argument("which", required=False, metavar="[KEY|RUN]")
@environment_option
@json_option
@store_option
def show(which: str | None, environment: str | None, as_json: bool, store: Path | None) -> None:
    """Show what is known of one environment."""
    from projrun.environments import meant, shown

    places = _places(store, environment)
    found = shown(meant(which, places), places)
    if as_json:
        print_document(document(found))
        return
    for name, text in lines(found):
        click.echo(f"{label(name)} {printable(text)}")


@env.command()
@click.argument("which", required=False, metavar="[KEY|RUN]")
@click.option(
    "--archives", is_flag=True, help="Also install the same lock anew, aside, and compare every file with that."
)
@environment_option
@offline_option
@json_option
@store_option
@click.pass_context
def verify(  # noqa: PLR0913, PLR0917 - one parameter for each option of the command line
    ctx: click.Context,
    which: str | None,
    archives: bool,
    environment: str | None,
    offline: bool,
    as_json: bool,
    store: Path | None,
) -> None:
    """Compare every file of an environment with what was installed.

    Each is hashed and compared with its RECORD and with what was written down when it was built; compiled bytecode
    is compared with its source. Of a run, the installed set is compared with the recorded one. Exits with 113 when
    anything is missing, extra or altered; then no run uses the environment any more, and the next builds it again.
    An image is looked into once more instead: its id, Python's distributions and the system's packages.
    """
    from projrun.environments import meant
    from projrun.environments import verify as verified

    places, screen = _places(store, environment), _screen(as_json)
    found = verified(meant(which, places), means(offline=offline), screen, archives=archives)
    print_findings(found, as_json=as_json)
    ctx.exit(113 if found.findings else 0)


@env.command()
@click.argument("directory", default=".", type=click.Path(path_type=Path), metavar="[DIR]")
@environment_option
@builder_option
@allow_download_option
@offline_option
@json_option
def build(
    directory: Path,
    environment: str | None,
    builder: str | None,
    allow_download: bool,
    offline: bool,
    as_json: bool,
) -> None:
    """Build the environment of a project, unless it is there, and run nothing."""
    from projrun.environments import Wanted, built_now
    from projrun.stopping import ended_by_signals
    from projrun.telling import describe_environment

    wanted, may = Wanted(directory, environment, builder), means(offline=offline, allow_download=allow_download)
    with ended_by_signals():
        name, ready = built_now(wanted, may, _screen(as_json))
    if as_json:
        flags = [as_dict(flag) for flag in (*ready.plan.flags, *ready.flags)]
        told = {
            "key": ready.plan.key,
            "directory": str(ready.plan.directory),
            "reused": ready.reused,
            "image": ready.image and ready.image.image.id,
        }
        print_document({**told, "flags": flags})
    else:
        click.echo(describe_environment(name, ready))


@env.command()
@click.argument("before", metavar="KEY|RUN")
@click.argument("after", required=False, metavar="[KEY|RUN]")
@environment_option
@json_option
@store_option
def explain(before: str, after: str | None, environment: str | None, as_json: bool, store: Path | None) -> None:
    """Tell which inputs make two environments two, down to the lines of their locks.

    The second is that of the project around here when it is left out.
    """
    from projrun.environments import SHORT, explained, meant

    places = _places(store, environment)
    first, second = meant(before, places), meant(after, places)
    changes = explained(first, second, places.cache)
    if as_json:
        told = [as_dict(change) for change in changes]
        print_document({"before": first.key, "after": second.key, "changes": told})
        return
    click.echo(f"{first.key[:SHORT]} -> {second.key[:SHORT]}" if changes else f"both are {first.key[:SHORT]}")
    for change in changes:
        old, new = (printable(text) if text else "-" for text in (change.before, change.after))
        click.echo(f"  {printable(change.what)}: {old} -> {new}")


@env.command()
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@json_option
@click.pass_context
def remove(ctx: click.Context, keys: tuple[str, ...], as_json: bool) -> None:
    """Remove environments. One that a live run uses is refused, and the others are removed all the same."""
    from projrun.core.paths import cache_directory
    from projrun.environments import SHORT
    from projrun.removing import removed

    gone, failed = [], []
    for key, failure in removed(keys, cache_directory(), _screen(as_json)):
        if failure is not None:
            failed.append((key, failure))
            continue
        gone.append(key)
        if not as_json:
            click.echo(f"removed {key[:SHORT]}")
    if as_json:
        print_document({"removed": gone, "failed": [failed_document(*one) for one in failed]})
    else:
        _print_failures(failed)
    ctx.exit(113 if failed else 0)


@env.command()
@single(
    "--older-than", type=Age(), metavar="AGE", help="Those that no run used for so long: 30d, 12h, 2w; 0s is all."
)
@click.option("--unused", is_flag=True, help="Those that no run of the store used.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@json_option
@store_option
@click.pass_context
def prune(
    ctx: click.Context,
    older_than: float | None,
    unused: bool,
    dry_run: bool,
    as_json: bool,
    store: Path | None,
) -> None:
    """Remove environments that are not needed, and what killed builders and runs left.

    With both options, those that fit both; with none, only what was left behind: folders of the cache, and
    the containers and images that were made for it. Never one that a live run uses.
    """
    from projrun.removing import Wish
    from projrun.removing import prune as pruned

    found = pruned(_places(store), Wish(older_than, unused), _screen(as_json), dry_run=dry_run)
    if as_json:
        print_document({"dry_run": dry_run, **pruned_document(found)})
    else:
        _print_pruned(found, dry_run=dry_run)
    ctx.exit(113 if found.failed else 0)


def _print_pruned(found: Pruned, *, dry_run: bool) -> None:
    from projrun.environments import SHORT

    verb = "would remove" if dry_run else "removed"
    for one in found.removed:
        click.echo(f"{verb} {one.kept.key[:SHORT]}, {size(one.kept.size)}, last used {when(one.kept.last_used)}")
    for path, count in found.leftovers:
        click.echo(f"{verb} {path.name[:30]}, {size(count)}, left behind")
    for stray in found.strays:
        whose = f" of run {stray.run}" if stray.run else ""
        click.echo(f"{verb} {stray.kind} {printable(stray.name)[:40]}{whose}, left behind")
    for key in found.held:
        click.echo(f"kept {key[:SHORT]}: a run uses it", err=True)
    _print_failures(found.failed)
    if found.unasked is not None:
        click.echo(f"containers and images: {printable(found.unasked.what)}", err=True)
        click.echo(f"  try: {printable(found.unasked.hint)}", err=True)
    total = sum(one.kept.size for one in found.removed) + sum(count for _, count in found.leftovers)
    total += sum(stray.size for stray in found.strays)
    count = len(found.removed) + len(found.leftovers) + len(found.strays)
    click.echo(f"{verb} {count}, {size(total)}", err=True)


def _print_failures(failed: Iterable[tuple[str, EnvironmentFailure]]) -> None:
    from projrun.environments import SHORT

    for key, failure in failed:
        click.echo(f"kept {key[:SHORT]}: {printable(failure.what)}: {printable(failure.brief)}", err=True)
        click.echo(f"  try: {printable(failure.hint)}", err=True)


def _places(store: Path | None, environment: str | None = None) -> Places:
    from projrun.core.paths import cache_directory, store_directory
    from projrun.environments import Places

    return Places(cache_directory(), store_directory(store), environment=environment)


def _screen(as_json: bool) -> Screen:
    return Screen(quiet=as_json and not sys.stderr.isatty(), data_on_stdout=True)
