"""``projrun data``: what is declared, beside its pins."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from projrun.cli.options import json_option, single
from projrun.cli.render import Column, label, print_document, printable, table
from projrun.core.amounts import size

if TYPE_CHECKING:
    from projrun.cli.screen import Screen
    from projrun.data.status import Status
    from projrun.pinning import Asked

_COLUMNS = (
    Column("NAME"),
    Column("PATH", elastic=True),
    Column("SIZE"),
    Column("FILES", rank=2),
    Column("STATE"),
    Column("CHANGED", rank=1),
    Column("SHA256", rank=3),
)

names_argument: Callable[[Any], Any] = click.argument("names", nargs=-1, metavar="[NAME]...")
directory_option: Callable[[Any], Any] = single(
    "--directory", type=click.Path(path_type=Path), metavar="DIR", help="The project (default: around here)."
)


@click.group()
def data() -> None:
    """Pin declared data, and compare it with its pins."""


@data.command()
@names_argument
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit with 114 when there is work to do.")
@directory_option
@json_option
@click.pass_context
def pin(
    ctx: click.Context, names: tuple[str, ...], only_check: bool, directory: Path | None, as_json: bool
) -> None:
    """Write the hash of declared data into ProjectSpec.yaml, as its pin.

    Of all data that has no pin, or of what is named. Data that is not what its pin says gets a new one only when
    it is named; else the verb says so and exits with 114. Nothing else of the file changes.
    """
    from projrun.pinning import pin as pinned

    screen = _screen(as_json)
    found = pinned(_asked(names, directory, screen), only_check=only_check)
    if as_json:
        groups = {"pinned": found.pinned, "refused": found.refused, "unchanged": found.as_they_were}
        told = {name: [document(one) for one in group] for name, group in groups.items()}
        print_document({"spec": found.file, "written": found.written, **told})
    else:
        verb = "pinned" if found.written else "to pin"
        for one in found.pinned:
            click.echo(f"{label(verb)} {printable(one.entry.name)} {one.found and one.found.sha256}")
        for one in found.refused:
            click.echo(f"{label(one.state)} {printable(_told(one))}")
        screen.line("data", f"{found.file}: {_counted(found.pinned, verb)}, {len(found.as_they_were)} as pinned")
    ctx.exit(114 if found.refused or (only_check and found.pinned) else 0)


@data.command()
@names_argument
@directory_option
@json_option
def status(names: tuple[str, ...], directory: Path | None, as_json: bool) -> None:
    """List declared data: its size, whether it is what its pin says, when it changed."""
    from projrun.pinning import look

    found = look(_asked(names, directory, _screen(as_json)))
    _print(found, as_json=as_json)


@data.command()
@names_argument
@directory_option
@json_option
@click.pass_context
def verify(ctx: click.Context, names: tuple[str, ...], directory: Path | None, as_json: bool) -> None:
    """Read all declared data anew, whatever is remembered, and compare it with its pins.

    Exits with 114 when any of it differs, is missing or cannot be read.
    """
    from projrun.data.status import WRONG
    from projrun.pinning import look

    found = look(_asked(names, directory, _screen(as_json), anew=True))
    _print(found, as_json=as_json)
    ctx.exit(114 if any(one.state in WRONG for one in found) else 0)


def document(one: Status) -> dict[str, Any]:
    """An entry as data."""
    found = one.found
    return {
        "name": one.entry.name,
        "path": one.entry.path,
        "state": one.state,
        "kind": found and found.kind,
        "size": found and found.size,
        "files": found and found.files,
        "sha256": found and found.sha256,
        "pin": one.entry.sha256,
        "changed": one.changed and time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(one.changed)),
        "why": one.why or None,
    }


def _print(found: Sequence[Status], *, as_json: bool) -> None:
    if as_json:
        print_document({"data": [document(one) for one in found]})
        return
    if found:
        table(_COLUMNS, [_cells(one) for one in found])
    for one in found:
        if one.state in ("differs", "unreadable"):
            click.echo(f"{label(one.state)} {printable(_told(one))}", err=True)


def _cells(one: Status) -> list[str]:
    found = one.found
    there = found is not None and found.kind != "missing"
    return [
        printable(one.entry.name),
        printable(one.entry.path),
        size(found.size) if found and there else "",
        f"{found.files:,}" if found and there else "",
        one.state,
        time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.changed)) if one.changed else "",
        found.sha256 or "" if found else "",
    ]


def _told(one: Status) -> str:
    name = one.entry.name
    if one.state == "differs" and one.found:
        meant = f"if the change is meant: projrun data pin {name}"
        return f"{name}: {one.entry.path} has sha256 {one.found.sha256}, its pin is {one.entry.sha256}; {meant}"
    return f"{name}: {one.why or f'there is no {one.entry.path}'}"


def _counted(found: Sequence[Status], verb: str) -> str:
    return f"{len(found)} {verb}" if found else "nothing to pin"


def _asked(names: tuple[str, ...], directory: Path | None, screen: Screen, *, anew: bool = False) -> Asked:
    from projrun.core.paths import cache_directory
    from projrun.pinning import Asked

    return Asked(directory or Path(), names, cache_directory(), screen, anew)


def _screen(as_json: bool) -> Screen:
    from projrun.cli.screen import Screen

    return Screen(quiet=as_json and not sys.stderr.isatty(), data_on_stdout=True)
