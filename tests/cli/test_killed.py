"""``kill -9`` of the runner, of the program and of both, wherever the run is: what is recorded stays."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Workspace
from tests.cli.test_stopping import run_directory, wait_for
from tests.execution.test_guard import until

pytestmark = pytest.mark.slow

READY = """\
import os, pathlib, time
pathlib.Path(os.environ["PROJRUN_RUN_DIR"], "ready").write_text(str(os.getpid()))
while True:
    time.sleep(60)
"""
# Stays when it is told to end, and notes when its directory or its environment is taken away under it.
STAYING = """\
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
folder = pathlib.Path(os.environ["PROJRUN_RUN_DIR"])
(folder / "ready").write_text(str(os.getpid()))
while True:
    for path in (__file__, sys.prefix):
        if not os.path.exists(path):
            (folder / "taken").write_text(path)
    time.sleep(0.01)
"""


@pytest.fixture
def earlier(workspace: Workspace) -> Iterator[str]:
    """A run that is over. Nothing of it may change, whatever happens to others."""
    run: str = workspace.run("-e", "free")["run"]
    directory = workspace.store / "runs" / run
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    yield run
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before
    assert workspace.projrun("show", run, "--json").data["why_incomplete"] is None


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate(timeout=60)


def lost(workspace: Workspace, earlier: str, *, known: tuple[str, ...]) -> Path:
    """The directory of the one run that was killed: it is listed with what is known of it."""
    rows: dict[str, Any] = {row["id"]: row for row in workspace.projrun("runs", "--json").data}
    assert rows.pop(earlier)["status"] == "finished"
    run, row = rows.popitem()
    assert rows == {}
    assert (row["status"], row["project"], row["entry_point"]) == ("lost", "tiny", "main")
    last = workspace.projrun("show", run, "--json").data
    assert last["why_incomplete"] == "its process ended without writing what happened"
    assert tuple(kind for kind in ("start", "recipe", "outcome") if last[kind]) == known
    shown = workspace.projrun("show", run)
    assert (shown.code, "lost" in shown.out) == (0, True)
    return workspace.store / "runs" / run


def next_one_works(workspace: Workspace) -> None:
    workspace.entry_point("echo ok")
    assert workspace.run()["outcome"]["status"] == "finished"


def opened(process: subprocess.Popen[bytes], file: Path) -> bool:
    """Whether a process has a file open."""
    links = []
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            links.append(str(descriptor.readlink()))
        except OSError:
            continue
    return str(file) in links


def test_killed_while_it_fetches(
    workspace: Workspace, earlier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no run yet. Neither the mirror nor the checkout is in anybody's way."""
    folder, began = tmp_path / "bin", tmp_path / "began"
    folder.mkdir()
    git = shutil.which("git")
    (folder / "git").write_text(
        f'#!/bin/sh\ncase " $* " in *" fetch "*) echo $$ >{began}; exec sleep 600;; esac\nexec {git} "$@"\n'
    )
    (folder / "git").chmod(0o755)
    address = workspace.repository.git("remote", "get-url", "origin")
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{path}")
    process = workspace.start("run", address, "-e", "free")
    wait_for(lambda: began.exists() and began.read_text().endswith("\n"), process)
    kill(process)
    os.kill(int(began.read_text()), signal.SIGKILL)
    monkeypatch.setenv("PATH", path)
    assert [row["id"] for row in workspace.projrun("runs", "--all", "--json").data] == [earlier]
    assert workspace.run(address, "-e", "free")["outcome"]["status"] == "finished"
    assert list((workspace.home / "cache" / "checkouts").glob("*/source")) == []


@pytest.mark.usefixtures("nothing_built")
def test_killed_while_it_builds(workspace: Workspace) -> None:
    workspace.index.stall()
    process = workspace.start("run")
    wait_for(workspace.index.asked_for_archive.is_set, process)
    kill(process)
    workspace.index.may_send.set()
    (row,) = workspace.projrun("runs", "--json").data
    assert row["status"] == "lost"
    assert workspace.last()["recipe"] is None
    assert workspace.last()["start"]["entry_point"] == "main"
    assert workspace.run()["outcome"]["status"] == "finished"
    (built,) = workspace.projrun("env", "list", "--json").data["environments"]
    assert built["in_use"] is False
    assert list((workspace.home / "cache").rglob(".building-*")) == []


