"""How values look on a terminal: safe text, sizes, durations, tables."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from projrun.cli.terminal import echo, styled
from projrun.core.errors import ProjrunError
from projrun.core.files import encode_json
from projrun.core.values import Struct

_GAP = "  "
_LEAST = 12  # characters of an elastic column that are still worth showing


def printable(text: str) -> str:
    """``text`` on one line, with all that a terminal would obey made visible: control characters, raw bytes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape", "surrogatepass").decode()


def local_time(text: str) -> str:
    """A recorded time (ISO 8601, UTC) in the local zone: ``2026-03-01 14:05:09``; as it is when it is none."""
    import datetime as dt

    try:
        moment = dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=dt.timezone.utc)
    except ValueError:
        return printable(text)
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def number(value: object) -> str:
    """A metric: six significant digits for a float, true and false as queries have them, the rest as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}".replace("inf", "Infinity").replace("nan", "NaN")  # as records have them
    return printable(str(value))


def value_text(raw: str | Sequence[str]) -> str:
    """A parameter's text as it was given; a list as the JSON that -P takes."""
    return raw if isinstance(raw, str) else json.dumps(list(raw), ensure_ascii=False)


def status(text: str) -> str:
    """A run's status in its colour."""
    colours = {"finished": "green", "running": "cyan", "lost": "magenta"}
    return styled(text, fg=colours.get(text, "red"))


def label(text: str) -> str:
    """A word in the left column of what projrun says."""
    return styled(f"{text:<12}", bold=True)


class Column(Struct, frozen=True):
    """A column of a table. The highest ``rank`` gives way first when a terminal is narrow; 0 never does.

    An ``elastic`` one is cut to what the others leave. ``paint`` colours a cell that has its width already.
    """

    title: str
    rank: int = 0
    elastic: bool = False
    paint: Callable[[str], str] = str


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Prints a table: fitted to a terminal, with nothing cut elsewhere. Gives the titles it had no room for."""
    import shutil  # slow to import, and a run prints no table

    limit = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    lines, left_out = table_lines(columns, rows, limit)
    for line in lines:
        echo(line)
    return left_out


def table_lines(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], limit: int | None = None
) -> tuple[list[str], tuple[str, ...]]:
    """The lines of a table that is at most ``limit`` wide, and the titles it has no room for."""
    from rich.cells import cell_len, set_cell_size

    down = zip(*rows, strict=True)
    lengths = [
        max(cell_len(text) for text in (column.title, *cells)) for column, cells in zip(columns, down, strict=True)
    ]
    told = shown = list(range(len(columns)))
    if limit is not None:
        told = [place for place in shown if any(row[place] for row in rows)]
        shown = _fitting(columns, told, lengths, limit)

    def line(cells: Sequence[str], *, title: bool = False) -> str:
        sized = {place: set_cell_size(_cut(cells[place], lengths[place]), lengths[place]) for place in shown}
        if title:
            return styled(_GAP.join(sized.values()).rstrip(), bold=True)
        return _GAP.join(columns[place].paint(text) for place, text in sized.items()).rstrip()

    lines = [line([column.title for column in columns], title=True), *map(line, rows)]
    return lines, tuple(columns[place].title for place in told if place not in shown)


def _fitting(columns: Sequence[Column], places: Sequence[int], lengths: list[int], limit: int) -> list[int]:
    """The places of the columns that fit, with the lengths of the elastic ones cut to what is left for them."""
    shown = list(places)
    while True:
        elastic = [place for place in shown if columns[place].elastic]
        fixed = sum(lengths[place] for place in shown if place not in elastic)
        left = limit - fixed - len(_GAP) * (len(shown) - 1)
        last = max(shown, key=lambda place: columns[place].rank)
        if left >= _LEAST * len(elastic) or not columns[last].rank:
            break
        shown.remove(last)
    for count, place in enumerate(elastic):
        share = max(_LEAST, left // (len(elastic) - count))
        lengths[place] = min(lengths[place], share)
        left -= lengths[place]
    return shown


def _cut(text: str, length: int) -> str:
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= length else set_cell_size(text, length - 1) + "…"


def print_document(document: Any, *, indent: int | None = 2) -> None:
    """Prints a document as JSON on standard output. A reader that has gone wanted no more of it.

    ``indent`` None is for long ones: a line for each number takes long. Raises ProjrunError when it cannot be
    written for another reason.
    """
    print_bytes(encode_json(document, indent=indent))


def print_bytes(data: bytes) -> None:
    """Prints bytes on standard output, as :func:`print_document` does."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except BrokenPipeError:
        reader_gone()
    except OSError as error:
        reader_gone()
        raise output_lost(error) from error


def output_lost(error: OSError) -> ProjrunError:
    """That what we print has no place to go to."""
    reason = error.strerror or str(error)
    return ProjrunError("standard output cannot be written", why=reason, hint="write it somewhere else")


def open_streams() -> None:
    """Makes our three streams safe to use: one that the caller closed leads nowhere, no character is refused."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - it stays open
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def close_streams() -> None:
    """Writes what is left. Where that fails the exit code stays, and is not Python's own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def reader_gone() -> None:
    """Lets what is still to be written go nowhere: `projrun runs | head` is no error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
