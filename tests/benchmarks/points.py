"""A million metric points of one run: told, kept, and asked for, against MLflow's two ways to log them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

from tests.benchmarks import projects
from tests.benchmarks.inprocess import WITHIN
from tests.benchmarks.installed import Ground
from tests.benchmarks.results import Part, Row, rounded
from tests.benchmarks.timing import LeftOut, run, settle, tell
from tests.repositories import Repository

POINTS = 1_000_000
_ONE_BY_ONE = 2_000  # log_metric: each is a transaction, and all of them would take an hour
_BATCHED = 100_000
_WITHIN_MLFLOW = WITHIN.replace("within.py", "within_mlflow.py")
_SPEC = """\
version: 1
name: points
environment:
  python: "{python}"
  lock: requirements.lock
entry_points:
  main: {{command: [python, points.py, "{points}"]}}
  none: {{command: [python, points.py, "0"]}}
"""
# As the how-to of metrics has it: one JSON object a line, from the standard library alone.
_PROGRAM = """\
import json
import os
import random
import sys

with open(os.environ["PROJRUN_METRICS"], "a") as file:
    for step in range(int(sys.argv[1])):
        file.write(json.dumps({"name": "loss", "value": random.random(), "step": step}) + "\\n")
"""
_TEXTS = {
    "told": "1,000,000 points: a run that tells them, beyond one that tells none",
    "summary": "last, least and greatest of them",
    "series": "the whole series",
    "thinned": "the series as 500 points",
    "mlflow-batch": "MLflow, log_batch of 1,000: 100,000 points, times 10",
    "mlflow-one": "MLflow, log_metric: 2,000 points, times 500",
    "mlflow-history": "MLflow, get_metric_history: 100,000 points, times 10",
}


def measure(ground: Ground, points: int = POINTS) -> Part:
    repository = Repository.create(ground.scratch / "points")
    repository.write("ProjectSpec.yaml", _SPEC.format(python=projects.python(), points=points))
    repository.write("requirements.lock", "")
    repository.write("points.py", _PROGRAM)
    repository.commit()
    settle()
    taken: dict[str, list[float]] = {name: [] for name in _TEXTS}
    left_out: dict[str, str] = {}
    for number in range(ground.rounds):
        _ours(ground, repository, taken)
        if "mlflow" not in left_out:
            try:
                _mlflow(ground, taken)
            except LeftOut as error:
                left_out["mlflow"] = str(error)
        tell(f"  round {number + 1} of {ground.rounds}")
    return Part(tuple(_rows(taken)), left_out)


def _rows(taken: dict[str, list[float]]) -> Iterator[Row]:
    for name, text in _TEXTS.items():
        if taken[name]:
            yield Row(name, text, rounded(taken[name]))


def _ours(ground: Ground, repository: Repository, taken: dict[str, list[float]]) -> None:
    variables = ground.variables()
    words = [ground.projrun(), "run", "-q", "-e"]
    none = run([*words, "none"], repository.path, variables, subprocess.DEVNULL).seconds
    told = run([*words, "main"], repository.path, variables, subprocess.DEVNULL).seconds
    taken["told"].append(told - none)
    python = ground.installed.program("projrun", "python")
    asked = run([python, "-I", WITHIN, "points", str(repository.path)], repository.path, variables).output
    for name, seconds in json.loads(asked).items():
        taken[name].append(seconds)


def _mlflow(ground: Ground, taken: dict[str, list[float]]) -> None:
    python = ground.installed.program("mlflow", "python")
    store = ground.scratch / "mlflow.db"
    words = [python, "-I", _WITHIN_MLFLOW, "points", f"sqlite:///{store}", str(_ONE_BY_ONE), str(_BATCHED)]
    asked = json.loads(run(words, ground.scratch, ground.variables("mlflow")).output.splitlines()[-1])
    taken["mlflow-one"].append(asked["one"] * POINTS / _ONE_BY_ONE)
    taken["mlflow-batch"].append(asked["batch"] * POINTS / _BATCHED)
    taken["mlflow-history"].append(asked["history"] * POINTS / _BATCHED)
