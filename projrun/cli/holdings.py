"""How what a store holds looks, and what is wrong with it: for people, and as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from projrun.cli.render import label, local_time, printable
from projrun.cli.terminal import styled
from projrun.core.amounts import size
from projrun.core.values import as_dict, asdict

if TYPE_CHECKING:
    from projrun.auditing import Audit
    from projrun.store.census import Census, Sizes

_PROJECTS_SHOWN = 10
_FAULTS_SHOWN = 20


def info_document(counted: Census, sizes: Sizes) -> dict[str, Any]:
    """What a store holds as data."""
    return {
        **{key: value for key, value in asdict(counted).items() if key != "path"},
        "path": str(counted.path),
        "sizes": as_dict(sizes),
    }


def print_info(counted: Census, sizes: Sizes) -> None:
    """Prints what a store holds."""
    for name, text in _info(counted, sizes):
        click.echo(f"{label(name)} {printable(text)}")


def _info(counted: Census, sizes: Sizes) -> Iterator[tuple[str, str]]:
    yield "store", str(counted.path)
    yield "format", f"{counted.format}, {'shared with its group' if counted.shared else 'its owner has it alone'}"
    statuses = ", ".join(f"{count} {status}" for status, count in counted.statuses.items())
    yield "runs", f"{counted.runs}" + (f": {statuses}" if statuses else "")
    if counted.oldest and counted.newest:
        yield "from", local_time(counted.oldest)
        yield "to", local_time(counted.newest)
    shown = list(counted.projects.items())[:_PROJECTS_SHOWN]
    for name, count in shown:
        yield "project", f"{name or '(not known)'}: {_count(count, 'run')}"
    if len(counted.projects) > len(shown):
        yield "", f"and {len(counted.projects) - len(shown)} more projects (--json lists them)"
    yield "objects", f"{counted.objects}, {size(sizes.objects)}"
    yield "snapshots", f"{counted.snapshots}, {size(sizes.sources)}"
    if sizes.runs is None or sizes.logs is None:
        yield "records", "not weighed, for there are many (--sizes weighs them)"
    else:
        yield "records", size(sizes.runs)
        yield "logs", size(sizes.logs)
    yield "index", size(sizes.index) + ", without a write-ahead log" * (counted.journal == "delete")
    if counted.network:
        yield "", f"on a network file system: {counted.network}"


def audit_document(found: Audit) -> dict[str, Any]:
    """What came of a check as data."""
    return {**as_dict(found), "ok": not found.faults}


def print_audit(found: Audit, *, quick: bool) -> None:
    """Prints what came of a check: faults with what to type, then what was looked at."""
    for fault in found.faults[:_FAULTS_SHOWN]:
        click.echo(f"{label(fault.kind)} {printable(fault.of)}: {printable(fault.message)}")
        click.echo(f"{label('')} try: {printable(fault.hint)}")
    if len(found.faults) > _FAULTS_SHOWN:
        click.echo(f"and {len(found.faults) - _FAULTS_SHOWN} more (--json lists them)")
    looked = f"{_count(found.objects, 'object')} ({'none' if quick else found.hashed} read)"
    click.echo(f"{_count(found.runs, 'run')}, {looked}, {_count(found.snapshots, 'snapshot')}", err=True)
    if found.unnamed or found.left_behind:
        left = f"{_count(found.unnamed, 'object')} that no run names, {found.left_behind} left behind"
        click.echo(f"{left}: projrun gc", err=True)
    if found.faults:
        click.echo(_count(len(found.faults), "fault"), err=True)
    else:
        click.echo(styled("nothing is wrong", fg="green"), err=True)


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
