"""``projrun reproduce`` where a record is harder to come by: submodules, ignored files, masked values."""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
from pathlib import Path

import pytest

from projrun.core.hashing import sha256_bytes
from projrun.store.run import ALIVE
from projrun.store.store import Store
from tests.cli.conftest import LOCKED, THIS_PYTHON, Workspace
from tests.cli.test_reproduce import ALL, away, change_recipe, forget, reproduced, states
from tests.repositories import Repository

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("dirty", [False, True], ids=["commit", "snapshot"])
def test_submodules_come_along(workspace: Workspace, tmp_path: Path, dirty: bool) -> None:
    inner = Repository.create(tmp_path / "inner")
    inner.write("said.txt", "from the submodule\n")
    commit = inner.commit()
    inner.push_to(tmp_path / "inner.git")
    workspace.repository.git("submodule", "add", "-q", f"file://{tmp_path}/inner.git", "lib")
    workspace.entry_point("cp lib/said.txt out.txt", more="    outputs: [out.txt]\n")
    workspace.repository.write(".gitignore", "out.txt\n")
    workspace.publish()
    if dirty:
        workspace.repository.write("lib/said.txt", "not committed\n")
    old = workspace.run()
    forget(workspace)
    document = reproduced(workspace, old["run"], cwd=away(workspace))
    assert (states(document)["code"], states(document)["outputs"]) == ("verified", "verified")
    assert [one["commit"] for one in document["recipe"]["source"]["submodules"]] == [commit]


def test_a_specification_that_git_does_not_have_comes_from_the_record(workspace: Workspace) -> None:
    workspace.repository.write(".gitignore", "results/\nProjectSpec.yaml\n")
    workspace.repository.git("rm", "-q", "--cached", "ProjectSpec.yaml")
    workspace.publish()
    old = workspace.run("-e", "main")
    forget(workspace)
    document = reproduced(workspace, old["run"], cwd=away(workspace))
    assert states(document) == dict.fromkeys(ALL, "verified")


def test_a_directory_that_git_has_a_part_of_is_made_whole(workspace: Workspace) -> None:
    workspace.repository.write("data/part.bin", "ignored")
    workspace.repository.write(".gitignore", "*.bin\n")
    workspace.entry_point("python free.py", more="    inputs: [data]\n")
    workspace.publish()
    old = workspace.run()
    document = reproduced(workspace, old["run"])
    assert states(document)["data"] == "verified"
    (workspace.root / "data/part.bin").unlink()
    assert reproduced(workspace, old["run"], code=114)["error"]["kind"] == "data"


def test_a_file_that_the_store_keeps_is_an_input_again(workspace: Workspace) -> None:
    """An output of one run that is the input of the next: the store has its bytes."""
    workspace.repository.write("make.py", "open('made.bin', 'w').write('made')\n")
    workspace.repository.write(".gitignore", "*.bin\n")
    head = f"version: 1\nname: tiny\nenvironment: {LOCKED}\nentry_points:\n"
    workspace.spec(
        head + "  make: {command: python make.py, outputs: [made.bin]}\n"
        "  use: {command: python free.py, inputs: [made.bin]}\n"
    )
    workspace.publish()
    workspace.run("-e", "make", "-v", "HEAD", "--bring-outputs")
    old = workspace.run("-e", "use")
    (workspace.root / "made.bin").unlink()
    assert states(reproduced(workspace, old["run"]))["data"] == "verified"


def test_an_input_in_the_commit_that_is_not_what_was_read_is_refused(workspace: Workspace) -> None:
    old = workspace.run("-e", "main")
    digest = old["recipe"]["inputs"][0]["sha256"]
    change_recipe(workspace, old["run"], digest, "0" * 64)
    error = reproduced(workspace, old["run"], code=114)["error"]
    assert digest in error["why"]
    assert "0" * 64 in error["why"]
    assert error["run"]
    assert workspace.projrun("reproduce", old["run"], "--check").code == 114


