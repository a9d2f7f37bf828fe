"""The builder is the one that was asked for; what it does is seen while it does it, and kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import LOCKED, THIS_PYTHON, Workspace
from tests.index_server import serving

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_built")]

both_builders = pytest.mark.parametrize("builder", ["uv", "pip"])
WORD = "swordfish"


def test_the_builder_of_the_command_line_goes_before_that_of_the_spec(workspace: Workspace) -> None:
    by_uv = workspace.run()["recipe"]["environment"]
    plan = workspace.projrun("run", "--dry-run", "--json", "--builder", "pip").data["environment"]
    assert (plan["builder"], plan["built"]) == ("pip", False)
    by_pip = workspace.run("--builder", "pip")["recipe"]["environment"]
    assert (by_uv["builder"], by_pip["builder"]) == ("uv", "pip")
    assert by_uv["key"] != by_pip["key"] == plan["key"]
    assert by_uv["installed"] == by_pip["installed"]
    workspace.spec(SPEC_WITH_PIP)
    again = workspace.run()["recipe"]["environment"]
    assert (again["key"], again["reused"]) == (by_pip["key"], True)
    assert workspace.run("--builder", "uv")["recipe"]["environment"]["key"] == by_uv["key"]


SPEC_WITH_PIP = f"""
version: 1
name: tiny
environment: {LOCKED.replace("}", ", builder: pip}")}
entry_points: {{main: python free.py}}
"""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--builder", "conda"), "'conda' is not one of 'uv', 'pip'"),
        (("--builder", "pip"), "nothing is built from a lock here"),
        (("--allow-download", "--offline"), "--allow-download does not go with --offline"),
    ],
)
def test_what_cannot_be_asked_for_is_a_mistake_of_usage(workspace: Workspace, words: list[str], told: str) -> None:
    workspace.entry_point("echo hi", environment="{system: true}")
    done = workspace.projrun("run", *words)
    assert done.code == 2
    assert told in done.err


@both_builders
def test_what_is_downloaded_is_on_the_screen_before_it_has_come(workspace: Workspace, builder: str) -> None:
    workspace.index.stall()
    process = workspace.start("run", "--builder", builder)
    assert process.stderr is not None
    seen = b""
    while not re.search(rb"(Fetching|Collecting) tinydep==1\.5", seen):
        line = process.stderr.readline()
        assert line, seen.decode()
        seen += line
    assert re.search(rf"installing requirements.lock with {builder} \d".encode(), seen)
    assert process.poll() is None
    workspace.index.may_send.set()
    process.communicate(timeout=60)
    assert process.returncode == 0


@both_builders
def test_a_build_that_fails_says_why_first_and_keeps_all_that_was_said(workspace: Workspace, builder: str) -> None:
    workspace.repository.write("requirements.lock", f"tinydep==9.9 --hash=sha256:{'0' * 64}\n")
    done = workspace.projrun("run", "--builder", builder)
    assert done.code == 113
    error = done.err[done.err.index("requirements.lock:1: tinydep==9.9 is not on the package index") :]
    assert "tinydep==9.9" in error.splitlines()[1]
    assert "compile the lock" in error
    log = workspace.projrun("logs", "-s", "build").out
    assert "tinydep==9.9" in log
    assert log.strip() in done.err


@both_builders
def test_the_password_of_an_index_is_in_no_record_and_on_no_screen(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, builder: str
) -> None:
    requirements = f'{{python: "{THIS_PYTHON}", requirements: requirements.in}}'
    workspace.entry_point("python free.py", environment=requirements)
    workspace.repository.write("requirements.in", "tinydep\n")
    with serving(workspace.index.folder, login=f"someone:{WORD}") as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url.replace("://", f"://someone:{WORD}@"))
        monkeypatch.delenv("UV_DEFAULT_INDEX")
        done = workspace.projrun("run", "--builder", builder)
        assert done.code == 0, done.err
        workspace.repository.write("requirements.in", "tinydep>9\n")
        failed = workspace.projrun("run", "--builder", builder)
        assert failed.code == 113
    for text in (done.out, done.err, failed.out, failed.err, *contents(workspace.store, workspace.home / "cache")):
        assert WORD not in text


def contents(*folders: Path) -> Iterator[str]:
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert paths
    yield from (path.read_bytes().decode("latin-1") for path in paths)
