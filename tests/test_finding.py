"""Which commit a version of the user's own directory is, when not all of the repository is there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from projrun.core.errors import SourceError
from projrun.core.report import Silent
from projrun.finding import Found, find, find_head
from projrun.options import Options
from projrun.source.checkout import checkout
from projrun.source.local import module_with
from tests.git_servers import HttpServer, http_server
from tests.repositories import Repository
from tests.source.checkouts import with_submodule
from tests.source.trees import everything


@pytest.fixture
def bare(repository: Repository, tmp_path: Path) -> Path:
    """Three commits on main, a tag at the first and a branch at the second, pushed."""
    for number in range(3):
        repository.write("a.txt", f"{number}\n")
        repository.write("ProjectSpec.yaml", "version: 1\n")
        repository.commit(f"commit {number}")
    repository.push_to(tmp_path / "served/project.git")
    repository.git("tag", "v1", "HEAD~2")
    repository.git("branch", "dev", "HEAD~1")
    repository.git("push", "-q", "origin", "v1", "dev")
    Repository(tmp_path / "served/project.git").git("config", "uploadpack.allowFilter", "true")
    return tmp_path / "served/project.git"


@pytest.fixture
def server(bare: Path) -> Iterator[HttpServer]:
    with http_server(bare.parent, login=("me", "S3CRET")) as running:
        yield running


def clone(server: HttpServer, tmp_path: Path, *words: str) -> Repository:
    """A clone as the user has it, with the password in the address of its remote."""
    url = server.url.replace("//", "//me:S3CRET@") + "/project.git"
    subprocess.run(["git", "clone", "-q", *words, url, str(tmp_path / "clone")], check=True)
    return Repository(tmp_path / "clone")


def found(clone: Repository, ref: str | None, tmp_path: Path, *, offline: bool = False) -> Found:
    options = Options(str(clone.path), tmp_path / "store", tmp_path / "cache", version=ref, offline=offline)
    return find(options, Silent())


def content(found: Found, tmp_path: Path) -> str:
    """``a.txt`` of the commit, checked out from where it was found."""
    place = tmp_path / found.origin.resolution.commit
    checkout(
        found.objects,
        found.origin.resolution.commit,
        place,
        fetch_submodule=lambda *_: Path(),
        base=found.base,
        report=Silent(),
    )
    return (place / "a.txt").read_text()


SHALLOW = ("--depth=1",)
PARTIAL = ("--filter=blob:none",)


@pytest.mark.parametrize("kind", [SHALLOW, PARTIAL], ids=["shallow", "partial"])
def test_what_a_clone_lacks_comes_by_the_mirror_of_its_remote(
    kind: tuple[str, ...], server: HttpServer, repository: Repository, tmp_path: Path
) -> None:
    first, second, third = repository.git("rev-list", "--reverse", "main").split()
    mine = clone(server, tmp_path, *kind)
    before = everything(mine.path)
    expected = {
        first: ("commit", "0\n", first),
        second[:9]: ("commit", "1\n", second),
        "v1": ("tag", "0\n", first),
        "HEAD~2": ("expression", "0\n", first),
        "main~1": ("expression", "1\n", second),
        "HEAD": ("default", "2\n", third),
    }
    if kind == SHALLOW:
        expected["dev"] = ("branch", "1\n", second)
    for number, (ref, (resolved_as, text, commit)) in enumerate(expected.items()):
        one = found(mine, ref, tmp_path / str(number))
        resolution = one.origin.resolution
        assert (resolution.ref, resolution.kind, resolution.commit) == (ref, resolved_as, commit), ref
        assert content(one, tmp_path / str(number)) == text
        assert (one.origin.address, one.local) == (None, mine.path)
        assert one.remote == f"{server.url}/project.git"
        assert one.remote_branch
        assert "S3CRET" not in repr(one)
    assert everything(mine.path) == before


@pytest.mark.parametrize("kind", [SHALLOW, PARTIAL], ids=["shallow", "partial"])
def test_what_is_here_asks_nobody(kind: tuple[str, ...], server: HttpServer, tmp_path: Path) -> None:
    mine = clone(server, tmp_path, *kind)
    asked = len(server.requests)
    for ref in (None, "main", "HEAD", "origin/main"):
        assert found(mine, ref, tmp_path).mirror is None
    options = Options(str(mine.path), tmp_path / "store", tmp_path / "cache", strict=True)
    assert find_head(mine.path, options, Silent()).mirror is None
    assert len(server.requests) == asked


@pytest.mark.parametrize("kind", [SHALLOW, PARTIAL], ids=["shallow", "partial"])
def test_offline_says_what_is_missing_and_asks_nobody(
    kind: tuple[str, ...], server: HttpServer, repository: Repository, tmp_path: Path
) -> None:
    first = repository.git("rev-parse", "HEAD~2")
    mine = clone(server, tmp_path, *kind)
    before, asked = everything(mine.path), len(server.requests)
    for ref in (first, "v1", "HEAD~2"):
        with pytest.raises(SourceError) as raised:
            found(mine, ref, tmp_path, offline=True)
        assert ref in raised.value.what
        assert f"it is a {'shallow' if kind == SHALLOW else 'partial'} clone" in raised.value.why
        assert raised.value.hint == "run once without --offline"
    assert len(server.requests) == asked
    assert found(mine, first, tmp_path).origin.resolution.commit == first
    asked = len(server.requests)
    again = found(mine, first, tmp_path, offline=True)
    assert (again.origin.resolution.commit, len(server.requests)) == (first, asked)
    assert everything(mine.path) == before


def test_a_full_hash_that_only_the_remote_has_comes_and_a_name_does_not(
    server: HttpServer, repository: Repository, tmp_path: Path
) -> None:
    mine = clone(server, tmp_path)
    repository.write("a.txt", "newer\n")
    newer = repository.commit()
    repository.git("push", "-q", "origin", "HEAD", "HEAD:refs/heads/newer")
    assert content(found(mine, newer, tmp_path), tmp_path) == "newer\n"
    for ref in ("newer", newer[:9]):
        with pytest.raises(SourceError, match="has no"):
            found(mine, ref, tmp_path)
    with pytest.raises(SourceError, match="has no dev") as near:
        found(mine, "dev", tmp_path)
    assert near.value.hint == "-v origin/dev"
    with pytest.raises(SourceError, match=f"has no {'1' * 40}") as raised:
        found(mine, "1" * 40, tmp_path)
    assert f"{server.url}/project.git has no" in raised.value.why
    assert "S3CRET" not in raised.value.why


def test_a_clone_that_has_it_all_asks_nobody_how_far_its_history_goes(server: HttpServer, tmp_path: Path) -> None:
    mine = clone(server, tmp_path)
    asked = len(server.requests)
    with pytest.raises(SourceError, match="has no HEAD~99") as raised:
        found(mine, "HEAD~99", tmp_path)
    head = mine.git("rev-parse", "HEAD")
    assert raised.value.why == f"HEAD is {head[:12]}, and 3 commits are all of its history"
    assert len(server.requests) == asked


def test_a_shallow_clone_tells_in_one_sentence_how_far_its_remote_goes(server: HttpServer, tmp_path: Path) -> None:
    mine = clone(server, tmp_path, *SHALLOW)
    with pytest.raises(SourceError, match="clone has no HEAD~99") as raised:
        found(mine, "HEAD~99", tmp_path)
    head = mine.git("rev-parse", "HEAD")[:12]
    assert raised.value.why == (
        f"it is a shallow clone, and {server.url}/project.git has no HEAD~99: "
        f"HEAD is {head}, and 3 commits are all of its history"
    )


def test_without_a_remote_that_may_be_asked_only_the_own_repository_is_told_of(bare: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{bare}", str(tmp_path / "clone")], check=True)
    mine = Repository(tmp_path / "clone")
    for url in (None, "ext::sh -c 'touch sprung'"):
        if url is None:
            mine.git("remote", "remove", "origin")
        else:
            mine.git("remote", "add", "origin", url)
        with pytest.raises(SourceError, match=f"has no {'1' * 40}"):
            found(mine, "1" * 40, tmp_path)
    assert not (tmp_path / "cache/mirrors").exists()


def test_a_remote_whose_path_is_relative_starts_at_the_work_tree(
    bare: Path, repository: Repository, tmp_path: Path
) -> None:
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{bare}", str(tmp_path / "clone")], check=True)
    mine = Repository(tmp_path / "clone")
    mine.git("remote", "set-url", "origin", "../served/project.git")
    one = found(mine, "HEAD~1", tmp_path)
    assert one.remote == str(bare)
    assert content(one, tmp_path) == "1\n"
    mine.write("sub/ProjectSpec.yaml", "version: 1\n")
    assert found(Repository(mine.path / "sub"), "HEAD", tmp_path).remote == str(bare)


def test_a_submodule_that_the_main_repository_has_serves_a_linked_work_tree(tmp_path: Path) -> None:
    outer, _ = with_submodule(tmp_path)
    outer.write("ProjectSpec.yaml", "version: 1\n")
    outer.commit()
    outer.git("submodule", "update", "-q", "--init", "--recursive")
    inner = Repository(outer.path / "libs/inner").git("rev-parse", "HEAD")
    outer.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    one = found(Repository(tmp_path / "linked"), "HEAD", tmp_path)
    assert one.modules is not None
    assert module_with(one.modules, inner) == outer.path / ".git/modules/a.b c"


def test_nothing_that_the_repository_names_is_executed_on_the_way_to_its_remote(
    server: HttpServer, repository: Repository, tmp_path: Path
) -> None:
    first = repository.git("rev-parse", "HEAD~2")
    mine = clone(server, tmp_path, *PARTIAL)
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch '{tmp_path}/sprung'\n")
    trap.chmod(0o755)
    for name in ("remote.origin.uploadpack", "core.sshCommand", "core.fsmonitor", "core.alternateRefsCommand"):
        mine.git("config", name, str(trap))
    mine.git("config", "credential.helper", f"!{trap}")
    mine.git("config", "remote.origin.vcs", "ext")
    assert content(found(mine, first, tmp_path), tmp_path) == "0\n"
    mine.git("config", "url.ext::sh -c touch% sprung.insteadOf", "http://me:S3CRET@127.0.0.1")
    with pytest.raises(SourceError):
        found(mine, "1" * 40, tmp_path)
    assert not (tmp_path / "sprung").exists()
