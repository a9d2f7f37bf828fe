"""``projrun run`` of an MLflow project that knows nothing of projrun: from its address to a verdict."""

from __future__ import annotations

import json
import shutil
import sys
from typing import Any

import pytest

from tests.cli.conftest import THIS_PYTHON, Workspace

pytestmark = pytest.mark.slow

SERIES = ".".join(THIS_PYTHON.split(".")[:2])
# No Python has this number: the nearest one of the series is taken.
PINNED = f"{SERIES}.99"

MLPROJECT = """\
name: tutorial
conda_env: conda.yaml
entry_points:
  main:
    parameters:
      alpha: {type: float, default: .1}
      seed: {type: int, default: 0.000001}
      data: {type: path, default: data/table.csv}
      defulat: {type: string, defulat: x, default: "it's"}
    command: "test ${{NOWHERE:-1}} = 1 \\
      && python show.py {alpha} {seed} {defulat} --data {data}"
  broken:
    command: "python show.py {nothing}"
"""
CONDA = f"""\
name: tutorial
channels: [conda-forge]
dependencies:
  - python={PINNED}
  - pip
  - cudatoolkit=10.1
  - pip:
    - -r requirements.txt
"""
SHOW = """\
import json, os, pathlib, sys
import tinydep
said = {"argv": sys.argv[1:], "version": tinydep.VERSION, "python": sys.prefix}
pathlib.Path(os.environ["PROJRUN_RUN_DIR"], "seen.json").write_text(json.dumps(said))
"""


@pytest.fixture
def mlflow_project(workspace: Workspace) -> Workspace:
    """The same repository as an MLflow project, pushed."""
    (workspace.root / "ProjectSpec.yaml").unlink()
    (workspace.root / "requirements.lock").unlink()
    for name, text in {
        "MLproject": MLPROJECT,
        "conda.yaml": CONDA,
        "requirements.txt": "tinydep>=1  # the only one\n",
        "show.py": SHOW,
    }.items():
        workspace.repository.write(name, text)
    workspace.publish()
    return workspace


def seen(document: Any) -> Any:
    """What the program of a run saw."""
    with open(f"{document['directory']}/seen.json", encoding="utf-8") as stream:
        return json.load(stream)


@pytest.mark.usefixtures("nothing_built")
def test_a_project_of_mlflow_runs_from_its_address_and_is_had_again(mlflow_project: Workspace) -> None:
    address = mlflow_project.repository.git("remote", "get-url", "origin").strip()
    away = mlflow_project.home / "away"
    away.mkdir()
    document = mlflow_project.run(address, "-v", "main", "-P", "alpha=0,5", "-P", "more.steps=a b", cwd=away)
    recipe = document["recipe"]
    told = seen(document)
    data = told["argv"].pop(4)
    assert told["argv"] == ["0,5", "1e-06", "it's", "--data", "--more.steps", "a b"]
    assert data.endswith("/data/table.csv")
    assert recipe["spec"]["file"] == "MLproject"
    assert recipe["spec"]["text"] == MLPROJECT
    assert recipe["entry_point"]["command"]["format"] is True
    assert [one["name"] for one in recipe["environment"]["installed"]] == ["tinydep"]
    codes = [flag["code"] for flag in recipe["flags"]]
    assert codes.count("spec-warning") == 2
    assert {"interpreter-nearest", "lock-missing", "input-undeclared"} <= set(codes)
    values = {one["name"]: (one["type"], one["raw"], one["value"]) for one in recipe["parameters"]}
    assert values["alpha"] == ("float", "0,5", "0,5")
    assert values["seed"] == ("int", "1e-06", "1e-06")
    assert values["more.steps"] == ("str", "a b", "a b")

    shutil.rmtree(mlflow_project.root)
    shutil.rmtree(mlflow_project.home / "cache")
    again = mlflow_project.projrun("reproduce", "last", "--json", cwd=away)
    assert again.code == 0, again.err + again.out


def test_an_entry_point_that_is_broken_keeps_no_other_from_being_run(mlflow_project: Workspace) -> None:
    mlflow_project.repository.write("MLproject", MLPROJECT.replace("conda_env: conda.yaml\n", ""))
    (mlflow_project.root / "conda.yaml").unlink()
    done = mlflow_project.projrun("run", "-e", "broken")
    assert (done.code, "MLproject:12:14: {nothing} is no parameter" in done.err) == (111, True), done.err
    mlflow_project.repository.write("script.sh", "echo ran $1 $2\n")
    done = mlflow_project.projrun("run", "-q", "-e", "script.sh", "-P", "x=a b")
    assert (done.code, done.out) == (0, "ran --x a b\n"), done.err
    done = mlflow_project.projrun("run", "-e", "scrpt.sh")
    assert (done.code, "there is no file 'scrpt.sh' to run" in done.err) == (111, True), done.err
    checked = mlflow_project.projrun("check", "--json")
    assert checked.code == 111
    assert [one["line"] for one in checked.data["problems"]] == [12]
    assert ["'defulat' is not a key" in one["message"] for one in checked.data["warnings"]] == [True]


