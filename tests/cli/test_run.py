"""``projrun run``: the main job from the outside."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import LOCKED, TRAIN, Workspace
from tests.wheels import lock_of, make_wheel


def seen(document: dict[str, object]) -> dict[str, object]:
    """What the program of a run saw."""
    found: dict[str, object] = json.loads(Path(str(document["directory"]), "seen.json").read_bytes())
    return found


def test_a_clean_pushed_run_is_recorded_without_a_flag(workspace: Workspace) -> None:
    head = workspace.repository.git("rev-parse", "HEAD")
    document = workspace.run("-P", "depth=08")
    recipe, outcome = document["recipe"], document["outcome"]
    assert outcome["status"] == "finished"
    assert recipe["source"]["commit"] == head
    assert recipe["source"]["snapshot"] is None
    assert recipe["flags"] == []
    assert outcome["flags"] == []
    assert recipe["environment"]["lock"]["text"] == (workspace.root / "requirements.lock").read_text()
    assert [(one["name"], one["version"]) for one in recipe["environment"]["installed"]] == [("tinydep", "1.5")]
    assert recipe["inputs"][0]["sha256"] == recipe["inputs"][0]["pin"]
    assert {metric["name"]: metric["value"] for metric in outcome["metrics"]} == {"rmse": 0.25, "nested.n": 3}
    assert [one["kind"] for one in outcome["outputs"]] == ["file", "file"]
    assert seen(document)["argv"] == ["--depth", "08", "--rate", "0.5", "--table", "data/table.csv", "a", "b c"]


@pytest.mark.usefixtures("nothing_built")
def test_the_second_run_reuses_the_environment(workspace: Workspace) -> None:
    first = workspace.run()
    asked = len(workspace.index.requests)
    second = workspace.run()
    assert not first["recipe"]["environment"]["reused"]
    assert second["recipe"]["environment"]["reused"]
    assert first["recipe"]["environment"]["key"] == second["recipe"]["environment"]["key"]
    assert len(workspace.index.requests) == asked


def test_a_person_sees_the_story_and_where_to_look(workspace: Workspace) -> None:
    tags = ("--tag", "paper=draft", "--tag", "checked")
    done = workspace.projrun("run", "--name", "first try", *tags, "--note", "a note")
    assert done.code == 0, done.err
    assert done.out == "training with 1.5\n"
    run = workspace.last()["run"]
    assert run in workspace.projrun("runs", 'tag.checked and tag.paper = "draft"').out
    for words in ("a warning", "rmse 0.25", "results/model.txt", f"projrun show {run}", f"projrun logs {run}"):
        assert words in done.err
    shown = workspace.projrun("show", "last").out
    for words in (
        "first try",
        "paper=draft, checked\n",
        "a note",
        "finished",
        "depth = 3",
        "rmse = 0.25",
        "tinydep 1.5",
    ):
        assert words in shown
    assert "training with 1.5\n" in workspace.projrun("logs", "last", "--stream", "stdout").out
    assert run in workspace.projrun("runs").out


def test_quiet_is_the_program_alone(workspace: Workspace) -> None:
    done = workspace.projrun("run", "-q")
    assert (done.code, done.out, done.err) == (0, "training with 1.5\n", "a warning\n")


@pytest.mark.usefixtures("nothing_built")
def test_the_log_tells_the_streams_apart_from_the_first_phase_on(workspace: Workspace) -> None:
    workspace.run()
    assert workspace.projrun("logs", "-s", "stderr").out == "a warning\n"
    assert "Installed" in workspace.projrun("logs", "-s", "build").out
    assert workspace.projrun("logs", "-s", "projrun").out.startswith("projrun: begin: tiny main")
    assert all(
        line.split()[1] in {"projrun", "build", "stdout", "stderr"}
        for line in workspace.projrun("logs", "--times").out.splitlines()
    )


def test_a_store_inside_the_project_does_not_make_its_tree_dirty(workspace: Workspace) -> None:
    workspace.run("--store", str(workspace.root / ".runs"))
    document = workspace.run("--store", str(workspace.root / ".runs"))
    assert document["recipe"]["flags"] == document["outcome"]["flags"] == []


def test_the_childs_exit_code_is_ours(workspace: Workspace) -> None:
    workspace.entry_point('["python", "-c", "raise SystemExit(7)"]')
    assert workspace.run(code=7)["outcome"]["status"] == "failed"
    workspace.entry_point('["sh", "-c", "kill -SEGV $$"]')
    assert workspace.run(code=139)["outcome"]["process"]["signal"] == 11
    workspace.entry_point("no-such-program")
    assert workspace.run(code=127)["outcome"]["status"] == "not-started"
    workspace.entry_point("./train.py")
    assert workspace.run(code=126)["outcome"]["status"] == "not-started"
    workspace.entry_point("sleep 60", more="    timeout: 0.2\n")
    assert workspace.run(code=124)["outcome"]["status"] == "timeout"


def test_the_project_is_found_upwards_and_by_path(workspace: Workspace, tmp_path: Path) -> None:
    assert workspace.projrun("run", "-e", "free", cwd=workspace.root / "data").out == "free\n"
    assert workspace.projrun("run", str(workspace.root / "data"), "-e", "free", cwd=tmp_path).out == "free\n"


def test_a_dirty_tree_is_flagged_captured_and_restored(workspace: Workspace, tmp_path: Path) -> None:
    workspace.repository.write("train.py", TRAIN + "# edited\n")
    workspace.repository.write("new.py", "x = 1\n")
    workspace.repository.write(".env", "PASSWORD=secret\n")
    document = workspace.run()
    assert [flag["code"] for flag in document["recipe"]["flags"]] == ["dirty"]
    done = workspace.projrun("restore", document["run"], str(tmp_path / "back"))
    assert done.code == 0, done.err
    assert (tmp_path / "back/train.py").read_text() == TRAIN + "# edited\n"
    assert (tmp_path / "back/new.py").read_text() == "x = 1\n"
    assert not (tmp_path / "back/.env").exists()


def test_what_the_run_changed_in_the_tree_is_flagged(workspace: Workspace) -> None:
    workspace.repository.write("free.py", "open('train.py', 'a').write('# changed')\n")
    workspace.publish()
    document = workspace.run("-e", "free")
    assert [flag["code"] for flag in document["outcome"]["flags"]] == ["tree-changed"]
    assert "train.py" in document["outcome"]["flags"][0]["message"]


def test_what_the_run_declares_to_write_does_not_count_as_a_change(workspace: Workspace) -> None:
    program = "for path in ('out.txt', 'n.json'): open(path, 'w').write('{\"n\": 1}')\n"
    workspace.repository.write("write.py", program)
    workspace.entry_point("python write.py", more="    outputs: [out.txt]\n    metrics: [n.json]\n")
    workspace.publish()
    document = workspace.run()
    assert document["recipe"]["flags"] == document["outcome"]["flags"] == []
    assert (workspace.root / "out.txt").exists()


def test_a_commit_that_is_nowhere_else_is_flagged(workspace: Workspace) -> None:
    workspace.repository.write("free.py", "print('freer')\n")
    workspace.repository.commit()
    document = workspace.run("-e", "free")
    assert [flag["code"] for flag in document["recipe"]["flags"]] == ["unpushed"]
    assert document["recipe"]["source"]["snapshot"]


@pytest.mark.usefixtures("nothing_built")
@pytest.mark.parametrize(
    ("environment", "codes"),
    [
        ("{system: true}", ["system-environment"]),
        ('{python: ">=3.10", requirements: requirements.in}', ["interpreter-range", "lock-missing"]),
        (LOCKED.replace("}", ", requirements: newer.in}"), ["lock-out-of-step"]),
        (LOCKED.replace("requirements.lock", "needy.lock"), ["dependency-missing"]),
    ],
)
def test_an_environment_that_is_not_reproducible_by_itself_is_flagged_once(
    workspace: Workspace, environment: str, codes: list[str]
) -> None:
    workspace.repository.write("requirements.in", "tinydep\n")
    workspace.repository.write("newer.in", "tinydep>=2\n")
    needy = make_wheel(workspace.index.folder, "needy", requires=["absent"])
    workspace.repository.write("needy.lock", lock_of(needy))
    workspace.entry_point("echo hi", environment=environment)
    workspace.publish()
    for _ in range(2):  # built, and reused
        assert [flag["code"] for flag in workspace.run()["recipe"]["flags"]] == codes
    planned = workspace.projrun("run", "--dry-run", "--json").data
    assert [flag["code"] for flag in planned["flags"]] == codes


def test_no_repository_is_flagged_and_captured(workspace: Workspace, tmp_path: Path) -> None:
    project = tmp_path / "plain"
    (project / "data").mkdir(parents=True)
    for name in ("ProjectSpec.yaml", "requirements.lock", "free.py", "data/table.csv"):
        (project / name).write_bytes((workspace.root / name).read_bytes())
    document = workspace.run(str(project), "-e", "free")
    assert document["recipe"]["flags"][0]["code"] == "no-repository"
    assert document["recipe"]["source"]["snapshot"]


def test_too_much_new_content_asks_for_a_word(workspace: Workspace) -> None:
    workspace.repository.write("big.bin", b"x" * 2_000_000)
    done = workspace.projrun("run", "-e", "free", "--snapshot-limit", "1MB")
    assert done.code == 112
    assert "big.bin" in done.err
    assert "--snapshot-limit" in done.err
    assert workspace.projrun("run", "-e", "free", "--snapshot-limit", "3MB").code == 0


@pytest.mark.usefixtures("nothing_built")
def test_an_altered_input_stops_the_run_before_anything_is_built(workspace: Workspace) -> None:
    workspace.repository.write("data/table.csv", "a,b\n1,3\n")
    done = workspace.projrun("run")
    assert done.code == 114
    assert "pin" in done.err
    assert workspace.index.requests == []
    assert workspace.last()["outcome"]["phase"] == "data"


def test_the_child_sees_the_allow_list_and_nothing_else(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "default")
    monkeypatch.setenv("UNDECLARED", "1")
    variables = seen(workspace.run())["variables"]
    assert isinstance(variables, dict)
    assert "UNDECLARED" not in variables
    assert {name for name in variables if name.startswith("PYTHON")} == {"PYTHONNOUSERSITE", "PYTHONUNBUFFERED"}


def test_a_secret_is_passed_and_never_stored(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "s3cr3t-value")
    workspace.entry_point(
        '["python", "-c", "import os, sys; print(os.environ[\'TOKEN\']); sys.exit(os.environ[\'TOKEN\'])"]',
        environment=LOCKED.replace("}", ", secrets: [TOKEN]}"),
    )
    done = workspace.projrun("run")
    assert done.code == 1
    assert "s3cr3t" not in done.out + done.err
    files = [path for path in workspace.store.rglob("*") if path.is_file()]
    assert not [path for path in files if b"s3cr3t-value" in path.read_bytes()]
    assert workspace.last()["recipe"]["variables"]["secrets"] == ["TOKEN"]


def test_a_missing_secret_says_what_to_type(workspace: Workspace) -> None:
    workspace.entry_point("echo", environment="{system: true, secrets: [TOKEN]}")
    done = workspace.projrun("run")
    assert done.code == 113
    assert not workspace.store.exists()
    assert "export TOKEN=" in done.err


def test_seed_and_parameters_file_reach_the_program(workspace: Workspace) -> None:
    script = "import os, sys; print(sys.argv[1], os.environ['PROJRUN_SEED'], open(sys.argv[2]).read())"
    command = json.dumps(["python", "-c", script, "{seed}", "{params_file}"])
    workspace.entry_point(command, more="    parameters: {depth: 3}\n")
    done = workspace.projrun("run", "--seed", "42")
    assert done.out.split() == ["42", "42", "{", '"depth":', "3", "}"]
    assert workspace.last()["recipe"]["seed"] == 42


@pytest.mark.usefixtures("nothing_built")
def test_dry_run_prints_the_plan_and_leaves_nothing(workspace: Workspace) -> None:
    workspace.repository.write("train.py", TRAIN + "# edited\n")
    done = workspace.projrun("run", "--dry-run", "-P", "depth=4")
    assert done.code == 0, done.err
    for words in ("train.py", "not committed", "to be built", "--depth 4", "data/table.csv"):
        assert words in done.out
    assert not workspace.store.exists()
    assert workspace.index.requests == []
    plan = workspace.projrun("run", "--dry-run", "--json").data
    assert plan["argv"][:2] == ["python", "train.py"]
    assert [flag["code"] for flag in plan["flags"]] == ["dirty"]


def test_a_dry_run_of_what_is_built_says_so(workspace: Workspace) -> None:
    workspace.run()
    assert workspace.projrun("run", "--dry-run", "--json").data["environment"]["built"]


def test_a_warm_run_imports_none_of_the_heavy_libraries(workspace: Workspace) -> None:
    workspace.run()
    program = (
        "import sys, atexit\n"
        "heavy = {'pandas', 'docker', 'git', 'jsonschema', 'rich', 'yaml', 'packaging', 'urllib.request'}\n"
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules)), file=sys.stderr))\n"
        "sys.argv = ['projrun', 'run', '-q', '-e', 'main']\n"
        "from projrun.__main__ import main\n"
        "main()\n"
    )
    import subprocess

    done = subprocess.run([sys.executable, "-c", program], cwd=workspace.root, capture_output=True, check=True)
    assert done.stderr.decode().splitlines()[-1] == "[]"


def test_json_is_the_only_thing_on_standard_output(workspace: Workspace) -> None:
    done = workspace.projrun("run", "--json", "-P", "depth=99")
    assert done.code == 2
    error = done.data["error"]
    assert (error["kind"], error["exit_code"]) == ("usage", 2)
    assert "30" in error["what"] + error["why"]


def test_an_environment_that_cannot_be_built_is_recorded_with_its_log(workspace: Workspace) -> None:
    lock = workspace.root / "requirements.lock"
    lock.write_text(lock.read_text().replace("tinydep==1.5", "tinydep==1.6"))
    done = workspace.projrun("run")
    assert done.code == 113
    assert "requirements.lock:" in done.err
    last = workspace.last()
    assert last["outcome"]["phase"] == "environment"
    assert last["outcome"]["error"]["kind"] == "environment"
    assert last["recipe"] is None
    assert last["run"] in done.err
    assert "tinydep" in workspace.projrun("logs", "-s", "build").out


def test_the_users_python_variables_never_steer_the_build(workspace: Workspace) -> None:
    broken = {"PYTHONHOME": "/nowhere", "PYTHONPATH": "/nowhere"}
    # For projrun's own start they must be gone already, so they come by way of `env` inside the run's caller.
    code = f"import os, sys; os.environ.update({broken!r}); sys.argv = ['projrun', 'run', '-q']\n"
    code += "from projrun.__main__ import main\nmain()"
    import subprocess

    done = subprocess.run([sys.executable, "-c", code], cwd=workspace.root, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert os.fsdecode(done.stdout) == "training with 1.5\n"


def test_an_input_that_changes_after_it_was_hashed_is_flagged(workspace: Workspace) -> None:
    """Git does not look at ignored data, so the tree does not tell."""
    workspace.repository.write(".gitignore", "results/\n*.csv\n")
    workspace.repository.write("data/ignored.csv", "1\n")
    workspace.repository.write("change.py", "open('data/ignored.csv', 'a').write('2')\n")
    workspace.entry_point("python change.py", more="data: {ignored: data/ignored.csv}\n")
    workspace.publish()
    document = workspace.run()
    assert [flag["code"] for flag in document["outcome"]["flags"]] == ["input-changed"]
    message = document["outcome"]["flags"][0]["message"]
    changed = document["outcome"]["inputs"][0]
    assert (changed["name"], changed["detail"]) == ("ignored", "2 bytes, now 3")
    assert changed["before"] == document["recipe"]["inputs"][0]["sha256"]
    assert all(text in message for text in ("data/ignored.csv", changed["before"], changed["sha256"]))
    workspace.repository.write("change.py", "print(open('data/ignored.csv').read())\n")
    workspace.publish()
    assert workspace.run()["outcome"]["flags"] == []
