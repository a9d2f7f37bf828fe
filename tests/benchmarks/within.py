"""What is measured inside a process of projrun: run by the Python that it is installed for, alone, as a program.

    python -I within.py runs PROJECT ROUNDS WORD...     projrun.run, and subprocess.run of the words, in turn
    python -I within.py source PROJECT ROUNDS           the source stage
    python -I within.py points PROJECT                  the points of its last run
    python -I within.py queries STORE                   searches
    python -I within.py noting STORE                    one more run in the index

Prints seconds as JSON.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import projrun
from projrun.source.inspect import inspect
from projrun.store import metrics
from projrun.store import store as kept

_PICKY = 'metrics.rmse < 1 and params.model = "tree" and tag.team = "red"'


def runs(project: str, rounds: int, script: list[str]) -> dict[str, list[float]]:
    """Of each run, and of each bare start of the same program, after one of each."""
    taken: dict[str, list[float]] = {"bare": [], "projrun": []}
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        subprocess.run(script, cwd=project, check=True, stdout=subprocess.DEVNULL)
        middle = time.perf_counter()
        run = projrun.run(project)
        end = time.perf_counter()
        if run.status != "finished":
            raise SystemExit(f"error: a run ended as {run.status}")
        taken["bare"].append(middle - begin)
        taken["projrun"].append(end - middle)
    return {name: values[1:] for name, values in taken.items()}


def source(project: str, rounds: int) -> dict[str, list[float]]:
    """Of saying which commit stands for the files, and which of them are changed."""
    return {"source": [_timed(lambda: inspect(Path(project))) for _ in range(rounds + 1)][1:]}


def points(project: str) -> dict[str, float]:
    """Of the last run: a metric in short, its series, and as many points as a plot has room for."""
    run = projrun.Store().runs(project=project)[0].directory
    asked: dict[str, Callable[[], object]] = {
        "summary": lambda: metrics.summary(run, "loss"),
        "series": lambda: metrics.series(run, "loss"),
        "thinned": lambda: metrics.series(run, "loss", 500),
    }
    return {name: [_timed(what) for _ in range(2)][1] for name, what in asked.items()}


def queries(store: str) -> dict[str, float]:
    """Of each question, asked once before."""
    runs = projrun.Store(store).runs
    asked: dict[str, Callable[[], object]] = {
        "newest": lambda: list(runs(limit=25)),
        "filter": lambda: list(runs(_PICKY, sort="metrics.rmse", limit=25)),
        "frame": lambda: runs('metrics.rmse < 0.2 and params.model = "tree"').dataframe(),
        "text": lambda: list(runs('params.choice_0 like "%aaa%"', limit=25)),
    }
    return {name: [_timed(what) for _ in range(2)][1] for name, what in asked.items()}


def noting(store: str) -> dict[str, list[float]]:
    """Of noting each of fifty runs in the index."""
    place = kept.Store(Path(store))
    place.index.count()
    with os.scandir(place.runs_directory) as entries:
        some = [Path(entry.path) for entry in itertools.islice(entries, 50)]
    return {"noting": [_timed(lambda: place.index.record(run)) for run in some]}  # noqa: B023 - called at once


def _timed(what: Callable[[], object]) -> float:
    begin = time.perf_counter()
    what()
    return time.perf_counter() - begin


if __name__ == "__main__":
    what, where, *words = sys.argv[1:]
    ways: dict[str, Callable[[], object]] = {
        "runs": lambda: runs(where, int(words[0]), words[1:]),
        "source": lambda: source(where, int(words[0])),
        "points": lambda: points(where),
        "queries": lambda: queries(where),
        "noting": lambda: noting(where),
    }
    print(json.dumps(ways[what]()))
