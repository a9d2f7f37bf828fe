"""The result as a page's table and as a picture."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

from tests.benchmarks.bars import MLFLOW, RECORDERS, amount, bars, fastest
from tests.benchmarks.results import Part, Parts, Row

_HEADING = "One more run of a tiny project: milliseconds, on a logarithmic scale"
_FONT = 'font-family="sans-serif" font-size="13" fill="#24292f"'
_LEFT, _RIGHT, _HEIGHT, _TOP = 430, 900, 26, 36  # pixels
_OURS, _PLAIN, _PEER = "#0969da", "#57606a", "#bf8700"
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
TITLES = {
    "warm": "One more run of a tiny project",
    "cold": "An environment that is not there yet",
    "trees": "Among many files",
    "hashing": "Hashing data",
    "logs": "A program that writes a great deal",
    "inprocess": "From Python, in one process",
    "points": "Metric points",
    "queries": "Queries over many runs",
    "environment": "The look at an environment",
}
# What a row of a part is compared with: the beginning of its name, the row to divide by, and how that is called.
_AGAINST: dict[str, tuple[tuple[str, str, str], ...]] = {
    "cold": (("", "uv", "uv's"),),
    "trees": (("run-small", "", ""), ("run-", "git-", "git status"), ("source-", "git-", "git status")),
    "hashing": (("", "sha256sum", "sha256sum"),),
    "logs": (("", "tee", "tee's"),),
    "inprocess": (("", "bare", "the bare script"),),
    "points": (("mlflow-history", "series", "projrun's"), ("mlflow-", "told", "projrun's")),
    "queries": (("mlflow-", "", "projrun's"),),
    "environment": (("", "lstat", "os.lstat"),),
}


def block(parts: Parts) -> str:
    """All tables, between their markers, as they are in the page."""
    lines = [BEGIN, ""]
    for name, title in TITLES.items():
        if name in parts:
            lines += [f"### {title}", "", *_table(name, parts[name]), "", *_about(parts[name]), ""]
    lines += ["### The bars", "", *_bars(parts), "", END]
    return "\n".join(lines)


def replaced(page: str, parts: Parts) -> str:
    """A page with the tables of these parts in the place of those it has."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return before + block(parts) + after


def _table(name: str, part: Part) -> Iterator[str]:
    if name == "warm":
        yield from _warm(part)
        return
    yield "| what | median | best | rounds | compared |"
    yield "|---|--:|--:|--:|--:|"
    for row in part.rows:
        best = max(row.values) if row.unit == "MB/s" else row.least
        compared = _compared(name, part, row)
        cells = [row.text, amount(row.median, row.unit), amount(best, row.unit), str(len(row.values)), compared]
        yield f"| {' | '.join(cells)} |"


def _compared(name: str, part: Part, row: Row) -> str:
    """How many times as much as what it is compared with."""
    for begin, reference, called in _AGAINST[name]:
        if row.name.startswith(begin):
            size = row.name.removeprefix(begin)
            other = part.row(f"{reference}{size}" if begin and (reference in ("", "git-")) else reference)
            if other and called and other is not row and other.unit == row.unit and other.median:
                return f"{row.median / other.median:,.2f} x {called}"
            return ""
    return ""


def _warm(part: Part) -> Iterator[str]:
    bare, uv, recorder = part.median("bare"), part.median("uv"), fastest(part, RECORDERS)
    mlflow = fastest(part, MLFLOW)
    yield "| what | median | best | rounds | more than bare | ÷ bare | ÷ uv run | ÷ best recorder | MLflow ÷ it |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    for row in part.rows:
        cells = [row.text, amount(row.median, "s"), amount(row.least, "s"), str(len(row.values))]
        if row.name == "git":
            cells += [""] * 5
        else:
            cells.append(amount(row.median - bare, "s") if bare is not None else "")
            cells += [f"{row.median / base:,.2f}" if base else "" for base in (bare, uv, recorder)]
            cells.append(f"{mlflow / row.median:,.1f}" if mlflow else "")
        yield f"| {' | '.join(cells)} |"


def _about(part: Part) -> Iterator[str]:
    told = ", ".join(f"{name} {version}" for name, version in part.versions.items())
    machine = ", ".join(
        f"{value} {name}"
        if name == "cores"
        else value
        if name in ("processor", "memory", "system")
        else f"{name} {value}"
        for name, value in part.machine.items()
    )
    yield f"Measured on {part.measured}: {machine}; {told}."
    for name, why in part.left_out.items():
        yield f"Left out: {name} ({why})."


def _bars(parts: Parts) -> Iterator[str]:
    yield "| bar | measured | wanted | |"
    yield "|---|--:|--:|---|"
    for bar in bars(parts):
        sign = "≤" if bar.at_most else "≥"
        met = "met" if bar.met else "**missed**"
        yield f"| {bar.text} | {amount(bar.value, bar.unit)} | {sign} {amount(bar.limit, bar.unit)} | {met} |"


def picture(parts: Parts) -> str:
    """The medians of the warm runs as horizontal bars, on a scale of powers of ten: SVG, and nothing but text."""
    part = parts["warm"]
    bare = part.median("bare")
    rows = sorted((row for row in part.rows if row.name != "git"), key=lambda row: row.median)
    bottom = _TOP + _HEIGHT * len(rows)
    size = f'width="{_RIGHT + 150}" height="{bottom + 40}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_RIGHT + 150} {bottom + 40}" {_FONT}>',
        f'<rect {size} fill="#ffffff"/>',
        f'<text x="10" y="22" font-size="15">{_HEADING}</text>',
    ]
    for tick in (10, 30, 100, 300, 1000, 3000, 10000):
        x = _at(tick)
        lines.append(f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}" stroke="#d0d7de"/>')
        lines.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{tick:,}</text>')
    for number, row in enumerate(rows):
        ratio = f", {row.median / bare:,.1f} x bare" if bare and row.name != "bare" else ""
        lines += _drawn(row, _TOP + number * _HEIGHT, f"{row.median * 1000:,.0f} ms{ratio}")
    return "\n".join([*lines, "</svg>", ""])


def _at(milliseconds: float) -> float:
    """Where on the scale, from 10 ms to 10 s."""
    return _LEFT + (math.log10(max(milliseconds, 10.0)) - 1) / 3 * (_RIGHT - _LEFT)


def _drawn(row: Row, y: int, told: str) -> Iterator[str]:
    x = _at(row.median * 1000)
    colour = _OURS if row.text.startswith("projrun") else _PLAIN if row.name in ("bare", "uv") else _PEER
    yield f'<text x="{_LEFT - 8}" y="{y + 17}" text-anchor="end">{escape(row.text)}</text>'
    yield f'<rect x="{_LEFT}" y="{y + 4}" width="{x - _LEFT:.1f}" height="18" fill="{colour}"/>'
    yield f'<text x="{x + 6:.1f}" y="{y + 17}">{told}</text>'
