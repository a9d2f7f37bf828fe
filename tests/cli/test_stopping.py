"""Being told to stop: the program's whole group hears it, the outcome is still written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Workspace

# Says that it is there, then notes every signal it gets and ends on the first.
WAITING = """\
import os, pathlib, signal, sys, time
notes = pathlib.Path(os.environ["PROJRUN_RUN_DIR"], f"signals-{sys.argv[1]}")
def note(number, frame):
    with notes.open("a") as file:
        file.write(f"{number}\\n")
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, note)
if sys.argv[1] == "parent":
    import subprocess
    child = subprocess.Popen([sys.executable, sys.argv[0], "child"])
    while not pathlib.Path(os.environ["PROJRUN_RUN_DIR"], "ready-child").exists():
        time.sleep(0.01)
pathlib.Path(os.environ["PROJRUN_RUN_DIR"], f"ready-{sys.argv[1]}").touch()
while not notes.exists():
    time.sleep(0.01)
time.sleep(0.3)  # long enough for a second copy of the signal to show
if sys.argv[1] == "parent":
    child.wait()
sys.exit(3)
"""


def wait_for(found: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not found():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def run_directory(workspace: Workspace, having: str) -> Path | None:
    return next((path.parent for path in workspace.store.glob(f"runs/*/{having}")), None)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 3), (signal.SIGTERM, 3)])
def test_a_signal_reaches_the_whole_group_once(workspace: Workspace, number: int, code: int) -> None:
    workspace.repository.write("wait.py", WAITING)
    workspace.entry_point("python wait.py parent")
    process = workspace.start("run")
    wait_for(lambda: run_directory(workspace, "ready-parent"), process)
    os.kill(process.pid, number)
    process.communicate(timeout=60)
    directory = run_directory(workspace, "ready-parent")
    assert directory is not None
    assert (directory / "signals-parent").read_text() == f"{number}\n"
    assert (directory / "signals-child").read_text() == f"{number}\n"
    assert process.returncode == code
    outcome = json.loads((directory / "outcome.json").read_bytes())
    assert outcome["status"] == "interrupted"
    assert outcome["process"]["received"] == number


@pytest.mark.usefixtures("nothing_built")
def test_a_signal_while_building_leaves_a_record_and_no_environment(workspace: Workspace) -> None:
    workspace.index.stall()
    process = workspace.start("run")
    wait_for(workspace.index.asked_for_archive.is_set, process)
    os.kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=60)
    workspace.index.may_send.set()
    assert process.returncode == 128 + signal.SIGTERM
    last = workspace.last()
    assert (last["outcome"]["status"], last["outcome"]["phase"]) == ("interrupted", "environment")
    assert workspace.run()["outcome"]["status"] == "finished"


def test_a_killed_runner_reads_lost_and_the_next_run_works(workspace: Workspace) -> None:
    workspace.repository.write("wait.py", WAITING)
    workspace.entry_point("python wait.py alone")
    process = workspace.start("run")
    wait_for(lambda: run_directory(workspace, "ready-alone"), process)
    assert workspace.last()["status"] == "running"
    directory = run_directory(workspace, "ready-alone")
    assert directory is not None
    process.kill()
    process.communicate(timeout=60)
    (directory / "signals-alone").touch()  # lets the orphan end
    last = workspace.last()
    assert last["status"] == "lost"
    assert last["recipe"]["argv"] == ["python", "wait.py", "alone"]
    workspace.entry_point("echo ok")
    assert workspace.run()["outcome"]["status"] == "finished"
    assert {row["status"] for row in workspace.projrun("runs", "--json").data} == {"lost", "finished"}


def test_logs_follow_a_run_to_its_end(workspace: Workspace) -> None:
    script = "import time; [(print(n, flush=True), time.sleep(0.05)) for n in range(5)]"
    workspace.entry_point(json.dumps(["python", "-c", script]))
    process = workspace.start("run", "-q")
    wait_for(lambda: run_directory(workspace, "recipe.json"), process)
    done = workspace.projrun("logs", "-f", "-s", "stdout")
    process.communicate(timeout=60)
    assert done.out.split() == list("01234")


def test_a_reader_that_goes_away_does_not_stop_the_run(workspace: Workspace) -> None:
    script = "for n in range(20000): print(n)"
    workspace.entry_point(json.dumps(["python", "-c", script]))
    process = workspace.start("run", "-q")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    process.wait(timeout=60)
    assert process.returncode == 0
    assert workspace.projrun("logs", "-s", "stdout").out.splitlines()[-1] == "19999"
