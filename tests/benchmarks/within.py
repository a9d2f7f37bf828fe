"""What is measured inside a process of projrun: run by the Python that it is installed for, alone, as a program.

    python -I within.py runs PROJECT ROUNDS WORD...     projrun.run, and subprocess.run of the words, in turn
    python -I within.py source PROJECT ROUNDS           the source stage

Prints lists of seconds as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import projrun
from projrun.source.inspect import inspect


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
    taken = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        inspect(Path(project))
        taken.append(time.perf_counter() - begin)
    return {"source": taken[1:]}


if __name__ == "__main__":
    what, where, rounds, *script = sys.argv[1:]
    print(json.dumps(runs(where, int(rounds), script) if what == "runs" else source(where, int(rounds))))
