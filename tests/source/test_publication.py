"""Whether the remote still has a commit that the repository believes to be there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from projrun.core.report import Silent
from projrun.core.values import replace
from projrun.source.address import parse
from projrun.source.inspect import inspect
from projrun.source.model import Origin, Resolution, Source
from projrun.source.publication import Publication, published
from tests.git_servers import HttpServer, http_server
from tests.repositories import Repository
from tests.source.trees import everything

pytestmark = pytest.mark.slow


@pytest.fixture
def bare(repository: Repository, tmp_path: Path) -> Path:
    """A remote with two commits on main."""
    for number in range(2):
        repository.write("a.txt", f"{number}\n")
        repository.commit()
    path = tmp_path / "served/project.git"
    repository.push_to(path)
    return path


@pytest.fixture(params=["file", "http-v0"])
def source(request: pytest.FixtureRequest, bare: Path, repository: Repository) -> Iterator[Source]:
    """The repository with its remote, which gives out any commit or only those that refs lead to."""
    if request.param == "file":
        yield inspect(repository.path)
    else:
        with http_server(bare.parent, exact_commits=False) as server:
            repository.git("remote", "set-url", "origin", f"{server.url}/{bare.name}")
            yield inspect(repository.path)


@pytest.fixture
def colleague(bare: Path, tmp_path: Path) -> Repository:
    """Somebody else's clone."""
    subprocess.run(["git", "clone", "-q", f"file://{bare}", str(tmp_path / "colleague")], check=True)
    clone = Repository(tmp_path / "colleague")
    clone.git("config", "user.name", "Other")
    clone.git("config", "user.email", "other@example.invalid")
    return clone


def ask(source: Source, tmp_path: Path, *, offline: bool = False) -> Publication:
    return published(source, Silent(), cache=tmp_path / "cache", offline=offline)


@pytest.fixture(params=[True, False], ids=["forgotten", "still given out"])
def forgets(request: pytest.FixtureRequest) -> bool:
    """Whether the server does its housekeeping at once."""
    return bool(request.param)


def forget(bare: Path) -> None:
    """What no ref leads to is gone from the remote, as a server's housekeeping has it some day."""
    Repository(bare).git("reflog", "expire", "--expire=now", "--all")
    Repository(bare).git("gc", "-q", "--prune=now")


def test_a_commit_that_a_branch_or_tag_leads_to_is_there(
    source: Source, repository: Repository, tmp_path: Path
) -> None:
    before = everything(repository.path)
    assert source.remote is not None
    assert ask(source, tmp_path) == Publication(True, source.remote)
    older = replace(source, commit=repository.git("rev-parse", "HEAD~1"))
    assert ask(older, tmp_path) == Publication(True, source.remote)
    assert everything(repository.path) == before
    assert not list((tmp_path / "cache/mirrors").glob("*.git/objects/pack/*.pack"))  # the list of refs is enough


def test_a_branch_that_others_went_on_with_still_has_it(
    source: Source, colleague: Repository, tmp_path: Path
) -> None:
    colleague.commit("later")
    colleague.git("push", "-q")
    for _ in range(2):  # the mirror has it by the second time
        assert ask(source, tmp_path).held is True


def test_a_deleted_branch_has_it_no_more(
    source: Source, bare: Path, repository: Repository, colleague: Repository, tmp_path: Path, forgets: bool
) -> None:
    repository.git("checkout", "-q", "-b", "side")
    repository.write("a.txt", "side\n")
    repository.commit()
    repository.git("push", "-q", f"file://{bare}", "side")
    repository.git("update-ref", "refs/remotes/origin/side", "side")
    side = inspect(repository.path)
    assert side.remote_branch == "origin/side"
    assert ask(side, tmp_path).held is True
    colleague.git("push", "-q", "origin", ":side")
    if forgets:
        forget(bare)
    assert inspect(repository.path).pushed  # as far as the repository knows
    for _ in range(2):
        answer = ask(side, tmp_path)
        assert (answer.held, answer.why) == (False, "its branch side is not there any more")


def test_a_rewritten_branch_has_it_no_more_though_the_mirror_has(
    source: Source, bare: Path, colleague: Repository, tmp_path: Path, forgets: bool
) -> None:
    colleague.commit("later")
    colleague.git("push", "-q")
    assert ask(source, tmp_path).held is True
    colleague.git("reset", "-q", "--hard", "HEAD~2")
    rewritten = colleague.commit("instead")
    colleague.git("push", "-q", "-f")
    if forgets:
        forget(bare)
    for _ in range(2):
        answer = ask(source, tmp_path)
        assert (answer.held, answer.why) == (
            False,
            f"its branch main was rewritten, and is at {rewritten[:10]} now",
        )


def test_a_remote_that_cannot_be_asked_is_no_answer(
    bare: Path, repository: Repository, colleague: Repository, tmp_path: Path
) -> None:
    with http_server(bare.parent) as server:
        repository.git("remote", "set-url", "origin", f"{server.url}/{bare.name}")
        source = inspect(repository.path)
        offline = ask(source, tmp_path, offline=True)
        assert (offline.held, offline.why) == (None, "--offline was asked for")
        assert server.requests == []
    answer = ask(source, tmp_path)
    assert answer.held is None
    assert "cannot be reached" in answer.why


def test_a_repository_that_is_gone_is_no_answer(repository: Repository, bare: Path, tmp_path: Path) -> None:
    source = inspect(repository.path)
    own = Origin(Resolution("HEAD", "default", source.commit or ""), None, str(tmp_path / "gone"), "")
    answer = ask(replace(source, opened=None, origin=own), tmp_path)
    assert (answer.held, answer.where) == (None, f"file://{bare}")
    assert "is not a directory" in answer.why


def test_without_a_remote_or_with_one_that_is_never_asked_it_is_not_there(
    bare: Path, repository: Repository, tmp_path: Path
) -> None:
    repository.git("remote", "set-url", "origin", "ext::touch sprung")
    refused = Publication(None, "ext::touch sprung", "projrun asks no remote at such an address")
    assert ask(inspect(repository.path), tmp_path) == refused
    repository.git("remote", "remove", "origin")
    assert ask(inspect(repository.path), tmp_path) == Publication(
        False, "", "there is no remote that can be asked"
    )


@pytest.fixture
def private(bare: Path) -> Iterator[HttpServer]:
    with http_server(bare.parent, login=("me", "S3CRET")) as server:
        yield server


def test_the_password_of_a_remote_is_used_and_not_told(
    private: HttpServer, bare: Path, repository: Repository, tmp_path: Path
) -> None:
    repository.git("remote", "set-url", "origin", private.url.replace("//", "//me:S3CRET@") + "/project.git")
    answer = ask(inspect(repository.path), tmp_path)
    assert answer == Publication(True, f"{private.url}/project.git")


def test_a_private_checkout_is_asked_about_where_it_came_from(
    private: HttpServer, bare: Path, repository: Repository, tmp_path: Path
) -> None:
    source = inspect(repository.path)
    resolution = Resolution("main", "branch", source.commit or "", "main")
    own = Origin(resolution, None, str(repository.path), str(repository.path))
    assert ask(replace(source, opened=None, origin=own), tmp_path) == Publication(True, f"file://{bare}")
    clear = f"{private.url}/project.git"
    fetched = replace(source, opened=None, remote=clear, origin=Origin(resolution, clear, clear, clear))
    assert ask(fetched, tmp_path).held is None
    address = parse(clear.replace("//", "//me:S3CRET@"))
    answer = published(fetched, Silent(), cache=tmp_path / "cache", address=address)
    assert answer == Publication(True, clear)