def test_a_file_of_packages_that_changes_is_read_again(mlflow_project: Workspace) -> None:
    def packages() -> str:
        planned = mlflow_project.projrun("run", "--dry-run", "--json", "--offline")
        return planned.out + planned.err

    before = packages()
    mlflow_project.repository.write("requirements.txt", "absent>=5\n")
    assert packages() != before
    mlflow_project.repository.write("conda.yaml", "dependencies: [r-base]\n")
    done = mlflow_project.projrun("run")
    assert (done.code, "conda.yaml:1:16: r-base is a package of conda" in done.err) == (111, True), done.err


def test_a_path_outside_of_the_project_is_flagged_and_one_that_is_not_there_refused(
    mlflow_project: Workspace,
) -> None:
    mlflow_project.repository.write("MLproject", MLPROJECT.replace("conda_env: conda.yaml\n", "python_env:\n"))
    (mlflow_project.root / "conda.yaml").unlink()
    mlflow_project.repository.write("show.py", f"import sys; print(sys.argv[-1])  # {sys.version}\n")
    place = mlflow_project.home / "outside.csv"
    place.write_text("a\n", encoding="utf-8")
    document = mlflow_project.run("-P", f"data={place}")
    flags = [flag["message"] for flag in document["recipe"]["flags"] if flag["code"] == "input-undeclared"]
    assert flags == [f"parameter data is {place}, outside of the project: nothing hashes it"]
    assert document["recipe"]["inputs"] == []
    refused = mlflow_project.projrun("run", "-P", "data=nowhere.csv")
    assert (refused.code, "there is no file or directory 'nowhere.csv'" in refused.err) == (2, True), refused.err
    refused = mlflow_project.projrun("run", "-P", "data=s3://bucket/x")
    assert (refused.code, "nothing is downloaded" in refused.err) == (2, True), refused.err


def test_another_python_is_chosen_on_the_command_line(mlflow_project: Workspace) -> None:
    planned = mlflow_project.projrun("run", "--dry-run", "--json", "--python", SERIES)
    assert planned.data["environment"]["python"] == THIS_PYTHON
    assert "interpreter-nearest" not in [flag["code"] for flag in planned.data["flags"]]
    refused = mlflow_project.projrun("run", "--dry-run", "--python", "3.1")
    assert "no Python 3.1 on this machine" in refused.err + refused.out
    mlflow_project.entry_point("ls", environment="{system: true}")
    refused = mlflow_project.projrun("run", "--python", SERIES)
    assert (refused.code, "--python: the environment has no Python to choose" in refused.err) == (2, True)


def test_a_specification_is_made_of_the_file_and_goes_before_it(mlflow_project: Workspace) -> None:
    def planned() -> Any:
        words = ("run", "--dry-run", "--json", "--offline", "--seed", "1", "-P", "more=a b")
        return mlflow_project.projrun(*words).data

    shown = mlflow_project.projrun("init", "--from-mlproject", "--print")
    assert (shown.code, (mlflow_project.root / "ProjectSpec.yaml").exists()) == (0, False), shown.err
    before = planned()
    told = mlflow_project.projrun("check").err
    assert f"read as: environment: Python {PINNED} or nearest with tinydep>=1" in told
    assert "read as: entry point main: alpha (float), seed (int), data (path), defulat (str)" in told
    made = mlflow_project.projrun("init", "--from-mlproject")
    assert made.code == 0, made.err
    assert "warning: MLproject:13:14: {nothing} is no parameter" in made.err
    assert (mlflow_project.root / "ProjectSpec.yaml").read_text() == shown.out
    assert mlflow_project.projrun("check").code == 0
    assert "read as" not in mlflow_project.projrun("check").err
    after = planned()
    assert after["argv"] == before["argv"]
    again = mlflow_project.projrun("init", "--from-mlproject")
    assert (again.code, "has a ProjectSpec.yaml already" in again.err) == (2, True), again.err
    assert mlflow_project.projrun("init").code == 2
