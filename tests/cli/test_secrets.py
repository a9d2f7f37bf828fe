"""No secret is stored or shown, and none can damage a record."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.cli.conftest import LOCKED, Workspace

SECRET = "s3cr3t-value"


def with_secret(workspace: Workspace, command: str, more: str = "") -> None:
    workspace.entry_point(command, environment=LOCKED.replace("}", ", secrets: [TOKEN]}"), more=more)


def files_with(directory: Path, text: str) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_a_secret_given_as_anything_else_is_not_stored(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    with_secret(workspace, "echo {x} {params_file}", "    parameters: {x: str}\n")
    words = ["-P", f"x={SECRET}", "--name", f"n {SECRET}", "--tag", f"{SECRET}={SECRET}", "--note", SECRET]
    done = workspace.projrun("run", *words)
    assert done.code == 0
    assert SECRET not in done.out + done.err
    assert files_with(workspace.store, SECRET) == []
    for verb in (
        ["runs"],
        ["runs", "--format", "csv"],
        ["show"],
        ["show", "--json"],
        ["logs"],
        ["run", "--dry-run", *words],
    ):
        assert SECRET not in workspace.projrun(*verb).out


def test_the_program_gets_what_the_record_hides(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    script = "import json, os, sys; assert json.load(open(sys.argv[1]))['x'] == os.environ['TOKEN'] == sys.argv[2]"
    with_secret(
        workspace, json.dumps(["python", "-c", script, "{params_file}", "{x}"]), "    parameters: {x: str}\n"
    )
    assert workspace.projrun("run", "-P", f"x={SECRET}").code == 0


@pytest.mark.parametrize(
    "secret", ["0", "1", "2", "a", "e", ":", "-", "T", "main", "recipe", "finished", '"', "\n"]
)
def test_a_short_secret_does_not_damage_what_projrun_computed(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("TOKEN", secret)
    with_secret(workspace, "echo hi")
    run = workspace.run()["run"]  # by its id: of the project's directory the secret's letters are gone
    shown = workspace.projrun("show", run, "--json").data
    source, environment = shown["recipe"]["source"], shown["recipe"]["environment"]
    assert workspace.projrun("restore", run, str(tmp_path / "back")).code == 0
    assert len(source["commit"]) == len(source["snapshot"]) == 40
    assert environment["lock"]["text"] == (workspace.root / "requirements.lock").read_text()
    assert shown["status"] == "finished"
    assert "secret-short" in [flag["code"] for flag in shown["recipe"]["flags"]] or len(secret) > 3


@pytest.mark.parametrize("secret", ["a", "0", "-", "T", "main", "table", "train"])
def test_a_run_with_a_short_secret_is_done_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    """It occurs in what the specification says by chance, and that is in the source anyway."""
    monkeypatch.setenv("TOKEN", secret)
    spec = workspace.root / "ProjectSpec.yaml"
    spec.write_text(spec.read_text().replace(LOCKED, LOCKED.replace("}", ", secrets: [TOKEN]}")))
    workspace.publish()
    recipe = workspace.run("-P", "depth=7", "--note", f"x{secret}y")["recipe"]
    assert recipe["entry_point"]["name"] == "main"
    assert recipe["note"] == "x***y"
    run = recipe["run"]
    checked = workspace.projrun("reproduce", run, "--check")
    assert checked.code == 0, checked.out + checked.err
    done = workspace.projrun("reproduce", run)
    assert done.code == 0, done.out + done.err
    assert workspace.projrun("restore", run, "--outputs", str(workspace.home / "back")).code == 0


def test_a_password_in_an_address_reaches_the_program_and_is_masked_and_flagged(workspace: Workspace) -> None:
    script = "import sys; print(len(sys.argv[1]), sys.argv[1])"
    workspace.entry_point(
        json.dumps(["python", "-c", script, "{where}"]),
        more="    parameters: {where: uri}\n",
    )
    address = "postgres://me:p/a@ss/word@host/db"
    done = workspace.projrun("run", "-q", "-P", f"where={address}")
    assert done.out == f"{len(address)} postgres://me:***@host/db\n"
    codes = [flag["code"] for flag in workspace.last()["recipe"]["flags"]]
    assert "password-masked" in codes
    assert "secret-like" not in codes, "it is in the command too, but not in that of the record"
    assert files_with(workspace.store, "a@ss/w") == []
    again = workspace.projrun("reproduce", "last")
    assert again.code == 2
    assert "held a password, which is recorded nowhere" in again.err
    assert "password-masked" not in [
        flag["code"] for flag in workspace.run("-P", "where=s3://me@host/a:b@c")["recipe"]["flags"]
    ]


@pytest.mark.parametrize(
    ("query", "flagged"), [("?X-Amz-Signature=abc", True), ("?v=1&token=abc", True), ("?v=1&monkey=abc", False)]
)
def test_a_token_in_the_address_of_data_is_flagged(workspace: Workspace, query: str, flagged: bool) -> None:
    content = "x\n"
    workspace.repository.write("far.csv", content)
    workspace.entry_point("cat far.csv")
    spec = workspace.root / "ProjectSpec.yaml"
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    entry = f"data: {{far: {{path: far.csv, url: 'https://host.invalid/a{query}', sha256: {sha256}}}}}\n"
    spec.write_text(spec.read_text() + entry)
    flags = [flag["code"] for flag in workspace.run()["recipe"]["flags"]]
    assert ("password-recorded" in flags) is flagged


@pytest.mark.parametrize(
    "secret", ["p'a\"ss\\w\u00f6rd xyz", 'S3cr"et-\u00e9/Q9x\\y', "two\nlines \"here\" 'too'"]
)
def test_a_secret_in_a_traceback_is_masked(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("TOKEN", secret)
    script = "import os; t = os.environ['TOKEN']; print(repr(t), ascii(t), [t], flush=True); dict()[t]"
    with_secret(workspace, json.dumps(["python", "-c", script]))
    done = workspace.projrun("run")
    assert done.code == 1
    for piece in ("xyz", "Q9x", "here"):
        assert piece not in workspace.projrun("logs", "-s", "stdout", "-s", "stderr").out


def test_an_error_about_a_parameter_does_not_tell_a_secret(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    with_secret(workspace, "echo {x}", "    parameters: {x: int}\n")
    for word in (f"x={SECRET}", f"{SECRET}=1"):
        done = workspace.projrun("run", "-P", word)
        assert done.code == 2
        assert SECRET not in done.err


@pytest.mark.parametrize("place", ["pip.conf", "uv.toml", ".netrc"])
def test_what_the_files_of_the_tools_hold_is_a_secret_of_the_run_too(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    password = "idx-pa55word-9"
    text = {
        "pip.conf": f"[global]\nextra-index-url = https://me:{password}@index.example/simple\n",
        "uv.toml": f'[[index]]\nname = "x"\nurl = "https://me:{password}@index.example/simple"\nexplicit = true\n',
        ".netrc": f"machine index.example\nlogin me\npassword {password}\n",
    }[place]
    folder = {"pip.conf": ".config/pip", "uv.toml": ".config/uv", ".netrc": ""}[place]
    monkeypatch.delenv("PIP_CONFIG_FILE", raising=False)
    (workspace.home / folder).mkdir(parents=True, exist_ok=True)
    (workspace.home / folder / place).write_text(text)
    script = "import os, sys; print(open(os.path.expanduser(sys.argv[1])).read())"
    workspace.entry_point(json.dumps(["python", "-c", script, str(workspace.home / folder / place)]))
    done = workspace.projrun("run")
    assert done.code == 0, done.err
    assert "***" in done.out
    assert password not in done.out + done.err
    (workspace.home / folder / place).unlink()
    assert files_with(workspace.home, password) == []
