"""Runs in other processes that want the environment of a project."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.environment.conftest import Project

REPOSITORY = Path(__file__).parent.parent.parent

# Builds the environment of a project and prints what it was told.
BUILD_ELSEWHERE = """
import sys
from pathlib import Path
from projrun.core.errors import EnvironmentFailure
from projrun.environment.build import ensure
from projrun.environment.model import Means
from projrun.environment.plan import plan
from projrun.spec.model import EnvironmentSpec

class Report:
    def phase(self, name, text):
        print(text, flush=True)
    def write(self, stream, data):
        pass

root, cache, python = sys.argv[1:]
spec = EnvironmentSpec(python=python, lock="requirements.lock")
report = Report()
means = Means(Path(cache))
try:
    environment = ensure(plan(spec, Path(root), means, report), means, report)
except EnvironmentFailure as failure:
    sys.exit(f"{failure.what}\\n{failure.why}\\n{failure.hint}")
print("reused" if environment.reused else "built")
"""

# Stands still at a function until it is killed, which is told on standard output.
STAND_STILL = """
import importlib, sys, threading
module, name = {module!r}, {name!r}
holder = importlib.import_module(module)
for part in name.split(".")[:-1]:
    holder = getattr(holder, part)
name = name.rpartition(".")[2]
real = getattr(holder, name)
def standing(*words, **named):
    if {when}:
        print("standing still", flush=True)
        threading.Event().wait()
    return real(*words, **named)
setattr(holder, name, standing)
"""


def build_elsewhere(
    project: Project, *, first: str = "", variables: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Starts such a run; ``first`` is code that it runs before anything else."""
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            first + BUILD_ELSEWHERE,
            str(project.root),
            str(project.cache),
            project.spec.python or "",
        ],
        cwd=REPOSITORY,
        env={**os.environ, **(variables or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
