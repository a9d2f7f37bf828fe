"""``projrun reproduce``: from the record alone to a verdict, with real repositories, wheels and processes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import SPEC, Done, Workspace

pytestmark = pytest.mark.slow


def reproduced(
    workspace: Workspace, run: str = "last", *words: str, code: int = 0, cwd: Path | None = None
) -> Any:
    """``projrun reproduce --json``: the document. Fails when the exit code is another one."""
    done = workspace.projrun("reproduce", run, "--json", *words, cwd=cwd)
    assert done.code == code, done.err + done.out
    return done.data


def states(document: Any) -> dict[str, str]:
    return {layer["name"]: layer["state"] for layer in document["verdict"]["layers"]}


def forget(workspace: Workspace) -> None:
    """Leaves nothing of a run but its store and the remote."""
    shutil.rmtree(workspace.root)
    shutil.rmtree(workspace.home / "cache")
    shutil.rmtree(workspace.home / "uv-cache", ignore_errors=True)  # the builder pip has none


def away(workspace: Workspace) -> Path:
    """A directory that is no project."""
    place = workspace.home / "elsewhere"
    place.mkdir(exist_ok=True)
    return place


ALL = ("code", "environment", "data", "parameters", "host", "exit code", "outputs", "metrics")


def test_a_run_is_had_again_from_its_record_when_all_else_is_gone(workspace: Workspace) -> None:
    old = workspace.run("-e", "main", "-P", "depth=7", "-P", 'words=["x", "y z"]', "--seed", "11")
    forget(workspace)
    told = reproduced(workspace, old["run"], "--check", cwd=away(workspace))
    assert [(one["what"], one["state"]) for one in told["needs"]] == [
        ("code", "here"),
        ("environment", "unknown"),  # whether the index still has its packages
        ("input", "here"),
        ("output", "here"),
        ("output", "here"),
        ("metrics", "here"),
    ]
    document = reproduced(workspace, old["run"], cwd=away(workspace))
    assert states(document) == dict.fromkeys(ALL, "verified")
    verdict, recipe = document["verdict"], document["recipe"]
    assert verdict["verdict"] == "reproduced"
    assert document["exit_code"] == verdict["exit_code"] == 0
    assert recipe["argv"] == old["recipe"]["argv"]
    assert recipe["seed"] == 11
    assert recipe["environment"]["key"] == old["recipe"]["environment"]["key"]
    assert recipe["environment"]["installed"] == old["recipe"]["environment"]["installed"]
    assert recipe["reproduces"]["run"] == old["run"]
    assert recipe["source"]["commit"] == old["recipe"]["source"]["commit"]
    assert [one["how"] for one in verdict["outputs"]] == ["sha256", "sha256"]
    assert document["run"] != old["run"]
    shown = workspace.projrun("show", document["run"], cwd=away(workspace))
    assert f"run {old['run']}" in shown.out
    assert "reproduced: exit code, outputs and metrics are what the run had" in shown.out
    assert workspace.projrun("show", document["run"], "--json", cwd=away(workspace)).data["verdict"] == verdict


def test_a_dirty_run_is_had_again_from_its_snapshot(workspace: Workspace) -> None:
    workspace.repository.write("train.py", (workspace.root / "train.py").read_text().replace("0.25", "0.75"))
    workspace.repository.write("new file", "untracked")
    old = workspace.run("-e", "main")
    forget(workspace)
    shutil.rmtree(workspace.root.parent / "remote.git")
    document = reproduced(workspace, old["run"], cwd=away(workspace))
    assert states(document) == dict.fromkeys(ALL, "verified")
    source = document["recipe"]["source"]
    assert source["snapshot"] == old["recipe"]["source"]["snapshot"]
    assert source["dirty"]
    assert {change["path"] for change in source["changes"]} == {"train.py", "new file"}
    assert [flag["code"] for flag in document["outcome"]["flags"]] == []


def test_a_project_without_a_repository_is_had_again(workspace: Workspace) -> None:
    shutil.rmtree(workspace.root / ".git")
    (workspace.root / ".gitignore").unlink()
    old = workspace.run("-e", "main")
    forget(workspace)
    document = reproduced(workspace, old["run"], cwd=away(workspace))
    assert states(document)["code"] == states(document)["outputs"] == "verified"
    assert document["recipe"]["source"]["repository"] is False


def test_a_version_of_an_address_in_a_subdirectory_is_had_again(workspace: Workspace, tmp_path: Path) -> None:
    for name in ("ProjectSpec.yaml", "requirements.lock", "train.py", "free.py", "data"):
        (workspace.root / "below").mkdir(exist_ok=True)
        (workspace.root / name).rename(workspace.root / "below" / name)
    commit = workspace.publish()
    workspace.repository.write("later", "a commit that is not the one")
    workspace.publish()
    old = workspace.run(f"file://{tmp_path}/remote.git#below", "-v", commit, "-e", "main")
    forget(workspace)
    document = reproduced(workspace, old["run"], cwd=away(workspace))
    assert states(document) == dict.fromkeys(ALL, "verified")
    assert document["recipe"]["source"]["commit"] == commit
    assert document["recipe"]["source"]["subdirectory"] == "below"


def test_a_reproduction_is_a_run_that_can_be_had_again(workspace: Workspace) -> None:
    workspace.run("-e", "main")
    first = reproduced(workspace)
    second = reproduced(workspace, first["run"])
    assert second["recipe"]["reproduces"]["run"] == first["run"]
    assert states(second) == dict.fromkeys(ALL, "verified")


def test_last_is_never_a_reproduction_nor_a_run_that_was_refused(workspace: Workspace) -> None:
    assert "there is no run yet" in reproduced(workspace, code=2)["error"]["what"]
    old, newer = workspace.run("-e", "main")["run"], workspace.run("-e", "free")["run"]
    for _ in range(2):
        assert reproduced(workspace)["recipe"]["reproduces"]["run"] == newer
    assert reproduced(workspace, "last~1")["recipe"]["reproduces"]["run"] == old
    workspace.repository.write("requirements.lock", "tinydep==1.5\n")
    workspace.run("-e", "free", code=113)
    assert reproduced(workspace, "last", "--check")["run"] == newer
    assert workspace.last()["recipe"] is None  # for the other verbs it is the last, whatever it came to
    error = reproduced(workspace, "last~2", code=2)["error"]
    assert "no run last~2" in error["what"] and "2 of 6 runs can be" in error["why"]


def test_a_resolved_lock_is_not_resolved_again(workspace: Workspace, tmp_path: Path) -> None:
    from tests.wheels import make_wheel

    workspace.repository.write("requirements.in", "tinydep\n")
    workspace.spec(
        SPEC.replace("lock: requirements.lock", "requirements: requirements.in").replace("DIGEST", "0" * 64)
    )
    workspace.entry_point(
        "python free.py",
        environment=SPEC.split("environment: ")[1]
        .split("\n")[0]
        .replace("lock: requirements.lock", "requirements: requirements.in"),
    )
    workspace.publish()
    old = workspace.run()
    make_wheel(tmp_path / "archives", "tinydep", "9.0")
    forget(workspace)
    document = reproduced(workspace, old["run"], cwd=away(workspace))
    assert states(document)["environment"] == "verified"
    assert document["recipe"]["environment"]["installed"][0]["version"] == "1.5"


def test_the_recipe_of_another_store_works_too(workspace: Workspace, tmp_path: Path) -> None:
    workspace.repository.write("free.py", "print('not committed')\n")
    old = workspace.run("-e", "main")
    elsewhere = tmp_path / "another store"
    place = workspace.store / "runs" / old["run"] / "recipe.json"
    document = reproduced(workspace, old["run"], "--store", str(elsewhere), code=2)
    assert "there is no store" in document["error"]["what"]
    document = reproduced(workspace, str(place), "--store", str(elsewhere))
    assert states(document) == dict.fromkeys(ALL, "verified")
    assert document["directory"].startswith(str(elsewhere))
    assert document["recipe"]["source"]["snapshot"] == old["recipe"]["source"]["snapshot"]


def test_a_recipe_alone_tells_what_cannot_be_compared(workspace: Workspace, tmp_path: Path) -> None:
    old = workspace.run("-e", "main")
    place = tmp_path / "copy.json"
    shutil.copy(workspace.store / "runs" / old["run"] / "recipe.json", place)
    document = reproduced(workspace, str(place), code=10)
    assert document["verdict"]["verdict"] == "unverified"
    found = states(document)
    assert found["exit code"] == found["outputs"] == found["metrics"] == "unchecked"
    assert found["code"] == found["environment"] == "verified"
    told = reproduced(workspace, str(place), "--check", code=10)
    assert [one["what"] for one in told["needs"] if one["state"] == "missing"] == ["outputs and metrics"]
    shutil.copy(workspace.store / "runs" / old["run"] / "outcome.json", place.with_name("outcome.json"))
    shutil.rmtree(workspace.root / "results")
    told = reproduced(workspace, str(place), "--check")
    needs = {one["message"].partition(":")[0]: one["state"] for one in told["needs"] if one["what"] == "output"}
    assert needs == {"results/model.txt": "unknown", "results/metrics.json": "unknown"}
    assert "not by content" in workspace.projrun("reproduce", str(place), "--check").out
    assert "and by content" in workspace.projrun("reproduce", old["run"], "--check").out


TABLE = "import json, os, pathlib, sys\npathlib.Path('results').mkdir(exist_ok=True)\n"
WRITES = TABLE + (
    "number = float(pathlib.Path(sys.argv[1]).read_text())\n"
    "pathlib.Path('results/table.csv').write_text(f'name,value\\na,{number}\\n')\n"
    "pathlib.Path('results/metrics.json').write_text(json.dumps({'rmse': number, 'nan': float('nan')}))\n"
)


def number_from(
    workspace: Workspace, tmp_path: Path, tolerance: str = "", outputs: str = "[results/table.csv]"
) -> Path:
    """A program whose results depend on a file that nothing declares; gives that file."""
    number = tmp_path / "number"
    number.write_text("2.0")
    workspace.repository.write("write.py", WRITES)
    more = f"    outputs: {outputs}\n    metrics: [results/metrics.json]\n{tolerance}"
    workspace.entry_point(f"[python, write.py, {number}]", more=more)
    workspace.publish()
    return number


def test_results_that_differ_while_nothing_else_does_are_not_deterministic(
    workspace: Workspace, tmp_path: Path
) -> None:
    number = number_from(workspace, tmp_path)
    workspace.run("-v", "HEAD")
    number.write_text("2.5")
    document = reproduced(workspace, code=10)
    verdict = document["verdict"]
    assert (verdict["verdict"], verdict["candidates"]) == ("not deterministic", [])
    (output,) = verdict["outputs"][:1]
    assert (output["how"], output["compared"]["largest_absolute"]) == ("content", 0.5)
    assert output["compared"]["where"] == "row 2, column value"
    found = {one["name"]: one["state"] for one in verdict["metrics"]}
    assert found == {"rmse": "differs", "nan": "verified"}


def test_a_tolerance_of_the_spec_or_of_the_command_lets_a_metric_pass(
    workspace: Workspace, tmp_path: Path
) -> None:
    number = number_from(workspace, tmp_path, "    tolerance: {rmse: {relative: 0.01}}\n", outputs="[]")
    old = workspace.run("-v", "HEAD")["run"]
    number.write_text("2.01")
    verdict = reproduced(workspace, old)["verdict"]
    assert [one["how"] for one in verdict["outputs"]] == ["metrics"]
    told = {one["name"]: one for one in verdict["metrics"]}
    assert told["rmse"]["state"] == "verified"
    assert told["rmse"]["tolerance"] == {"absolute": 0.0, "relative": 0.01}
    verdict = reproduced(workspace, old, "--tolerance", "rmse=1e-9", code=10)["verdict"]
    assert {one["name"]: one["state"] for one in verdict["metrics"]} == {"rmse": "differs", "nan": "verified"}
    done = workspace.projrun("reproduce", old, "--tolerance", "rsme=1")
    assert (done.code, "--tolerance rmse=" in done.err) == (2, True)


def test_the_layers_that_differ_are_named_when_results_do(workspace: Workspace, tmp_path: Path) -> None:
    number = number_from(workspace, tmp_path)
    old = workspace.run("-v", "HEAD")
    change_recipe(workspace, old["run"], old["recipe"]["host"]["kernel"], "Linux 1.2.3")  # as on another machine
    verdict = reproduced(workspace, old["run"])["verdict"]
    assert (verdict["verdict"], verdict["candidates"]) == ("reproduced", [])
    number.write_text("2.5")
    verdict = reproduced(workspace, old["run"], code=10)["verdict"]
    assert (verdict["verdict"], verdict["candidates"]) == ("differs", ["host"])
    assert verdict["summary"] == "outputs and metrics differ; it may come from host, which differs too"


def test_a_run_in_place_is_compared_by_content_while_its_file_is_there(
    workspace: Workspace, tmp_path: Path
) -> None:
    number = number_from(workspace, tmp_path)
    old = workspace.run("--keep-outputs", "0")["run"]
    number.write_text("2.5")
    assert reproduced(workspace, old, code=10)["verdict"]["outputs"][0]["how"] == "content"
    (workspace.root / "results/table.csv").unlink()
    (output, *_) = reproduced(workspace, old, code=10)["verdict"]["outputs"]
    assert output["how"] == "sha256"
    assert "the store does not keep it" in output["message"]


def test_a_program_that_fails_again_in_the_same_way_is_reproduced(workspace: Workspace, tmp_path: Path) -> None:
    flag = tmp_path / "code"
    flag.write_text("3")
    workspace.repository.write("fail.py", f"import sys\nsys.exit(int(open({str(flag)!r}).read()))\n")
    workspace.entry_point("python fail.py")
    workspace.publish()
    failed = workspace.run(code=3)["run"]
    assert reproduced(workspace, failed)["verdict"]["verdict"] == "reproduced"
    flag.write_text("0")
    assert states(reproduced(workspace, failed, code=10))["exit code"] == "differs"
    finished = workspace.run()["run"]
    flag.write_text("4")
    assert reproduced(workspace, finished, code=4)["verdict"]["exit_code"] == 4


def test_ignored_data_comes_from_where_it_was_when_it_is_the_same(workspace: Workspace) -> None:
    workspace.repository.write(".gitignore", "results/\ndata/\n")
    workspace.repository.git("rm", "-rq", "--cached", "data")
    workspace.repository.write("data/many/a", "a")
    workspace.repository.write("data/many/b/c", "c")
    more = "    inputs: [data/table.csv, data/many]\n"
    workspace.entry_point("python free.py", more=more)
    workspace.publish()
    old = workspace.run()["run"]
    document = reproduced(workspace, old)
    assert states(document)["data"] == "verified"
    assert [one["copied"] for one in document["recipe"]["inputs"]] == [True, True]
    table = workspace.root / "data/table.csv"
    table.write_text("other\n")
    done = workspace.projrun("reproduce", old)
    assert done.code == 114
    for digest in (one["sha256"] for one in document["recipe"]["inputs"] if one["path"] == "data/table.csv"):
        assert digest in done.err
    told = reproduced(workspace, old, "--check", code=114)
    assert {one["state"] for one in told["needs"] if one["what"] == "input"} == {"missing", "here"}
    shutil.rmtree(workspace.root)
    assert "cannot be had" in workspace.projrun("reproduce", old, cwd=away(workspace)).err


def test_variables_and_secrets_are_as_they_were(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        TABLE
        + "pathlib.Path('results/out.txt').write_text(str([os.environ.get(n) for n in ('MODE', 'KEY', 'TZ')]))\n"
    )
    workspace.repository.write("write.py", program)
    environment = (
        SPEC.split("environment: ")[1].split("\n")[0].replace("{", "{inherit: [MODE], secrets: [KEY], ", 1)
    )
    workspace.entry_point("python write.py", environment=environment, more="    outputs: [results/out.txt]\n")
    workspace.publish()
    for name, value in (("MODE", "then"), ("KEY", "hunter22"), ("TZ", "Asia/Tokyo")):
        monkeypatch.setenv(name, value)
    old = workspace.run()["run"]
    monkeypatch.setenv("MODE", "now")
    monkeypatch.delenv("TZ")
    document = reproduced(workspace, old)
    assert states(document)["outputs"] == "verified"
    assert states(document)["parameters"] == "unchecked"  # what the secret was is not known
    assert "hunter22" not in json.dumps(document)
    monkeypatch.delenv("KEY")
    assert workspace.projrun("reproduce", old).code == 113
    told = reproduced(workspace, old, "--check", code=113)
    assert [one["message"] for one in told["needs"] if one["state"] == "missing"] == ["KEY is not set"]


def change_recipe(workspace: Workspace, run: str, old: str, new: str) -> None:
    place = workspace.store / "runs" / run / "recipe.json"
    place.chmod(0o600)
    place.write_text(place.read_text().replace(old, new))


def test_an_interpreter_that_is_not_here_is_refused_with_what_to_type(workspace: Workspace) -> None:
    old = workspace.run("-e", "main")
    version = old["recipe"]["environment"]["interpreter"]["version"]
    change_recipe(workspace, old["run"], f'"version": "{version}"', '"version": "3.10.99"')
    done = workspace.projrun("reproduce", old["run"])
    assert done.code == 113
    assert "--allow-download" in done.err
    assert "uv python install 3.10.99" in done.err
    told = reproduced(workspace, old["run"], "--check", code=113)
    assert [one["what"] for one in told["needs"] if one["state"] == "missing"] == ["interpreter"]


def test_a_commit_that_is_gone_is_told_beforehand(workspace: Workspace) -> None:
    old = workspace.run("-e", "main")["run"]
    assert workspace.projrun("reproduce", old, "--check").code == 0
    forget(workspace)
    assert reproduced(workspace, old, "--check", cwd=away(workspace))["exit_code"] == 0
    shutil.rmtree(workspace.root.parent / "remote.git")
    shutil.rmtree(workspace.home / "cache")
    told = reproduced(workspace, old, "--check", code=112, cwd=away(workspace))
    assert {one["what"]: one["state"] for one in told["needs"]} == {
        "code": "missing",
        "interpreter": "here",
        "input": "unknown",
        "output": "here",
        "metrics": "here",
    }
    assert len(list((workspace.store / "runs").iterdir())) == 1
    assert workspace.projrun("reproduce", old, cwd=away(workspace)).code == 112


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda recipe: "{", "is not JSON"),
        (lambda recipe: json.dumps({**recipe, "document": "start"}), "is not the recipe of a run"),
        (lambda recipe: json.dumps({**recipe, "version": 2}), "is of a newer projrun"),
        (lambda recipe: json.dumps({**recipe, "source": {}}), "is damaged"),
        (lambda recipe: json.dumps({**recipe, "argv": []}), "is damaged"),
        (lambda recipe: json.dumps({**recipe, "environment": {**recipe["environment"], "inputs": {}}}), "damaged"),
    ],
    ids=["cut", "another", "newer", "lacking", "wrong", "empty"],
)
def test_a_recipe_that_is_none_is_told(workspace: Workspace, tmp_path: Path, change: Any, told: str) -> None:
    old = workspace.run("-e", "free")
    place = tmp_path / "recipe.json"
    place.write_text(change(old["recipe"]))
    error = reproduced(workspace, str(place), code=2)["error"]
    assert error["kind"] == "usage" and told in error["what"]
    damaged = workspace.store / "runs" / old["run"] / "recipe.json"
    whole = damaged.read_bytes()
    damaged.chmod(0o644)
    damaged.write_text(change(old["recipe"]))
    error = reproduced(workspace, old["run"], "--check", code=125)["error"]
    assert error["kind"] == "store" and told in error["what"]
    damaged.write_bytes(whole)  # what is in a store is as its schema says, when a test ends


def test_what_is_no_run_is_a_mistake(workspace: Workspace) -> None:
    for word in ("nothing.json", "no/such", "zzz"):
        done: Done = workspace.projrun("reproduce", word)
        assert done.code == 2
        assert "try: " in done.err


def test_the_verdict_is_told_in_words(workspace: Workspace) -> None:
    workspace.run("-e", "main")
    done = workspace.projrun("reproduce", "last", "-q")
    lines = done.out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [*ALL, "verdict"]
    assert all(": " in line for line in lines)
    assert lines[-1].endswith("reproduced: exit code, outputs and metrics are what the run had")
