"""``projrun logs``."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from projrun.cli.options import store_option

if TYPE_CHECKING:
    from projrun.store.log import Piece

STREAMS = ("stdout", "stderr", "build", "projrun")


@click.command()
@click.argument("run", default="last")
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows, until the run ends.")
@click.option("-t", "--times", is_flag=True, help="Before each line, when it came and on which stream.")
@click.option(
    "-s", "--stream", "streams", multiple=True, type=click.Choice(STREAMS), help="Only this stream; repeatable."
)
@click.option("--raw", is_flag=True, help="On a terminal: the bytes as they are, whatever they make it do.")
@store_option
def logs(run: str, follow: bool, times: bool, streams: tuple[str, ...], raw: bool, store: Path | None) -> None:
    """Print the log of a run.

    RUN is an id, the beginning of one, or last, last~1, ... of the project around here (default: last). All
    streams are printed in the order in which they came: stdout and stderr of the program, build, and projrun's
    own lines. A pipe gets the bytes as they came; on a terminal what it would obey, colours apart, is made
    visible.
    """
    from projrun.api.store import Store
    from projrun.spec.place import project_around

    found = Store(store).run(run, project=project_around(Path()))
    wanted = found.log(*streams).pieces(follow=follow)
    visible = sys.stdout.isatty() and not raw
    if times:
        _print_lines(wanted, visible=visible)
    else:
        _print_pieces(wanted, visible=visible)


def _print_pieces(pieces: Iterable[Piece], *, visible: bool) -> None:
    from projrun.cli.visible import RESET, Visible

    out = sys.stdout.buffer
    shown: dict[str, Visible] = {}
    for piece in pieces:
        out.write(shown.setdefault(piece.stream, Visible()).feed(piece.data) if visible else piece.data)
        out.flush()
    for stream in shown.values():
        out.write(stream.feed(b"", final=True) + RESET)


def _print_lines(pieces: Iterable[Piece], *, visible: bool) -> None:
    from projrun.cli.visible import RESET, Visible
    from projrun.core.report import OURS
    from projrun.store import log

    out = sys.stdout.buffer
    for line in log.lines(pieces):
        prefix = f"{_clock(line.time)} {line.stream if line.stream in STREAMS else '?':<7} "
        # The column of the stream says what these lines begin with elsewhere.
        data = line.data.removeprefix(b"projrun: ") if line.stream == OURS else line.data
        data = data.rstrip(b"\r\n")
        out.write(prefix.encode() + (Visible().feed(data, final=True) + RESET if visible else data) + b"\n")
        out.flush()


def _clock(time: float | None) -> str:
    """The time of day with milliseconds; dashes for a piece of a log whose index is gone."""
    if time is None:
        return "--:--:--.---"
    moment = dt.datetime.fromtimestamp(time).astimezone()
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"
