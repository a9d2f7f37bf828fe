"""Our own streams may be closed, full, gone or narrow: the run and its exit code do not change."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.cli.conftest import Workspace


def shell(workspace: Workspace, line: str) -> subprocess.CompletedProcess[bytes]:
    """Runs a shell line in the project, in which ``projrun`` is the command."""
    command = f'projrun() {{ "{sys.executable}" -m projrun "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", command], cwd=workspace.root, capture_output=True, stdin=subprocess.DEVNULL, check=False
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full"])
def test_a_closed_or_full_stream_does_not_stop_a_run(workspace: Workspace, closed: str) -> None:
    workspace.entry_point('[sh, -c, "echo hi; echo there >&2; exit 3"]')
    assert shell(workspace, f"projrun run {closed}").returncode == 3
    assert shell(workspace, f"projrun run --json {closed}").returncode == 3
    assert workspace.projrun("logs", "-s", "stdout").out == "hi\n"


def test_a_reader_that_goes_away_changes_no_exit_code(workspace: Workspace) -> None:
    workspace.entry_point('[sh, -c, "exit 7"]')
    assert shell(workspace, 'projrun run --json | true; exit "${PIPESTATUS[0]}"').returncode == 7
    for verb in ("runs", "runs --json", "runs --format csv", "show --json", "logs"):
        done = shell(workspace, f'projrun {verb} | true; exit "${{PIPESTATUS[0]}}"')
        assert done.returncode == 0, done.stderr
        assert done.stderr == b""


def test_any_character_can_be_printed_anywhere(workspace: Workspace) -> None:
    workspace.entry_point("echo hi")
    workspace.run("--name", "né\N{ROCKET}")
    done = workspace.projrun("runs", variables={"PYTHONIOENCODING": "ascii"})
    assert (done.code, done.err) == (0, "")


def test_what_nohup_ignores_stays_ignored(workspace: Workspace) -> None:
    workspace.entry_point('[sh, -c, "kill -HUP $PPID; sleep 0.2; echo survived"]')
    done = shell(workspace, "trap '' HUP; projrun run -q")
    assert (done.returncode, done.stdout) == (0, b"survived\n")


def on_terminal(workspace: Workspace, columns: int, *words: str) -> str:
    """What a command prints on a terminal of that width."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, columns)) if hasattr(termios, "tcsetwinsize") else None
    variables = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-m", "projrun", *words], cwd=workspace.root, stdin=theirs, stdout=theirs, env=variables
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.close(ours)
    process.wait()
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_a_listing_fits_the_terminal_and_keeps_ids_and_statuses(workspace: Workspace, columns: int) -> None:
    run = workspace.run("--name", "a rather long name for a run", "-P", f"words={'x' * 300}")["run"]
    lines = on_terminal(workspace, columns, "runs").splitlines()
    assert lines[1].startswith(f"{run}  finished")
    assert all(len(line) <= columns for line in lines)


def test_no_color_is_obeyed(workspace: Workspace) -> None:
    workspace.run()
    ours, theirs = pty.openpty()
    variables = {**os.environ, "NO_COLOR": "1", "TERM": "xterm"}
    words = [sys.executable, "-m", "projrun", "show", "nothing"]
    subprocess.run(words, cwd=workspace.root, stderr=theirs, env=variables, check=False)
    os.close(theirs)
    assert b"\x1b" not in os.read(ours, 65536)
    os.close(ours)


def test_a_label_cannot_forge_a_line(workspace: Workspace) -> None:
    workspace.run("--name", "x\nstatus       failed", "--note", "y\nflagged      nothing")
    assert "\nstatus       failed" not in workspace.projrun("show").out
    assert len(workspace.projrun("runs").out.splitlines()) == 2


def test_projrun_alone_prints_its_help(workspace: Workspace) -> None:
    for words in ([], ["store"]):
        done = workspace.projrun(*words)
        assert done.code == 2
        assert "error" not in done.err
        assert "Usage: projrun" in done.out + done.err


def test_a_store_that_is_not_there_is_not_rebuilt(workspace: Workspace, tmp_path: Path) -> None:
    done = workspace.projrun("store", "rebuild", "--store", str(tmp_path / "typo"))
    assert done.code == 2
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize(
    "verb", ["runs", "runs --format csv", "show", "logs", "run --dry-run", "--help", "show --json"]
)
def test_a_full_standard_output_is_no_defect(workspace: Workspace, verb: str) -> None:
    workspace.run("-e", "free")
    done = shell(workspace, f"projrun {verb} >/dev/full")
    assert done.returncode == 125
    assert b"standard output cannot be written" in done.stderr
    assert b"Traceback" not in done.stderr


def test_the_process_ends_in_order_for_those_who_wait_for_its_end(workspace: Workspace) -> None:
    """It ends at once only when nobody asked to be called then, and no other thread goes on."""
    waits = "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.3), print('the end'))).start()"
    for before in ("import atexit\natexit.register(print, 'the end')", waits):
        code = (
            f"{before}\nimport sys\nsys.argv = ['projrun', '--version']\nfrom projrun.__main__ import main\nmain()"
        )
        line = [sys.executable, "-c", code]
        done = subprocess.run(line, cwd=workspace.root, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[1:] == ["the end"]
