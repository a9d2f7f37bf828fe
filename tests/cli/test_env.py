"""``projrun env`` as it is typed: which environment is meant, what is told of it, and what is removed."""

from __future__ import annotations

import marshal
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import LOCKED, THIS_PYTHON, Workspace
from tests.wheels import lock_of, make_wheel

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_built")]

WAITS = "python -c \"import pathlib, time; pathlib.Path('began').touch(); time.sleep(600)\""


def environments(workspace: Workspace) -> Path:
    return workspace.home / "cache" / "environments"


def built(workspace: Workspace) -> Any:
    done = workspace.projrun("env", "build", "--json")
    assert done.code == 0, done.err
    return done.data


def module_of(workspace: Workspace, key: str) -> Path:
    return next((environments(workspace) / key).rglob("tinydep/__init__.py"))


def relock(workspace: Workspace, archives: Path, *names: str) -> None:
    wheels = [make_wheel(archives, name, "2.0") for name in names]
    workspace.repository.write("requirements.lock", lock_of(*wheels))


def test_building_runs_nothing_and_says_what_is_there(workspace: Workspace) -> None:
    first, second = built(workspace), built(workspace)
    assert (first["reused"], second["reused"]) == (False, True)
    assert first["key"] == second["key"]
    assert workspace.projrun("runs", "--json").data == []
    told = workspace.projrun("env", "build", "--offline")
    assert told.out.startswith(f"reused, cpython {THIS_PYTHON}, 1 distribution, key {first['key'][:10]}")


def test_the_builder_can_be_chosen_and_a_download_allowed(workspace: Workspace) -> None:
    usual = built(workspace)
    done = workspace.projrun("env", "build", "--builder", "pip", "--allow-download", "--json")
    assert done.code == 0, done.err
    assert done.data["key"] != usual["key"]
    assert done.data["key"] == workspace.run("--builder", "pip")["recipe"]["environment"]["key"]
    refused = workspace.projrun("env", "build", "--offline", "--allow-download")
    assert (refused.code, "does not go with" in refused.err) == (2, True)


def test_verifying_says_in_one_line_that_all_is_well(workspace: Workspace) -> None:
    run = workspace.run()
    key = run["recipe"]["environment"]["key"]
    for words in ((), (key[:8],), ("last",), (run["run"][:6],), (".",)):
        done = workspace.projrun("env", "verify", *words)
        assert (done.code, done.out) == (0, f"{key[:12]}: as it was installed, {done.out.split()[-2]} files\n")
    told = workspace.projrun("env", "verify", "--archives", "--json").data
    assert (told["key"], told["run"], told["ok"], told["findings"]) == (key, None, True, [])


def test_verifying_names_what_differs_and_exits_with_113(workspace: Workspace) -> None:
    workspace.run()
    key = built(workspace)["key"]
    module_of(workspace, key).write_text("VERSION = 'edited'\n")
    for number in range(30):
        (module_of(workspace, key).parent / f"more{number}.py").touch()
    done = workspace.projrun("env", "verify", "last")
    assert done.code == 113
    lines = done.out.splitlines()
    assert lines[0].split(maxsplit=1) == ["altered", "tinydep/__init__.py was altered"]
    assert len(lines) == 21
    assert lines[-1].endswith("(--json lists them)")
    told = workspace.projrun("env", "verify", "--json", "--archives")
    assert (told.code, told.data["ok"]) == (113, False)
    kinds = [finding["kind"] for finding in told.data["findings"]]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "marker": 1,  # that it was found damaged by the first
        "altered": 1,
        "extra": 30,
        "record": 1,
        "archive": 31,
    }


