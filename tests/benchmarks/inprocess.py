"""Many short runs from Python in one process, against starting the same program as often by hand.

Called as a program, in the environment of projrun alone, it does the runs: ``python inprocess.py PROJECT RUNS``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

RUNS = 100


def loop(project: str, runs: int, script: list[str]) -> dict[str, list[float]]:
    """Seconds of each run and of each bare start of the same argv, in turn, after one of each."""
    import projrun

    taken: dict[str, list[float]] = {"projrun": [], "bare": []}
    for _ in range(runs + 1):
        begin = time.perf_counter()
        subprocess.run(script, cwd=project, check=True, stdout=subprocess.DEVNULL)
        middle = time.perf_counter()
        run = projrun.run(project)
        end = time.perf_counter()
        if run.status != "finished":
            raise SystemExit(f"a run ended as {run.status}")
        taken["bare"].append(middle - begin)
        taken["projrun"].append(end - middle)
    return {name: values[1:] for name, values in taken.items()}


def main() -> None:
    project, runs, *script = sys.argv[1:]
    print(json.dumps(loop(project, int(runs), script)))


if __name__ == "__main__":
    sys.path.pop(0)  # this folder, which has modules of its own
    main()
else:
    from tests.benchmarks import projects
    from tests.benchmarks.installed import Ground
    from tests.benchmarks.results import Part, Row, rounded
    from tests.benchmarks.timing import run as ran

    def measure(ground: Ground, runs: int = RUNS) -> Part:
        bare = projects.make(ground, "uv")
        root = projects.make(ground, "projrun", "clean", projects.lock(ground, projects.REQUIREMENT))
        time.sleep(2.5)
        script = [bare / ".venv/bin/python", "main.py", "--depth", "3"]
        python = ground.installed.program("projrun", "python")
        told = ran([python, Path(__file__), root, str(runs), *script], root, ground.variables()).output
        taken = json.loads(told.splitlines()[-1])
        return Part(
            (
                Row("bare", "subprocess.run of the script", rounded(taken["bare"])),
                Row("projrun", "projrun.run", rounded(taken["projrun"])),
            )
        )
