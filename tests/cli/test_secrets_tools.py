"""git, uv, pip and the packages that these build do without what is the program's."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import THIS_PYTHON, Workspace
from tests.wheels import lock_of, make_source_distribution

pytestmark = pytest.mark.slow

SECRETS = {"TOKEN": "s3cr3t-of-the-program", "PROJRUN_SECRET_PIN": "9071-of-the-program"}
DUMP = "import json, os; open({place!r}, 'a').write(json.dumps(dict(os.environ)) + '\\n')"


@pytest.fixture
def seen(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a package that is built. The variables of its build, and of git, are lines of the file."""
    place = tmp_path / "seen.jsonl"
    folder = tmp_path / "bin"
    folder.mkdir()
    dump = DUMP.format(place=str(tmp_path / "git.jsonl"))
    (folder / "git").write_text(f'#!/bin/sh\npython3 -I -c "{dump}" && exec {shutil.which("git")} "$@"\n')
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    package = make_source_distribution(tmp_path / "archives", "built", first=DUMP.format(place=str(place)))
    workspace.repository.write("requirements.lock", lock_of(package))
    return place


def builds_with(workspace: Workspace, builder: str) -> None:
    environment = (
        f'{{python: "{THIS_PYTHON}", lock: requirements.lock, builder: {builder}, source_distributions: [built],'
        " secrets: [TOKEN]}"
    )
    script = "import built, json, os, sys; print(os.environ['TOKEN'], json.load(open(sys.argv[1]))['pin'])"
    more = "    parameters: {pin: {type: str, secret: true}}\n"
    command = json.dumps(["python", "-c", script, "{params_file}"])
    workspace.entry_point(command, environment=environment, more=more)


def lines_of(file: Path) -> list[dict[str, str]]:
    found = [json.loads(line) for line in file.read_text().splitlines()]
    assert found
    return found


@pytest.mark.parametrize("builder", ["uv", "pip"])
def test_what_is_built_cannot_read_the_secrets_of_the_program(
    workspace: Workspace, seen: Path, builder: str
) -> None:
    builds_with(workspace, builder)
    done = workspace.projrun("run", "-q")
    assert (done.code, done.out) == (0, "*** ***\n"), done.err
    assert [name for line in lines_of(seen) for name in SECRETS if name in line] == []
    after = lines_of(seen.with_name("git.jsonl"))[-1]  # before the run nobody knows what its secrets are
    assert [name for name in SECRETS if name in after] == []


def test_nor_when_an_environment_is_built_for_itself(workspace: Workspace, seen: Path) -> None:
    builds_with(workspace, "uv")
    assert workspace.projrun("env", "build").code == 0
    assert [line for line in lines_of(seen) if "TOKEN" in line] == []


def test_a_keyring_gets_what_the_caller_has(
    workspace: Workspace, seen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_KEYRING_PROVIDER", "subprocess")
    builds_with(workspace, "uv")
    assert workspace.projrun("run", "-q").code == 0
    assert all("TOKEN" in line for line in lines_of(seen))