def test_what_is_found_damaged_is_used_by_no_run_and_built_again(workspace: Workspace) -> None:
    key = built(workspace)["key"]
    workspace.entry_point("python -c 'import tinydep'", environment=LOCKED)
    workspace.run()
    (bytecode,) = module_of(workspace, key).parent.glob("__pycache__/*.pyc")
    bytecode.write_bytes(bytecode.read_bytes()[:16] + marshal.dumps(compile("X = 1", "x", "exec")))
    assert workspace.projrun("run", "--dry-run", "--json").data["environment"]["reason"] is None
    (workspace.root / "began").unlink(missing_ok=True)
    process = started(workspace)
    try:
        done = workspace.projrun("env", "verify")
        assert (done.code, f"{key[:12]}: 1 difference; the next run builds it again" in done.err) == (113, True)
        message = f"it was found damaged: tinydep/__pycache__/{bytecode.name} is not what its source compiles to"
        assert workspace.projrun("run", "--dry-run", "--json").data["environment"]["reason"] == message
        workspace.entry_point("python -c 'import tinydep'", environment=LOCKED)
        recipe = workspace.run()["recipe"]
        assert not recipe["environment"]["reused"]
        flags = {flag["code"]: flag["message"] for flag in recipe["flags"]}
        assert message in flags["environment-rebuilt"]
        assert len(list(environments(workspace).glob(".damaged-*"))) == 1, "the live run keeps what it uses"
    finally:
        process.terminate()
        process.communicate()
    assert workspace.projrun("env", "verify").code == 0
    assert workspace.run()["recipe"]["environment"]["reused"]


def test_verifying_a_run_compares_with_what_it_recorded(workspace: Workspace) -> None:
    run = workspace.run()["run"]
    recipe = workspace.store / "runs" / run / "recipe.json"
    text = recipe.read_text()
    assert '"version": "1.5"' in text
    recipe.write_text(text.replace('"version": "1.5"', '"version": "1.4"'))
    done = workspace.projrun("env", "verify", run)
    recipe.write_text(text)
    assert done.code == 113
    assert f"tinydep is installed as 1.5, and was 1.4 in run {run}" in done.out


def test_a_damaged_environment_is_told_by_the_plan_and_rebuilt_and_flagged_by_a_run(workspace: Workspace) -> None:
    key = built(workspace)["key"]
    module_of(workspace, key).write_text("VERSION = 'edited'\n")
    reason = "tinydep/__init__.py was altered since it was built"
    assert workspace.projrun("run", "--dry-run", "--json").data["environment"]["reason"] == reason
    run = workspace.run()
    assert not run["recipe"]["environment"]["reused"]
    flags = {flag["code"]: flag["message"] for flag in run["recipe"]["flags"]}
    assert reason in flags["environment-rebuilt"]
    assert "environment-rebuilt" not in [flag["code"] for flag in workspace.run()["recipe"]["flags"]]


def test_versions_are_recorded_as_declared_found_and_told(workspace: Workspace) -> None:
    interpreter = workspace.run()["recipe"]["environment"]["interpreter"]
    told = (interpreter["declared"], interpreter["version"], interpreter["in_process"])
    assert told == (THIS_PYTHON, THIS_PYTHON, THIS_PYTHON)
    workspace.entry_point("python -c 1", environment="{system: true}")
    system = workspace.run()["recipe"]["environment"]
    assert (system["kind"], system["interpreter"]["declared"]) == ("system", None)
    assert system["interpreter"]["in_process"] == system["interpreter"]["version"]


def test_the_list_has_what_is_kept_and_who_used_it(workspace: Workspace, tmp_path: Path) -> None:
    assert workspace.projrun("env", "list", "--json").data == {"environments": []}
    workspace.run()
    workspace.run()
    used = built(workspace)["key"]
    relock(workspace, tmp_path / "archives", "other")
    unused = built(workspace)["key"]
    (environments(workspace) / unused / "projrun-environment.json").unlink()
    listed = workspace.projrun("env", "list", "--json").data["environments"]
    assert [(one["key"], one["runs"], one["state"]) for one in listed] == [
        (used, 2, "ready"),
        (unused, 0, "unusable"),
    ]
    assert listed[0]["size"] > 1000
    assert (listed[0]["interpreter"]["version"], listed[0]["builder"]["name"]) == (THIS_PYTHON, "uv")
    assert (listed[1]["last_used"], listed[1]["interpreter"]) == (None, None)
    table = workspace.projrun("env", "list").out.splitlines()
    assert table[1].startswith(used[:12])
    assert table[2].endswith("its marker is missing: it was not built to the end")


