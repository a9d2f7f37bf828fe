"""What goes wrong around a program that runs: nothing that happened is lost or told wrongly."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Workspace
from tests.cli.test_stopping import run_directory, wait_for

pytestmark = pytest.mark.slow


def test_a_stop_after_the_program_ended_does_not_undo_what_it_did(workspace: Workspace) -> None:
    script = "open('huge.bin', 'wb').truncate(20_000_000_000); raise SystemExit(4)"
    workspace.entry_point(json.dumps(["python", "-c", script]), more="    outputs: [huge.bin]\n")
    process = workspace.start("run")

    def hashing() -> bool:
        directory = run_directory(workspace, "recipe.json")
        return directory is not None and b"projrun: finish:" in (directory / "output.log").read_bytes()

    wait_for(hashing, process)
    os.kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=60)
    outcome = workspace.last()["outcome"]
    assert process.returncode == outcome["exit_code"] == 4
    assert outcome["status"] == "failed"
    assert outcome["process"]["usage"]["wall"] > 0
    assert [flag["code"] for flag in outcome["flags"]] == ["outputs-unknown"]


def test_a_log_that_cannot_grow_ends_the_run_and_is_told(workspace: Workspace) -> None:
    workspace.entry_point('[sh, -c, "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done"]')
    line = f'ulimit -f 200; exec "{sys.executable}" -m projrun run -q >/dev/null'
    done = subprocess.run(["bash", "-c", line], cwd=workspace.root, capture_output=True, check=False)
    last = workspace.last()
    assert done.returncode == 125
    assert last["run"] in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert last["status"] == last["outcome"]["status"] == "failed"
    assert last["outcome"]["error"]["kind"] == "store"


def test_a_path_that_is_too_long_is_no_defect(workspace: Workspace) -> None:
    workspace.entry_point("echo {p}", more="    parameters: {p: path}\n")
    assert workspace.projrun("run", "-q", "-P", f"p={'a' * 300}").out == "a" * 300 + "\n"


@pytest.mark.parametrize("path", ["results/model.txt", "./results/model.txt", "results/deep/model.txt"])
def test_an_output_named_by_a_parameter_is_no_input_of_the_next_run(workspace: Workspace, path: str) -> None:
    more = "    parameters: {p: path}\n    outputs: [results]\n"
    workspace.entry_point(json.dumps(["sh", "-c", 'mkdir -p results/deep; touch "$0"', "{p}"]), more=more)
    workspace.run("-P", f"p={path}")
    second = workspace.run("-P", f"p={path}")
    assert second["recipe"]["inputs"] == []


def test_an_entry_point_can_make_the_data_that_another_one_reads(workspace: Workspace) -> None:
    workspace.spec(
        "version: 1\nname: tiny\nenvironment: {system: true}\n"
        "data: {clean: data/clean.csv}\n"
        "entry_points:\n"
        "  prepare: {command: [sh, -c, 'echo 1 > data/clean.csv'], outputs: [data/clean.csv]}\n"
        "  other: echo hi\n"
        "  use: {command: cat {clean}, parameters: {clean: {type: path, default: 'data:clean'}}}\n".replace(
            "cat {clean}", "'cat {clean}'"
        )
    )
    assert workspace.projrun("check").code == 0
    assert workspace.projrun("run", "-e", "use").code == 114
    assert workspace.projrun("run", "-e", "other").code == 0
    assert workspace.projrun("run", "-e", "prepare").code == 0
    assert workspace.projrun("run", "-q", "-e", "use").out == "1\n"


@pytest.mark.parametrize("content", ['{"document": "recipe", "version": 1, "run": "%s"}', "[]", ""])
def test_a_damaged_recipe_is_told(workspace: Workspace, tmp_path: Path, content: str) -> None:
    run = workspace.run("-e", "free")["run"]
    recipe = workspace.store / "runs" / run / "recipe.json"
    recipe.write_text(content.replace("%s", run))
    shown = workspace.projrun("show", run)
    assert shown.code == 0
    assert "recipe.json" in shown.out
    done = workspace.projrun("restore", run, str(tmp_path / "back"))
    assert done.code == 112
    assert "Traceback" not in done.err
    shutil.rmtree(recipe.parent)  # what is not valid must not fail the check of all documents


def test_a_store_on_a_full_disk_is_told(workspace: Workspace) -> None:
    workspace.entry_point("echo {x}", environment="{system: true}", more="    parameters: {x: str}\n")
    # -B, or Python leaves the beginning of a module's compiled code in our own tree, which nobody can import then.
    line = f'ulimit -f 2; exec "{sys.executable}" -B -m projrun run -q -P x={"y" * 4000}'
    done = subprocess.run(["bash", "-c", line], cwd=workspace.root, capture_output=True, check=False)
    assert done.returncode == 125
    assert b"--store" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.usefixtures("nothing_built")
def test_an_interrupted_build_tells_its_run_also_as_data(workspace: Workspace) -> None:
    workspace.index.stall()
    process = workspace.start("run", "--json")
    wait_for(workspace.index.asked_for_archive.is_set, process)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    workspace.index.may_send.set()
    error = json.loads(out)["error"]
    assert process.returncode == error["exit_code"] == 130
    assert error["run"] == workspace.last()["run"]
    assert error["run"] in err.decode()


def test_an_output_that_was_there_before_is_not_shown_as_written(workspace: Workspace) -> None:
    workspace.entry_point("[sh, -c, 'echo 1 > o.txt']", more="    outputs: [o.txt]\n")
    assert "o.txt (2 B)" in workspace.projrun("run").err
    workspace.entry_point("'false'", more="    outputs: [o.txt]\n")
    assert "outputs" not in workspace.projrun("run").err
    assert "not touched by this run" in workspace.projrun("show").out
