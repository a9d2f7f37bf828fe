"""``projrun diff``: what differs between any two runs of a store, and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import LOCKED, TRAIN, Workspace
from tests.repositories import Repository
from tests.wheels import lock_of, make_wheel

pytestmark = pytest.mark.slow


def differing(document: Any) -> list[str]:
    """The layers that differ."""
    return [name for name, layer in document["layers"].items() if layer["state"] == "differs"]


def changes(document: Any, layer: str) -> dict[str, tuple[Any, Any]]:
    found = document["layers"][layer]["changes"]
    return {one["what"]: (one["before"], one["after"]) for one in found}


def diff(workspace: Workspace, *words: str) -> Any:
    done = workspace.projrun("diff", "--json", *(words or ("last~1", "last")))
    assert done.code == 0, done.err
    return done.data


def shown(workspace: Workspace, *words: str) -> str:
    done = workspace.projrun("diff", *(words or ("last~1", "last")))
    assert (done.code, done.err) == (0, "")
    return done.out


def test_two_runs_of_the_same_differ_in_nothing(workspace: Workspace) -> None:
    for _ in range(2):
        workspace.run("--seed", "7")
    document = diff(workspace)
    assert not document["differs"] and differing(document) == []
    assert {layer["state"] for layer in document["layers"].values()} == {"same"}
    assert document["duration"]["absolute"] is not None
    assert "nothing differs" in shown(workspace)
    assert workspace.projrun("diff", "last~1", "last", "--exit-code").code == 0


def test_each_layer_tells_what_was_and_what_is(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "hush-hush")
    workspace.run("--seed", "1")
    wheel = make_wheel(workspace.root.parent / "archives", "tinydep", "1.6")
    another = make_wheel(workspace.root.parent / "archives", "extra", "2.0")
    workspace.repository.write("requirements.lock", lock_of(wheel, another))
    program = TRAIN.replace('"rmse": 0.25', '"rmse": 0.2, "new": 1').replace("a warning", "one more warning")
    workspace.repository.write("train.py", program)
    workspace.repository.write("data/table.csv", "a,b\n1,3\n")
    text = (workspace.root / "ProjectSpec.yaml").read_text()
    text = text.partition(", sha256:")[0] + "}\n" + text.partition("}\nentry_points")[2].join(("entry_points", ""))
    more = "variables: {OMP_NUM_THREADS: '1'}, secrets: [API_TOKEN]}"
    workspace.spec(text.replace("lock: requirements.lock}", f"lock: requirements.lock, {more}"))
    workspace.run("--seed", "2", "-P", "depth=8", "-P", "rate=5e-1")
    document = diff(workspace)
    assert changes(document, "packages")["tinydep"][1]["version"] == "1.6"
    assert changes(document, "packages")["extra"][0] is None
    assert changes(document, "parameters") == {
        "depth": ({"type": "int", "value": 3}, {"type": "int", "value": 8}),
    }, "5e-1 is 0.5"
    assert changes(document, "seed") == {"seed": (1, 2)}
    assert changes(document, "variables")["OMP_NUM_THREADS"] == (None, {"value": "1", "from": "set"})
    assert changes(document, "variables")["API_TOKEN"][1] == {"value": None, "from": "secret"}
    assert "table" in changes(document, "inputs") and "results/model.txt" in changes(document, "outputs")
    rmse = next(one for one in document["layers"]["metrics"]["changes"] if one["what"] == "rmse")
    assert (rmse["absolute"], rmse["relative"]) == (pytest.approx(-0.05), pytest.approx(-0.2))
    files = {file["path"]: file for file in document["layers"]["code"]["files"]}
    assert (files["train.py"]["status"], files["train.py"]["added"]) == ("modified", 2)
    assert {"environment", "lock", "command"} <= set(differing(document)) and "hush" not in json.dumps(document)
    assert {"host", "interpreter", "project", "result", "image"} & set(differing(document)) == set()
    text = shown(workspace)
    assert "tinydep 1.5 → 1.6" in text and "+ extra 2.0" in text
    assert "depth 3 → 8  (int)" in text and "rmse 0.25 → 0.2  (-0.05, -20 %)" in text
    assert "train.py" in text and "+ API_TOKEN secret" in text and "seed         1 → 2" in text
    assert [line for line in text.splitlines() if len(line) > 80 and not line[13:].startswith("  ")] == []
    assert workspace.projrun("diff", "last~1", "last", "--exit-code").code == 1


WRITES = """\
import json, pathlib, sys
value = float(sys.argv[1])
place = pathlib.Path("out"); place.mkdir(exist_ok=True)
place.joinpath("same.json").write_text(json.dumps({"a": 1, "b": [2, 3]}, indent=int(value)))
place.joinpath("scores.csv").write_text(f"name,rmse\\nx,{value}\\ny,1\\n")
place.joinpath("kept.bin").write_bytes(bytes([int(value)]))
pathlib.Path("one.json").write_text(json.dumps({"deep": {"rate": value}}))
"""


def test_outputs_that_differ_are_told_by_what_they_hold(workspace: Workspace) -> None:
    workspace.repository.write("write.py", WRITES)
    parameters = "    parameters: {value: float}\n    outputs: [out, one.json]\n"
    workspace.entry_point("python write.py {value}", more=parameters)
    for value in ("2", "3"):
        workspace.run("-P", f"value={value}")
    document = diff(workspace)
    found = {one["path"]: one for one in document["layers"]["outputs"]["contents"]}
    assert found["out/same.json"]["compared"]["equal"] is True
    assert found["out/scores.csv"]["compared"]["largest_absolute"] == 1.0
    assert found["one.json"]["compared"]["where"] == "deep.rate"
    assert found["out/kept.bin"]["compared"] is None and "no format" in found["out/kept.bin"]["message"]
    text = shown(workspace)
    assert "  same.json: the same content (JSON, 3 values) in other bytes" in text
    assert "  scores.csv: CSV: 1 of 6 values differ, by 1 at most at row 2, column rmse, by 50% at most" in text
    assert "  JSON: 1 of 1 values differ, by 1 at most at deep.rate" in text
    assert "  kept.bin" not in text, "nothing is known of what it holds"


def test_the_patch_is_gits_own_and_can_be_applied(workspace: Workspace, tmp_path: Path) -> None:
    first = workspace.run("-e", "free")["run"]
    workspace.repository.write("free.py", "print('freed')\n")
    workspace.repository.write("neu é.txt", "neu\n")
    workspace.repository.git("mv", "train.py", "moved.py")
    second = workspace.run("-e", "free")["run"]
    done = workspace.projrun("diff", first, second, "--patch")
    assert "-print('free')\n+print('freed')\n" in done.out and "rename to moved.py" in done.out
    assert " | " not in done.out and " | " in workspace.projrun("diff", first, second, "-p", "--stat").out
    copy = tmp_path / "copy"
    assert workspace.projrun("restore", first, str(copy)).code == 0
    patch = tmp_path / "a.patch"
    patch.write_text(diff(workspace, first, second, "--patch")["layers"]["code"]["patch"])
    Repository.create(copy).git("apply", str(patch))
    assert (copy / "free.py").read_text() == "print('freed')\n" and (copy / "moved.py").exists()


def test_a_commit_and_a_snapshot_are_compared_as_they_were_on_disk(workspace: Workspace) -> None:
    workspace.repository.write(".gitattributes", "*.txt text eol=crlf\n")
    workspace.repository.write("note.txt", "one\r\ntwo\r\n")
    workspace.publish()
    first = workspace.run("-e", "free")
    assert first["recipe"]["source"]["snapshot"] is None
    workspace.repository.write("free.py", "print('other')\n")
    workspace.run("-e", "free")
    assert [file["path"] for file in diff(workspace)["layers"]["code"]["files"]] == ["free.py"]


def test_other_commits_of_the_same_files_are_the_same_code(workspace: Workspace) -> None:
    workspace.run("-e", "free", "--seed", "1")
    workspace.repository.git("commit", "-q", "--allow-empty", "-m", "again")
    workspace.repository.git("push", "-q")
    workspace.run("-e", "free", "--seed", "1")
    document = diff(workspace)
    assert document["layers"]["code"]["before"]["commit"] != document["layers"]["code"]["after"]["commit"]
    assert not document["differs"] and "(the same files)" in shown(workspace)


def test_commits_that_are_gone_are_told_and_the_rest_is_compared(workspace: Workspace) -> None:
    first = workspace.run("-e", "free", "--seed", "1")["run"]
    workspace.repository.write("free.py", "print('other')\n")
    workspace.publish()
    second = workspace.run("-e", "free", "--seed", "2")["run"]
    moved = workspace.root.rename(workspace.root.with_name("gone"))
    done = workspace.projrun("diff", first, second, cwd=moved.parent)
    assert done.code == 0 and "not known    code:" in done.out and "is gone" in done.out
    assert "seed         1 → 2" in done.out
    assert workspace.projrun("diff", first, first, "--exit-code", cwd=moved.parent).code == 0
    assert workspace.projrun("diff", first, second, "--exit-code", cwd=moved.parent).code == 1


def test_runs_of_two_projects_are_compared(workspace: Workspace, tmp_path: Path) -> None:
    first = workspace.run("-e", "free")["run"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "ProjectSpec.yaml").write_text(
        f"version: 1\nname: other\nenvironment: {LOCKED}\nentry_points: {{main: python free.py}}\n"
    )
    for name in ("free.py", "requirements.lock"):
        shutil.copy(workspace.root / name, other)
    second = workspace.run(cwd=other)["run"]
    text = shown(workspace, first, second)
    assert "these are runs of two projects" in text and "name tiny → other" in text
    assert "train.py" in text


def test_a_run_that_came_to_nothing_says_what_it_did_not_tell(workspace: Workspace) -> None:
    good = workspace.run("--seed", "1")["run"]
    (workspace.root / "data/table.csv").unlink()
    assert workspace.projrun("run").code == 114
    document = diff(workspace)
    assert document["layers"]["packages"]["state"] == document["layers"]["code"]["state"] == "unknown"
    assert changes(document, "result")["status"] == ("finished", "not-started")
    assert changes(document, "result")["exit code"] == (0, 114)
    text = shown(workspace)
    assert "has no recipe" in text and "status finished → not-started" in text
    bad = workspace.last()
    for kept in ("start.json", "outcome.json"):
        Path(bad["directory"], kept).unlink()
    assert "status" in changes(diff(workspace, good, bad["run"]), "result")
    assert changes(diff(workspace, good, bad["run"]), "result")["status"][1] == "lost"


@pytest.mark.parametrize("damage", ["cut", "empty", "older"])
def test_a_damaged_or_older_record_is_told_without_a_traceback(workspace: Workspace, damage: str) -> None:
    for _ in range(2):
        run = workspace.run("-e", "free", "--seed", "1")
    file = Path(run["directory"], "recipe.json")
    recipe = json.loads(file.read_text())
    if damage == "older":
        for one in recipe["environment"]["installed"]:
            del one["archive"]
        del recipe["environment"]["container"], recipe["terminals"]
    elif damage == "empty":
        recipe = {key: recipe[key] for key in ("document", "version", "run")}
    kept, text = file.read_bytes(), json.dumps(recipe)
    file.write_text(text[: len(text) // 2] if damage == "cut" else text)
    done = workspace.projrun("diff", "last~1", "last")
    assert done.code == 0 and "Traceback" not in done.out + done.err
    assert ("nothing differs" in done.out) == (damage == "older")
    assert ("not known" in done.out) == (damage != "older")
    file.write_bytes(kept)


def test_escapes_of_recorded_texts_do_nothing(workspace: Workspace) -> None:
    workspace.run("-P", 'words=["plain"]', "--name", "\x1b[2Jfirst")
    workspace.repository.write("free.py", "print('\x1b[2J\x9b2J')\n")
    workspace.run("-P", 'words=["\\u001b]0;title\\u0007"]', "--name", "second")
    for words in ((), ("--patch",), ("--stat", "-p")):
        out = on_terminal(workspace, "diff", "last~1", "last", *words)
        assert "\x1b[2J" not in out and "\x1b]0;" not in out and "\x9b" not in out
        assert "\\x1b]0;title\\x07" in out
    assert "\x1b[32m+print('\\x1b[2J" in out, "git's colours on a terminal"


def on_terminal(workspace: Workspace, *words: str) -> str:
    """What a terminal gets."""
    variables = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    master, terminal = os.openpty()
    argv = [sys.executable, "-m", "projrun", *words]
    with subprocess.Popen(argv, cwd=workspace.root, env=variables, stdout=terminal, stderr=terminal) as child:
        os.close(terminal)
        data = b""
        with contextlib.suppress(OSError):  # Linux: the other side is closed
            while piece := os.read(master, 65536):
                data += piece
        os.close(master)
    assert child.returncode == 0
    return data.decode(errors="surrogateescape")
