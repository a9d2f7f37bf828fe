"""What a run starts besides the program: every process costs milliseconds that nobody asked for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Workspace


@pytest.fixture
def calls_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Puts a git on PATH that writes down what it is asked for. Gives the commands since the last time, sorted."""
    log, folder = tmp_path / "calls", tmp_path / "bin"
    folder.mkdir()
    wrapper = folder / "git"
    wrapper.write_text(f'#!/bin/sh\necho "$*" >>{log}\nexec {shutil.which("git")} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def taken() -> list[str]:
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return sorted(_command(line.split()) for line in lines)

    return taken


def _command(words: list[str]) -> str:
    """git's command among its options: ``--no-pager -c NAME=VALUE ... COMMAND ...``."""
    at = 0
    while words[at].startswith("-"):
        at += 2 if words[at] == "-c" else 1
    return words[at]


# Where the repository is and how it is set, what differs from it; and that again after the run.
LOOKS = ["config", "status", "status"]


def test_a_clean_pushed_run_asks_git_three_times(
    workspace: Workspace, calls_of_git: Callable[[], list[str]]
) -> None:
    workspace.run("-e", "free")
    calls_of_git()
    workspace.run("-e", "free")
    assert calls_of_git() == LOOKS


def test_a_project_below_the_root_costs_one_process_more(
    workspace: Workspace, calls_of_git: Callable[[], list[str]]
) -> None:
    below = workspace.root / "below"
    below.mkdir()
    for name in ("ProjectSpec.yaml", "requirements.lock", "free.py", "data", "train.py"):
        (workspace.root / name).rename(below / name)
    workspace.publish()
    workspace.run("-e", "free", str(below))
    calls_of_git()
    workspace.run("-e", "free", str(below))
    assert calls_of_git() == ["config", "rev-parse", "status", "status"]
