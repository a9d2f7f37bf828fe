"""A private checkout: the files git itself would write, in a place of its own, with nothing else touched."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from projrun.core.errors import SourceError
from projrun.core.report import Silent
from projrun.source import written
from projrun.source.address import parse
from projrun.source.checkout import checkout, discard
from projrun.source.inspect import inspect
from projrun.source.mirror import open_mirror
from projrun.source.model import Address, Submodule
from projrun.source.resolving import resolve
from projrun.source.snapshot import snapshot
from projrun.source.submodules import resolved
from tests.repositories import Repository
from tests.source.checkouts import at, check_out, git, git_directory, needs_lfs, pointer_to, with_submodule
from tests.source.trees import contents, everything

pytestmark = pytest.mark.slow


def varied(repository: Repository) -> None:
    repository.write(
        ".gitattributes", "*.crlf text eol=crlf\n*.bin binary\n*.c ident\n*.u16 working-tree-encoding=UTF-16LE\n"
    )
    repository.write("lines.crlf", "one\r\ntwo\r\n")
    repository.write("mixed.txt", b"one\r\ntwo\nno newline")
    repository.write("a.bin", bytes(range(256)) * 10)
    repository.write("a.c", "$Id$\n")
    repository.write("text.u16", "täxt\n".encode("utf-16-le"))
    repository.write("empty", "")
    repository.write("deep/er/and/deeper/file", "x")
    repository.write("sub/.gitattributes", "*.crlf -text\n")
    repository.write("sub/raw.crlf", b"one\ntwo\r\n")
    repository.write("-rf", "a name")
    repository.write("new\nline\x01", "a name")
    Path(os.fsdecode(os.fsencode(repository.path) + b"/\xff\xfe")).write_text("a name")
    repository.write("run.sh", "#!/bin/sh\n").chmod(0o755)
    (repository.path / "deep/link").symlink_to("../empty")
    (repository.path / "dangling").symlink_to("not/there")
    (repository.path / "loop").symlink_to("loop")


def modes(root: Path) -> dict[bytes, int]:
    found = {}
    for directory, directories, files in os.walk(os.fsencode(root)):
        if b".git" in directories:
            directories.remove(b".git")
        for name in (*directories, *files):
            path = directory + b"/" + name
            if name != b".git":  # a file in a submodule that git itself cloned
                found[os.path.relpath(path, os.fsencode(root))] = stat.S_IMODE(os.lstat(path).st_mode)
    return found


def test_the_files_are_those_of_clone_and_checkout(repository: Repository, tmp_path: Path) -> None:
    varied(repository)
    commit = repository.commit()
    repository.write("empty", "later")
    repository.commit()
    git(tmp_path, "clone", "-q", str(repository.path), "clone")
    git(tmp_path / "clone", "checkout", "-q", "--detach", commit)
    assert check_out(repository, commit, tmp_path / "run") == ()
    assert contents(tmp_path / "run") == contents(tmp_path / "clone")
    assert modes(tmp_path / "run") == modes(tmp_path / "clone")
    assert len(contents(tmp_path / "run")) == 17


def test_it_is_a_work_tree_of_its_own(repository: Repository, tmp_path: Path) -> None:
    varied(repository)
    repository.commit()
    repository.git("tag", "-a", "v1.0", "-m", "a release")
    repository.git("tag", "light")
    repository.git("tag", "odd\u2028name")
    repository.write("empty", "more")
    commit = repository.commit()
    repository.write("empty", "later")
    repository.commit()
    repository.git("tag", "later")
    check_out(repository, commit, tmp_path / "run")
    assert git(tmp_path / "run", "rev-parse", "HEAD") == commit
    assert git(tmp_path / "run", "rev-parse", "--show-toplevel") == str(tmp_path / "run")
    assert git(tmp_path / "run", "status", "--porcelain") == ""
    assert git(tmp_path / "run", "describe") == f"v1.0-1-g{commit[:7]}"
    assert git(tmp_path / "run", "-c", "core.quotePath=false", "tag") == "light\nodd\u2028name\nv1.0"
    assert subprocess.run(["git", "symbolic-ref", "-q", "HEAD"], cwd=tmp_path / "run", check=False).returncode == 1


def test_only_the_user_may_enter(repository: Repository, tmp_path: Path) -> None:
    check_out(repository, repository.commit(), tmp_path / "cache/runs/run")
    assert stat.S_IMODE((tmp_path / "cache/runs/run").stat().st_mode) == 0o700


def test_the_repository_and_everything_around_stays_as_it_was(repository: Repository, tmp_path: Path) -> None:
    varied(repository)
    commit = repository.commit()
    repository.write("untracked", "mine")
    repository.write("empty", "edited")
    before = everything(repository.path)
    check_out(repository, commit, tmp_path / "around/run")
    discard(tmp_path / "around/run")
    assert everything(repository.path) == before
    assert list((tmp_path / "around").iterdir()) == []


def test_the_users_settings_change_nothing(
    repository: Repository, tmp_path: Path, hostile_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write("a.txt", "one\ntwo\n")
    commit = repository.commit()
    (hostile_environment / ".gitconfig").write_text(
        "[core]\nautocrlf = true\neol = crlf\nsymlinks = false\nattributesFile = ~/attributes\n"
    )
    (hostile_environment / "attributes").write_text("*.txt eol=crlf\n")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    check_out(repository, commit, tmp_path / "run")
    assert (tmp_path / "run/a.txt").read_bytes() == b"one\ntwo\n"
    assert not (tmp_path / "index").exists()


def test_many_at_once_do_not_collide(repository: Repository, tmp_path: Path) -> None:
    commits = []
    for number in range(4):
        repository.write("a.txt", str(number))
        commits.append(repository.commit())
    failures: list[BaseException] = []

    def one(number: int) -> None:
        try:
            check_out(repository, commits[number % 4], tmp_path / f"run{number}")
        except BaseException as error:  # told in the main thread
            failures.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for number in range(8):
        assert (tmp_path / f"run{number}/a.txt").read_text() == str(number % 4)


def test_a_linked_work_tree_lends_its_objects(repository: Repository, tmp_path: Path) -> None:
    repository.write("a.txt", "x")
    commit = repository.commit()
    repository.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "linked"))
    held = Path(git(tmp_path / "linked", "rev-parse", "--absolute-git-dir"))
    checkout(
        held, commit, tmp_path / "run", fetch_submodule=git_directory, base=at(repository.path), report=Silent()
    )
    assert (tmp_path / "run/a.txt").read_text() == "x"


def test_a_shallow_repository_will_do(repository: Repository, tmp_path: Path) -> None:
    repository.commit()
    repository.write("a.txt", "x")
    commit = repository.commit()
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repository.path}", "shallow")
    check_out(Repository(tmp_path / "shallow"), commit, tmp_path / "run")
    assert git(tmp_path / "run", "rev-list", "HEAD") == commit


def test_a_directory_with_a_newline_in_its_name_will_do(tmp_path: Path) -> None:
    odd = Repository.create(tmp_path / 'new\nline "quoted"')
    odd.write("a.txt", "x")
    check_out(odd, odd.commit(), tmp_path / "run\nhere")
    assert (tmp_path / "run\nhere/a.txt").read_text() == "x"


def test_a_snapshot_comes_back_byte_for_byte(repository: Repository, tmp_path: Path) -> None:
    repository.write(
        ".gitattributes", "*.crlf text eol=crlf\n*.c ident\n*.u16 working-tree-encoding=UTF-16\n*.lfs filter=lfs\n"
    )
    repository.commit()
    repository.write("a.crlf", b"one\ntwo\n")
    repository.write("a.c", "$Id: mine $\n")
    repository.write("a.u16", b"not UTF-16")
    repository.write("a.lfs", pointer_to(b"content"))
    source = snapshot(inspect(repository.path), tmp_path / "store/sources.git", limit=1000)
    assert source.snapshot is not None
    checkout(
        tmp_path / "store/sources.git",
        source.snapshot,
        tmp_path / "run",
        fetch_submodule=git_directory,
        base=at(repository.path),
        report=Silent(),
    )
    assert contents(tmp_path / "run") == contents(repository.path)


@pytest.mark.parametrize("commit", ["HEAD", "main", "0" * 39, "", "-h" * 20])
def test_only_a_full_commit_is_taken(repository: Repository, tmp_path: Path, commit: str) -> None:
    repository.commit()
    with pytest.raises(SourceError, match="not the full name"):
        check_out(repository, commit, tmp_path / "run")


def test_a_commit_that_is_not_there_is_an_error(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit()
    tree = repository.git("rev-parse", f"{commit}^{{tree}}")
    for name in ("0" * 40, tree):
        with pytest.raises(SourceError, match="is not there"):
            check_out(repository, name, tmp_path / "run")
        assert not (tmp_path / "run").exists()


def test_what_is_no_repository_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not a git repository"):
        check_out(Repository(tmp_path / "nothing"), "0" * 40, tmp_path / "run")


@pytest.mark.parametrize("name", ["a.txt", ".gitattributes"])
def test_a_missing_file_is_an_error_and_leaves_nothing(repository: Repository, tmp_path: Path, name: str) -> None:
    repository.write(name, "*.txt filter=lfs\n")
    repository.write("b.txt", "x")
    commit = repository.commit()
    blob = repository.git("rev-parse", f"HEAD:{name}")
    (repository.path / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(SourceError, match="cannot be checked out") as caught:
        check_out(repository, commit, tmp_path / "run")
    assert name in caught.value.why or blob in caught.value.why
    assert not (tmp_path / "run").exists()


def test_a_place_that_is_taken_is_left_alone(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit()
    (tmp_path / "run").mkdir()
    (tmp_path / "run/mine").write_text("mine")
    with pytest.raises(SourceError, match="cannot be made"):
        check_out(repository, commit, tmp_path / "run")
    assert (tmp_path / "run/mine").read_text() == "mine"


def test_discarding_removes_what_is_read_only_and_follows_no_link(repository: Repository, tmp_path: Path) -> None:
    repository.write("data/file", "x")
    check_out(repository, repository.commit(), tmp_path / "run")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/mine").write_text("mine")
    (tmp_path / "run/data/away").symlink_to(tmp_path / "outside")
    (tmp_path / "run/data/file").chmod(0o400)
    (tmp_path / "run/data").chmod(0o000)
    (tmp_path / "run").chmod(0o500)
    before = everything(tmp_path / "outside")
    discard(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert everything(tmp_path / "outside") == before
    discard(tmp_path / "run")


def test_a_link_in_the_place_of_a_checkout_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("mine")
    (tmp_path / "run").symlink_to("mine")
    with pytest.raises(SourceError, match="cannot be removed"):
        discard(tmp_path / "run")
    assert (tmp_path / "mine/file").read_text() == "mine"


def test_a_repository_with_longer_hashes_will_do(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--object-format=sha256", "project")
    repository = Repository.create(tmp_path / "project")
    repository.write("a.txt", "x")
    commit = repository.commit()
    assert len(commit) == 64
    check_out(repository, commit, tmp_path / "run")
    assert git(tmp_path / "run", "rev-parse", "HEAD") == commit
    assert (tmp_path / "run/a.txt").read_text() == "x"


def test_two_names_for_one_file_are_told(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("x")
    (tmp_path / "other").write_text("x")
    written.check_distinct(tmp_path, ["README", "other"])
    (tmp_path / "readme").hardlink_to(tmp_path / "README")  # what a file system that ignores case gives
    with pytest.raises(SourceError, match="README and readme are one file"):
        written.check_distinct(tmp_path, ["README", "other", "readme"])


# Submodules


def test_submodules_come_along_to_the_deepest(tmp_path: Path) -> None:
    outer, commit = with_submodule(tmp_path)
    found = check_out(outer, commit, tmp_path / "run")
    assert found == (
        Submodule("libs/inner", git(tmp_path / "inner", "rev-parse", "HEAD"), dirty=False),
        Submodule("libs/inner/deep", git(tmp_path / "innermost", "rev-parse", "HEAD"), dirty=False),
    )
    git(tmp_path, "clone", "-q", "--recursive", str(outer.path), "clone")
    assert contents(tmp_path / "run") == contents(tmp_path / "clone")
    assert modes(tmp_path / "run") == modes(tmp_path / "clone")
    assert git(tmp_path / "run", "status", "--porcelain") == ""
    assert git(tmp_path / "run/libs/inner/deep", "rev-parse", "HEAD") == found[1].commit


@pytest.mark.parametrize(
    ("url", "base", "whole"),
    [
        ("../b", "https://host/org/a.git", "https://host/org/b"),
        ("./b", "https://host/org/a.git/", "https://host/org/a.git/b"),
        ("../../x/b.git", "git@host:org/a.git", "git@host:x/b.git"),
        ("../b.git", "git@host:a.git", "git@host:b.git"),
        ("../b/", "/srv/a", "/srv/b"),
        ("../.././b", "ssh://git@host:22/org/a", "ssh://git@host:22/b"),
        ("ssh://other/b", "https://host/a", "ssh://other/b"),
    ],
)
def test_a_relative_address_is_resolved_as_git_does(url: str, base: str, whole: str) -> None:
    assert resolved(url, base) == whole


def test_a_mirror_lends_its_objects_and_those_of_submodules(tmp_path: Path) -> None:
    outer, commit = with_submodule(tmp_path)
    outer.git("tag", "v1")
    for name in ("outer", "inner", "innermost"):
        Repository(tmp_path / name).push_to(tmp_path / f"remote/{name}")
    outer.git("push", "-q", "origin", "v1")

    def mirrored(address: Address, ref: str) -> Path:
        mirror = open_mirror(address, tmp_path / "cache", Silent())
        resolve(mirror, ref, report=Silent())
        return mirror.path

    base = parse(f"file://{tmp_path}/remote/outer")
    found = checkout(
        mirrored(base, "v1"),
        commit,
        tmp_path / "run",
        fetch_submodule=mirrored,
        base=base,
        report=Silent(),
    )
    assert [submodule.path for submodule in found] == ["libs/inner", "libs/inner/deep"]
    assert (tmp_path / "run/libs/inner/deep/bottom.txt").read_text() == "bottom"
    assert git(tmp_path / "run", "describe", "--always", "--tags") in ("v1", commit[:7])


def test_a_secret_goes_to_its_own_server_only(tmp_path: Path) -> None:
    inner = Repository.create(tmp_path / "inner")
    inner.write("inner.txt", "inner")
    inner.commit()
    outer = Repository.create(tmp_path / "outer")
    urls = {"a": "../inner.git", "b": "https://host.invalid/x.git", "c": "https://other.invalid/x.git"}
    urls["d"] = "../../../other.invalid/x.git"
    for path, url in urls.items():
        outer.git("submodule", "add", "-q", str(inner.path), path)
        outer.git("config", "-f", ".gitmodules", f"submodule.{path}.url", url)
    commit = outer.commit()
    asked: list[Address] = []

    def fetch(address: Address, commit: str) -> Path:
        asked.append(address)
        return inner.path / ".git"

    url = "https://host.invalid/org/outer.git"
    base = Address("https", url, url, username="me", password="secret")
    checkout(outer.path / ".git", commit, tmp_path / "run", fetch_submodule=fetch, base=base, report=Silent())
    assert [(address.url, address.password) for address in asked] == [
        ("https://host.invalid/org/inner.git", "secret"),
        ("https://host.invalid/x.git", "secret"),
        ("https://other.invalid/x.git", None),
        ("https://other.invalid/x.git", None),
    ]


def test_a_submodule_that_git_leaves_out_stays_out(tmp_path: Path) -> None:
    outer, _ = with_submodule(tmp_path)
    outer.git("config", "-f", ".gitmodules", "submodule.a.b c.update", "none")
    assert check_out(outer, outer.commit(), tmp_path / "run") == ()
    assert list((tmp_path / "run/libs/inner").iterdir()) == []


@pytest.mark.parametrize("left", ["", '[submodule "x"]\npath = libs/inner\n', '[submodule "x"]\nurl = ../inner\n'])
def test_a_submodule_without_an_address_is_an_error(tmp_path: Path, left: str) -> None:
    outer, _ = with_submodule(tmp_path)
    outer.write(".gitmodules", left)
    with pytest.raises(SourceError, match="submodule libs/inner cannot") as caught:
        check_out(outer, outer.commit(), tmp_path / "run")
    assert ".gitmodules has no" in caught.value.why
    assert not (tmp_path / "run").exists()


def test_a_gitmodules_that_is_none_is_an_error(tmp_path: Path) -> None:
    outer, _ = with_submodule(tmp_path)
    outer.write(".gitmodules", "[submodule")
    outer.git("update-index", "--add", ".gitmodules")
    outer.git("commit", "-q", "-m", "broken")
    with pytest.raises(SourceError, match=r"\.gitmodules cannot be read"):
        check_out(outer, outer.git("rev-parse", "HEAD"), tmp_path / "run")


# Git LFS


def with_lfs(tmp_path: Path) -> tuple[Repository, str]:
    """A repository with ``*.big`` in Git LFS, pushed with its content to ``remote.git``."""
    repository = Repository.create(tmp_path / "project")
    repository.git("lfs", "install", "--local")
    repository.git("config", "lfs.allowIncompletePush", "true")
    repository.write(".gitattributes", "*.big filter=lfs diff=lfs merge=lfs -text\n")
    repository.write("a.big", b"\0content\r\n" * 1000)
    repository.write("data/b c.big", b"more")
    repository.write("empty.big", b"")
    repository.write("pointer.txt", pointer_to(b"nobody has this"))
    commit = repository.commit()
    repository.push_to(tmp_path / "remote.git")
    assert repository.git("show", "HEAD:a.big").startswith("version https://git-lfs")
    return repository, commit


def from_remote(tmp_path: Path, commit: str, *, offline: bool = False) -> None:
    url = f"file://{tmp_path}/remote.git"
    checkout(
        tmp_path / "mirror.git",
        commit,
        tmp_path / "run",
        fetch_submodule=git_directory,
        base=Address("file", url, url),
        report=Silent(),
        offline=offline,
    )


@needs_lfs
def test_files_of_git_lfs_have_their_content(tmp_path: Path) -> None:
    repository, commit = with_lfs(tmp_path)
    git(tmp_path, "clone", "-q", "--mirror", str(tmp_path / "remote.git"), "mirror.git")
    before = contents(tmp_path / "remote.git")
    from_remote(tmp_path, commit)
    assert contents(tmp_path / "run") == contents(repository.path)
    assert git(tmp_path / "run", "status", "--porcelain") == ""
    assert contents(tmp_path / "remote.git") == before


@needs_lfs
def test_the_mirror_keeps_content_for_the_next_run(tmp_path: Path) -> None:
    repository, commit = with_lfs(tmp_path)
    mirror = tmp_path / "mirrors/mirror.git"
    mirror.parent.mkdir()
    git(mirror.parent, "clone", "-q", "--mirror", str(tmp_path / "remote.git"), "mirror.git")
    repository.git(
        "config", "--global", f"url.file://{tmp_path}/remote.git.insteadOf", "https://host.invalid/x.git"
    )
    url = "https://host.invalid/x.git"
    base = Address("https", url, url)

    def one(name: str, offline: bool) -> None:
        place = tmp_path / name
        checkout(mirror, commit, place, fetch_submodule=git_directory, base=base, report=Silent(), offline=offline)
        assert contents(place) == contents(repository.path)

    one("first", offline=False)
    one("second", offline=True)


@needs_lfs
def test_content_that_the_repository_has_is_not_fetched(tmp_path: Path) -> None:
    repository, commit = with_lfs(tmp_path)
    away = at(tmp_path / "gone")
    checkout(
        repository.path / ".git",
        commit,
        tmp_path / "run",
        fetch_submodule=git_directory,
        base=away,
        report=Silent(),
        offline=True,
    )
    assert contents(tmp_path / "run") == contents(repository.path)


@needs_lfs
def test_a_linked_work_tree_lends_the_content_that_its_repository_has(tmp_path: Path) -> None:
    repository, commit = with_lfs(tmp_path)
    repository.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    held = Path(git(tmp_path / "linked", "rev-parse", "--absolute-git-dir"))
    checkout(
        held,
        commit,
        tmp_path / "run",
        fetch_submodule=git_directory,
        base=at(tmp_path / "gone"),
        report=Silent(),
        offline=True,
    )
    assert contents(tmp_path / "run") == contents(repository.path)


@needs_lfs
def test_content_of_git_lfs_that_nobody_has_is_an_error(tmp_path: Path) -> None:
    repository, _ = with_lfs(tmp_path)
    lost = next((tmp_path / "remote.git/lfs/objects").rglob(hashlib.sha256(b"more").hexdigest()))
    lost.unlink()
    git(tmp_path, "clone", "-q", "--mirror", str(tmp_path / "remote.git"), "mirror.git")
    with pytest.raises(SourceError, match=r"content of data/b c\.big, kept in Git LFS"):
        from_remote(tmp_path, repository.git("rev-parse", "HEAD"))
    assert not (tmp_path / "run").exists()


@needs_lfs
def test_damaged_content_of_git_lfs_is_never_used(tmp_path: Path) -> None:
    _, commit = with_lfs(tmp_path)
    held = next((tmp_path / "remote.git/lfs/objects").rglob(hashlib.sha256(b"more").hexdigest()))
    held.chmod(0o644)
    held.write_bytes(b"less")
    git(tmp_path, "clone", "-q", "--mirror", str(tmp_path / "remote.git"), "mirror.git")
    with pytest.raises(SourceError, match="Git LFS"):
        from_remote(tmp_path, commit)
    assert not (tmp_path / "run").exists()


@needs_lfs
def test_offline_fetches_no_content(tmp_path: Path) -> None:
    _, commit = with_lfs(tmp_path)
    git(tmp_path, "clone", "-q", "--mirror", str(tmp_path / "remote.git"), "mirror.git")
    with pytest.raises(SourceError, match="kept in Git LFS") as caught:
        from_remote(tmp_path, commit, offline=True)
    assert "--offline" in caught.value.why


def test_without_git_lfs_a_pointer_is_an_error_and_no_file(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write(".gitattributes", "data/** filter=lfs\n")
    repository.write("data/a.big", pointer_to(b"content"))
    repository.write("pointer.txt", pointer_to(b"content"))
    repository.write("data/text", "not a pointer")
    commit = repository.commit()
    only_git = tmp_path / "bin"
    only_git.mkdir()
    program = only_git / "git"
    program.write_text(
        '#!/bin/sh\nfor word; do [ "$word" = lfs ] && exit 1; done\nexec /usr/bin/env PATH="$REAL" git "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("REAL", os.environ["PATH"])
    monkeypatch.setenv("PATH", f"{only_git}:/usr/bin:/bin")
    with pytest.raises(
        SourceError, match=r"data/a\.big is kept in Git LFS, and git-lfs is not installed"
    ) as caught:
        check_out(repository, commit, tmp_path / "run")
    assert "install git-lfs" in caught.value.hint
    assert not (tmp_path / "run").exists()


def test_a_pointer_that_the_attributes_do_not_name_is_only_text(repository: Repository, tmp_path: Path) -> None:
    repository.write(".gitattributes", "*.big filter=lfs\n")
    repository.write("pointer.txt", pointer_to(b"content"))
    repository.write("text.big", "not a pointer")
    check_out(repository, repository.commit(), tmp_path / "run")
    assert contents(tmp_path / "run") == contents(repository.path)
