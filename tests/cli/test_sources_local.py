"""``-v`` and ``restore`` where the user's own directory does not have it all, or is not there any more."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Done, Workspace
from tests.repositories import Repository

pytestmark = pytest.mark.slow


def test_declared_data_in_a_repository_of_its_own_comes_along(workspace: Workspace) -> None:
    workspace.repository.git("rm", "-q", "-r", "data")
    workspace.entry_point("cat data/deep/table.csv", more="    inputs: [data]\n")
    workspace.publish()
    data = Repository.create(workspace.root / "data")
    data.write("deep/table.csv", "of a repository within\n")
    data.commit()
    here = workspace.run()["recipe"]["inputs"][0]
    document = workspace.run("-v", "HEAD")
    assert document["recipe"]["inputs"][0]["sha256"] == here["sha256"]
    assert [(one["path"], one["copied"]) for one in document["recipe"]["inputs"]] == [("data", True)]
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


def test_a_run_of_a_bare_repository_is_restored_when_it_is_gone(workspace: Workspace, tmp_path: Path) -> None:
    inner = Repository.create(tmp_path / "inner")
    inner.write("said.txt", "from the submodule\n")
    inner.commit()
    inner.push_to(tmp_path / "inner.git")
    workspace.repository.git("submodule", "add", "-q", f"{tmp_path}/inner.git", "lib")
    workspace.repository.git("config", "-f", ".gitmodules", "submodule.lib.url", "../inner.git")
    workspace.publish()
    workspace.run("-e", "free")
    (tmp_path / "inner.git").rename(tmp_path / "away.git")
    here = workspace.projrun("restore", "last", str(tmp_path / "here"), "--offline")
    assert here.code == 0, here.err  # the user's own repository has the submodule
    assert (tmp_path / "here/lib/said.txt").exists()
    (tmp_path / "away.git").rename(tmp_path / "inner.git")
    document = workspace.run(str(tmp_path / "remote.git"), "-e", "free")
    shutil.rmtree(tmp_path / "remote.git")
    shutil.rmtree(tmp_path / "inner.git")
    for words in ([], ["--offline"]):
        place = tmp_path / f"back{len(words)}"
        done = workspace.projrun("restore", document["run"], str(place), *words)
        assert done.code == 0, done.err
        assert (place / "lib/said.txt").read_text() == "from the submodule\n"


def test_a_run_in_a_linked_work_tree_is_restored_when_that_is_gone(workspace: Workspace, tmp_path: Path) -> None:
    workspace.repository.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    document = workspace.run("-e", "free", cwd=tmp_path / "linked")
    assert document["recipe"]["source"]["worktree"] == str(tmp_path / "linked")
    workspace.repository.git("worktree", "remove", "--force", str(tmp_path / "linked"))
    done = workspace.projrun("restore", document["run"], str(tmp_path / "back"), cwd=tmp_path)
    assert done.code == 0, done.err
    assert (tmp_path / "back/free.py").exists()


def test_every_place_that_was_asked_is_named_with_its_reason(workspace: Workspace, tmp_path: Path) -> None:
    document = workspace.run("-e", "free")
    commit = document["recipe"]["source"]["commit"]
    workspace.root.rename(tmp_path / "away")
    (tmp_path / "remote.git").rename(tmp_path / "gone.git")
    done = workspace.projrun("restore", document["run"], str(tmp_path / "back"), cwd=tmp_path)
    assert done.code == 112
    lines = done.err.splitlines()
    assert f"error: commit {commit} is gone" in lines
    assert f"  {workspace.root}: the directory {workspace.root} is gone: no mirror was ever made of it" in lines
    remote = f"file://{tmp_path}/remote.git"
    assert any(line.startswith(f"  {remote}: there is no repository at {remote}: ") for line in lines)
    offline = workspace.projrun("restore", "--offline", document["run"], str(tmp_path / "back"), cwd=tmp_path)
    assert f"  {remote}: the commit {commit[:16]} of {remote} is not here" in offline.err
    # Another repository in the place of the old one does not have the commit, and says so.
    Repository.create(workspace.root).commit()
    other = workspace.projrun("restore", document["run"], str(tmp_path / "back"), cwd=tmp_path)
    assert f"  {workspace.root}: {workspace.root} has no {commit}" in other.err
    assert not (tmp_path / "back").exists()


def no_checkout_in(workspace: Workspace, done: Done) -> None:
    """Nothing that projrun itself said or kept names a checkout: it is gone."""
    kept = b"".join(path.read_bytes() for path in workspace.store.glob("runs/*/*.json"))
    log = workspace.projrun("logs", "-s", "projrun").out
    assert "checkouts" not in done.out + done.err + kept.decode() + log


def test_flags_name_files_by_their_commit_and_the_program_as_it_likes(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tools tell the path without the link, projrun with it.
    (workspace.home / "elsewhere").mkdir()
    (workspace.home / "link").symlink_to("elsewhere")
    monkeypatch.setenv("PROJRUN_CACHE", str(workspace.home / "link"))
    program = "pwd >&2; rm -rf .git; mkdir out; ln -s /etc/hosts out/l"
    workspace.entry_point(f"sh -c '{program}'", more="    outputs: [out]\n")
    commit = workspace.publish()
    done = workspace.projrun("run", "-v", "HEAD")
    said = workspace.projrun("logs", "-s", "stderr").out
    assert "/elsewhere/checkouts/" in said
    no_checkout_in(workspace, Done(done.code, done.out, done.err.replace(said, "")))
    flags = {flag["code"]: flag["message"] for flag in workspace.last()["outcome"]["flags"]}
    assert f"{workspace.root}@{commit[:10]}" in flags["tree-unknown"]


def test_errors_and_refusals_name_files_by_their_commit(workspace: Workspace) -> None:
    workspace.repository.write(".gitignore", "big/\n")
    workspace.entry_point("echo", more="    inputs: [big]\n")
    commit = workspace.publish()
    workspace.repository.write("big/a.csv", "1")
    (workspace.root / "big/link").symlink_to("/etc/hosts")
    named = f"{workspace.root}@{commit[:10]}:big/link is a symbolic link"
    for words in ([], ["--strict"], ["--dry-run"], ["--dry-run", "--strict", "--json"]):
        done = workspace.projrun("run", "-v", "HEAD", *words)
        assert named in done.out + done.err
        no_checkout_in(workspace, done)
    assert named in workspace.last()["outcome"]["error"]["why"]


def test_a_wrong_specification_of_a_commit_is_named_by_it_wherever_one_is(workspace: Workspace) -> None:
    workspace.spec("version: 1\nname: [\n")
    workspace.repository.commit()
    for cwd in (workspace.root, workspace.home, workspace.home / "cache"):  # the checkout lies below the last two
        cwd.mkdir(exist_ok=True)
        done = workspace.projrun("run", str(workspace.root), "-v", "HEAD", cwd=cwd)
        assert done.code == 111
        assert f"{workspace.root}@" in done.err
        assert "checkouts" not in done.err


@pytest.mark.parametrize("form", [".", "link", "deep/new"])
@pytest.mark.parametrize("what", ["clean", "dirty"])
def test_a_source_is_restored_to_where_one_is_or_a_link_leads(
    workspace: Workspace, tmp_path: Path, form: str, what: str
) -> None:
    if what == "dirty":
        workspace.repository.write("free.py", "print('edited')\n")
    run = workspace.run("-e", "free")["run"]
    place = tmp_path / "place"
    place.mkdir()
    (tmp_path / "link").symlink_to(place)
    cwd = place if form == "." else tmp_path
    done = workspace.projrun("restore", run, form, cwd=cwd)
    assert done.code == 0, done.err
    found = tmp_path / "deep/new" if form == "deep/new" else place
    assert sorted(path.name for path in found.iterdir())[:2] == [".gitignore", "ProjectSpec.yaml"]
    assert not (found / ".git").exists()


def test_what_cannot_be_restored_leaves_the_place_as_it_was(workspace: Workspace, tmp_path: Path) -> None:
    run = workspace.run("-e", "free")["run"]
    (tmp_path / "remote.git").rename(tmp_path / "away.git")
    workspace.root.rename(tmp_path / "moved")
    place = tmp_path / "place"
    place.mkdir()
    for target in (place, tmp_path / "new"):
        assert workspace.projrun("restore", run, str(target), cwd=tmp_path).code == 112
    assert list(place.iterdir()) == []
    assert not (tmp_path / "new").exists()
