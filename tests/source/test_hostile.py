"""Looking at a repository executes nothing that its own configuration names, and writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from projrun.core.errors import SourceError
from projrun.source.inspect import inspect
from projrun.source.restore import restore
from projrun.source.snapshot import snapshot
from tests.repositories import Repository
from tests.source.trees import contents, everything


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A program that leaves a file when it is run."""
    program = tmp_path / "trap"
    program.write_text(f"#!/bin/sh\ntouch '{tmp_path}/sprung'\ncat\n")
    program.chmod(0o755)
    return program


def armed(repository: Repository, trap: Path) -> None:
    """Makes git run ``trap`` wherever its configuration can, and files it would run it for."""
    repository.write(".gitattributes", "*.txt filter=trap\n*.lfs filter=lfs\n")
    repository.write("a.txt", "aaaa\n")
    repository.write("a.lfs", "aaaa\n")
    repository.commit()
    for name in ("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "diff.external"):
        repository.git("config", name, str(trap))
    repository.git("config", "core.hooksPath", str(repository.path / ".git/hooks"))
    for filter_name in ("trap", "lfs"):
        for step in ("clean", "smudge"):
            repository.git("config", f"filter.{filter_name}.{step}", str(trap))
        repository.git("config", f"filter.{filter_name}.required", "true")
    hooks = repository.path / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("post-index-change", "reference-transaction", "pre-commit", "post-commit", "fsmonitor-watchman"):
        (hooks / hook).symlink_to(trap)
    # Of the same size: git must read the content, by way of the filter, to know whether it changed.
    repository.write("a.txt", "bbbb\n")
    repository.write("a.lfs", "bbbb\n")


def test_the_trap_works(repository: Repository, trap: Path) -> None:
    armed(repository, trap)
    repository.git("status")
    assert (trap.parent / "sprung").exists()


def test_nothing_the_repository_names_is_executed(repository: Repository, trap: Path, tmp_path: Path) -> None:
    armed(repository, trap)
    source = snapshot(inspect(repository.path), tmp_path / "store/sources.git", limit=1000)
    assert {change.path for change in source.changes} == {"a.txt", "a.lfs"}
    assert source.snapshot is not None
    restore(tmp_path / "store/sources.git", source.snapshot, tmp_path / "back")
    assert contents(tmp_path / "back") == contents(repository.path)
    assert not (tmp_path / "sprung").exists()


def test_nothing_a_submodule_or_nested_repository_names_is_executed(
    repository: Repository, trap: Path, tmp_path: Path
) -> None:
    inner = Repository.create(tmp_path / "inner")
    inner.commit()
    repository.git("submodule", "add", "-q", str(inner.path), "inner")
    repository.commit()
    nested = Repository.create(repository.path / "nested")
    armed(nested, trap)
    inner_checkout = Repository(repository.path / "inner")
    inner_checkout.git("config", "user.name", "Tester")
    inner_checkout.git("config", "user.email", "tester@example.invalid")
    git_directory = repository.path / ".git/modules/inner"
    (repository.path / "inner/.git").unlink()
    git_directory.rename(repository.path / "inner/.git")
    inner_checkout.git("config", "--unset", "core.worktree")
    armed(inner_checkout, trap)
    (tmp_path / "sprung").unlink(missing_ok=True)
    source = snapshot(inspect(repository.path), tmp_path / "store/sources.git", limit=1000)
    assert source.submodules[0].dirty
    assert not (tmp_path / "sprung").exists()


def test_the_extensions_of_git_lfs_are_switched_off_with_it(
    repository: Repository, trap: Path, hostile_environment: Path
) -> None:
    repository.write(".gitattributes", "*.lfs filter=lfs\n")
    repository.write("a.lfs", "aaaa\n")
    repository.commit()
    (hostile_environment / ".gitconfig").write_text(f'[filter "lfs"]\nclean = {trap}\n')
    repository.git("config", "lfs.extension.foo.clean", str(trap))
    repository.write("a.lfs", "bbbb\n")
    inspect(repository.path)
    assert not (trap.parent / "sprung").exists()


def test_a_filter_of_the_users_own_still_works(repository: Repository, hostile_environment: Path) -> None:
    repository.write(".gitattributes", "*.txt filter=upper\n")
    repository.write("a.txt", "AAAA\n")
    repository.commit()
    (hostile_environment / ".gitconfig").write_text('[filter "upper"]\nclean = tr a-z A-Z\n')
    repository.write("a.txt", "aaaa\n")
    assert not inspect(repository.path).dirty


def test_a_filter_that_cannot_be_switched_off_is_refused(repository: Repository, trap: Path) -> None:
    repository.commit()
    repository.git("config", "filter.a=b.clean", str(trap))
    with pytest.raises(SourceError, match="filter named 'a=b'"):
        inspect(repository.path)


def test_nothing_below_the_work_tree_changes_not_even_a_time(repository: Repository, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        repository.write(name, name)
    repository.commit()
    repository.write("a.txt", "stashed")
    repository.git("stash", "-q")
    repository.write("b.txt", "staged")
    repository.git("add", "b.txt")
    repository.write("b.txt", "edited")
    # Its times differ from the index: git status would like to write that down.
    repository.write("c.txt", "c.txt")
    repository.write("new.txt", "new")
    before = everything(repository.path)
    snapshot(inspect(repository.path), tmp_path / "store/sources.git", limit=1000)
    snapshot(inspect(repository.path), tmp_path / "store/sources.git", limit=1000)
    assert everything(repository.path) == before
