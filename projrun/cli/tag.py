"""``projrun tag``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from projrun.cli.options import all_option, json_option, store_option, where_option
from projrun.cli.relabelling import print_labels, relabelled, stores_runs
from projrun.cli.render import printable
from projrun.cli.words import pairs
from projrun.core.errors import UsageError
from projrun.core.nearest import did_you_mean

if TYPE_CHECKING:
    from projrun.core.labels import Labels

_RUN = re.compile("last(~[0-9]+)?")


@click.command()
@click.argument("words", nargs=-1, metavar="[RUN[,RUN]...] [KEY[=VALUE]]...")
@click.option("--remove", "removed", multiple=True, metavar="KEY", help="Take a tag away; repeatable.")
@where_option
@all_option
@json_option
@store_option
def tag(
    words: tuple[str, ...],
    removed: tuple[str, ...],
    where: str | None,
    everywhere: bool,
    as_json: bool,
    store: Path | None,
) -> None:
    """Set and take away tags of runs, at any time; with none, show what they have.

    The first word names the run, or several parted by commas; with --where the query finds them, and every word
    is a tag. A tag without =VALUE is there or not: tag.draft in a query. One that is there gets the new value.

    \b
    projrun tag last paper=draft good
    projrun tag k3f9,m2x7 --remove draft
    projrun tag --where 'metrics.rmse < 1' good
    """
    runs, tags = ((), words) if where is not None else (words[:1], words[1:])
    wanted, unwanted = _read(tags), _keys(removed)
    if both := sorted(set(wanted) & unwanted):
        raise UsageError(
            f"tag {both[0]!r} is set and taken away",
            why="it can be one of the two",
            hint=f"leave out {both[0]}, or --remove {both[0]}",
        )

    gone: set[str] = set()
    seen: set[str] = set()

    def change(labels: Labels) -> Labels:
        from projrun.core.values import replace

        gone.update(unwanted & labels.tags.keys())
        seen.update(labels.tags)
        left = {key: value for key, value in labels.tags.items() if key not in unwanted}
        return replace(labels, tags={**left, **wanted})

    chosen = stores_runs(runs, where, store, everywhere=everywhere)
    asked = not wanted and not unwanted
    print_labels(relabelled(chosen, None if asked else change), "tags", as_json=as_json, asked=asked)
    for key in sorted(unwanted - gone):
        click.echo(
            f"note: no tag {printable(key)!r} was there. {did_you_mean(key, sorted(seen))}".rstrip(), err=True
        )


def _read(texts: Sequence[str]) -> Mapping[str, str]:
    for text in texts:
        if "=" not in text and _RUN.fullmatch(text.lower()):
            raise UsageError(
                f"{text!r} names a run, and stands where tags do",
                why="the first word names the runs, all others are tags",
                hint=f"projrun tag RUN,{text} KEY=VALUE; for a tag of that name: {text}=",
            )
    return pairs(texts, "tag")


def _keys(removed: Sequence[str]) -> frozenset[str]:
    for text in removed:
        if "=" in text:
            key = text.partition("=")[0]
            raise UsageError(
                f"--remove {text}: a tag is taken away by its key",
                why="whatever its value is",
                hint=f"--remove {key}",
            )
    return frozenset(removed)
