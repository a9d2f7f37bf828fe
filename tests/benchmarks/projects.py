"""One tiny project, as each of the peers wants it: the same script, in a git repository that is pushed."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.installed import Ground
from tests.benchmarks.timing import run, variables
from tests.repositories import Repository

# What is run: it takes a parameter, reckons a little and writes a metric, another one each time.
PAYLOAD = """\
import argparse
import json
import math
import time

parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int, default=3)
depth = parser.parse_args().depth
loss = sum(math.sin(number) ** depth for number in range(20_000))
with open("metrics.json", "w") as file:
    json.dump({"loss": loss, "at": time.time()}, file)
"""
REQUIREMENT = "six==1.17.0"
LARGE = ("matplotlib==3.11.2", "pandas==3.1.1", "scikit-learn==1.9.1")
_PYPROJECT = """\
[project]
name = "tiny"
version = "1"
requires-python = ">={python}"
dependencies = ["{requirement}"]
"""
_SPEC = """\
version: 1
name: tiny
environment:
  python: "{python}"
  lock: requirements.lock
entry_points:
  main:
    parameters: {{depth: 3}}
    command: python main.py --depth {{depth}}
    metrics: [metrics.json]
"""
_ML_PROJECT = """\
name: tiny
python_env: python_env.yaml
entry_points:
  main:
    parameters:
      depth: {type: float, default: 3}
    command: "python main.py --depth 3"
"""
_DVC = """\
stages:
  main:
    cmd: python main.py --depth 3
    deps: [main.py]
    metrics:
      - metrics.json: {cache: false}
"""
_GUILD = """\
main:
  main: main
  flags-dest: args
  flags: {depth: 3}
"""
_SACRED = """\
import runpy
import sys

from sacred import Experiment
from sacred.observers import FileStorageObserver

experiment = Experiment("tiny")
experiment.observers.append(FileStorageObserver("runs"))


@experiment.config
def config():
    depth = 3


@experiment.automain
def main(depth):
    sys.argv[1:] = ["--depth", str(depth)]
    return runpy.run_path("main.py")["loss"]
"""
_FILES: Mapping[str, Mapping[str, str]] = {
    "projrun": {"ProjectSpec.yaml": _SPEC, ".gitignore": "metrics.json\n"},
    "uv": {"pyproject.toml": _PYPROJECT, ".gitignore": "metrics.json\n.venv\n"},
    "mlflow": {"MLproject": _ML_PROJECT, ".gitignore": "metrics.json\nmlflow.db\nmlruns\n"},
    "dvc": {"dvc.yaml": _DVC, ".gitignore": "metrics.json\n"},
    "guild": {"guild.yml": _GUILD, ".gitignore": "metrics.json\n"},
    "sacred": {"experiment.py": _SACRED, ".gitignore": "metrics.json\nruns\n"},
    "datalad": {},
}


def python() -> str:
    """The version of the interpreter that everything is measured with."""
    return platform.python_version()


def lock(ground: Ground, *requirements: str) -> str:
    """The requirements as a lock with hashes, resolved once for all that use it."""
    asked = ground.scratch / "requirements.in"
    asked.write_text("".join(f"{line}\n" for line in requirements))
    words = [ground.installed.uv, "pip", "compile", "-q", "--generate-hashes", "--no-header", "--no-annotate"]
    words += ["--only-binary", ":all:", "--python-version", python(), str(asked)]
    return run(words, ground.scratch, ground.variables()).output


def make(ground: Ground, kind: str, name: str = "", locked: str = "") -> Path:
    """The project for a peer in a clean, pushed repository; gives its directory."""
    root = ground.scratch / (name or kind)
    repository = Repository.create(root)
    repository.write("main.py", PAYLOAD)
    facts = {"python": python(), "requirement": REQUIREMENT}
    for file, text in _FILES[kind].items():
        repository.write(file, text.format(**facts) if kind in ("projrun", "uv") else text)
    if kind == "projrun":
        repository.write("requirements.lock", locked)
    if kind == "mlflow":
        text = f'python: "{python()}"\nbuild_dependencies: []\ndependencies: [{REQUIREMENT}]\n'
        repository.write("python_env.yaml", text)
    if kind == "uv":
        for words in (["lock", "-q"], ["sync", "-q", "--frozen"]):
            words += ["--python", python()]
            run([ground.installed.uv, *words], root, ground.variables())
    if kind == "dvc":
        run([ground.installed.program("dvc", "dvc"), "init", "-q"], root, ground.variables("dvc"))
    repository.commit()
    if kind == "datalad":
        datalad = ground.installed.program("datalad", "datalad")
        words = ["-l", "error", "create", "--force", "-c", "text2git"]
        run([datalad, *words, root], root, ground.variables("datalad"))
        run([datalad, "-l", "error", "save", "-m", "all"], root, ground.variables("datalad"))
        return root
    repository.push_to(ground.scratch / f"{root.name}.git")
    return root


def forget(ground: Ground) -> None:
    """Removes everything that was made, to give its room to the next."""
    for path in ground.scratch.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


__all__ = ["LARGE", "PAYLOAD", "REQUIREMENT", "forget", "lock", "make", "python", "variables"]
