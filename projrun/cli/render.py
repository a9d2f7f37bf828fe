"""How values look on a terminal: safe text, sizes, durations, tables."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from projrun.core.files import encode_json


def printable(text: str) -> str:
    """``text`` with everything a terminal would obey made visible: control characters, raw bytes, bidi marks."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else _escape(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape", "surrogatepass").decode()


def local_time(text: str) -> str:
    """A recorded time (ISO 8601, UTC) in the local zone: ``2026-03-01 14:05:09``; as it is when it is none."""
    try:
        moment = dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=dt.timezone.utc)
    except ValueError:
        return printable(text)
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def number(value: object) -> str:
    """A metric: six significant digits for a float, the rest as it is."""
    return f"{value:.6g}" if isinstance(value, float) else printable(str(value))


def status(text: str) -> str:
    """A run's status in its colour."""
    colours = {"finished": "green", "running": "cyan", "lost": "magenta"}
    return click.style(text, fg=colours.get(text, "red"))


def label(text: str) -> str:
    """A word in the left column of what projrun says."""
    return click.style(f"{text:<12}", bold=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table: fitted to a terminal, one unbroken line a row elsewhere."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, emoji=False, markup=False, width=10_000)
    grid = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    for column in columns:
        grid.add_column(column, overflow="ellipsis", no_wrap=True)
    for row in rows:
        grid.add_row(*(Text.from_ansi(cell) for cell in row))
    console.print(grid)


def print_document(document: Any) -> None:
    """Prints a document as JSON on standard output."""
    sys.stdout.buffer.write(encode_json(document))
