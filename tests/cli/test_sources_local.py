"""``-v`` and ``restore`` where the user's own directory does not have it all, or is not there any more."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.cli.conftest import Workspace
from tests.repositories import Repository


def test_declared_data_in_a_repository_of_its_own_comes_along(workspace: Workspace) -> None:
    workspace.repository.git("rm", "-q", "-r", "data")
    workspace.entry_point("cat data/deep/table.csv", more="    inputs: [data/deep]\n")
    workspace.publish()
    data = Repository.create(workspace.root / "data")
    data.write("deep/table.csv", "of a repository within\n")
    data.commit()
    document = workspace.run("-v", "HEAD")
    assert [(one["path"], one["copied"]) for one in document["recipe"]["inputs"]] == [("data/deep", True)]
    assert workspace.projrun("logs", "-s", "stdout").out == "of a repository within\n"


def test_a_directory_that_is_named_like_a_transport_is_run(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "remote.git").rename(tmp_path / "a::b")
    document = workspace.run("a::b", "-e", "free", cwd=tmp_path)
    assert document["recipe"]["source"]["address"] == str(tmp_path / "a::b")
    assert workspace.projrun("run", "a::c", cwd=tmp_path).code == 112


def test_a_version_that_a_shallow_clone_lacks_is_run_and_restored(workspace: Workspace, tmp_path: Path) -> None:
    old = workspace.repository.git("rev-parse", "HEAD")
    workspace.repository.write("free.py", "raise SystemExit('newer')\n")
    workspace.publish()
    url = f"file://{tmp_path}/remote.git"
    subprocess.run(["git", "clone", "-q", "--depth=1", url, str(tmp_path / "mine")], check=True)
    missing = workspace.projrun("run", "-v", "HEAD~1", "-e", "free", "--offline", cwd=tmp_path / "mine")
    assert missing.code == 112
    assert "it is a shallow clone" in missing.err
    assert "run once without --offline" in missing.err
    document = workspace.run("-v", "HEAD~1", "-e", "free", cwd=tmp_path / "mine")
    source = document["recipe"]["source"]
    assert (source["commit"], source["ref"], source["address"]) == (old, "HEAD~1", None)
    assert (source["worktree"], source["remote"]) == (str(tmp_path / "mine"), url)
    assert document["recipe"]["flags"] == document["outcome"]["flags"] == []
    shutil.rmtree(tmp_path / "remote.git")
    done = workspace.projrun("restore", "last", str(tmp_path / "back"), cwd=tmp_path / "mine")
    assert done.code == 0, done.err
    assert (tmp_path / "back/free.py").read_text() == "print('free')\n"