def test_a_value_that_held_a_secret_is_had_again_when_it_can_only_be_one(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "hunter22")
    monkeypatch.setenv("OTHER", "something else")
    workspace.repository.write("write.py", "import sys\nopen('out.txt', 'w').write(str(len(sys.argv[1])))\n")
    more = "    parameters: {url: str}\n    outputs: [out.txt]\n"
    for secrets, code in (("[KEY]", 0), ("[KEY, OTHER]", 2)):
        environment = LOCKED.replace("{", f"{{secrets: {secrets}, ", 1)
        workspace.entry_point("python write.py {url}", environment=environment, more=more)
        workspace.publish()
        old = workspace.run("-P", "url=https://hunter22@host/")
        assert "hunter22" not in json.dumps(old)
        document = reproduced(workspace, old["run"], code=code)
        if code == 0:
            assert states(document)["outputs"] == "verified"
            assert "hunter22" not in json.dumps(document)
        else:
            assert "which one is not recorded" in document["error"]["what"]


def test_a_run_that_never_ended_can_be_had_again(workspace: Workspace) -> None:
    old = workspace.run("-e", "main")["run"]
    (workspace.store / "runs" / old / "outcome.json").unlink()
    document = reproduced(workspace, old, code=10)
    assert document["verdict"]["verdict"] == "unverified"
    assert "exit code, outputs and metrics could not be checked" in document["verdict"]["summary"]


def test_of_a_run_that_goes_on_nothing_is_told_that_is_so_when_it_ended(workspace: Workspace) -> None:
    old = workspace.run("-e", "main")["run"]
    directory = workspace.store / "runs" / old
    (directory / "outcome.json").unlink()
    with (directory / ALIVE).open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        checked = workspace.projrun("reproduce", old, "--check")
        assert checked.code == 10
        assert "it has not ended yet: there is nothing to compare with (wait until it has)" in checked.out
        (directory / "recipe.json").unlink()
        refused = workspace.projrun("reproduce", old)
        assert refused.code == 2
        assert "it has not come to its program yet" in refused.err


def test_an_environment_that_was_tampered_with_is_built_again(workspace: Workspace) -> None:
    old = workspace.run("-e", "main")
    key = old["recipe"]["environment"]["key"]
    (module,) = (workspace.home / "cache/environments" / key).rglob("tinydep/__init__.py")
    module.chmod(0o644)
    module.write_text("VERSION = 'another'\n")
    document = reproduced(workspace, old["run"])
    assert states(document)["environment"] == "verified"
    assert document["recipe"]["environment"]["reused"] is False


@pytest.mark.usefixtures("nothing_built")
def test_nothing_is_asked_of_the_network_when_it_may_not_be(workspace: Workspace) -> None:
    old = workspace.run("-e", "main")["run"]
    assert reproduced(workspace, old, "--offline")["verdict"]["verdict"] == "reproduced"
    shutil.rmtree(workspace.root)
    error = reproduced(workspace, old, "--offline", code=112, cwd=away(workspace))["error"]
    assert "is gone" in error["what"]
    done = workspace.projrun("reproduce", old, "--offline", "--allow-download", cwd=away(workspace))
    assert done.code == 2


def test_a_reproduction_that_is_stopped_has_no_verdict(workspace: Workspace, tmp_path: Path) -> None:
    wait = tmp_path / "wait"
    workspace.repository.write(
        "wait.py",
        f"import os, time\nprint('up', flush=True)\nwhile os.path.exists({str(wait)!r}): time.sleep(0.01)\n",
    )
    workspace.entry_point("python wait.py")
    workspace.publish()
    old = workspace.run()["run"]
    wait.touch()
    process = workspace.start("reproduce", old)
    assert process.stderr is not None
    while process.stderr.readline().strip() != b"up":
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate()
    assert process.returncode == 130
    assert b"verdict      none: " in out
    last = workspace.last()
    assert (last["status"], last["verdict"]) == ("interrupted", None)
    assert last["recipe"]["reproduces"]["run"] == old


def test_a_project_in_no_repository_is_had_again_in_another_store(workspace: Workspace, tmp_path: Path) -> None:
    shutil.rmtree(workspace.root / ".git")
    old = workspace.run("-e", "main")
    place = str(workspace.store / "runs" / old["run"])
    forget(workspace)
    document = reproduced(workspace, place, "--store", str(tmp_path / "another"), cwd=away(workspace))
    assert states(document) == dict.fromkeys(ALL, "verified")
    assert document["recipe"]["source"]["snapshot"] == old["recipe"]["source"]["snapshot"]
    again = reproduced(workspace, document["run"], "--store", str(tmp_path / "another"), cwd=away(workspace))
    assert states(again)["code"] == "verified"


