"""Many runs: listed and searched, as a command and from Python, against MLflow's own search of the same runs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.inprocess import WITHIN
from tests.benchmarks.installed import Ground
from tests.benchmarks.results import Part, Row, rounded
from tests.benchmarks.store_generator import generate
from tests.benchmarks.timing import Contestant, LeftOut, interleaved, run, tell

RUNS = 100_000
_WITHIN_MLFLOW = WITHIN.replace("within.py", "within_mlflow.py")
_FILTER = 'metrics.rmse < 1 and params.model = "tree" and not tag.draft and started > "90 days ago"'
_WIDE = "metrics.rmse < 3 and params.depth > 0 and not tag.draft"
_COMMANDS = {
    "runs": ("projrun runs", []),
    "runs-filter": ("projrun runs, a filter", [_FILTER]),
    "runs-sorted": ("projrun runs, a filter, sorted", [_FILTER, "--sort", "-metrics.rmse,started"]),
    "runs-wide": (
        "projrun runs, nearly all, two sorts",
        [_WIDE, "--sort", "params.model,-metrics.rmse"],
    ),
}
# The same question to both, from Python: within_mlflow.py has MLflow's words for it.
_WITHIN = {
    "newest": "the newest 25 runs",
    "filter": "25 runs of a metric, a parameter and a tag, sorted by the metric",
    "frame": "all runs of a metric and a parameter, as a data frame",
    "text": "25 runs with a text in a parameter",
}


def measure(ground: Ground, runs: int = RUNS) -> Part:
    store = ground.scratch / "home" / "store"
    variables = ground.variables("projrun")
    tell(f"  {runs:,} runs are made")
    generate(store, runs)
    rows = list(_once(ground, store, variables))
    contestants = [
        Contestant(name, text, [ground.projrun(), "runs", "--all", *words], ground.scratch, variables)
        for name, (text, words) in _COMMANDS.items()
    ]
    part = interleaved(contestants, ground.rounds)
    within, left_out = _asked(ground, store)
    return Part((*rows, *part.rows, *within), {**part.left_out, **left_out})


def _once(ground: Ground, store: Path, variables: dict[str, str]) -> Iterator[Row]:
    """What is once: the index is made by the first listing, and anew by ``store rebuild``."""
    first = run([ground.projrun(), "runs", "--all"], ground.scratch, variables).seconds
    yield Row("first", "the first listing, which makes the index", rounded([first]))
    again = run([ground.projrun(), "store", "rebuild"], ground.scratch, variables).seconds
    yield Row("rebuild", "projrun store rebuild", rounded([again]))
    old = time.time() - 3600
    os.utime(store / "runs", (old, old))  # as it is when the last run is some seconds ago
    python = ground.installed.program("projrun", "python")
    noted = json.loads(run([python, "-I", WITHIN, "noting", str(store)], ground.scratch, variables).output)
    yield Row("noting", "noting one more run", rounded(noted["noting"]))


def _asked(ground: Ground, store: Path) -> tuple[list[Row], dict[str, str]]:
    """The questions from Python, to the one and to the other in turn, each in a process of its own."""
    taken: dict[str, list[float]] = {}
    left_out: dict[str, str] = {}
    ours = [ground.installed.program("projrun", "python"), "-I", WITHIN, "queries", str(store)]
    place = ground.scratch / "mlflow.db"
    theirs: list[str] = []
    try:
        theirs = [ground.installed.program("mlflow", "python"), "-I", _WITHIN_MLFLOW]
        tell("  the same runs are put into MLflow's store")
        run([*theirs, "fill", f"sqlite:///{place}", str(store)], ground.scratch, ground.variables("mlflow"))
    except LeftOut as error:
        left_out["mlflow"] = str(error)
        tell(f"  left out: {error}")
    for number in range(ground.rounds):
        for name, seconds in json.loads(run(ours, ground.scratch, ground.variables()).output).items():
            taken.setdefault(name, []).append(seconds)
        if not left_out:
            words = [*theirs, "queries", f"sqlite:///{place}"]
            told = run(words, ground.scratch, ground.variables("mlflow")).output.splitlines()[-1]
            for name, seconds in json.loads(told).items():
                taken.setdefault(f"mlflow-{name}", []).append(seconds)
        tell(f"  round {number + 1} of {ground.rounds}")
    rows = []
    for name, text in _WITHIN.items():
        rows.append(Row(name, f"projrun: {text}", rounded(taken[name])))
        if f"mlflow-{name}" in taken:
            rows.append(Row(f"mlflow-{name}", f"MLflow: {text}", rounded(taken[f"mlflow-{name}"])))
    return rows, left_out
