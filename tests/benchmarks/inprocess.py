"""Many short runs from Python in one process, against starting the same program as often by hand."""

from __future__ import annotations

import json
from pathlib import Path

from tests.benchmarks import projects
from tests.benchmarks.installed import Ground
from tests.benchmarks.results import Part, Row, rounded
from tests.benchmarks.timing import run, settle

RUNS = 100
WITHIN = str(Path(__file__).with_name("within.py"))


def measure(ground: Ground, runs: int = RUNS) -> Part:
    bare = projects.make(ground, "uv")
    root = projects.make(ground, "projrun", "clean", projects.lock(ground, projects.REQUIREMENT))
    settle()
    script = [f"{bare}/.venv/bin/python", "main.py", "--depth", "3"]
    python = ground.installed.program("projrun", "python")
    words = [python, "-I", WITHIN, "runs", str(root), str(runs), *script]
    taken = json.loads(run(words, root, ground.variables()).output.splitlines()[-1])
    rows = (("bare", "subprocess.run of the script"), ("projrun", "projrun.run"))
    return Part(tuple(Row(name, text, rounded(taken[name])) for name, text in rows))
