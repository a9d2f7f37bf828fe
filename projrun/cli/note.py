"""``projrun note``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from projrun.cli.options import all_option, json_option, store_option, where_option
from projrun.cli.relabelling import print_labels, relabelled, stores_runs
from projrun.cli.words import clean
from projrun.core.errors import UsageError

if TYPE_CHECKING:
    from projrun.core.labels import Labels


@click.command()
@click.argument("words", nargs=-1, metavar="[RUN[,RUN]...] [TEXT]")
@click.option("--append", is_flag=True, help="Add the text as a line of its own; else it replaces the note.")
@click.option("--clear", is_flag=True, help="Take the note away.")
@where_option
@all_option
@json_option
@store_option
def note(  # noqa: PLR0913, PLR0917 - one parameter for each option of the command line
    words: tuple[str, ...],
    append: bool,
    clear: bool,
    where: str | None,
    everywhere: bool,
    as_json: bool,
    store: Path | None,
) -> None:
    """Write the note of runs, at any time; without TEXT, show it.

    The first word names the run, or several parted by commas; with --where the query finds them. TEXT - is read
    from standard input.

    \b
    projrun note last "the learning rate was too high"
    projrun note last --append - < remarks.txt
    """
    runs, texts = ((), words) if where is not None else (words[:1], words[1:])
    if len(texts) > 1:
        raise UsageError(
            f"{len(texts)} texts are given", why="a note is one text", hint="put it between quotation marks"
        )
    if clear and (texts or append):
        raise UsageError(
            "--clear takes the note away", why="and a text is to be written", hint="leave one of them out"
        )
    if append and not texts:
        raise UsageError("--append adds a text", why="there is none", hint='projrun note RUN --append "..."')
    text = _text(texts[0]) if texts else None

    def change(labels: Labels) -> Labels:
        from projrun.core.values import replace

        before = f"{labels.note}\n" if append and labels.note else ""
        return replace(labels, note=before + text if text is not None else None)

    chosen = stores_runs(runs, where, store, everywhere=everywhere)
    asked = text is None and not clear
    print_labels(relabelled(chosen, None if asked else change), "note", as_json=as_json, asked=asked)


def _text(word: str) -> str:
    if word != "-":
        return clean(word, "the note")
    try:
        return sys.stdin.buffer.read().decode().rstrip("\n")
    except UnicodeDecodeError as error:
        raise UsageError(
            "the note is not valid UTF-8", why=f"byte {error.start + 1} on", hint="iconv -t UTF-8 makes it so"
        ) from None
