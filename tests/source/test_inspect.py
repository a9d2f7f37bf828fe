"""One look at a directory."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from projrun.core.errors import SourceError
from projrun.source.inspect import changed_since, inspect
from projrun.source.model import Source
from tests.repositories import Repository


@pytest.fixture
def committed(repository: Repository) -> Repository:
    """A repository with a few committed files."""
    for name in ("kept.txt", "edited.txt", "deleted.txt", "renamed.txt", "script.sh", "linked.txt"):
        repository.write(name, f"{name} of some length\n" * 5)
    repository.commit()
    return repository


def kinds(source: Source) -> dict[str, str]:
    return {change.path: change.kind for change in source.changes}


def test_a_clean_pushed_tree_needs_no_snapshot(committed: Repository, tmp_path: Path) -> None:
    committed.push_to(tmp_path / "remote.git")
    source = inspect(committed.path)
    assert (source.commit, source.branch) == (committed.git("rev-parse", "HEAD"), "main")
    assert (source.remote, source.remote_branch) == (f"file://{tmp_path}/remote.git", "origin/main")
    assert source.pushed and not source.dirty and not source.needs_snapshot


def test_every_kind_of_change_is_told(committed: Repository) -> None:
    committed.write("edited.txt", "other\n")
    (committed.path / "deleted.txt").unlink()
    committed.git("mv", "renamed.txt", "new name.txt")
    (committed.path / "script.sh").chmod(0o755)
    (committed.path / "linked.txt").unlink()
    (committed.path / "linked.txt").symlink_to("kept.txt")
    committed.write("staged.txt", "new")
    committed.git("add", "staged.txt")
    committed.write("sub/odd\nname", "new")
    Path(os.fsdecode(os.fsencode(committed.path) + b"/\xff")).write_text("new")
    source = inspect(committed.path)
    assert kinds(source) == {
        "edited.txt": "modified",
        "deleted.txt": "deleted",
        "new name.txt": "renamed",
        "script.sh": "mode-changed",
        "linked.txt": "type-changed",
        "staged.txt": "added",
        "sub/odd\nname": "untracked",
        "\udcff": "untracked",
    }
    assert {change.path for change in source.changes if change.staged} == {"new name.txt", "staged.txt"}
    assert {change.old_path for change in source.changes} == {None, "renamed.txt"}


@pytest.mark.parametrize("staged", [False, True])
def test_a_file_whose_mode_and_content_changed_is_modified(committed: Repository, staged: bool) -> None:
    committed.write("script.sh", "other\n").chmod(0o755)
    if staged:
        committed.git("add", "script.sh")
    assert kinds(inspect(committed.path)) == {"script.sh": "modified"}


def test_a_conflict_is_told(committed: Repository) -> None:
    committed.git("checkout", "-q", "-b", "other")
    committed.write("edited.txt", "theirs\n")
    committed.commit()
    committed.git("checkout", "-q", "main")
    committed.write("edited.txt", "ours\n")
    committed.commit()
    subprocess.run(["git", "merge", "-q", "other"], cwd=committed.path, capture_output=True, check=False)
    assert kinds(inspect(committed.path)) == {"edited.txt": "conflicted"}


def test_no_configuration_hides_a_change(committed: Repository) -> None:
    for name, value in {
        "status.showUntrackedFiles": "no",
        "status.relativePaths": "true",
        "status.renames": "false",
        "core.quotePath": "true",
        "diff.ignoreSubmodules": "all",
        "core.trustctime": "false",
        "core.checkStat": "minimal",
        "status.branch": "false",
    }.items():
        committed.git("config", name, value)
    committed.write("naïve.txt", "new")
    committed.git("mv", "renamed.txt", "new.txt")
    assert kinds(inspect(committed.path)) == {"naïve.txt": "untracked", "new.txt": "renamed"}


@pytest.mark.parametrize("mark", ["--assume-unchanged", "--skip-worktree"])
def test_files_git_was_told_not_to_look_at_are_looked_at(committed: Repository, mark: str) -> None:
    committed.git("update-index", mark, "kept.txt", "edited.txt", "script.sh", "linked.txt")
    assert not inspect(committed.path).dirty
    committed.write("edited.txt", "other\n")
    (committed.path / "script.sh").chmod(0o755)
    (committed.path / "linked.txt").unlink()
    (committed.path / "linked.txt").mkdir()
    told = {"edited.txt": "modified", "script.sh": "mode-changed", "linked.txt": "type-changed"}
    assert kinds(inspect(committed.path)) == told


def test_a_hidden_file_that_was_deleted_is_told_unless_the_checkout_is_sparse(committed: Repository) -> None:
    committed.git("update-index", "--assume-unchanged", "deleted.txt")
    committed.git("update-index", "--skip-worktree", "kept.txt")
    (committed.path / "deleted.txt").unlink()
    (committed.path / "kept.txt").unlink()
    assert kinds(inspect(committed.path)) == {"deleted.txt": "deleted"}


def test_hidden_links_and_odd_names_are_compared(committed: Repository) -> None:
    names = ["a\nb", 'quo"te', "back\\slash", "\udcfe"]
    for name in names:
        committed.write(name, "content\n")
    (committed.path / "link").symlink_to("a//b")
    committed.commit()
    committed.git("update-index", "--assume-unchanged", "link", *names)
    assert not inspect(committed.path).dirty
    committed.write('quo"te', "other\n")
    (committed.path / "link").unlink()
    (committed.path / "link").symlink_to("a/b")
    assert kinds(inspect(committed.path)) == {'quo"te': "modified", "link": "modified"}


def test_a_dirty_submodule_is_dirty_however_it_is_configured(committed: Repository, tmp_path: Path) -> None:
    inner = Repository.create(tmp_path / "inner")
    inner.write("file.txt", "one\n")
    first = inner.commit()
    committed.git("submodule", "add", "-q", str(inner.path), "vendor/inner")
    committed.git("config", "-f", ".gitmodules", "submodule.vendor/inner.ignore", "all")
    committed.commit()
    clean = inspect(committed.path)
    assert not clean.dirty
    assert [(one.path, one.commit, one.dirty, one.pushed) for one in clean.submodules] == [
        ("vendor/inner", first, False, True)
    ]
    committed.write("vendor/inner/new.txt", "new")
    dirty = inspect(committed.path)
    assert kinds(dirty) == {"vendor/inner": "submodule"}
    assert dirty.submodules[0].dirty
    assert changed_since(clean) == ("vendor/inner/new.txt",)
    moved = Repository(committed.path / "vendor/inner")
    moved.git("config", "user.name", "Tester")
    moved.git("config", "user.email", "tester@example.invalid")
    moved.commit()
    ahead = inspect(committed.path)
    assert kinds(ahead) == {"vendor/inner": "submodule"}
    assert (ahead.submodules[0].dirty, ahead.submodules[0].pushed) == (False, False)


def test_a_submodule_that_is_not_checked_out_is_no_change(committed: Repository, tmp_path: Path) -> None:
    inner = Repository.create(tmp_path / "inner")
    first = inner.commit()
    committed.git("submodule", "add", "-q", str(inner.path), "inner")
    committed.commit()
    committed.git("submodule", "deinit", "-q", "-f", "inner")
    source = inspect(committed.path)
    assert not source.dirty
    assert [(one.commit, one.dirty) for one in source.submodules] == [(first, False)]


def test_an_unborn_branch_has_no_commit(repository: Repository) -> None:
    repository.write("new.txt", "new")
    source = inspect(repository.path)
    assert (source.repository, source.commit, source.branch, source.pushed) == (True, None, "main", False)
    assert kinds(source) == {"new.txt": "untracked"}


def test_a_detached_head_has_no_branch_and_may_be_pushed(committed: Repository, tmp_path: Path) -> None:
    committed.push_to(tmp_path / "remote.git")
    committed.git("checkout", "-q", "--detach")
    source = inspect(committed.path)
    assert (source.branch, source.remote_branch) == (None, "origin/main")
    committed.commit("not pushed")
    assert inspect(committed.path).remote_branch is None


def test_a_commit_ahead_of_its_upstream_is_not_pushed(committed: Repository, tmp_path: Path) -> None:
    committed.push_to(tmp_path / "remote.git")
    committed.commit("not pushed")
    source = inspect(committed.path)
    assert not source.pushed and source.needs_snapshot
    assert source.remote == f"file://{tmp_path}/remote.git"


def test_a_commit_on_another_remote_branch_is_pushed(committed: Repository, tmp_path: Path) -> None:
    committed.push_to(tmp_path / "remote.git")
    committed.git("checkout", "-q", "-b", "topic", "--no-track")
    committed.commit("on a topic")
    committed.git("init", "-q", "--bare", str(tmp_path / "fork.git"))
    committed.git("remote", "add", "my/fork", f"file://{tmp_path}/fork.git")
    committed.git("push", "-q", "my/fork", "topic")
    source = inspect(committed.path)
    assert (source.remote_branch, source.remote) == ("my/fork/topic", f"file://{tmp_path}/fork.git")


def test_a_local_upstream_is_no_remote_branch(committed: Repository) -> None:
    committed.git("checkout", "-q", "-b", "topic", "--track", "main")
    source = inspect(committed.path)
    assert (source.remote, source.remote_branch) == (None, None)


def test_an_upstream_that_is_gone_does_not_count(committed: Repository, tmp_path: Path) -> None:
    committed.push_to(tmp_path / "remote.git")
    committed.git("update-ref", "-d", "refs/remotes/origin/main")
    assert not inspect(committed.path).pushed


def test_the_whole_work_tree_is_the_source_of_a_project_in_a_subdirectory(committed: Repository) -> None:
    committed.write("projects/one/run.py", "print()")
    committed.commit()
    committed.write("edited.txt", "other\n")
    link = committed.path.parent / "shortcut"
    link.symlink_to(committed.path / "projects")
    for directory in (committed.path / "projects/one", link / "one"):
        source = inspect(directory)
        assert (source.directory, source.worktree) == (directory, committed.path)
        assert source.subdirectory == "projects/one"
        assert kinds(source) == {"edited.txt": "modified"}


@pytest.mark.parametrize("left", [(), ("objects", "refs"), ("objects", "refs", "HEAD", "config")])
def test_a_git_directory_that_is_no_repository_does_not_hide_the_work_tree_around_it(
    committed: Repository, left: tuple[str, ...]
) -> None:
    committed.write("project/file.txt", "content")
    committed.commit()
    committed.write("edited.txt", "other\n")
    (committed.path / "project/.git").mkdir()
    for name in left:
        place = committed.path / "project/.git" / name
        place.mkdir() if name in ("objects", "refs") else place.write_text("")
    source = inspect(committed.path / "project")
    assert (source.worktree, source.subdirectory) == (committed.path, "project")
    assert kinds(source) == {"edited.txt": "modified"}


def test_a_submodule_whose_repository_is_broken_is_an_error(committed: Repository, tmp_path: Path) -> None:
    other = Repository.create(tmp_path / "other")
    other.write("a.txt", "a")
    other.commit()
    committed.git("clone", "--quiet", str(other.path), "inner")
    committed.git("add", "inner")
    committed.commit()
    (committed.path / "inner/.git/HEAD").unlink()
    with pytest.raises(SourceError, match="broken"):
        inspect(committed.path)


def test_a_project_that_the_work_tree_around_it_ignores_is_no_part_of_it(committed: Repository) -> None:
    committed.write(".gitignore", "experiments\n")
    committed.write("experiments/one/run.py", "print()")
    source = inspect(committed.path / "experiments/one")
    assert (source.repository, source.worktree) == (False, committed.path / "experiments/one")
    assert [seen.path for seen in source.seen] == ["run.py"]


def test_a_linked_worktree_is_looked_at_by_itself(committed: Repository, tmp_path: Path) -> None:
    committed.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    (tmp_path / "side" / "new.txt").write_text("new")
    source = inspect(tmp_path / "side")
    assert (source.worktree, source.branch) == (tmp_path / "side", "side")
    assert kinds(source) == {"new.txt": "untracked"}
    assert not inspect(committed.path).dirty


def test_a_directory_without_repository_has_every_file_but_the_ignored_ones(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "sub").mkdir(parents=True)
    (project / ".gitignore").write_text(".env\n")
    (project / ".env").write_text("secret")
    (project / "sub" / "run.py").write_text("print()")
    os.mkfifo(project / "pipe")
    source = inspect(project)
    assert (source.repository, source.worktree, source.needs_snapshot) == (False, project, True)
    assert [seen.path for seen in source.seen] == [".gitignore", "sub/run.py"]


def test_a_bare_repository_is_a_plain_directory(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "bare.git")], check=True)
    assert not inspect(tmp_path / "bare.git").repository


def test_the_callers_git_variables_do_not_lead_elsewhere(
    committed: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Repository.create(tmp_path / "other")
    other.commit()
    commit = committed.git("rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.path / ".git/index"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.path))
    source = inspect(committed.path)
    assert (source.commit, source.dirty) == (commit, False)


def test_the_users_own_ignore_file_counts(committed: Repository, hostile_environment: Path) -> None:
    (hostile_environment / "ignored").write_text("*.secret\n")
    (hostile_environment / ".gitconfig").write_text(f"[core]\nexcludesFile = {hostile_environment}/ignored\n")
    committed.write("my.secret", "secret")
    assert not inspect(committed.path).dirty


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere is not a directory"):
        inspect(tmp_path / "nowhere")


def test_a_machine_without_git_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match="git is not installed") as caught:
        inspect(tmp_path)
    assert "install" in caught.value.hint


def test_a_repository_of_another_user_is_explained(committed: Repository) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a directory away")
    for path in (committed.path, committed.path / ".git"):
        os.chown(path, 12345, 12345)
    with pytest.raises(SourceError, match="does not trust") as caught:
        inspect(committed.path)
    assert caught.value.hint.endswith(f"safe.directory {committed.path}")


def test_a_damaged_repository_is_an_error_and_not_a_missing_one(committed: Repository) -> None:
    (committed.path / ".git/index").write_bytes(b"nonsense")
    with pytest.raises(SourceError, match="cannot read the repository"):
        inspect(committed.path)


def test_a_worktree_whose_repository_is_gone_is_an_error(committed: Repository, tmp_path: Path) -> None:
    committed.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    committed.path.rename(tmp_path / "moved")
    with pytest.raises(SourceError, match="cannot read the repository"):
        inspect(tmp_path / "side")


def test_two_looks_at_the_same_files_are_equal(committed: Repository) -> None:
    committed.write("edited.txt", "other\n")
    assert inspect(committed.path) == inspect(committed.path)


def test_what_changed_between_two_looks_is_named(committed: Repository) -> None:
    committed.write("edited.txt", "dirty\n")
    committed.write("removed.txt", "untracked")
    committed.git("mv", "renamed.txt", "new.txt")
    before = inspect(committed.path)
    committed.write("edited.txt", "again\n")
    committed.write("kept.txt", "other\n")
    committed.write("results/model.pkl", "output")
    committed.write("results.txt", "not declared")
    committed.write("pkg/__pycache__/run.pyc", "cache")
    committed.write("renamed.txt", "back\n")
    (committed.path / "removed.txt").unlink()
    assert changed_since(before, ["./results/", "metrics.json"]) == (
        "edited.txt",
        "kept.txt",
        "removed.txt",
        "renamed.txt",
        "results.txt",
    )


def test_an_edit_that_keeps_size_and_times_is_seen(committed: Repository) -> None:
    path = committed.write("edited.txt", "one")
    before = inspect(committed.path)
    known = path.stat()
    path.write_text("two")
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert changed_since(before) == ("edited.txt",)


def test_an_edit_in_the_second_of_a_commit_that_keeps_size_and_times_is_seen(repository: Repository) -> None:
    path = repository.write("edited.txt", "one")
    repository.write("kept.txt", "one")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    repository.commit()
    os.utime(repository.path / "kept.txt")
    path.write_text("two")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert kinds(inspect(repository.path)) == {"edited.txt": "modified"}  # git status says that nothing is


def test_declared_outputs_are_relative_to_the_project(committed: Repository) -> None:
    committed.write("project/run.py", "print()")
    committed.commit()
    before = inspect(committed.path / "project")
    committed.write("project/out/a", "a")
    committed.write("out/a", "a")
    assert changed_since(before, ["out"]) == ("out/a",)
    assert changed_since(before, ["."]) == ("out/a",)


def test_a_new_commit_is_a_change_and_staging_is_none(committed: Repository) -> None:
    committed.write("edited.txt", "other\n")
    before = inspect(committed.path)
    committed.git("add", "edited.txt")
    assert changed_since(before) == ()
    committed.commit()
    assert "HEAD" in changed_since(before)


def test_an_ignored_directory_is_no_part_of_the_repository_unless_it_is_tracked(committed: Repository) -> None:
    committed.write(".gitignore", "project/\n")
    committed.write("project/ProjectSpec.yaml", "version: 1\n")
    assert not inspect(committed.path / "project").repository
    committed.git("add", "--force", "project/ProjectSpec.yaml")
    source = inspect(committed.path / "project")
    assert (source.repository, source.worktree, source.subdirectory) == (True, committed.path, "project")


def test_files_without_repository_are_compared_too(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("same")
    before = inspect(tmp_path)
    (tmp_path / "new").write_text("new")
    assert changed_since(before) == ("new",)
