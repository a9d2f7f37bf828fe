"""MLproject files mean what they mean to MLflow, of several versions: what is refused, and every command."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from projrun.choice import builtins, choose
from projrun.core.errors import SpecError, UsageError
from projrun.core.paths import cache_directory
from projrun.environment.uv_program import executable
from projrun.options import Options
from projrun.spec import command
from projrun.spec.model import ProjectSpec
from tests.spec.mlflow_renders import calls, scripts
from tests.spec.specs import load

pytestmark = [pytest.mark.slow, pytest.mark.network]

HERE = Path(__file__).parent
CORPUS = sorted(path.name for path in (HERE / "mlprojects").iterdir() if path.is_dir())
VERSIONS = {"1.30.1": ["setuptools<80"], "3.6.0": []}

# Where projrun differs on purpose: project and entry point, and why.
DIFFERENT = {
    ("different", "empty"): "a command that does nothing is a mistake",
    ("different", "blanks"): "an address has no blanks (RFC 3986), and a password in one could not be found",
}


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The projects in a place where mlflow may leave what it makes beside them."""
    place = tmp_path_factory.mktemp("corpus") / "mlprojects"
    shutil.copytree(HERE / "mlprojects", place)
    return place


@pytest.fixture(scope="session", params=VERSIONS)
def of_mlflow(request: pytest.FixtureRequest, corpus: Path) -> dict[str, Any]:
    """What one version of mlflow makes of the corpus. It is installed once, outside of the tree."""
    python = _installed(request.param, VERSIONS[request.param])
    words: list[str | Path] = [
        python,
        "-W",
        "ignore",
        HERE / "mlflow_renders.py",
        *(corpus / name for name in CORPUS),
    ]
    done = subprocess.run(words, capture_output=True, check=True, env={**os.environ, "HOME": str(python.parent)})
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _installed(version: str, more: list[str]) -> Path:
    """The python of an environment with that mlflow, made by one worker, whole or not at all."""
    series = f"{sys.version_info[0]}.{sys.version_info[1]}"
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "projrun-tests")
    caches.mkdir(parents=True, exist_ok=True)
    place = caches / f"mlflow-{version}-{series}"
    with (caches / f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.is_dir():
            aside = caches / f"{place.name}.aside"
            shutil.rmtree(aside, ignore_errors=True)
            packages = [f"mlflow-skinny=={version}", *more]
            steps: tuple[list[str | Path], ...] = (
                ["venv", "-q", "--relocatable", "--python", sys.executable, aside],
                ["pip", "install", "-q", "--python", aside / "bin/python", *packages],
            )
            for words in steps:
                subprocess.run([executable(), *words], check=True)
            aside.rename(place)
    return place / "bin/python"


@pytest.mark.parametrize("name", CORPUS)
def test_a_project_means_what_it_means_to_mlflow(
    name: str, corpus: Path, of_mlflow: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = corpus / name
    monkeypatch.chdir(project)
    theirs = of_mlflow[project.name]
    if "refused" in theirs:
        with pytest.raises(SpecError) as caught:
            load(project)
        assert caught.value.problems, theirs
        assert all(one.line for one in caught.value.problems)
        return
    spec = load(project)
    assert _environment(spec) == theirs["environment"] or _is_new(theirs, of_mlflow)
    names = [*spec.entry_points, *spec.refused, *scripts()]
    ours = {name: _commands(project, spec, name) for name in names}
    different = {name for place, name in DIFFERENT if place == project.name}
    told_apart = {name for name in ours if ours[name] != theirs["commands"][name]}
    assert told_apart == different, [(ours[name], theirs["commands"][name]) for name in told_apart]
    assert ours.keys() == theirs["commands"].keys()


def _commands(project: Path, spec: ProjectSpec, name: str) -> list[str | None]:
    declared = spec.entry_points[name].parameters if name in spec.entry_points else {}
    types = {one: parameter.type for one, parameter in declared.items()}
    return [_command(project, name, given) for given in calls(types)]


def _command(project: Path, name: str, given: dict[str, str]) -> str | None:
    texts = tuple(f"{one}={text}" for one, text in given.items())
    options = Options(str(project), cache_directory(), cache_directory(), entry_point=name, given=texts, seed=1)
    try:
        choice = choose(options, project)
        argv = command.render(choice.entry_point.command, choice.parameters, builtins(choice, Path("/run")))
    except (SpecError, UsageError):
        return None
    assert argv[:2] == ("bash", "-c")
    return argv[2]


def _environment(spec: ProjectSpec) -> str | None:
    environment = spec.environments["default"]
    if environment.docker is not None:
        return "docker"
    return None if environment.system else ENVIRONMENTS[spec.root.name]


# The file that the packages of a project are from.
ENVIRONMENTS = {
    "python-env": "environment/python_env.yaml",
    "conda-env": "my_env.yaml",
    "default-conda": "conda.yaml",
    "default-python": "python_env.yaml",
    "conda-utf-16": "env.yml",
}


def _is_new(theirs: dict[str, Any], of_mlflow: dict[str, Any]) -> bool:
    """The first versions did not look for python_env.yaml: there is conda.yaml then."""
    return theirs is of_mlflow["default-python"] and theirs["environment"] == "conda.yaml"
