"""Which files of a directory its repository does not track, those of repositories within included."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from projrun.source.untracked import untracked
from tests.repositories import Repository
from tests.source.test_hostile import armed


@pytest.fixture
def project(repository: Repository) -> Repository:
    """A repository with a tracked file, and an untracked repository ``data`` with files of every kind."""
    repository.write(".gitignore", "*.bin\n")
    repository.write("raw/tracked.csv", "1")
    repository.commit()
    repository.write("raw/new.csv", "2")
    repository.write("raw/ignored.bin", "3")
    nested = Repository.create(repository.path / "data")
    nested.write("table.csv", "a,b\n")
    nested.write("deep/er/x.txt", "x")
    nested.write(".gitignore", "ignored\n")
    nested.commit()
    nested.write("ignored", "i")
    nested.write("new", "n")
    return repository


NESTED = ("data/.gitignore", "data/deep/er/x.txt", "data/ignored", "data/new", "data/table.csv")


def test_untracked_and_ignored_files_are_listed(project: Repository) -> None:
    assert untracked(project.path, ("raw",)) == ("raw/ignored.bin", "raw/new.csv")
    assert untracked(project.path / "raw", (".",)) == ("ignored.bin", "new.csv")
    assert untracked(project.path, ()) == ()


@pytest.mark.parametrize("ignored", [False, True])
def test_the_files_of_a_repository_within_are_listed_without_its_git_directory(
    project: Repository, ignored: bool
) -> None:
    if ignored:
        project.write(".gitignore", "data/\n")
    assert untracked(project.path, ("data",)) == NESTED
    assert untracked(project.path, ("data/deep",)) == ("data/deep/er/x.txt",)
    assert untracked(project.path, ("data/table.csv", "data/missing")) == ("data/table.csv",)
    assert untracked(project.path, ("data", "data/deep", "raw/new.csv")) == (*NESTED, "raw/new.csv")
    assert untracked(project.path / "raw", ("../data/new",)) == ("../data/new",)


def test_a_repository_deeper_than_what_was_asked_for_is_found(project: Repository) -> None:
    (project.path / "store/inner").mkdir(parents=True)
    (project.path / "data").rename(project.path / "store/inner/data")
    assert untracked(project.path, ("store",)) == tuple(f"store/inner/{path}" for path in NESTED)


def test_of_a_submodule_only_what_it_does_not_track(project: Repository, tmp_path: Path) -> None:
    inner = Repository.create(tmp_path / "inner")
    inner.write("tracked.csv", "t")
    inner.write(".gitignore", "*.bin\n")
    inner.commit()
    project.git("submodule", "add", "-q", str(inner.path), "libs/inner")
    project.write("libs/inner/big.bin", "b")
    for asked in ("libs", "libs/inner", "libs/inner/big.bin", "."):
        found = untracked(project.path, (asked,))
        assert [path for path in found if path.startswith("libs")] == ["libs/inner/big.bin"], asked


def test_a_link_to_a_repository_is_a_link_and_a_pipe_is_nothing(project: Repository) -> None:
    (project.path / "link").symlink_to("data")
    os.mkfifo(project.path / "data/pipe")
    assert untracked(project.path, ("link",)) == ("link",)
    assert untracked(project.path, ("data",)) == NESTED


def test_nothing_that_a_repository_within_names_is_executed(project: Repository, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch '{tmp_path}/sprung'\ncat\n")
    trap.chmod(0o755)
    armed(Repository(project.path / "data"), trap)
    (tmp_path / "sprung").unlink(missing_ok=True)
    assert "data/a.lfs" in untracked(project.path, ("data",))
    assert not (tmp_path / "sprung").exists()
