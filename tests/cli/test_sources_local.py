"""``-v`` and ``restore`` where the user's own directory does not have it all, or is not there any more."""

from __future__ import annotations

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
