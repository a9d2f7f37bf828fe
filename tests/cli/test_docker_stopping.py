"""Containers and the end: signals, timeouts, killed runners, an engine that goes away, and what is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import images
from tests.cli.conftest import Workspace
from tests.cli.test_docker import in_image
from tests.cli.test_secrets_everywhere import contents
from tests.engine import Engine, private_engine

pytestmark = pytest.mark.slow

# Says that it is there, and what it is told.
WAITING = """\
trap 'echo told to interrupt; exit 7' INT
trap 'echo told to terminate; exit 8' TERM
touch "$1/ready"
while true; do sleep 0.05; done
"""


@pytest.fixture
def slim(engine: Engine) -> str:
    return images.slim(engine)


def until(there: Callable[[], object], process: subprocess.Popen[bytes] | None = None) -> None:
    """Waits for it, as long as the process lives."""
    end = time.monotonic() + 60
    while not there():
        assert time.monotonic() < end
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.02)


def run_of(workspace: Workspace) -> str | None:
    """The run whose program says that it is there."""
    return next((path.parent.name for path in workspace.store.glob("runs/*/ready")), None)


def outcome_of(workspace: Workspace, run: str) -> Any:
    return json.loads((workspace.store / "runs" / run / "outcome.json").read_bytes())


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 7, "told to interrupt"), (signal.SIGTERM, 8, "told to terminate")],
)
def test_a_signal_reaches_the_program(
    workspace: Workspace, engine: Engine, slim: str, number: int, code: int, said: str
) -> None:
    in_image(workspace, WAITING)
    process = workspace.start("run")
    until(lambda: run_of(workspace), process)
    run = run_of(workspace)
    assert run
    assert len(engine.containers(f"projrun.run={run}")) == 1
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert said in out.decode()
    outcome = outcome_of(workspace, run)
    assert (outcome["status"], outcome["process"]["received"]) == ("interrupted", number)
    assert engine.containers(f"projrun.run={run}") == []


def test_a_timeout_ends_the_container(workspace: Workspace, engine: Engine, slim: str) -> None:
    in_image(workspace, WAITING)
    workspace.spec((workspace.root / "ProjectSpec.yaml").read_text() + "    timeout: 1s\n")
    run = workspace.run(code=124)
    assert run["outcome"]["status"] == "timeout"
    assert engine.containers(f"projrun.run={run['run']}") == []


def test_output_is_seen_while_the_program_runs(workspace: Workspace, slim: str) -> None:
    in_image(workspace, "echo first; until test -e go; do sleep 0.05; done; echo second\n")
    process = workspace.start("run", "-q")
    assert process.stdout
    assert process.stdout.readline() == b"first\n"
    (workspace.root / "go").touch()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, b"second\n"), err


def test_a_killed_runner_leaves_no_container(workspace: Workspace, engine: Engine, slim: str) -> None:
    in_image(workspace, WAITING)
    process = workspace.start("run")
    until(lambda: run_of(workspace), process)
    run = run_of(workspace)
    process.kill()
    process.communicate()
    until(lambda: engine.containers(f"projrun.run={run}") == [])
    assert "lost" in workspace.projrun("runs").out.lower()


def test_what_everybody_left_behind_is_removed_by_prune_and_nothing_else(
    workspace: Workspace, engine: Engine, slim: str
) -> None:
    in_image(workspace, WAITING)
    others = engine.api.create_container(slim, ["sleep", "1000"], labels={"other.run": "x"})["Id"]
    living = workspace.start("run")
    until(lambda: run_of(workspace), living)
    alive = run_of(workspace)
    left = workspace.start("run")
    until(lambda: len(list(workspace.store.glob("runs/*/ready"))) == 2, left)
    (stray,) = {path.parent.name for path in workspace.store.glob("runs/*/ready")} - {alive}
    try:
        kill_with_helpers(left.pid)
        left.communicate()
        pruned = workspace.projrun("env", "prune")
        assert pruned.code == 0, pruned.err
        assert engine.containers(f"projrun.run={stray}") == []
        assert len(engine.containers(f"projrun.run={alive}")) == 1
        assert others in {container["Id"] for container in engine.api.containers(all=True)}
    finally:
        living.terminate()
        living.communicate()
        engine.api.remove_container(others, force=True)


def kill_with_helpers(pid: int) -> None:
    """Kills a process and all that it started, at once, as a power cut does."""
    stopped = [pid, *below(pid)]
    for one in stopped:
        os.kill(one, signal.SIGSTOP)
    for one in stopped:
        os.kill(one, signal.SIGKILL)


def below(pid: int) -> list[int]:
    children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [one for child in children for one in (child, *below(child))]


def test_an_engine_that_goes_away_in_the_middle_is_told(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_image(workspace, WAITING)
    with private_engine() as own:
        images.slim(own)
        own.api.close()
        monkeypatch.setenv("DOCKER_HOST", own.host)
        process = workspace.start("run", "-q")  # which is no reason to say nothing of it
        until(lambda: run_of(workspace), process)
        run = run_of(workspace)
        assert run
        os.kill(own.pid, signal.SIGKILL)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 125, err
    assert "engine" in err.decode()
    assert "Traceback" not in err.decode()
    assert outcome_of(workspace, run)["exit_code"] == 125
    assert workspace.projrun("show", run).code == 0


@pytest.mark.usefixtures("nothing_built")
def test_a_build_that_is_interrupted_leaves_a_record_and_no_environment(
    workspace: Workspace, engine: Engine, slim: str
) -> None:
    workspace.repository.write("Dockerfile", f"FROM {images.SLIM}\nRUN echo it begins; sleep 1000\n")
    workspace.entry_point("ls", environment="{docker: {file: Dockerfile}}")
    process = workspace.start("run")
    logs = workspace.store.glob
    until(lambda: any(b"it begins\n" in log.read_bytes() for log in logs("runs/*/output.log")), process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    last = workspace.last()["outcome"]
    assert (last["status"], last["phase"]) == ("interrupted", "environment")
    assert workspace.projrun("env", "list", "--json").data in ([], {"environments": []})


def test_a_killed_run_in_a_container_leaves_no_secret(
    workspace: Workspace, engine: Engine, slim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "s3cr3t-t0ken-of-the-variable"
    monkeypatch.setenv("TOKEN", token)
    line = '{\\"name\\": \\"loss $TOKEN\\", \\"value\\": 1}'
    tell = f'echo "{line}" >> "$PROJRUN_METRICS"; cat "$PROJRUN_PARAMS_FILE"\n'
    in_image(workspace, f"echo $TOKEN; {tell}{WAITING}", more=", secrets: [TOKEN]")
    process = workspace.start("run")
    until(lambda: run_of(workspace), process)
    run = workspace.store / "runs" / str(run_of(workspace))
    until(lambda: (run / "metrics.jsonl").exists() and (run / "metrics.jsonl").read_text(), process)
    assert len(list((workspace.home / "cache").glob("scratch-*/*"))) == 1
    process.kill()
    process.communicate(timeout=60)
    until(lambda: engine.containers(f"projrun.run={run.name}") == [])
    until(lambda: not list((workspace.home / "cache").glob("scratch-*/*")))
    assert (run / "metrics.jsonl").read_text() == '{"name": "loss ***", "value": 1}\n'
    assert [path for path, data in contents(workspace.home) if token.encode() in data] == []
