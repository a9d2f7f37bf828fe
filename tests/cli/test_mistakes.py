"""A new user's mistakes: each says what, why and what to type next, with the design's exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Workspace

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["rnu"], 2, ["rnu", "run"]),
        (["run", "-e", "mian"], 2, ["mian", "-e main"]),
        (["run", "--entrypoint", "main"], 2, ["--entrypoint", "--entry-point"]),
        (["run", "-P", "depht=3"], 2, ["depht", "'depth'"]),
        (["run", "-P", "depth=three"], 2, ["depth", "three"]),
        (["run", "-P", "depth=31"], 2, ["depth", "30"]),
        (["run", "-P", "table=../secrets.csv"], 2, ["../secrets.csv"]),
        (["run", "--params", "none.yaml"], 2, ["none.yaml"]),
        (["run", "--seed", "-1"], 2, ["--seed -1: a seed is a whole number from 0 to 4294967295"]),
        (["run", "--seed", "x"], 2, ["--seed x: a seed is a whole number", "try: --seed 7"]),
        (["run", "--seed", "4294967296"], 2, ["--seed 4294967296: a seed is"]),
        (["run", "--environment"], 2, ["--environment", "projrun run --help"]),
        (["env", "show", "--environment"], 2, ["--environment", "projrun env show --help"]),
        (
            ["runs", "--sort", "foo"],
            2,
            ["there is no field 'foo'", "params.foo; the fields are id"],
        ),
        (["runs", "accuracy > 0.9"], 2, ["there is no field 'accuracy'", "a metric is metrics.accuracy"]),
        (["runs", "metric.rmse > 0.9"], 2, ["there is no field 'metric.'", "'metrics.NAME'"]),
        (["runs", "params.depth", "=", "3"], 2, ["extra arguments", "single quotes"]),
        (["show", "the one"], 2, ["there is no run 'the one'", "'name = \"NAME\"'"]),
        (
            ["runs", "--group-by", "status", "--aggregate", "avg:duration"],
            2,
            ["did you mean 'mean'?"],
        ),
        (
            ["runs", "--group-by", "status", "--aggregate", "zzz"],
            2,
            ["they are count", "try: mean:metrics"],
        ),
        (["run", "-v", "853"], 112, ["853", "at least 4 digits"]),
        (["run", "--tag", "=paper"], 2, ["--tag =paper: a tag has a key", "try: --tag paper=draft, or"]),
        (["run", "nowhere"], 111, ["nowhere"]),
        (["run", "free"], 2, ["'free' is an entry point", "projrun run -e free"]),
        (["run", "ext::sh -c true"], 112, ["transport helper", "https://"]),
        (["run", "--dirty", "refuze"], 2, ["--dirty", "refuse"]),
        (["show", "last~99"], 2, ["projrun runs"]),
        (["runs", "--sort", "durration"], 2, ["durration", "duration"]),
        (["logs", "--stream", "out"], 2, ["stdout"]),
    ],
)
def test_a_mistake_is_explained(workspace: Workspace, words: list[str], code: int, said: list[str]) -> None:
    done = workspace.projrun(*words)
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    for text in said:
        assert text in done.err


def test_outside_a_project(workspace: Workspace, tmp_path: Path) -> None:
    for verb in ("run", "check"):
        done = workspace.projrun(verb, cwd=tmp_path)
        assert done.code == 111
        assert "ProjectSpec.yaml" in done.err


def test_in_a_directory_that_was_removed(workspace: Workspace, tmp_path: Path) -> None:
    for verb, code in (("run", 111), ("check", 111), ("runs", 0)):
        words = ["sh", "-c", 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', "-"]
        done = subprocess.run(
            [*words, sys.executable, "-m", "projrun", verb], cwd=tmp_path, capture_output=True, check=False
        )
        assert b"Traceback" not in done.stderr
        assert done.returncode == code, done.stderr


def test_check_lists_every_problem_in_its_place(workspace: Workspace) -> None:
    spec = workspace.root / "ProjectSpec.yaml"
    text = spec.read_text().replace("--rate {rate}", "--rate {rtae}").replace("minimum: 1", "minimun: 1")
    spec.write_text(text)
    (workspace.root / "requirements.lock").write_text("tinydep==1.5\n")
    done = workspace.projrun("check")
    assert done.code == 111
    lines = text.splitlines()
    depth = next(number for number, line in enumerate(lines, 1) if "minimun" in line)
    assert f"ProjectSpec.yaml:{depth}:" in done.out
    assert "'minimum'" in done.out
    assert "'rate'" in done.out


def test_check_finds_an_unhashed_lock_and_one_out_of_step(workspace: Workspace) -> None:
    spec = workspace.root / "ProjectSpec.yaml"
    spec.write_text(
        spec.read_text().replace("lock: requirements.lock", "lock: requirements.lock, requirements: r.in")
    )
    (workspace.root / "r.in").write_text("tinydep>=2\n")
    done = workspace.projrun("check")
    assert done.code == 111
    assert "r.in:1" in done.out
    (workspace.root / "requirements.lock").write_text("tinydep==1.5\n")
    done = workspace.projrun("check", "--json")
    assert done.code == 111
    assert done.data["problems"][0]["file"] == "requirements.lock"
    assert done.data["problems"][0]["line"] == 1


def test_a_right_spec_has_no_problems(workspace: Workspace) -> None:
    done = workspace.projrun("check")
    assert (done.code, done.out) == (0, "")


def test_listed_inputs_are_hashed_and_must_be_there(workspace: Workspace) -> None:
    workspace.entry_point("echo hi", more="    inputs: [extra.txt]\n")
    assert workspace.projrun("run").code == 114
    workspace.repository.write("extra.txt", "x")
    found = workspace.run()["recipe"]["inputs"]
    assert [(one["path"], one["size"]) for one in found] == [("extra.txt", 1)]


def test_a_fault_of_the_spec_hides_none_of_the_lock(workspace: Workspace) -> None:
    spec = workspace.root / "ProjectSpec.yaml"
    spec.write_text(spec.read_text().replace("--rate {rate}", "--rate {rtae}"))
    (workspace.root / "requirements.lock").write_text("tinydep==1.5\n")
    done = workspace.projrun("check")
    assert "'rate'" in done.out
    assert "requirements.lock:1:1" in done.out


@pytest.mark.parametrize("option", ["--entry-point", "--params", "--seed", "--name", "--note", "--store"])
def test_the_last_of_two_never_wins_in_silence(workspace: Workspace, option: str) -> None:
    done = workspace.projrun("run", option, "1", option, "2")
    assert done.code == 2
    assert f"keep one {option}" in done.err or "keep one -e" in done.err


def test_a_dry_run_tells_everything_that_would_stop_a_run(workspace: Workspace) -> None:
    (workspace.root / "requirements.lock").write_text("tinydep==1.5\n")
    (workspace.root / "data/table.csv").write_text("other")
    spec = workspace.root / "ProjectSpec.yaml"
    spec.write_text(
        spec.read_text().replace("lock: requirements.lock", "lock: requirements.lock, secrets: [TOKEN]")
    )
    plan = workspace.projrun("run", "--dry-run", "--json", "--snapshot-limit", "0").data
    codes = {flag["code"] for flag in plan["flags"]}
    assert codes >= {"dirty", "input-refused", "environment-refused", "secret-missing"}
    assert plan["environment"] is None
    assert workspace.projrun("run", "--dry-run").code == 0


def test_a_dry_run_shows_no_seed_that_no_run_will_have(workspace: Workspace) -> None:
    workspace.entry_point("echo {seed}")
    plan = workspace.projrun("run", "--dry-run", "--json").data
    assert (plan["seed"], plan["argv"]) == (None, ["echo", "<seed>"])
    assert workspace.projrun("run", "--dry-run", "--json", "--seed", "3").data["argv"] == ["echo", "3"]


@pytest.mark.parametrize(
    "words", [["restore", "last", "x"], ["runs", "--store", "rel"], ["run", "--store", "rel"]]
)
def test_a_directory_that_was_removed_is_told(workspace: Workspace, tmp_path: Path, words: list[str]) -> None:
    workspace.repository.write("free.py", "")
    workspace.run("-e", "free")
    line = f'mkdir gone && cd gone && rmdir ../gone && exec "{sys.executable}" -m projrun {" ".join(words)}'
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode in (2, 111)
    assert b"removed" in done.stderr
    assert b"Traceback" not in done.stderr
