"""What ``projrun tag``, ``note`` and ``rename`` have in common: which runs, the change, and what is printed."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from projrun.cli.render import label, print_document, printable

if TYPE_CHECKING:
    from projrun.core.labels import Labels
    from projrun.store.store import Store

# A store, and the ids of some of its runs.
Chosen = tuple["Store", tuple[str, ...]]


def stores_runs(
    words: Sequence[str], where: str | None, store: Path | None, *, everywhere: bool = False
) -> Chosen:
    """The store, and the runs that are meant. A word names several by commas. Raises UsageError and StoreError."""
    from projrun.core.paths import store_directory
    from projrun.picking import listed, picked
    from projrun.spec.place import project_around
    from projrun.store.store import Store

    opened = Store(store_directory(store))
    named = [run for word in words for run in listed(word)]
    return opened, picked(opened, named, where, project=project_around(Path()), everywhere=everywhere)


def relabelled(chosen: Chosen, change: Callable[[Labels], Labels] | None) -> Iterator[tuple[str, Labels]]:
    """Changes what the runs are called, one by one, and gives what they are called then."""
    from projrun.relabelling import relabel
    from projrun.store.labels import labels_of

    store, runs = chosen
    for run in runs:
        if change is None:
            yield run, labels_of(store.read(run))
            continue
        labels, flags = relabel(store, run, change)
        for flag in flags:
            click.echo(f"note: {printable(flag.message)} ({_mend(run, flag.message)})", err=True)
        yield run, labels


def _mend(run: str, message: str) -> str:
    """What takes away the label that a flag is about."""
    place = message.partition(" holds ")[0]
    if place.startswith("tag "):
        return shlex.join(["projrun", "tag", run, "--remove", printable(place[4:])])
    return f"projrun {'note' if place == 'the note' else 'rename'} {run} --clear"


def print_labels(found: Iterable[tuple[str, Labels]], part: str, *, as_json: bool, asked: bool) -> None:
    """Prints one part (``name``, ``note``, ``tags``) of what each run is called, or all of it as data.

    What was asked for goes to standard output, what was changed is told on standard error.
    """
    if as_json:
        print_document(
            [
                {"run": run, "name": labels.name, "note": labels.note, "tags": dict(labels.tags)}
                for run, labels in found
            ]
        )
        return
    count = 0
    for run, labels in found:
        count += 1
        click.echo(f"{label(run)} {_shown(labels, part)}", err=not asked)
    if not count:
        click.echo("the query finds no run", err=True)


def _shown(labels: Labels, part: str) -> str:
    if part == "tags":
        return (
            printable(", ".join(f"{key}={value}" if value else key for key, value in labels.tags.items())) or "-"
        )
    return printable((labels.name if part == "name" else labels.note) or "-")
