"""Restoring: exactly what was captured, to an empty place, and nowhere else."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from projrun.core.errors import SourceError, UsageError
from projrun.source.inspect import inspect
from projrun.source.restore import restore
from projrun.source.snapshot import snapshot
from tests.repositories import Repository


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """An empty sources.git."""
    path = tmp_path / "sources.git"
    subprocess.run(["git", "init", "-q", "--bare", str(path)], check=True)
    return path


def put(sources: Path, kind: str, content: bytes) -> str:
    """Writes an object of any content; git itself would refuse the ones below."""
    whole = b"%s %d\0" % (kind.encode(), len(content)) + content
    name = hashlib.sha1(whole).hexdigest()
    path = sources / "objects" / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(whole))
    return name


def put_commit(sources: Path, *entries: tuple[str, bytes, str]) -> str:
    return put(sources, "commit", f"tree {put_tree(sources, *entries)}\n\nSnapshot\n".encode())


def put_tree(sources: Path, *entries: tuple[str, bytes, str]) -> str:
    content = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(blob) for mode, name, blob in entries)
    return put(sources, "tree", content)


@pytest.mark.parametrize("name", [b"..", b".", b".git", b".GIT", b"a/b", b"/a", b""])
def test_a_name_that_leads_elsewhere_is_refused(sources: Path, tmp_path: Path, name: bytes) -> None:
    blob = put(sources, "blob", b"x")
    commit = put_commit(sources, ("100644", name, blob))
    with pytest.raises(SourceError, match="holds a file named"):
        restore(sources, commit, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_link_of_the_tree_is_never_followed(sources: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = put(sources, "blob", os.fsencode(outside))
    inner = put_tree(sources, ("100644", b"file", put(sources, "blob", b"x")))
    commit = put_commit(sources, ("120000", b"a", link), ("40000", b"a", inner))
    with pytest.raises(SourceError):
        restore(sources, commit, tmp_path / "back")
    assert list(outside.iterdir()) == []
    assert not (tmp_path / "back").exists()


def test_a_file_is_not_written_through_a_link_of_its_name(sources: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    link = put(sources, "blob", os.fsencode(target))
    commit = put_commit(sources, ("120000", b"a", link), ("100644", b"a", put(sources, "blob", b"x")))
    with pytest.raises(SourceError):
        restore(sources, commit, tmp_path / "back")
    assert target.read_text() == "mine"


def test_a_place_that_is_taken_is_left_alone(sources: Path, tmp_path: Path) -> None:
    commit = put_commit(sources, ("100644", b"a", put(sources, "blob", b"x")))
    (tmp_path / "back").mkdir()
    (tmp_path / "back/mine").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        restore(sources, commit, tmp_path / "back")
    with pytest.raises(UsageError, match="mine is a file"):
        restore(sources, commit, tmp_path / "back/mine")
    with pytest.raises(SourceError, match="cannot be written"):
        restore(sources, commit, tmp_path / "back/mine/below")
    assert (tmp_path / "back/mine").read_text() == "mine"


def test_an_empty_directory_is_filled_and_kept_after_a_failure(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "back").mkdir()
    bad = put_commit(sources, ("100644", b"a", put(sources, "blob", b"x")), ("100644", b"b", "0" * 40))
    with pytest.raises(SourceError, match="cannot be read"):
        restore(sources, bad, tmp_path / "back")
    assert list((tmp_path / "back").iterdir()) == []
    good = put_commit(sources, ("100644", b"a", put(sources, "blob", b"x")))
    restore(sources, good, tmp_path / "back")
    assert (tmp_path / "back/a").read_bytes() == b"x"


def test_a_damaged_object_is_never_restored(sources: Path, tmp_path: Path) -> None:
    blob = put(sources, "blob", b"right")
    (sources / "objects" / blob[:2] / blob[2:]).write_bytes(zlib.compress(b"blob 5\0wrong"))
    with pytest.raises(SourceError, match="cannot be read") as caught:
        restore(sources, put_commit(sources, ("100644", b"a", blob)), tmp_path / "back")
    assert blob in caught.value.why


def test_a_torn_object_is_never_restored(sources: Path, tmp_path: Path) -> None:
    blob = put(sources, "blob", os.urandom(100_000))
    path = sources / "objects" / blob[:2] / blob[2:]
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(SourceError, match="cannot be read"):
        restore(sources, put_commit(sources, ("100644", b"a", blob)), tmp_path / "back")


@pytest.mark.parametrize("commit", ["0" * 40, "HEAD", "", "main~1", "0" * 39])
def test_a_snapshot_that_is_not_there_is_an_error(sources: Path, tmp_path: Path, commit: str) -> None:
    with pytest.raises(SourceError):
        restore(sources, commit, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_store_without_snapshots_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no snapshots"):
        restore(tmp_path / "sources.git", "0" * 40, tmp_path / "back")


def test_the_callers_git_variables_do_not_lead_elsewhere(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = put_commit(sources, ("100644", b"a", put(sources, "blob", b"x")))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    restore(sources, commit, tmp_path / "back")
    assert (tmp_path / "back/a").read_bytes() == b"x"


def test_packed_snapshots_come_back(repository: Repository, tmp_path: Path) -> None:
    sources = tmp_path / "store/sources.git"
    for number in range(3):  # alike, so that packing makes deltas
        repository.write(f"{number}.txt", "a line\n" * 1000 + str(number))
    commit = snapshot(inspect(repository.path), sources, limit=1_000_000).snapshot
    assert commit is not None
    subprocess.run(["git", f"--git-dir={sources}", "gc", "-q", "--prune=now"], check=True)
    restore(sources, commit, tmp_path / "back")
    for number in range(3):
        assert (tmp_path / f"back/{number}.txt").read_text() == "a line\n" * 1000 + str(number)


@pytest.fixture
def deep_file(repository: Repository, tmp_path: Path) -> Iterator[Path]:
    """A file in a tree that is deeper than Python's own recursion, which pytest could not remove itself."""
    deep = repository.path
    for _ in range(1200):
        deep /= "d"
        deep.mkdir()
    (deep / "file").write_text("x")
    yield deep / "file"
    subprocess.run(["rm", "-rf", *tmp_path.iterdir()], check=True)


def test_a_deep_tree_comes_back(deep_file: Path, repository: Repository, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # git keeps a directory open for each level
    try:
        commit = snapshot(inspect(repository.path), tmp_path / "store/sources.git", limit=1_000_000).snapshot
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert commit is not None
    restore(tmp_path / "store/sources.git", commit, tmp_path / "back")
    assert (tmp_path / "back" / deep_file.relative_to(repository.path)).read_text() == "x"


def test_a_directory_that_git_would_leave_out_is_an_error(deep_file: Path, repository: Repository) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with pytest.raises(SourceError, match="cannot look into a directory"):
            inspect(repository.path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
