"""A clock that is set while a run goes on, or was ahead when earlier ones were made."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.cli.conftest import Workspace
from tests.store.writing import whole_run

pytestmark = pytest.mark.slow

# projrun, with a clock that is set by some time whenever somebody looks at it.
WRONG = """
import itertools, sys, time
real, looks, step = time.time, itertools.count(), float(sys.argv.pop(1))
time.time = lambda: real() + step * next(looks)
from projrun.__main__ import main
main()
"""


@pytest.mark.parametrize("step", [-86400.0, 86400.0])
def test_a_clock_that_is_set_meanwhile_confuses_no_run(workspace: Workspace, step: float) -> None:
    earlier = workspace.run("-e", "free")["run"]
    words = [sys.executable, "-c", WRONG, str(step), "run", "--json", "-e", "free"]
    done = subprocess.run(words, cwd=workspace.root, env=os.environ, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert 0 < run["outcome"]["duration"] < 600
    assert run["outcome"]["started"] < run["outcome"]["ended"]
    assert all(0 <= phase["seconds"] < 600 for phase in run["outcome"]["phases"])
    assert 0 < run["outcome"]["process"]["usage"]["wall"] < 600
    logged = workspace.projrun("logs", run["run"], "-s", "stdout")
    assert (logged.code, logged.out) == (0, "free\n")
    listed = {row["id"]: row["status"] for row in workspace.projrun("runs", "--json").data}
    assert listed == {earlier: "finished", run["run"]: "finished"}


def test_a_store_from_the_future_takes_new_runs(workspace: Workspace) -> None:
    """Runs made while the clock was ahead, and files with the times of then."""
    from projrun.store.store import Store

    store = Store(workspace.store)
    future = whole_run(store, created=4e9)
    workspace.projrun("runs", "--all")
    for path in (store.path, *store.path.rglob("*")):
        os.utime(path, (4e9, 4e9))
    run = workspace.run("-e", "free")["run"]
    listed = [row["id"] for row in workspace.projrun("runs", "--all", "--json").data]
    assert listed == [future, run]
    assert workspace.projrun("show", "last", "--json").data["run"] == run  # of this project
    os.utime(store.runs_directory, (4e9, 4e9))
    second = workspace.run("-e", "free")["run"]
    assert [row["id"] for row in workspace.projrun("runs", "--all", "--json").data] == [future, second, run]