def test_the_builder_and_the_exact_python_that_were_taken_are_taken_again(workspace: Workspace) -> None:
    series = ".".join(THIS_PYTHON.split(".")[:2])
    workspace.entry_point("python free.py", environment=LOCKED.replace(THIS_PYTHON, series))
    workspace.publish()
    old = workspace.run("--builder", "pip")
    forget(workspace)
    document = reproduced(workspace, old["run"], cwd=away(workspace))
    environment = document["recipe"]["environment"]
    assert environment["builder"] == "pip"
    assert environment["key"] == old["recipe"]["environment"]["key"]
    assert environment["interpreter"]["declared"] == series
    assert states(document)["environment"] == "verified"


def test_inputs_that_are_kept_are_had_again_where_nobody_has_the_files(workspace: Workspace) -> None:
    workspace.repository.write("data/part/in git", "in git")
    workspace.repository.write(".gitignore", "*.csv\n/data/tree/\nout/\n")
    for name in ("data/one.csv", "data/a/1.csv", "data/a/2.csv", "data/tree/deep/x", "data/part/y.csv"):
        workspace.repository.write(name, name)
    paths = {"one": "data/one.csv", "many": "data/**/[0-9].csv", "tree": "data/tree", "part": "data/part"}
    listed = "".join(f"  {name}: {{path: {path!r}, keep: true}}\n" for name, path in paths.items())
    inputs = [f"data:{name}" for name in paths]
    more = f"    inputs: {inputs}\n    outputs: [out]\ndata:\n{listed}"
    workspace.entry_point("python read.py", more=more)
    workspace.repository.write("read.py", "import shutil\nshutil.copytree('data', 'out/data')\n")
    workspace.publish()
    old = workspace.run("-v", "HEAD")
    assert all(one["object"] for one in old["recipe"]["inputs"])
    forget(workspace)
    assert reproduced(workspace, old["run"], "--check", cwd=away(workspace))["exit_code"] == 0
    document = reproduced(workspace, old["run"], cwd=away(workspace))
    assert states(document)["data"] == states(document)["outputs"] == "verified"
    assert document["recipe"]["inputs"] == [{**one, "copied": True} for one in old["recipe"]["inputs"]]


def test_what_is_kept_of_an_input_and_is_damaged_is_told_beforehand(workspace: Workspace) -> None:
    workspace.repository.write(".gitignore", "*.csv\n/data/tree/\n")
    workspace.repository.write("data/one.csv", "one")
    workspace.repository.write("data/tree/deep/x", "x")
    listed = "  one: {path: data/one.csv, keep: true}\n  tree: {path: data/tree, keep: true}\n"
    workspace.entry_point("python free.py", more=f"    inputs: ['data:one', 'data:tree']\ndata:\n{listed}")
    workspace.publish()
    old = workspace.run("-v", "HEAD")
    forget(workspace)
    for content in (b"one", b"x"):
        place = Store(workspace.store).objects.path(sha256_bytes(content))
        place.chmod(0o600)
        place.write_bytes(b"?" * len(content))
    found = reproduced(workspace, old["run"], "--check", code=114, cwd=away(workspace))
    inputs = [(one["state"], one["message"]) for one in found["needs"] if one["what"] == "input"]
    assert [state for state, _ in inputs] == ["missing", "missing"]
    assert all("is damaged: its content has another digest" in message for _, message in inputs)
    assert workspace.projrun("reproduce", old["run"], cwd=away(workspace)).code == 114


def test_an_input_is_fetched_when_what_is_kept_of_it_is_damaged(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "there.bin").write_bytes(b"there")
    pin = sha256_bytes(b"there")
    declared = f"{{path: data/x.bin, url: 'file://{tmp_path}/there.bin', sha256: {pin}, keep: true}}"
    workspace.repository.write(".gitignore", "*.bin\n")
    workspace.entry_point("python free.py", more=f"    inputs: ['data:x']\ndata:\n  x: {declared}\n")
    workspace.publish()
    old = workspace.run("-v", "HEAD")
    forget(workspace)
    place = Store(workspace.store).objects.path(pin)
    place.chmod(0o600)
    place.write_bytes(b"?????")
    found = reproduced(workspace, old["run"], "--check", cwd=away(workspace))
    assert "to be fetched from" in next(one["message"] for one in found["needs"] if one["what"] == "input")
    assert states(reproduced(workspace, old["run"], cwd=away(workspace)))["data"] == "verified"
