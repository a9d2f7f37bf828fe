"""Snapshots: what goes in comes back, byte for byte."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import socket
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projrun.core.errors import SourceError, StoreError
from projrun.core.process import Completed
from projrun.source import kept_index
from projrun.source.inspect import inspect
from projrun.source.listing import list_files
from projrun.source.restore import restore
from projrun.source.snapshot import snapshot
from projrun.source.sources_git import SourcesGit
from tests.repositories import Repository
from tests.source.trees import contents

LIMIT = 100_000_000


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    return tmp_path / "store" / "sources.git"


def captured(directory: Path, sources: Path, *, limit: int = LIMIT) -> str:
    commit = snapshot(inspect(directory), sources, limit=limit).snapshot
    assert commit is not None
    return commit


def assert_comes_back(directory: Path, sources: Path, *, without: frozenset[bytes] = frozenset()) -> str:
    commit = captured(directory, sources)
    with tempfile.TemporaryDirectory() as back:
        restore(sources, commit, Path(back))
        expected = {name: what for name, what in contents(directory).items() if name not in without}
        assert contents(Path(back)) == expected
    return commit


def stored(sources: Path, *words: str) -> str:
    done = subprocess.run(["git", f"--git-dir={sources}", *words], capture_output=True, check=True)
    return os.fsdecode(done.stdout).strip()


def test_everything_a_dirty_tree_can_hold_comes_back(
    repository: Repository, sources: Path, tmp_path: Path
) -> None:
    inner = Repository.create(tmp_path / "inner")
    inner.write("inner.txt", "committed\n")
    inner.commit()
    repository.git("config", "core.autocrlf", "true")
    repository.write(".gitattributes", "* text=auto\n*.id ident\n*.enc working-tree-encoding=UTF-16\n")
    repository.write(".gitignore", ".env\n*.log\n")
    repository.write("staged.txt", "one\n")
    repository.write("renamed.txt", "a line\n" * 20)
    repository.write("deleted.txt", "gone\n")
    repository.write("script.sh", "#!/bin/sh\n")
    repository.write("version.id", "$Id$\n")
    repository.write("tracked.log", "kept although ignored\n")
    repository.git("submodule", "add", "-q", str(inner.path), "vendor/inner")
    repository.git("add", "-f", "tracked.log")
    base = repository.commit()
    repository.write("staged.txt", "two\n")
    repository.git("add", "staged.txt")
    repository.write("staged.txt", "three\n")
    repository.write("binary", bytes(range(256)) * 500)
    repository.write("crlf.txt", b"one\r\ntwo\r\nno final newline")
    repository.write("mixed.txt", b"one\r\ntwo\n")
    repository.write("text.enc", "one".encode("utf-16"))
    repository.git("mv", "renamed.txt", "new name.txt")
    (repository.path / "deleted.txt").unlink()
    (repository.path / "script.sh").chmod(0o755)
    (repository.path / "link").symlink_to("/nowhere/at all")
    (repository.path / "link to directory").symlink_to("vendor")
    repository.write("empty", "")
    repository.write("odd\nname", "newline")
    repository.write("\udcff\udcfe", "not UTF-8")
    repository.write("vendor/inner/inner.txt", "edited\r\n")
    repository.write("vendor/inner/new.txt", "new\n")
    repository.write(".env", "SECRET=1")
    nested = Repository.create(repository.path / "nested")
    nested.write("untracked.txt", "in a nested repository\n")
    commit = assert_comes_back(repository.path, sources, without=frozenset({b".env"}))
    assert "SECRET" not in stored(sources, "grep", "-I", "-e", "SECRET", "--or", "-e", "two", commit)
    assert stored(sources, "show", "-s", "--format=%an|%cn|%P|%(trailers:only,unfold)", commit) == (
        f"projrun|projrun||Base-Commit: {base}\nBranch: main"
    )
    assert stored(sources, "for-each-ref", "--format=%(refname)") == f"refs/projrun/snapshots/{commit}"
    assert stored(sources, "fsck", "--strict", "--no-dangling") == ""


def test_the_same_files_give_the_same_commit_and_nothing_new(repository: Repository, sources: Path) -> None:
    repository.write("a.txt", "a")
    first = captured(repository.path, sources)
    objects = stored(sources, "count-objects")
    os.utime(repository.path / "a.txt")
    assert captured(repository.path, sources) == first
    assert stored(sources, "count-objects") == objects


def test_what_is_gone_or_ignored_since_the_last_snapshot_leaves_it(repository: Repository, sources: Path) -> None:
    for name in ("a", "b/c", "d", "e/f", "g"):
        repository.write(name, name)
    assert_comes_back(repository.path, sources)
    (repository.path / "a").unlink()
    (repository.path / "b/c").unlink()
    (repository.path / "b").rmdir()
    repository.write("b", "now a file")
    (repository.path / "d").unlink()
    repository.write("d/e", "now a directory")
    (repository.path / "e/f").unlink()
    (repository.path / "e").rmdir()
    (repository.path / "e").symlink_to("d")
    repository.write(".gitignore", "g\n")
    assert_comes_back(repository.path, sources, without=frozenset({b"g"}))


def test_an_edit_that_keeps_size_and_times_is_captured(repository: Repository, sources: Path) -> None:
    path = repository.write("a.txt", "one")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    first = captured(repository.path, sources)
    path.write_text("two")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert assert_comes_back(repository.path, sources) != first


@pytest.mark.parametrize("hours", [-1, 1])
def test_an_edit_is_captured_whatever_the_clock_of_the_store_says(
    repository: Repository, sources: Path, hours: int
) -> None:
    path = repository.write("a.txt", "one")
    repository.write("b.txt", "one")
    first = captured(repository.path, sources)
    for index in (sources / "indexes").iterdir():
        os.utime(index, (index.stat().st_mtime + hours * 3600,) * 2)
    known = path.stat()
    path.write_text("two")
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert assert_comes_back(repository.path, sources) != first


def test_a_file_in_the_place_of_another_and_one_with_two_names_are_captured(
    repository: Repository, sources: Path
) -> None:
    path, other = repository.write("a.txt", "one"), repository.write("b.txt", "two")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    first = captured(repository.path, sources)
    other.rename(path)
    second = assert_comes_back(repository.path, sources)
    os.link(path, repository.path / "c.txt")
    (repository.path / "c.txt").write_text("six")
    assert len({first, second, assert_comes_back(repository.path, sources)}) == 3


def test_a_dirty_tree_that_nobody_wrote_since_is_not_read_again(
    repository: Repository, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_index, "_CLOCK_TICK", 0)
    repository.write("a.txt", "one")
    first = captured(repository.path, sources)
    asked: list[tuple[str, ...]] = []
    ask = SourcesGit.ask

    def counted(store: SourcesGit, *words: str, **options: Any) -> Completed:
        asked.append(words)
        return ask(store, *words, **options)

    monkeypatch.setattr(SourcesGit, "ask", counted)
    assert captured(repository.path, sources) == first
    assert asked == []
    repository.write("b.txt", "two")
    captured(repository.path, sources)
    assert [words[0] for words in asked] == ["update-index", "write-tree", "commit-tree"]


def test_a_tracked_directory_replaced_by_a_link_is_the_link(
    repository: Repository, sources: Path, tmp_path: Path
) -> None:
    repository.write("data/secret.txt", "tracked")
    repository.commit()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.txt").write_text("not ours")
    (repository.path / "data/secret.txt").unlink()
    (repository.path / "data").rmdir()
    (repository.path / "data").symlink_to(tmp_path / "outside")
    commit = assert_comes_back(repository.path, sources)
    assert stored(sources, "ls-tree", "-r", "--name-only", commit) == "data"


def test_pipes_and_sockets_are_left_out_and_never_opened(repository: Repository, sources: Path) -> None:
    repository.write("was a file", "x")
    repository.write("kept", "x")
    repository.commit()
    (repository.path / "was a file").unlink()
    os.mkfifo(repository.path / "was a file")
    os.mkfifo(repository.path / "pipe")
    here = Path.cwd()
    os.chdir(repository.path)  # the path of a socket must be short
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket")
    finally:
        os.chdir(here)
    commit = captured(repository.path, sources)
    assert stored(sources, "ls-tree", "-r", "--name-only", commit) == "kept"


def test_a_directory_without_repository_is_captured_by_the_same_rules(tmp_path: Path, sources: Path) -> None:
    project = tmp_path / "project"
    (project / "sub").mkdir(parents=True)
    (project / ".gitignore").write_text(".env\n")
    (project / ".env").write_text("secret")
    (project / "sub/run.sh").write_text("#!/bin/sh\n")
    (project / "sub/run.sh").chmod(0o755)
    assert_comes_back(project, sources, without=frozenset({b".env"}))


def test_an_empty_directory_and_an_unborn_branch_have_snapshots(
    repository: Repository, sources: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert_comes_back(tmp_path / "empty", sources)
    assert_comes_back(repository.path, sources)
    repository.write("a", "a")
    assert_comes_back(repository.path, sources)


def test_a_conflicted_tree_is_captured_as_it_is_on_disk(repository: Repository, sources: Path) -> None:
    for branch, text in (("main", "base\n"), ("other", "theirs\n")):
        repository.write("a.txt", text)
        repository.commit(text)
        repository.git("checkout", "-q", "-b", "other") if branch == "main" else None
    repository.git("checkout", "-q", "main")
    repository.write("a.txt", "ours\n")
    repository.commit()
    subprocess.run(["git", "merge", "-q", "other"], cwd=repository.path, capture_output=True, check=False)
    assert b"<<<<<<<" in (repository.path / "a.txt").read_bytes()
    assert_comes_back(repository.path, sources)


def test_a_store_inside_the_work_tree_does_not_capture_itself(repository: Repository) -> None:
    repository.write("a.txt", "a")
    sources = repository.path / "my store" / "sources.git"
    first = captured(repository.path, sources)
    assert stored(sources, "ls-tree", "-r", "--name-only", first) == "a.txt"
    assert captured(repository.path, sources) == first


def test_too_much_untracked_content_is_refused_before_anything_is_written(
    repository: Repository, sources: Path
) -> None:
    repository.write("tracked.bin", b"t" * 2_000_000)
    repository.commit()
    repository.write("small.txt", "x" * 10)
    repository.write("big.bin", b"b" * 1_500_000)
    with pytest.raises(SourceError, match=r"1.5 MB of untracked files .* limit of 1.0 MB") as caught:
        captured(repository.path, sources, limit=1_000_000)
    assert "big.bin (1.5 MB), small.txt (10 bytes)" in caught.value.why
    assert caught.value.hint == "--snapshot-limit 2MB, or a line such as /big.bin in .gitignore"
    assert not sources.exists()
    captured(repository.path, sources, limit=2_000_000)
    assert captured(repository.path, sources, limit=1_000_000), "what is captured already is not new"
    repository.write("big.bin", b"c" * 1_500_000)
    with pytest.raises(SourceError, match="limit"):
        captured(repository.path, sources, limit=1_000_000)


def test_a_file_that_cannot_be_read_is_named(repository: Repository, sources: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root reads everything")
    repository.write("locked.txt", "x").chmod(0)
    with pytest.raises(SourceError, match=r"locked\.txt") as caught:
        captured(repository.path, sources)
    assert "Permission denied" in caught.value.why


def test_a_name_git_does_not_take_is_named(repository: Repository, sources: Path) -> None:
    repository.write("sub/.GIT/config", "x")
    with pytest.raises(SourceError, match=r"sub/\.GIT/config"):
        captured(repository.path, sources)


def test_a_store_that_cannot_be_written_is_an_error_of_the_store(repository: Repository, tmp_path: Path) -> None:
    repository.write("a", "a")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        captured(repository.path, tmp_path / "file" / "sources.git")


@pytest.mark.parametrize("damage", ["torn", "objects gone"])
def test_a_kept_index_that_is_of_no_use_is_made_afresh(repository: Repository, sources: Path, damage: str) -> None:
    repository.write("a.txt", "a")
    repository.write("b.txt", "b")
    captured(repository.path, sources)
    if damage == "torn":
        for index in (sources / "indexes").iterdir():
            index.write_bytes(index.read_bytes()[:50])
    else:
        subprocess.run(["rm", "-rf", str(sources / "objects"), str(sources / "refs")], check=True)
        (sources / "objects").mkdir()
        (sources / "refs").mkdir()
    assert_comes_back(repository.path, sources)


def test_a_file_that_git_noted_to_be_read_again_is_read_again(repository: Repository) -> None:
    repository.write("a.txt", "one")
    repository.git("add", "a.txt")
    index = repository.path / ".git/index"
    data = bytearray(index.read_bytes()[:-20])
    data[48:52] = bytes(4)  # the size of the first entry, as git writes it of a file that changed meanwhile
    index.write_bytes(data + hashlib.sha1(data, usedforsecurity=False).digest())
    kept = kept_index.read(index)
    assert kept is not None and kept.marks == {"a.txt": ()}
    work = kept_index.work(list_files(repository.path, repository=True), kept)
    assert "a.txt" in work.outdated & work.changed


def _capture(directory: Path, sources: Path) -> str:
    return captured(directory, sources)


def test_many_processes_make_the_first_snapshot_at_once(repository: Repository, sources: Path) -> None:
    for number in range(30):
        repository.write(f"{number}.txt", str(number) * 1000)
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        commits = pool.starmap(_capture, [(repository.path, sources)] * 8)
    assert len(set(commits)) == 1
    assert stored(sources, "fsck", "--strict", "--no-dangling") == ""
    assert sorted(path.name for path in sources.parent.iterdir()) == ["sources.git"]
    assert len(list((sources / "indexes").iterdir())) == 1


NAMES = (
    st.binary(min_size=1, max_size=12)
    .map(lambda raw: raw.replace(b"\0", b"0").replace(b"/", b"-"))
    .filter(lambda name: name not in (b".", b".."))
    .filter(lambda name: name.lower() not in (b".git", b".gitignore", b".gitattributes", b".gitmodules"))
)
FILES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    st.tuples(st.sampled_from(["file", "executable", "link"]), st.binary(max_size=200)),
    max_size=8,
)


def _write(root: Path, files: dict[tuple[bytes, ...], tuple[str, bytes]]) -> None:
    for parts, (kind, content) in files.items():
        path = root.joinpath(*map(os.fsdecode, parts))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "link":
                path.symlink_to(os.fsdecode(content.replace(b"\0", b"") or b"x"))
            else:
                with path.open("xb") as file:
                    file.write(content)
                path.chmod(0o755 if kind == "executable" else 0o644)
        except (FileExistsError, NotADirectoryError, FileNotFoundError):
            continue  # another file of the tree is in the way


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=FILES, in_repository=st.booleans())
def test_any_tree_comes_back(
    files: dict[tuple[bytes, ...], tuple[str, bytes]], in_repository: bool, tmp_path: Path
) -> None:
    with tempfile.TemporaryDirectory(dir=tmp_path) as made:
        project = Path(made, "project")
        project.mkdir()
        if in_repository:
            Repository.create(project)
        _write(project, files)
        assert_comes_back(project, tmp_path / "store/sources.git")


def test_restored_files_obey_the_umask(repository: Repository, sources: Path, tmp_path: Path) -> None:
    repository.write("run.sh", "x").chmod(0o755)
    commit = captured(repository.path, sources)
    before = os.umask(0o077)
    try:
        restore(sources, commit, tmp_path / "back")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "back/run.sh").stat().st_mode) == 0o700


def test_a_repository_made_by_somebody_else_converts_nothing_either(
    repository: Repository, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", "--bare", str(sources)], check=True)
    repository.write(".gitattributes", "* text=auto\n")
    repository.write("crlf.txt", b"one\r\n")
    monkeypatch.chdir(sources.parent)
    assert_comes_back(repository.path, Path("sources.git"))