def test_killed_while_it_hashes(workspace: Workspace, earlier: str) -> None:
    huge = workspace.root / "huge.bin"
    with huge.open("wb") as file:
        file.truncate(20_000_000_000)
    (workspace.root / ".git/info/exclude").write_text("huge.bin\n")
    more = "    parameters: {p: {type: path, default: huge.bin}}\n"
    workspace.entry_point("echo {p}", more=more)
    process = workspace.start("run")
    wait_for(lambda: opened(process, huge), process)
    kill(process)
    lost(workspace, earlier, known=("start",))
    next_one_works(workspace)


@pytest.mark.parametrize("who", ["runner", "program", "both"])
def test_killed_while_the_program_runs(workspace: Workspace, earlier: str, who: str) -> None:
    workspace.repository.write("ready.py", READY)
    workspace.entry_point("python ready.py")
    process = workspace.start("run")
    wait_for(lambda: (found := run_directory(workspace, "ready")) and (found / "ready").read_text(), process)
    directory = run_directory(workspace, "ready")
    assert directory is not None
    program = int((directory / "ready").read_text())
    if who == "both":
        os.kill(process.pid, signal.SIGSTOP)  # so that it cannot tell of the program's end
    if who != "runner":
        os.kill(program, signal.SIGKILL)
    if who != "program":
        kill(process)
        until(lambda: not is_running(program))
        assert lost(workspace, earlier, known=("start", "recipe")) == directory
    else:
        process.communicate(timeout=60)
        assert process.returncode == 137
        outcome = json.loads((directory / "outcome.json").read_bytes())
        assert (outcome["status"], outcome["process"]["signal"]) == ("failed", signal.SIGKILL)
    next_one_works(workspace)


def is_running(pid: int) -> bool:
    try:
        return b"Z" not in Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:
        return False


def test_killed_while_it_looks_at_what_the_program_wrote(workspace: Workspace, earlier: str) -> None:
    script = "open('huge.bin', 'wb').truncate(20_000_000_000)"
    workspace.entry_point(json.dumps(["python", "-c", script]), more="    outputs: [huge.bin]\n")
    process = workspace.start("run")
    wait_for(lambda: opened(process, workspace.root / "huge.bin"), process)
    kill(process)
    directory = lost(workspace, earlier, known=("start", "recipe"))
    assert b"projrun: finish:" in (directory / "output.log").read_bytes()
    (workspace.root / "huge.bin").unlink()
    next_one_works(workspace)


def test_what_a_program_works_with_is_not_removed_while_it_outlives_its_runner(
    workspace: Workspace, earlier: str
) -> None:
    workspace.repository.write("staying.py", STAYING)
    workspace.entry_point("python staying.py")
    workspace.publish()
    process = workspace.start("run", "-v", "HEAD")
    wait_for(lambda: (found := run_directory(workspace, "ready")) and (found / "ready").read_text(), process)
    directory = run_directory(workspace, "ready")
    assert directory is not None
    program = int((directory / "ready").read_text())
    kill(process)
    pruned = workspace.projrun("env", "prune", "--older-than", "0s")
    assert "a run uses it" in pruned.out + pruned.err
    assert is_running(program)
    workspace.entry_point("echo ok")
    workspace.publish()
    assert workspace.run("-v", "HEAD")["outcome"]["status"] == "finished"  # it removes what nobody uses
    until(lambda: not is_running(program))
    assert not (directory / "taken").exists()
    until(lambda: "a run uses it" not in workspace.projrun("env", "prune", "--older-than", "0s").err)
    assert workspace.run("-v", "HEAD")["outcome"]["status"] == "finished"
    assert list((workspace.home / "cache" / "checkouts").glob("*/source")) == []
