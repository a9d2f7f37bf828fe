"""``projrun run --twice`` and ``projrun reproduce --environment-matrix``: one command, and verdicts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from projrun.core.errors import UsageError
from projrun.core.paths import cache_directory
from projrun.environment import interpreters
from projrun.varying import names_in
from tests.cli.conftest import LOCKED, THIS_PYTHON, Workspace

pytestmark = pytest.mark.slow

DRAW = """\
import json, pathlib, random
print("drawing", flush=True)
pathlib.Path("results").mkdir(exist_ok=True)
pathlib.Path("results/metrics.json").write_text(json.dumps({"drawn": random.random()}))
"""
METRICS = "    metrics: [results/metrics.json]\n"


def drawing(workspace: Workspace, *, seeding: str) -> None:
    workspace.repository.write("draw.py", DRAW)
    workspace.entry_point("python draw.py", more=f"    seeding: {seeding}\n{METRICS}")
    workspace.publish()


def runs(workspace: Workspace) -> list[Any]:
    found: list[Any] = workspace.projrun("runs", "--json").data
    return found


def test_a_run_that_draws_what_is_seeded_comes_to_the_same_twice(workspace: Workspace) -> None:
    drawing(workspace, seeding="[python]")
    done = workspace.projrun("run", "--twice")
    assert done.code == 0, done.err
    assert done.out == "drawing\n", "what the second run prints is no result"
    assert "reproduced: " in done.err
    first, second = workspace.projrun("show", "last~1", "--json").data, workspace.last()
    assert second["recipe"]["reproduces"]["run"] == first["run"]
    assert second["recipe"]["seeding"] == ["python"] and second["recipe"]["seed"] == first["recipe"]["seed"]
    assert f"projrun diff {first['run']} {second['run']}" in done.err


def test_a_run_that_draws_anything_is_not_deterministic(workspace: Workspace) -> None:
    drawing(workspace, seeding="[]")
    done = workspace.projrun("run", "--twice", "--json")
    assert done.code == 10, done.err
    document = done.data
    assert document["exit_code"] == 10 and document["outcome"]["exit_code"] == 0
    assert document["again"]["verdict"]["verdict"] == "not deterministic"
    assert document["again"]["recipe"]["reproduces"]["run"] == document["run"]
    quiet = workspace.projrun("run", "--twice", "-q")
    assert quiet.code == 10 and quiet.out == "drawing\n"
    assert next(line for line in quiet.err.splitlines() if line != "drawing").startswith("verdict")


def test_a_dirty_tree_is_run_twice_as_it_is(workspace: Workspace) -> None:
    drawing(workspace, seeding="[python]")
    workspace.repository.write("draw.py", DRAW.replace("drawing", "dirty"))
    done = workspace.projrun("run", "--twice", "--json")
    assert done.code == 0, done.err
    snapshots = [one["recipe"]["source"]["snapshot"] for one in (done.data, done.data["again"])]
    assert snapshots[0] == snapshots[1] is not None


def test_a_run_that_fails_is_not_done_again(workspace: Workspace) -> None:
    workspace.entry_point("python -c 'raise SystemExit(3)'")
    done = workspace.projrun("run", "--twice")
    assert done.code == 3 and "it is not done again" in done.err
    assert len(runs(workspace)) == 1
    assert workspace.projrun("run", "--twice", "--json").data["again"] is None


def test_a_plan_is_not_made_twice(workspace: Workspace) -> None:
    assert workspace.projrun("run", "--twice", "--dry-run").code == 2


def cells(document: Any) -> dict[str, Any]:
    return {cell["environment"]: cell for cell in document["cells"]}


def test_each_environment_of_a_matrix_has_its_verdict(workspace: Workspace) -> None:
    workspace.repository.write("draw.py", DRAW)
    same, other = (LOCKED[:-1] + f", variables: {{WORD: {word}}}}}" for word in ("one", "two"))
    workspace.repository.write("empty.lock", "")
    bare = same.replace("requirements.lock", "empty.lock")
    command = "python -c 'import tinydep; exec(open(\"draw.py\").read())'"
    workspace.spec(
        "version: 1\nname: tiny\nseeding: [python]\n"
        f"environments:\n  default: {same}\n  other: {other}\n  bare: {bare}\n"
        f"entry_points:\n  main:\n    command: {command}\n{METRICS}"
    )
    workspace.publish()
    run = workspace.run()["run"]
    done = workspace.projrun(
        "reproduce", "last", "--environment-matrix", f"{THIS_PYTHON},other,3.99,bare", "--json"
    )
    assert done.code == 113, done.err
    document = done.data
    assert (document["run"], document["exit_code"]) == (run, 113)
    found = cells(document)
    assert list(found) == [THIS_PYTHON, "other", "3.99", "bare"]
    assert found[THIS_PYTHON]["verdict"]["verdict"] == found["other"]["verdict"]["verdict"] == "reproduced"
    assert (found["3.99"]["exit_code"], found["3.99"]["verdict"]) == (113, None)
    assert "3.99" in found["3.99"]["error"]["what"]
    assert found["bare"]["exit_code"] == 1 and found["bare"]["verdict"]["verdict"] == "differs"
    assert found["bare"]["verdict"]["candidates"] == ["environment"]
    again = workspace.projrun("show", found["other"]["run"], "--json").data["recipe"]
    assert (again["environment"]["name"], again["variables"]["set"]["WORD"]) == ("other", "two")
    assert again["reproduces"]["run"] == run
    table = workspace.projrun("reproduce", run, "-q", "--environment-matrix", "default,bare")
    rows = [line.split() for line in table.out.splitlines()]
    assert [row[0] for row in rows] == ["environment", "default", "bare"] and table.code == 1
    assert rows[1][1:3] == [THIS_PYTHON, "reproduced"] and rows[2][2] == "differs"


def test_a_run_is_had_again_with_another_python(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    others = [
        one for one in interpreters.installed(cache_directory()) if one.version[:4] in ("3.10", "3.12", "3.13")
    ]
    if not others:
        pytest.skip("there is no other Python here")
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{others[0].path.parent}")
    drawing(workspace, seeding="[python]")
    workspace.run()
    series = others[0].version.rpartition(".")[0]
    done = workspace.projrun("reproduce", "last", "--environment-matrix", series, "--json")
    cell = cells(done.data)[series]
    assert cell["verdict"]["verdict"] == "reproduced", done.err
    found = {layer["name"]: layer["state"] for layer in cell["verdict"]["layers"]}
    assert (found["environment"], found["metrics"]) == ("differs", "verified")
    recipe = json.loads(Path(workspace.store, "runs", cell["run"], "recipe.json").read_text())
    assert recipe["environment"]["interpreter"]["version"].startswith(series)


@pytest.mark.parametrize("text", ["nobody", "default,nobody", "", "a,,b", "3", "../x"])
def test_an_environment_that_is_none_is_found_before_anything_runs(workspace: Workspace, text: str) -> None:
    workspace.run("-e", "free")
    done = workspace.projrun("reproduce", "last", "--environment-matrix", text)
    assert done.code == 2 and "--environment-matrix" in done.err
    assert len(runs(workspace)) == 1


def test_a_run_without_a_lock_has_none_for_another_python(workspace: Workspace) -> None:
    workspace.entry_point("python3 free.py", environment="{system: true}")
    workspace.publish()
    workspace.run()
    done = workspace.projrun("reproduce", "last", "--environment-matrix", THIS_PYTHON)
    assert done.code == 2 and "has no lock for another Python" in done.err


def test_the_names_of_a_matrix_are_read_once_each() -> None:
    assert names_in("3.10, 3.12.1,gpu,3.10,3.14.0rc1") == ("3.10", "3.12.1", "gpu", "3.14.0rc1")
    with pytest.raises(UsageError):
        names_in("3.10;3.11")
