"""What the numbers have to be: each bar reads the parts and tells whether it is met, and by how much it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.benchmarks.results import Part, Parts

RECORDERS = ("datalad", "datalad-explicit", "datalad-nothing", "sacred")
MLFLOW = ("mlflow-virtualenv", "mlflow-uv")


@dataclass(frozen=True)
class Bar:
    """One bar: the number, what it may be, and whether it may be no more or no less."""

    part: str
    text: str
    value: float
    limit: float
    unit: str
    at_most: bool = True

    @property
    def met(self) -> bool:
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def __str__(self) -> str:
        sign = "at most" if self.at_most else "at least"
        return f"{self.text}: {amount(self.value, self.unit)}, {sign} {amount(self.limit, self.unit)}"


def amount(value: float, unit: str) -> str:
    """A number with its unit; seconds as milliseconds when there are few."""
    if unit == "s":
        if abs(value) >= 10:
            return f"{value:,.1f} s"
        return f"{value * 1000:,.0f} ms" if abs(value) >= 0.01 else f"{value * 1000:,.1f} ms"
    if unit == "x":
        return f"{value:,.2f} x" if value < 10 else f"{value:,.0f} x"
    return f"{value:,.0f} {unit}"


def bars(parts: Parts) -> list[Bar]:
    """The bars of all parts that were measured."""
    found: list[Bar] = []
    for name, judge in _JUDGES.items():
        if name in parts:
            found += judge(parts[name])
    return found


def fastest(part: Part, names: tuple[str, ...]) -> float | None:
    """The least of the medians of rows, or None when all were left out."""
    there = [median for name in names if (median := part.median(name)) is not None]
    return min(there, default=None)


def _over(part: Part, name: str, base: str) -> float | None:
    value, less = part.median(name), part.median(base)
    return None if value is None or less is None else value - less


def _ratio(part: Part, name: str, base: str) -> float | None:
    value, by = part.median(name), part.median(base)
    return None if value is None or not by else value / by


def _bar(
    part: str, text: str, value: float | None, limit: float, unit: str, at_most: bool = True
) -> Iterator[Bar]:
    if value is not None:
        yield Bar(part, text, value, limit, unit, at_most)


def _warm(part: Part) -> Iterator[Bar]:
    ours, bare = part.median("projrun"), part.median("bare")
    yield from _bar("warm", "a run beyond the bare script", _over(part, "projrun", "bare"), 0.1, "s")
    for name, text in (("dirty", "not committed"), ("edited", "edited since the last run")):
        more = _over(part, name, "projrun")
        yield from _bar("warm", f"100 files {text}, beyond a clean tree", more, 0.06, "s")
    yield from _bar("warm", "projrun --help", part.median("help"), 0.12, "s")
    if not ours or not bare:
        return
    if recorder := fastest(part, RECORDERS):
        yield from _bar("warm", "a run by the best recorder's", ours / recorder, 0.5, "x")
    if mlflow := fastest(part, MLFLOW):
        yield from _bar("warm", "mlflow run by a run", mlflow / ours, 25, "x", False)


def _cold(part: Part) -> Iterator[Bar]:
    yield from _bar("cold", "an environment by uv's own", _ratio(part, "projrun", "uv"), 1.2, "x")


def _trees(part: Part) -> Iterator[Bar]:
    small = part.median("run-small")
    for row in part.rows:
        kind, _, size = row.name.partition("-")
        git = part.median(f"git-{size}")
        if kind == "run" and size != "small" and small and git:
            text = f"a run among {int(size):,} files beyond one among three, by git status"
            yield Bar("trees", text, (row.median - small) / git, 1.3, "x")
        if kind == "source" and git:
            yield Bar(
                "trees", f"the source stage among {int(size):,} files, by git status", row.median / git, 1.3, "x"
            )


def _logs(part: Part) -> Iterator[Bar]:
    for name, text in (("plain", "a log"), ("secret", "a log, with a declared secret")):
        yield from _bar("logs", text, part.median(name), 200, "MB/s", False)
        yield from _bar("logs", f"{text}: memory", part.median(f"{name}-memory"), 80, "MB")


def _inprocess(part: Part) -> Iterator[Bar]:
    yield from _bar("inprocess", "projrun.run beyond the bare script", _over(part, "projrun", "bare"), 0.025, "s")


def _queries(part: Part) -> Iterator[Bar]:
    yield from _bar("queries", "projrun runs, a filter", part.median("runs-filter"), 0.2, "s")


_JUDGES: dict[str, Callable[[Part], Iterator[Bar]]] = {
    "warm": _warm,
    "cold": _cold,
    "trees": _trees,
    "logs": _logs,
    "inprocess": _inprocess,
    "queries": _queries,
}
