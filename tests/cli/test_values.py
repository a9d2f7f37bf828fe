"""Values reach the child's argv exactly, from the command line, from a file, and again from the recipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import THIS_PYTHON, Workspace

pytestmark = pytest.mark.slow

PRINT_ARGV = "import json, sys; print(json.dumps(sys.argv[1:]))"

TEXTS = [
    "$(touch x)",
    "a=b",
    "",
    "--x",
    "08",
    "2020-10-10",
    "no",
    "1e400",
    'it\'s "quoted"\nand\tmore',
    "{brace} {value}",
    "emoji \N{ROCKET} \N{FAMILY}",
    json.dumps({"key": ["x" * 20_000]}),
]


def declare(workspace: Workspace, kind: str, *, shell: bool = False) -> None:
    words = ["python", "-c", PRINT_ARGV, "{value}"]
    command = "python -c '" + PRINT_ARGV + "' {value}" if shell else words
    environment = {"python": THIS_PYTHON, "lock": "requirements.lock"}
    entry = {"command": command, "shell": shell, "parameters": {"value": {"type": kind}}}
    spec = {"version": 1, "name": "echo", "environment": environment, "entry_points": {"main": entry}}
    workspace.spec(json.dumps(spec))


@pytest.mark.parametrize("shell", [False, True])
def test_texts_from_the_command_line(workspace: Workspace, shell: bool) -> None:
    declare(workspace, "str", shell=shell)
    for text in TEXTS:
        done = workspace.projrun("run", "-q", "-P", f"value={text}")
        assert json.loads(done.out) == [text], done.err
        recorded = workspace.last()["recipe"]["parameters"][0]
        assert (recorded["raw"], recorded["value"], recorded["origin"]) == (text, text, "command line")
    assert not (workspace.root / "x").exists()


def test_texts_from_a_file(workspace: Workspace, tmp_path: Path) -> None:
    declare(workspace, "str")
    for text in TEXTS:
        (tmp_path / "given.json").write_text(json.dumps({"value": text}))
        done = workspace.projrun("run", "-q", "--params", str(tmp_path / "given.json"))
        assert json.loads(done.out) == [text], done.err


def test_plain_yaml_scalars_keep_their_text(workspace: Workspace, tmp_path: Path) -> None:
    declare(workspace, "str")
    for text in ("no", "on", "08", "1e3", "2020-10-10", "12:30", "0x1F"):
        (tmp_path / "given.yaml").write_text(f"value: {text}\n")
        done = workspace.projrun("run", "-q", "--params", str(tmp_path / "given.yaml"))
        assert json.loads(done.out) == [text], done.err


def test_a_list_becomes_several_words(workspace: Workspace) -> None:
    declare(workspace, "list")
    items = ["a b", "c,d", 'it\'s "q"', "two\nlines", "", "\N{ROCKET}"]
    done = workspace.projrun("run", "-q", "-P", f"value={json.dumps(items)}")
    assert json.loads(done.out) == items, done.err
    assert workspace.last()["recipe"]["argv"][3:] == items


@pytest.mark.parametrize(("kind", "text"), [("int", "08"), ("float", "1e400"), ("json", '{"a" : 1e400}')])
def test_numbers_and_json_arrive_as_they_were_written(workspace: Workspace, kind: str, text: str) -> None:
    declare(workspace, kind)
    done = workspace.projrun("run", "-q", "-P", f"value={text}")
    assert json.loads(done.out) == [text], done.err


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (b"value=\xff", "UTF-8"),
        ("value", "="),
        ("valeu=1", "'value'"),
        ("1x=2", "1x"),
    ],
)
def test_what_cannot_be_a_value_is_refused(workspace: Workspace, word: str | bytes, said: str) -> None:
    declare(workspace, "str")
    done = workspace.projrun("run", "-P", word)
    assert done.code == 2
    assert said in done.err
    assert not workspace.store.exists()


def test_a_value_given_twice_is_refused(workspace: Workspace) -> None:
    declare(workspace, "str")
    done = workspace.projrun("run", "-P", "value=1", "-P", "value=2")
    assert done.code == 2
    assert "2 times" in done.err
