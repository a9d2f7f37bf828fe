"""The example in a container: it is sound as it lies there, and a real engine builds and runs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from projrun.checking import check
from tests import images
from tests.engine import Engine
from tests.repositories import Repository

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
WINE = EXAMPLES / "docker-wine"


def test_the_example_has_no_problems(tmp_path: Path) -> None:
    assert check(WINE, tmp_path).problems == ()


def test_it_has_the_table_of_the_other_example() -> None:
    for name in ("wine.csv", "README.md"):
        assert (WINE / "data" / name).read_bytes() == (EXAMPLES / "wine" / "data" / name).read_bytes()


def projrun(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "projrun", *words]
    return subprocess.run(argv, cwd=cwd, env=dict(os.environ), capture_output=True, text=True, check=False)


@pytest.mark.network
@pytest.mark.slow
def test_train_builds_the_image_once_and_evaluate_uses_it(tmp_path: Path, engine: Engine) -> None:
    base = images.indexed(engine, "python:3.12-slim")
    project = tmp_path / "docker-wine"
    shutil.copytree(WINE, project, ignore=shutil.ignore_patterns("results", "__pycache__"))
    repository = Repository.create(project)
    repository.commit()

    trained = projrun("run", "-e", "train", "-P", "trees=20", "--seed", "7", "--json", cwd=project)
    assert trained.returncode == 0, trained.stderr
    first: dict[str, Any] = json.loads(trained.stdout)
    metrics = {metric["name"]: metric["value"] for metric in first["outcome"]["metrics"]}
    assert metrics["accuracy"] > 0.8
    assert [output["path"] for output in first["outcome"]["outputs"]] == [
        "results/model.joblib",
        "results/metrics.json",
    ]
    environment = first["recipe"]["environment"]
    assert environment["kind"] == "docker"
    assert environment["container"]["bases"][0]["digest"] == base  # no registry has it
    assert "scikit-learn" in {distribution["name"] for distribution in environment["installed"]}

    # What is not in the context is not in the key.
    (project / "evaluate.py").write_text((project / "evaluate.py").read_text() + "# changed\n")
    evaluated = projrun("run", "-e", "evaluate", "--json", cwd=project)
    assert evaluated.returncode == 0, evaluated.stderr
    second: dict[str, Any] = json.loads(evaluated.stdout)
    assert second["recipe"]["environment"]["key"] == environment["key"]
    assert second["recipe"]["environment"]["reused"] is True
    assert [metric["value"] for metric in second["outcome"]["metrics"]] == [metrics["accuracy"], 45]
