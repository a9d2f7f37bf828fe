"""Specifications for tests."""

from __future__ import annotations

from pathlib import Path

from projrun.core.paths import cache_directory
from projrun.spec import load as loading
from projrun.spec.model import ProjectSpec

# The example of the design, with a pin of 64 digits.
BIKES = """\
version: 1
name: bikes
environment:
  python: "3.11"                     # series or exact; never silently another one
  lock: requirements.lock            # every line pinned and hashed
  requirements: requirements.in      # what the lock was compiled from
  variables: {OMP_NUM_THREADS: "1"}
  inherit: [CUDA_VISIBLE_DEVICES]
  secrets: [AWS_SECRET_ACCESS_KEY]
data:
  counts: {path: data/hourly_counts.csv, sha256: 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08}
entry_points:
  train:
    help: Fit one model.
    parameters:
      depth: {type: int, default: 3, minimum: 1, maximum: 30, help: Maximum tree depth.}
      criterion: {type: str, choices: [gini, entropy], default: gini}
      features: {type: list, items: str, default: [hour, lag_week]}
      log_target: {type: bool, default: false, flag: --log-target}
      counts: {type: path, default: "data:counts"}
    command: python -m hyper.train --depth {depth} --by {criterion} {log_target} --counts {counts} {features}
    outputs: [results/model.pkl]
    metrics: [results/metrics.json]
    timeout: 2h
"""

HEAD = "version: 1\nname: p\nenvironment: {system: true}\n"


def load(root: Path) -> ProjectSpec:
    """The specification in ``root``, by way of the test's own cache."""
    return loading.load(root, cache_directory())


def write(root: Path, text: str) -> Path:
    """Writes a specification to a new project and gives the project."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "ProjectSpec.yaml").write_text(text, encoding="utf-8")
    return root


def with_files(root: Path, *names: str) -> Path:
    """Puts empty files into a project."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def entry(parameters: str = "", command: str = "run {params}", rest: str = "") -> str:
    """A specification with one entry point; its parameters begin in line 7, column 7, one to a line."""
    lines = "".join(f"      {line}\n" for line in parameters.splitlines())
    block = f"    parameters:\n{lines}" if lines else ""
    return f"{HEAD}entry_points:\n  main:\n{block}    command: {command}\n{rest}"
