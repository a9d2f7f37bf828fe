"""The result as a page's table and as a picture."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

from tests.benchmarks.bars import MLFLOW, RECORDERS, amount, bars, fastest
from tests.benchmarks.results import Part, Parts, Row

_HEADING = "One more run of a tiny project: milliseconds, on a logarithmic scale"
_FONT = 'font-family="sans-serif" font-size="13" fill="#24292f"'
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
TITLES = {
    "warm": ("One more run of a tiny project", "bare"),
    "cold": ("An environment that is not there yet", "uv"),
    "trees": ("Among many files", ""),
    "hashing": ("Hashing data", "sha256sum"),
    "logs": ("A program that writes a great deal", "tee"),
    "inprocess": ("From Python, in one process", "bare"),
    "points": ("Metric points", "projrun-points"),
    "queries": ("Queries over many runs", "runs-filter"),
    "environment": ("The look at an environment", "lstat"),
}


def block(parts: Parts) -> str:
    """All tables, between their markers, as they are in the page."""
    lines = [BEGIN, ""]
    for name, (title, reference) in TITLES.items():
        if name in parts:
            lines += [f"### {title}", "", *_table(name, parts[name], reference), "", *_about(parts[name]), ""]
    lines += ["### The bars", "", *_bars(parts), "", END]
    return "\n".join(lines)


def replaced(page: str, parts: Parts) -> str:
    """A page with the tables of these parts in the place of those it has."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return before + block(parts) + after


def _table(name: str, part: Part, reference: str) -> Iterator[str]:
    if name == "warm":
        yield from _warm(part)
        return
    base = part.row(reference)
    yield "| what | median | best | rounds |" + (f" by {base.text} |" if base else "")
    yield "|---|--:|--:|--:|" + ("--:|" if base else "")
    for row in part.rows:
        best = max(row.values) if row.unit == "MB/s" else row.least
        cells = [row.text, amount(row.median, row.unit), amount(best, row.unit), str(len(row.values))]
        if base:
            cells.append(f"{row.median / base.median:,.2f}" if row.unit == base.unit else "")
        yield f"| {' | '.join(cells)} |"


def _warm(part: Part) -> Iterator[str]:
    bare, uv = part.median("bare"), part.median("uv")
    bases = (bare, uv, fastest(part, RECORDERS))
    mlflow = fastest(part, MLFLOW)
    yield (
        "| what | median | best | rounds | more than bare | by bare | by uv run | by the best recorder "
        "| as many in one of MLflow |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    for row in part.rows:
        cells = [row.text, amount(row.median, "s"), amount(row.least, "s"), str(len(row.values))]
        cells.append(amount(row.median - bare, "s") if bare is not None else "")
        cells += [f"{row.median / base:,.2f}" if base else "" for base in bases]
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
    rows = sorted(part.rows, key=lambda row: row.median)
    left, right, height, top = 380, 880, 26, 40
    low, high = (10.0, 10_000.0)

    def at(milliseconds: float) -> float:
        share = (math.log10(max(milliseconds, low)) - math.log10(low)) / (math.log10(high) - math.log10(low))
        return left + share * (right - left)

    bottom = top + height * len(rows)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right + 90} {bottom + 40}" {_FONT}>',
        f'<rect width="{right + 90}" height="{bottom + 40}" fill="#ffffff"/>',
        f'<text x="10" y="22" font-size="15">{_HEADING}</text>',
    ]
    for tick in (10, 30, 100, 300, 1000, 3000, 10000):
        x = at(tick)
        lines.append(f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}" stroke="#d0d7de"/>')
        lines.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{tick:,}</text>')
    for number, row in enumerate(rows):
        lines += _drawn(row, top + number * height, left, at(row.median * 1000))
    return "\n".join([*lines, "</svg>", ""])


def _drawn(row: Row, y: int, left: int, x: float) -> Iterator[str]:
    ours = row.name in ("projrun", "dirty", "edited", "large", "help", "runs")
    colour = "#0969da" if ours else "#57606a" if row.name in ("bare", "uv", "git") else "#bf8700"
    yield f'<text x="{left - 8}" y="{y + 17}" text-anchor="end">{escape(_short(row.text))}</text>'
    yield f'<rect x="{left}" y="{y + 4}" width="{x - left:.1f}" height="18" fill="{colour}"/>'
    yield f'<text x="{x + 6:.1f}" y="{y + 17}">{row.median * 1000:,.0f}</text>'


def _short(text: str) -> str:
    return text if len(text) <= 52 else text.partition(",")[0] + ", a large environment"
