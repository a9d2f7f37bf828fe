"""``projrun metrics``."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from projrun.cli.options import json_option, store_option
from projrun.cli.render import Column, number, print_document, printable, table
from projrun.core.errors import UsageError
from projrun.core.values import as_dict

if TYPE_CHECKING:
    from projrun.core.metrics.lines import Point
    from projrun.store.metrics import RunMetrics, Series, Summary

_BARS = "▁▂▃▄▅▆▇█"
_DRAWN = 16  # characters
_ROWS = 10_000
_SUMMARY = ("name", "count", "last", "min", "max", "first_step", "last_step", "last_time", "origin")
_POINT = ("name", "step", "value", "time")


@click.command()
@click.argument("run", default="last")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--series", is_flag=True, help="All points, as CSV or with --json, in the order in which they came.")
@click.option(
    "--points",
    type=click.IntRange(min=4),
    metavar="N",
    help="Of each series at most N points: the ends, and the least and the greatest of each stretch between.",
)
@click.option("-f", "--follow", is_flag=True, help="The points as they come, until the run ends.")
@click.option("--csv", "as_csv", is_flag=True, help="As CSV.")
@json_option
@store_option
def metrics(  # noqa: PLR0913, PLR0917 - one parameter for each option of the command line
    run: str,
    names: tuple[str, ...],
    series: bool,
    points: int | None,
    follow: bool,
    as_csv: bool,
    as_json: bool,
    store: Path | None,
) -> None:
    """Show the metrics of a run, also while it runs: the last value, the least and the greatest.

    RUN is an id, the beginning of one, or last, last~1, ... of the project around here (default: last). With NAMEs
    only these metrics. --series prints every value that was reported.
    """
    from projrun.core.paths import store_directory
    from projrun.spec.place import project_around
    from projrun.store import metrics as stored
    from projrun.store.store import Store

    if as_csv and as_json:
        raise UsageError("--csv and --json are given", why="one form is printed", hint="leave one of them out")
    if points is not None and (follow or not series):
        raise UsageError("--points goes with --series", why="it thins series", hint="add --series")
    chosen = Store(store_directory(store))
    directory = chosen.read(chosen.resolve(run, project_around(Path()))).path
    if follow:
        _follow(directory, frozenset(names), as_json=as_json)
        return
    with stored.opened(directory) as found:
        wanted = [found.summary(name) for name in names] or list(found.summaries().values())
        if series:
            _print_series(found, wanted, points, as_json=as_json)
        elif as_json:
            print_document({"run": directory.name, "metrics": [as_dict(one) for one in wanted]})
        elif as_csv:
            _print_csv(_SUMMARY, ([_cell(getattr(one, key)) for key in _SUMMARY] for one in wanted))
        elif wanted:
            _print_table(found, wanted)
        else:
            click.echo(f"run {directory.name} reported no metrics", err=True)


def _print_table(found: RunMetrics, wanted: Sequence[Summary]) -> None:
    drawn = sys.stdout.isatty() and _can_draw()
    columns = [Column("metric", elastic=True), Column("count"), Column("last"), Column("min", rank=2)]
    columns += [Column("max", rank=2), Column("last step", rank=3)]
    columns += [Column("course", rank=4)] * drawn
    rows = []
    for one in wanted:
        row = [printable(one.name), str(one.count), _shown(one.last), _shown(one.min), _shown(one.max)]
        row.append(_shown(one.last_step))
        rows.append(row + ([_course(found.series(one.name, 4 * _DRAWN))] if drawn else []))
    table(columns, rows)


def _shown(value: object) -> str:
    return "" if value is None else number(value)


def _can_draw() -> bool:
    try:
        _BARS.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _course(series: Series) -> str:
    """The values as bars; what is no finite number is a blank. Nothing for a single value."""
    heights = [_height(value) for value in series.values]
    finite = [height for height in heights if height is not None]
    if len(heights) < 2 or not finite:
        return ""
    least, span = min(finite), max(finite) - min(finite)
    width = min(_DRAWN, len(heights))
    places = [(len(heights) - 1) * at // (width - 1) for at in range(width)]
    return "".join(_bar(heights[place], least, span) for place in places)


def _height(value: object) -> float | None:
    with suppress(ValueError, TypeError, OverflowError):
        height = float(value)  # type: ignore[arg-type]
        return height / 4 if math.isfinite(height) else None  # two of the largest are not too far apart then
    return None


def _bar(height: float | None, least: float, span: float) -> str:
    if height is None:
        return " "
    return _BARS[round((height - least) / span * (len(_BARS) - 1))] if span else _BARS[len(_BARS) // 2]


def _print_series(found: RunMetrics, wanted: Sequence[Summary], points: int | None, *, as_json: bool) -> None:
    if as_json:
        listed = []
        for one in wanted:
            series = found.series(one.name, points)
            times = None if series.times is None else [_time(time) for time in series.times]
            columns = {"steps": list(series.steps), "values": list(series.values), "times": times}
            listed.append({**as_dict(one), **columns})
        print_document({"run": found.run.name, "metrics": listed}, indent=None)
        return
    _print_csv(_POINT, _rows(found, wanted, points))


def _rows(found: RunMetrics, wanted: Sequence[Summary], points: int | None) -> Iterator[Sequence[Any]]:
    for one in wanted:
        series = found.series(one.name, points)
        # Of a million points each is worth a thought: an array has nothing but numbers.
        values = series.values if isinstance(series.values, array) else map(_cell, series.values)
        times = repeat(None) if series.times is None else map(_time, series.times)
        yield from zip(repeat(printable(one.name)), series.steps, values, times)


def _time(time: float) -> float | None:
    return None if math.isnan(time) else time


def _print_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    csv.writer(sys.stdout, lineterminator="\n").writerow(header)
    left = iter(rows)
    while part := list(islice(left, _ROWS)):  # standard output may write each row by itself
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(part)
        sys.stdout.write(text.getvalue())


def _cell(value: object) -> object:
    """Truth values are true and false as in JSON, what is not known is empty."""
    if isinstance(value, str):
        return printable(value)
    return json.dumps(value) if isinstance(value, bool) else value


def _follow(directory: Path, names: frozenset[str], *, as_json: bool) -> None:
    """CSV or JSON lines, each printed as it comes."""
    from projrun.store.metrics_living import follow

    if not as_json:
        _print_csv(_POINT, ())
    for point in follow(directory):
        if not names or point.name in names:
            click.echo(_line(point, as_json=as_json))
            sys.stdout.flush()


def _line(point: Point, *, as_json: bool) -> str:
    if as_json:
        return json.dumps(point._asdict(), allow_nan=False)
    cells = (point.name, point.step, point.value, point.time)
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(map(_cell, cells))
    return text.getvalue()