def test_showing_one(workspace: Workspace) -> None:
    run = workspace.run()["run"]
    told = workspace.projrun("env", "show", run, "--json").data
    assert told["installed"][0]["name"] == "tinydep"
    assert told["inputs"]["builder"] == "uv"
    out = workspace.projrun("env", "show").out
    assert told["key"] in out
    assert "by 1 run of the store" in out


def test_explaining_names_the_inputs_and_the_lines_that_differ(workspace: Workspace, tmp_path: Path) -> None:
    run = workspace.run()["run"]
    before = built(workspace)["key"]
    assert workspace.projrun("env", "explain", run).out == f"both are {before[:12]}\n"
    relock(workspace, tmp_path / "archives", "tinydep", "other")
    out = workspace.projrun("env", "explain", run).out
    assert "lock.sha256: " in out
    assert "  lock: other: - -> 2.0\n" in out
    assert "  lock: tinydep: 1.5 -> 2.0\n" in out
    after = built(workspace)["key"]
    told = workspace.projrun("env", "explain", before[:9], after[:9], "--json").data
    assert (told["before"], told["after"]) == (before, after)
    assert [change["what"] for change in told["changes"]] == ["lock.sha256", "lock: other", "lock: tinydep"]
    workspace.repository.write(
        "requirements.lock", "# a comment\n" + (workspace.root / "requirements.lock").read_text()
    )
    assert "lock: the same packages" in workspace.projrun("env", "explain", after).out


def started(workspace: Workspace) -> subprocess.Popen[bytes]:
    """A run whose program goes on until it is ended."""
    workspace.entry_point(WAITS, environment=LOCKED)
    process = workspace.start("run", "-q")
    while not (workspace.root / "began").exists():
        assert process.poll() is None
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("killed", [False, True])
def test_what_a_live_run_uses_is_not_removed(workspace: Workspace, killed: bool) -> None:
    key = built(workspace)["key"]
    process = started(workspace)
    refused = workspace.projrun("env", "remove", key)
    assert refused.code == 113
    assert f"the environment {key[:12]} is in use" in refused.err
    pruned = workspace.projrun("env", "prune", "--older-than", "0m", "--json").data
    assert (pruned["removed"], pruned["in_use"]) == ([], [key])
    assert workspace.projrun("env", "show", "--json").data["state"] == "in use"
    if killed:
        process.kill()
    else:
        process.send_signal(signal.SIGTERM)
    process.communicate()
    done = workspace.projrun("env", "remove", key[:10])
    assert (done.code, done.out) == (0, f"removed {key[:12]}\n")
    assert [path.name for path in environments(workspace).iterdir() if not path.name.startswith(".")] == []


def test_one_that_cannot_be_removed_keeps_none_of_the_others(workspace: Workspace, tmp_path: Path) -> None:
    used = built(workspace)["key"]
    process = started(workspace)
    try:
        keys = [used]
        for name in ("first", "second"):
            relock(workspace, tmp_path / "archives", name)
            keys.append(built(workspace)["key"])
        done = workspace.projrun("env", "remove", *keys[:2], keys[0])
        assert (done.code, done.out) == (113, f"removed {keys[1][:12]}\n")
        assert f"kept {used[:12]}: the environment {used[:12]} is in use" in done.err
        told = workspace.projrun("env", "remove", "--json", used, keys[2])
        assert (told.code, told.data["removed"]) == (113, [keys[2]])
        assert [one["key"] for one in told.data["failed"]] == [used]
        unknown = workspace.projrun("env", "remove", used, "ffff")
        assert (unknown.code, unknown.out) == (2, "")
        pruned = workspace.projrun("env", "prune", "--older-than", "0s", "--json")
        assert (pruned.code, pruned.data["in_use"], pruned.data["failed"]) == (0, [used], [])
    finally:
        process.terminate()
        process.communicate()
    assert workspace.projrun("env", "prune", "--older-than", "0s").out.startswith(f"removed {used[:12]}, ")


