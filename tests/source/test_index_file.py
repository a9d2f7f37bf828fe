"""The index is read as git reads it, or git is asked."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projrun.source.index_file import _known, special_entries
from projrun.source.inspect import inspect
from projrun.source.status import INDEX, IndexEntry, parse_index
from tests.repositories import Repository

OBJECT = "1" * 40


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    _known.clear()
    yield
    _known.clear()


def read(repository: Repository, object_bytes: int = 20) -> tuple[IndexEntry, ...] | None:
    """What it gives, without what changed just before: git lists none of that."""
    found = special_entries(repository.path, object_bytes)
    if found is None:
        return None
    return tuple(one._replace(noted=None) for one in found if one.hidden or one.gitlink)


def by_git(repository: Repository) -> tuple[IndexEntry, ...]:
    done = subprocess.run(["git", *INDEX], cwd=repository.path, capture_output=True, check=True)
    return parse_index(done.stdout)


def put(repository: Repository, entries: dict[str, str]) -> None:
    """Makes an index of nothing but these paths with their modes."""
    repository.git("read-tree", "--empty")
    lines = "".join(f"{mode} {OBJECT} 0\t{path}\0" for path, mode in entries.items())
    repository.git("update-index", "-z", "--index-info", stdin=os.fsencode(lines))


NAMES = ["a", "b/c", "b/some what longer", "d" * 200, "e/" * 100 + "f", "\udcff", "ü", "g"]
MARKS = ("", "--assume-unchanged", "--skip-worktree")


@settings(max_examples=30)
@given(
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["100644", "100755", "120000", "160000"])),
    st.lists(st.sampled_from(MARKS), min_size=len(NAMES), max_size=len(NAMES)),
)
def test_what_it_gives_is_what_git_lists(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[str, str], marks: list[str]
) -> None:
    repository = Repository.create(tmp_path_factory.getbasetemp() / "listed")
    put(repository, entries)
    for path, mark in zip(NAMES, marks, strict=True):
        if mark and path in entries:
            repository.git("update-index", mark, "--", path)
    assert read(repository) == by_git(repository)


@pytest.fixture
def marked(repository: Repository) -> Repository:
    """Two files of which git passes over one."""
    for name in ("seen", "hidden", "sub/seen"):
        repository.write(name, name)
    repository.commit()
    repository.git("update-index", "--assume-unchanged", "hidden")
    return repository


def told(repository: Repository) -> list[str] | None:
    found = read(repository)
    return None if found is None else [entry.path for entry in found]


def test_a_path_longer_than_its_field_can_tell_is_read(repository: Repository) -> None:
    long = "/".join(["x" * 200] * 21)
    put(repository, {long: "160000", "last": "160000", "zz/" + long: "100644"})
    assert read(repository) == by_git(repository)
    assert told(repository) == ["last", long]


def test_an_entry_that_is_only_meant_to_be_added_is_not_hidden(marked: Repository) -> None:
    marked.write("meant", "x")
    marked.git("add", "--intent-to-add", "meant")
    assert told(marked) == ["hidden"]


def test_a_conflict_is_passed_over_as_git_does(marked: Repository) -> None:
    marked.git(
        "update-index", "-z", "--index-info", stdin=f"100644 {OBJECT} 1\tseen\0100644 {OBJECT} 2\tseen\0".encode()
    )
    assert read(marked) == by_git(marked)


def test_extensions_that_alter_nothing_are_passed_over(marked: Repository) -> None:
    marked.git("update-index", "--untracked-cache")
    marked.git("-c", "index.threads=4", "status")
    assert told(marked) == ["hidden"]


@pytest.mark.parametrize(
    "words",
    [("update-index", "--index-version", "4"), ("update-index", "--split-index")],
)
def test_git_is_asked_about_an_index_of_another_kind(marked: Repository, words: tuple[str, ...]) -> None:
    marked.git(*words)
    assert told(marked) is None
    marked.write("hidden", "edited")
    assert [change.path for change in inspect(marked.path).changes] == ["hidden"]


def test_git_is_asked_about_a_linked_work_tree(marked: Repository, tmp_path: Path) -> None:
    marked.git("worktree", "add", "-q", str(tmp_path / "linked"))
    assert special_entries(tmp_path / "linked", 20) is None


def test_longer_hashes_are_read(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--object-format=sha256", tmp_path], check=True)
    repository = Repository(tmp_path)
    repository.write("hidden", "x")
    repository.git("add", "hidden")
    repository.git("update-index", "--assume-unchanged", "hidden")
    assert read(repository, 32) == by_git(repository)
    repository.write("hidden", "edited")
    assert {change.path for change in inspect(tmp_path).changes} == {"hidden"}


def test_a_repository_without_index_has_no_entries(repository: Repository) -> None:
    assert special_entries(repository.path, 20) == ()
    assert special_entries(repository.path / "elsewhere", 20) is None


DAMAGE: list[Callable[[bytes], bytes]] = [
    lambda data: data[:70],
    lambda data: b"XIRC" + data[4:],
    lambda data: data[:8] + b"\0\0\xff\xff" + data[12:],
    lambda data: b"",
    lambda data: data[:-20] + b"junk" + data[-20:],
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_index_is_left_to_git(marked: Repository, damage: Callable[[bytes], bytes]) -> None:
    index = marked.path / ".git" / "index"
    index.write_bytes(damage(index.read_bytes()))
    assert special_entries(marked.path, 20) is None


def test_what_is_remembered_is_of_these_bytes_alone(marked: Repository) -> None:
    index = marked.path / ".git" / "index"
    assert told(marked) == ["hidden"]
    times = index.stat()
    marked.git("update-index", "--no-assume-unchanged", "hidden")
    marked.git("update-index", "--assume-unchanged", "seen")
    os.utime(index, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert index.stat().st_size == times.st_size
    assert told(marked) == ["seen"]


def test_nothing_is_remembered_of_an_index_without_checksum(marked: Repository) -> None:
    index = marked.path / ".git" / "index"
    data = index.read_bytes()
    index.write_bytes(data[:-20] + bytes(20))
    assert told(marked) == ["hidden"]
    marked.git("update-index", "--no-assume-unchanged", "hidden")
    index.write_bytes(index.read_bytes()[:-20] + bytes(20))
    assert told(marked) == []
