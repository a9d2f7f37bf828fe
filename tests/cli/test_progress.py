"""What a fetch looks like: a bar that is drawn in place on a terminal, and a few plain lines anywhere else."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repositories import Repository

pytestmark = pytest.mark.slow


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
    for raw in (b"Total", b"->", b"From "):
        assert raw not in shown
    monkeypatch.setenv("PROJRUN_CACHE", str(tmp_path / "another"))
    assert on_terminal("run", "-q", address) == b"done\r\n"


def in_a_pipe(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "projrun", *words], capture_output=True, check=False, text=True)


def test_a_pipe_gets_a_line_for_the_beginning_and_one_for_the_amount(address: str) -> None:
    done = in_a_pipe("run", address)
    assert done.returncode == 0, done.stderr
    said = done.stderr[: done.stderr.index("begin")].splitlines()
    assert [re.sub(r"[0-9a-f]{12}", "HASH", line) for line in said[:2]] == [
        f"fetch        asking {address} for its HEAD",
        f"fetch        HASH of {address}",
    ]
    assert [bool(re.fullmatch(r"fetch +153 objects(, .*)?", line)) for line in said[2:]] == [True]


def test_what_git_says_of_a_failure_is_said_once(address: str) -> None:
    missing = in_a_pipe("run", f"{address}-not")
    assert missing.returncode == 112
    assert len(missing.stderr.splitlines()) == 4, missing.stderr
    assert "fatal:" not in missing.stderr
    wrong = in_a_pipe("run", address, "-v", "1" * 40)
    assert wrong.returncode == 112
    assert not re.search(r"remote:|fatal:|->|refs/", wrong.stderr), wrong.stderr