def test_pruning_takes_what_is_old_or_unused_and_what_was_left_behind(
    workspace: Workspace, tmp_path: Path
) -> None:
    workspace.run()
    used = built(workspace)["key"]
    relock(workspace, tmp_path / "archives", "other")
    unused = built(workspace)["key"]
    left = environments(workspace) / f".building-{'0' * 64}-abcd"
    left.mkdir()
    (left / "file").write_text("x" * 1000)

    def pruned(*words: str) -> tuple[list[str], int]:
        told = workspace.projrun("env", "prune", "--json", *words).data
        return [one["key"] for one in told["removed"]], len(told["leftovers"])

    assert pruned("--dry-run") == ([], 1)
    assert pruned("--dry-run", "--unused") == ([unused], 1)
    assert pruned("--dry-run", "--older-than", "1d") == ([], 1)
    month_ago = time.time() - 31 * 86400
    os.utime(environments(workspace) / ".uses" / used, (month_ago, month_ago))
    assert pruned("--dry-run", "--older-than", "30d") == ([used], 1)
    assert pruned("--dry-run", "--older-than", "30d", "--unused") == ([], 1)
    assert left.exists()
    out = workspace.projrun("env", "prune", "--unused").out.splitlines()
    assert out[0].startswith(f"removed {unused[:12]}, ")
    assert out[1] == "removed .building-00000000000000000000, 1.0 kB, left behind"
    assert pruned("--unused") == ([], 0)
    assert [one["key"] for one in workspace.projrun("env", "list", "--json").data["environments"]] == [used]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("verify", "ffff"), 2, "there is no environment and no run 'ffff'"),
        (("remove", "ffff"), 2, "there is no environment and no run 'ffff'"),
        (("verify",), 113, "is not built here"),
        (("show", "last"), 2, "there is no run yet"),
        (("prune", "--older-than", "soon"), 2, "'soon' is not an age: write it as 30d, 12h or 2w"),
        (("explain", "ffff"), 2, "projrun env list"),
    ],
)
def test_mistakes_are_told(workspace: Workspace, words: tuple[str, ...], code: int, told: str) -> None:
    done = workspace.projrun("env", *words)
    assert done.code == code
    assert told in done.err


def test_the_systems_interpreter_is_not_ours_to_verify(workspace: Workspace) -> None:
    workspace.entry_point("python -c 1", environment="{system: true}")
    workspace.run()
    for words in (("verify",), ("verify", "last"), ("show", "last")):
        done = workspace.projrun("env", *words)
        assert (done.code, "no environment that projrun built" in done.err) == (113, True)


def test_the_nearest_key_is_named_and_an_unclear_one_refused(workspace: Workspace, tmp_path: Path) -> None:
    key = built(workspace)["key"]
    wrong = ("0" if key[3] != "0" else "1").join((key[:3], key[4:12]))
    assert f"did you mean {key[:12]!r}?" in workspace.projrun("env", "verify", wrong).err
    twin = key[:6] + ("0" * 58 if key[6] != "0" else "1" * 58)
    (environments(workspace) / twin).mkdir()
    done = workspace.projrun("env", "remove", key[:6])
    assert (done.code, "is the beginning of 2 names" in done.err) == (2, True)


def test_an_environment_of_a_pylock_is_verified_and_explained(workspace: Workspace, tmp_path: Path) -> None:
    make_wheel(tmp_path / "archives", "tinydep", "2.0")
    workspace.repository.write("requirements.in", "tinydep<2\n")
    spec = (workspace.root / "ProjectSpec.yaml").read_text()
    workspace.spec(spec.replace("lock: requirements.lock", "lock: pylock.toml, requirements: requirements.in"))
    assert workspace.projrun("lock").code == 0
    first = workspace.run("-e", "free")["recipe"]["environment"]["key"]
    done = workspace.projrun("env", "verify", "--archives")
    assert done.code == 0, done.out + done.err
    workspace.repository.write("requirements.in", "tinydep\n")
    assert workspace.projrun("lock", "--upgrade").code == 0
    changes = workspace.projrun("env", "explain", first[:10], "--json").data["changes"]
    assert {"what": "lock: tinydep", "before": "1.5", "after": "2.0"} in changes
