"""The example of the first minute: it is sound as it lies there, and it runs for real."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from projrun.checking import check
from projrun.spec.load import load
from tests.repositories import Repository
from tests.schemas import validate_store

WINE = Path(__file__).resolve().parent.parent / "examples" / "wine"
# As it was before the tests' own defaults: the run below needs a real index, and may use the real cache.
CALLER = dict(os.environ)


def test_the_example_has_no_problems(tmp_path: Path) -> None:
    assert check(WINE, tmp_path).problems == ()


def test_the_example_shows_two_entry_points_and_five_types(tmp_path: Path) -> None:
    spec = load(WINE, tmp_path)
    assert set(spec.entry_points) == {"train", "evaluate"}
    types = {found.type for entry_point in spec.entry_points.values() for found in entry_point.parameters.values()}
    assert len(types) >= 5
    assert spec.data["wine"].sha256
    assert all(entry_point.metrics for entry_point in spec.entry_points.values())


def test_the_table_is_the_one_that_its_readme_describes() -> None:
    with (WINE / "data" / "wine.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [sum(row["cultivar"] == cultivar for row in rows) for cultivar in "012"] == [59, 71, 48]
    assert len(rows[0]) == 14
    assert all(float(value) >= 0 for row in rows for value in row.values())


def projrun(*words: str, cwd: Path, network: bool = False) -> subprocess.CompletedProcess[str]:
    env = dict(os.environ)
    if network:
        env = {name: value for name, value in env.items() if not name.startswith("UV_")}
        env |= {name: value for name, value in CALLER.items() if name.startswith("UV_") or name == "HOME"}
    argv = [sys.executable, "-m", "projrun", *words]
    return subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False)


@pytest.mark.network
@pytest.mark.slow
def test_train_then_evaluate_tell_the_whole_story(tmp_path: Path, hostile_environment: Path) -> None:
    project = tmp_path / "wine"
    shutil.copytree(WINE, project, ignore=shutil.ignore_patterns("results", "__pycache__"))
    Repository.create(project).commit()

    words = ("run", "-e", "train", "-P", "depth=2", "--seed", "7", "--json")
    trained = projrun(*words, cwd=project, network=True)
    assert trained.returncode == 0, trained.stderr
    assert "fold 5 of 5" in trained.stderr
    first: dict[str, Any] = json.loads(trained.stdout)
    metrics = {metric["name"]: metric["value"] for metric in first["outcome"]["metrics"]}
    assert metrics["accuracy"] > 0.8
    assert metrics["leaves"] <= 4
    assert [output["path"] for output in first["outcome"]["outputs"]] == [
        "results/model.joblib",
        "results/metrics.json",
    ]

    evaluated = projrun("run", "-e", "evaluate", "-q", cwd=project)
    assert evaluated.returncode == 0, evaluated.stderr
    assert f"accuracy {metrics['accuracy']:.3f}" in evaluated.stdout

    again: dict[str, Any] = json.loads(projrun(*words, cwd=project).stdout)
    assert again["outcome"]["metrics"] == first["outcome"]["metrics"]
    assert again["recipe"]["environment"]["reused"] is True

    listed = json.loads(projrun("runs", "--json", cwd=project).stdout)
    assert [row["entry_point"] for row in listed] == ["train", "evaluate", "train"]
    assert first["run"] in projrun("show", "last~2", cwd=project).stdout
    assert "fold 1 of 5" in projrun("logs", "last", cwd=project).stdout
    assert validate_store(hostile_environment / "store") >= 9
