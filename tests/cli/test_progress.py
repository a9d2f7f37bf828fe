"""What a fetch looks like: a bar that is drawn in place on a terminal, and its last state anywhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repositories import Repository


@pytest.fixture
def address(repository: Repository, tmp_path: Path) -> str:
    """A repository of many files, with a program that needs no environment."""
    repository.write("ProjectSpec.yaml", SPEC)
    for number in range(150):
        repository.write(f"{number}.txt", f"{number}\n")
    repository.commit()
    repository.push_to(tmp_path / "remote.git")
    return f"file://{tmp_path}/remote.git"


SPEC = """\
version: 1
name: many
environment: {system: true}
entry_points: {main: echo done}
"""


def on_terminal(*words: str) -> bytes:
    """What a terminal gets from projrun."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "projrun", *words], stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        while data := _read(ours):
            shown += data
        os.close(ours)
    assert process.returncode == 0, shown
    return shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # nobody has its other end any more
        return b""


def test_a_terminal_sees_the_fetch_go_on_in_place(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = on_terminal("run", address)
    for drawn in (b"Receiving objects:  50% (", b"Receiving objects: 100% ("):
        assert drawn in shown
        assert shown[shown.index(drawn) :].index(b"\r") < 60
    monkeypatch.setenv("PROJRUN_CACHE", str(tmp_path / "another"))
    assert on_terminal("run", "-q", address) == b"done\r\n"


def test_a_file_gets_the_last_state_alone(address: str) -> None:
    done = subprocess.run([sys.executable, "-m", "projrun", "run", address], capture_output=True, check=True)
    assert b"\r" not in done.stderr
    bars = [line for line in done.stderr.splitlines() if b"Receiving objects:" in line]
    assert len(bars) == 1
    assert b"100% (" in bars[0]
