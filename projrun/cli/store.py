"""``projrun store``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from projrun.cli.options import json_option, new_store_option, single, store_option
from projrun.cli.render import print_document
from projrun.cli.screen import Screen
from projrun.core.errors import StoreError, UsageError
from projrun.store.failures import check_kept


@click.group()
def store() -> None:
    """Look after the run store."""


@store.command()
@store_option
def rebuild(store: Path | None) -> None:
    """Make the index again from the run directories alone."""
    from projrun.cli.screen import Screen
    from projrun.core.paths import store_directory
    from projrun.store.store import Store

    directory = store_directory(store)
    if not directory.is_dir():
        raise UsageError(f"there is no store at {directory}", hint="projrun store rebuild --store DIR")
    opened = Store(directory, Screen())
    count = opened.rebuild()
    for notice in opened.index.notices:
        click.echo(f"note: {notice}", err=True)
    click.echo(f"{directory}: {count} run{'s' * (count != 1)} in the index", err=True)


@store.command()
@click.option("--sizes", is_flag=True, help="Weigh records and logs though there are more than 10,000 runs.")
@json_option
@store_option
def info(sizes: bool, as_json: bool, store: Path | None) -> None:
    """Tell where the run store is, what it holds, and how much room it takes."""
    from projrun.cli.holdings import info_document, print_info
    from projrun.core.paths import store_directory
    from projrun.store import census
    from projrun.store.store import Store

    opened = Store(store_directory(store))
    check_kept(opened.path)
    counted, weighed = census.count(opened), census.weigh(opened, everything=sizes)
    if as_json:
        print_document(info_document(counted, weighed))
    else:
        print_info(counted, weighed)


@store.command()
@click.option("--quick", is_flag=True, help="Read no content: only whether what the records name is there.")
@json_option
@store_option
@click.pass_context
def check(ctx: click.Context, quick: bool, as_json: bool, store: Path | None) -> None:
    """Look whether what the run store says it has is there, whole and true.

    Every record by its schema, every object that one names by its digest, every snapshot down to its files, and
    the index. Nothing is changed; runs that go on are passed over. Exits with 125 when anything is wrong.
    """
    from projrun.auditing import audit
    from projrun.cli.holdings import audit_document, print_audit
    from projrun.core.paths import store_directory
    from projrun.store.store import Store

    opened = Store(store_directory(store))
    check_kept(opened.path)
    found = audit(opened, Screen(quiet=not sys.stderr.isatty(), data_on_stdout=True), quick=quick)
    if as_json:
        print_document(audit_document(found))
    else:
        print_audit(found, quick=quick)
    ctx.exit(StoreError.exit_code if found.faults else 0)


@store.command()
@single("--group", metavar="NAME", help="The group (default: that of the store's directory).")
@click.option("--close", is_flag=True, help="Take it back: it is its owner's alone again.")
@new_store_option
def share(group: str | None, close: bool, store: Path | None) -> None:
    """Give the run store to a group: all of it may run, list, tag and tidy up there.

    A store is its owner's alone until then. What is not there yet is made.
    """
    from projrun.core.paths import store_directory
    from projrun.store import sharing

    directory = store_directory(store)
    if close:
        if group is not None:
            raise UsageError("--group does not go with --close", hint="leave one of them out")
        click.echo(f"{directory}: {sharing.close(directory)} files, its owner's alone", err=True)
        return
    name, files = sharing.share(directory, group)
    click.echo(f"{directory}: {files} files, shared with the group {name}", err=True)
    if closed := sharing.closed_above(directory):
        click.echo(
            f"note: the group cannot come to it, as {closed} is closed: chmod o+x {closed},"
            " or share a store elsewhere: --store DIR",
            err=True,
        )
