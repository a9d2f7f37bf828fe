"""What a run in a ready environment does besides its program, counted: no load of a machine changes that."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Workspace

# Writes down what Python tells an audit hook, and which modules there were when the program began.
SPY = """
import atexit, json, os, sys
report, programs, opened, moments = sys.argv.pop(1), [], [], {}
def hear(event, told):
    if event == "subprocess.Popen":
        programs.append([os.fsdecode(word) for word in told[1]])
        if os.path.basename(os.fsdecode(told[0])) not in ("git", "sh"):
            moments.setdefault("before", sorted(sys.modules))
    elif event == "open" and isinstance(told[0], (str, bytes)):
        name = os.fsdecode(told[0])
        opened.extend([] if name.endswith((".py", ".pyc", ".so")) else [name])
def end():
    moments["after"] = sorted(sys.modules)
    with open(report, "w") as file:
        json.dump({"programs": programs, "opened": opened, **moments}, file)
sys.addaudithook(hear)
atexit.register(end)
sys.argv[0] = "projrun"
from projrun.__main__ import main
main()
"""
# Each of these takes a millisecond or more, with what it imports.
SLOW = frozenset(
    {
        *("click", "msgspec", "dataclasses", "inspect", "ast", "dis", "tokenize", "uuid", "platform", "gettext"),
        *("textwrap", "typing_extensions", "shutil", "bz2", "lzma", "zipfile", "tempfile", "difflib", "random"),
        *("asyncio", "concurrent.futures", "email", "http", "ssl", "socket", "urllib.request", "logging"),
        *("multiprocessing", "xml", "csv", "decimal", "fractions", "statistics", "argparse"),
    }
)
# Loaded for the end of the run, while the program runs.
LATER = frozenset({"sqlite3", "datetime", "hashlib", "projrun.closing", "projrun.store.database"})
# How many of projrun's own: each takes a quarter of a millisecond.
BEFORE_THE_PROGRAM, UNTIL_THE_END = 135, 147
FILES = 45  # that are opened, the modules' own not counted
LISTING, HELP = 80, 20


def watched(workspace: Workspace, report: Path, *words: str) -> dict[str, Any]:
    """What projrun did for these words."""
    line = [sys.executable, "-c", SPY, str(report), *words]
    done = subprocess.run(line, cwd=workspace.root, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    told: dict[str, Any] = json.loads(report.read_text())
    return told


@pytest.fixture
def run(workspace: Workspace, tmp_path: Path) -> dict[str, Any]:
    """What the second of two runs did, in a clean and pushed tree, with an output."""
    workspace.entry_point("python free.py", more="    outputs: [made.txt]\n")
    workspace.repository.write(".gitignore", "made.txt\n")
    workspace.repository.write("free.py", "open('made.txt', 'w').write('x')\n")
    workspace.publish()
    workspace.run("-q")
    return watched(workspace, tmp_path / "report.json", "run", "-q")


def ours(modules: list[str]) -> list[str]:
    return [name for name in modules if name.split(".")[0] == "projrun"]


def test_a_warm_run_starts_five_processes(run: dict[str, Any]) -> None:
    known = ("config", "status", "projrun-guard")
    named = [next((word for word in words if word in known), words[0]) for words in run["programs"]]
    assert named == ["config", "status", "projrun-guard", "python", "status"]


def test_a_warm_run_imports_little_before_the_program_begins(run: dict[str, Any]) -> None:
    assert not SLOW & set(run["after"])
    assert not LATER & set(run["before"]), "import it in runner._meanwhile, or later"
    assert set(run["after"]) >= LATER, "else nothing is held by the line before"
    for moment, most in (("before", BEFORE_THE_PROGRAM), ("after", UNTIL_THE_END)):
        found = ours(run[moment])
        assert len(found) <= most, f"import in functions what such a run can do without: {' '.join(found)}"


def test_a_warm_run_imports_nothing_but_python_and_itself(run: dict[str, Any]) -> None:
    beyond = {name.split(".")[0] for name in run["after"]} - sys.stdlib_module_names - {"projrun"}
    # What a .pth file of the installation starts is there before us.
    line = [sys.executable, "-c", "import sys; print(*sys.modules)"]
    started = subprocess.run(line, capture_output=True, text=True, check=True).stdout.split()
    assert beyond <= {name.split(".")[0] for name in started}


def test_a_warm_run_opens_few_files(run: dict[str, Any]) -> None:
    assert len(run["opened"]) <= FILES, "\n".join(run["opened"])


def test_a_listing_and_help_start_nothing(workspace: Workspace, tmp_path: Path) -> None:
    workspace.run("-q", "-e", "free")
    for word, most in (("runs", LISTING), ("--help", HELP)):
        told = watched(workspace, tmp_path / "report.json", word)
        assert told["programs"] == []
        heavy = {"yaml", "jsonschema", "docker", "git", "pandas", "difflib", "asyncio", "ssl", "subprocess"}
        assert not heavy & set(told["after"])
        assert len(ours(told["after"])) <= most, " ".join(ours(told["after"]))
