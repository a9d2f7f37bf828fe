"""The last lines of a run: what it wrote, what is not reproducible by itself, and where to look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from projrun.cli.render import number
from projrun.cli.screen import Screen
from projrun.core.amounts import size

if TYPE_CHECKING:
    from projrun.runner import Result

_METRICS_SHOWN = 12


def summarise(result: Result, screen: Screen) -> None:
    """Prints the summary of a run that came to an end."""
    outcome = result.outcome
    if outcome["metrics"]:
        screen.line("metrics", metrics_line(outcome["metrics"]))
    written = [one for one in outcome["outputs"] if one["kind"] in ("file", "directory") and not one["stale"]]
    if written:
        screen.line("outputs", ", ".join(f"{one['path']} ({size(one['size'])})" for one in written))
    flags = [*result.recipe["flags"], *outcome["flags"]]
    for flag in flags:
        screen.line("flagged", flag_line(flag))
    steps = [f"projrun show {result.id}", f"projrun logs {result.id}"]
    if result.recipe["source"]["checkout"] and any(one["object"] for one in outcome["outputs"]):
        steps.append(f"projrun restore {result.id} DIRECTORY --outputs")
    screen.line("next", " · ".join(steps))


def metrics_line(metrics: Sequence[Mapping[str, Any]]) -> str:
    """``accuracy 0.98, loss 0.11``: the first dozen."""
    shown = ", ".join(f"{metric['name']} {number(metric['value'])}" for metric in metrics[:_METRICS_SHOWN])
    more = len(metrics) - _METRICS_SHOWN
    return shown + (f", and {more} more" if more > 0 else "")


def flag_line(flag: Mapping[str, str]) -> str:
    """A flag with what mends it."""
    return flag["message"] + (f" ({flag['mend']})" if flag["mend"] else "")
