"""A ref of any address comes to a commit that the mirror has; what cannot is told with what to try."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from projrun.core.errors import ProjrunError, SourceError, UsageError
from projrun.core.locks import exclusive
from projrun.source.address import parse
from projrun.source.mirror import Mirror, keep, open_mirror
from projrun.source.model import Resolution
from projrun.source.resolving import resolve
from tests.git_servers import HttpServer, SshServer, http_server, ssh_server
from tests.repositories import Repository

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


class Told:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.phases: list[str] = []
        self.written = b""

    def phase(self, name: str, text: str) -> None:
        self.phases.append(f"{name}: {text}")

    def write(self, stream: str, data: bytes) -> None:
        self.written += data


@pytest.fixture
def bare(repository: Repository, tmp_path: Path) -> Path:
    """A bare repository with three commits on main, a branch, and both kinds of tags."""
    for number in range(3):
        repository.write("a.txt", f"{number}\n")
        repository.commit(f"commit {number}")
    path = tmp_path / "served" / "project.git"
    path.parent.mkdir()
    repository.push_to(path)
    repository.git("tag", "plain", "HEAD~1")
    repository.git("tag", "-a", "-m", "a tag", "v1", "HEAD~2")
    repository.git("branch", "dev", "HEAD~1")
    repository.git("push", "-q", "origin", "dev", "plain", "v1")
    return path


def mirror_of(text: str, tmp_path: Path) -> Mirror:
    return open_mirror(parse(text), tmp_path / "cache", Told())


def at(mirror: Mirror, ref: str | None = None, *, offline: bool = False) -> Resolution:
    return resolve(mirror, ref, offline=offline, report=Told())


def content(mirror: Mirror, commit: str, name: str = "a.txt") -> str:
    """A file of a commit, read from the mirror alone."""
    words = ["git", "--git-dir", str(mirror.path), "cat-file", "blob", f"{commit}:{name}"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def error_of(raised: pytest.ExceptionInfo[ProjrunError]) -> str:
    return f"{raised.value.what}\n{raised.value.why}\n{raised.value.hint}"


@pytest.fixture(params=["file", "path", "http", "http-v0"])
def served(request: pytest.FixtureRequest, bare: Path) -> Iterator[str]:
    """The address of ``bare``, by every transport that needs no key."""
    if request.param == "file":
        yield f"file://{bare}"
    elif request.param == "path":
        yield str(bare)
    else:
        with http_server(bare.parent, exact_commits=request.param == "http") as server:
            yield f"{server.url}/{bare.name}"


def test_every_kind_of_ref_comes_to_its_commit(served: str, repository: Repository, tmp_path: Path) -> None:
    first, second, third = repository.git("rev-list", "--reverse", "main").split()
    expected = {
        None: Resolution(None, "default", third, "main"),
        "HEAD": Resolution("HEAD", "default", third, "main"),
        "main": Resolution("main", "branch", third, "main"),
        "refs/heads/dev": Resolution("refs/heads/dev", "branch", second, "dev"),
        "heads/dev": Resolution("heads/dev", "branch", second, "dev"),
        "plain": Resolution("plain", "tag", second),
        "v1": Resolution("v1", "tag", first),
        "v1^{commit}": Resolution("v1^{commit}", "expression", first),
        "HEAD~2": Resolution("HEAD~2", "expression", first),
        "main^": Resolution("main^", "expression", second),
        first[:8]: Resolution(first[:8], "commit", first),
        second: Resolution(second, "commit", second),
        third.upper(): Resolution(third.upper(), "commit", third),
        f"{third}~1": Resolution(f"{third}~1", "expression", second),
    }
    shared = mirror_of(served, tmp_path / "shared")
    for number, (ref, resolution) in enumerate(expected.items()):
        for mirror in (shared, mirror_of(served, tmp_path / str(number))):
            assert at(mirror, ref) == resolution
            assert content(mirror, resolution.commit) == f"{[first, second, third].index(resolution.commit)}\n"
            assert at(mirror, ref, offline=True) == resolution


def test_a_full_hash_that_is_there_needs_no_network(bare: Path, repository: Repository, tmp_path: Path) -> None:
    with http_server(bare.parent) as server:
        mirror = mirror_of(f"{server.url}/project.git", tmp_path)
        commit = at(mirror, "main").commit
        asked = len(server.requests)
        with exclusive(mirror.path.with_suffix(".lock"), holder="a test"):  # nor does it wait for a fetch
            assert at(mirror, commit).commit == commit
        assert len(server.requests) == asked
    assert at(mirror, commit).commit == commit


def test_one_commit_comes_without_its_history(bare: Path, repository: Repository, tmp_path: Path) -> None:
    mirror = mirror_of(f"file://{bare}", tmp_path)
    commit = at(mirror, repository.git("rev-parse", "HEAD~1")).commit
    walked = subprocess.run(
        ["git", "--git-dir", str(mirror.path), "rev-list", commit], check=True, capture_output=True, text=True
    )
    assert walked.stdout.split() == [commit]


def test_moved_tags_and_branches_are_seen_and_old_commits_stay(
    served: str, repository: Repository, tmp_path: Path
) -> None:
    mirror = mirror_of(served, tmp_path)
    before = {ref: at(mirror, ref).commit for ref in ("main", "v1", "dev~1")}
    repository.git("checkout", "-q", "--orphan", "other")
    repository.write("a.txt", "rewritten\n")
    after = repository.commit()
    repository.git("tag", "-f", "v1")
    repository.git("push", "-q", "-f", "origin", "other:main", "v1", ":dev")
    # A branch where a directory of branches was, and the other way round.
    repository.git("push", "-q", "origin", "other:dev/other")
    assert at(mirror, "main", offline=True).commit == before["main"]
    assert at(mirror, "main").commit == at(mirror, "v1").commit == after
    assert at(mirror, "dev/other~0").commit == after
    for commit in before.values():
        assert at(mirror, commit).commit == commit
    with pytest.raises(SourceError, match="has no dev"):
        at(mirror, "dev")


def test_a_commit_that_was_pushed_away_comes_when_the_server_has_it(
    bare: Path, repository: Repository, tmp_path: Path
) -> None:
    lost = repository.git("rev-parse", "main")
    repository.git("push", "-q", "-f", "origin", "main~1:main")
    assert at(mirror_of(f"file://{bare}", tmp_path), lost).commit == lost


def test_a_commit_on_no_branch_is_found_where_the_server_gives_out_no_hash(
    bare: Path, repository: Repository, tmp_path: Path
) -> None:
    repository.write("a.txt", "a proposal\n")
    proposal = repository.commit()
    repository.commit("later")
    repository.git("push", "-q", "origin", "HEAD:refs/pull/1/head")
    with http_server(bare.parent, exact_commits=False) as server:
        mirror = mirror_of(f"{server.url}/project.git", tmp_path)
        assert at(mirror, proposal).commit == proposal
        assert at(mirror, "refs/pull/1/head^").commit == proposal
        with pytest.raises(SourceError, match=f"has no {'1' * 40}"):
            at(mirror, "1" * 40)


def test_a_hash_behind_a_shallow_clone_comes(bare: Path, repository: Repository, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth=2", f"file://{bare}", str(shallow)], check=True)
    old, new = (repository.git("rev-parse", f"main{suffix}") for suffix in ("~2", "~1"))
    mirror = mirror_of(str(shallow), tmp_path)
    assert at(mirror, new).commit == new
    with pytest.raises(SourceError, match="has no"):
        at(mirror, old)
    with pytest.raises(SourceError, match="has no main~2"):
        at(mirror, "main~2")
    assert at(mirror_of(f"file://{bare}", tmp_path), old).commit == old


def test_an_ambiguous_name_is_refused_with_both_full_forms(
    bare: Path, repository: Repository, tmp_path: Path
) -> None:
    repository.git("tag", "dev", "main")
    repository.git("push", "-q", "origin", "refs/tags/dev")
    mirror = mirror_of(f"file://{bare}", tmp_path)
    for offline in (False, True):
        with pytest.raises(SourceError, match="dev is ambiguous") as raised:
            at(mirror, "dev", offline=offline)
        assert "refs/heads/dev" in raised.value.why
        assert "refs/tags/dev" in raised.value.why
    assert at(mirror, "refs/heads/dev").commit == repository.git("rev-parse", "main~1")
    assert at(mirror, "refs/tags/dev").commit == repository.git("rev-parse", "main")
    repository.git("push", "-q", "-f", "origin", "refs/tags/dev:refs/heads/dev")
    assert at(mirror, "dev").kind == "tag"  # the same commit: no question


def test_an_ambiguous_short_hash_lists_the_commits(bare: Path, repository: Repository, tmp_path: Path) -> None:
    tree = repository.git("rev-parse", "HEAD^{tree}")
    seen: dict[str, str] = {}
    head = repository.git("rev-parse", "HEAD")
    for number in range(5000):
        head = repository.git("commit-tree", tree, "-p", head, "-m", str(number))
        if head[:4] in seen:
            break
        seen[head[:4]] = head
    repository.git("push", "-q", "origin", f"{head}:refs/heads/long")
    with pytest.raises(SourceError, match=f"{head[:4]} is ambiguous") as raised:
        at(mirror_of(f"file://{bare}", tmp_path), head[:4])
    assert head[:16] in raised.value.why
    assert seen[head[:4]][:16] in raised.value.why


@pytest.mark.parametrize(
    ("ref", "hint"),
    [
        ("mian", "-v main"),
        ("origin/main", "-v main"),
        ("v2", "-v v1"),
        ("zzz", "-v REF"),
        ("main~9", "smaller number"),
        ("00000000", "-v REF"),
    ],
)
def test_a_missing_ref_lists_the_nearest(ref: str, hint: str, bare: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"has no {ref}") as raised:
        at(mirror_of(f"file://{bare}", tmp_path), ref)
    assert hint in raised.value.hint
    if "~" not in ref:
        assert raised.value.why.endswith("; it has dev, main, plain, v1")


def test_a_head_that_stands_for_a_missing_branch_is_told_by_its_name(bare: Path, tmp_path: Path) -> None:
    Repository(bare).git("symbolic-ref", "HEAD", "refs/heads/master")
    with pytest.raises(SourceError, match="has no HEAD") as raised:
        at(mirror_of(f"file://{bare}", tmp_path), None)
    assert raised.value.why == "its HEAD stands for master, which is not there; it has dev, main, plain, v1"
    assert raised.value.hint == "-v main"


def test_a_hash_of_three_digits_is_told_to_be_too_short(bare: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has no 853") as raised:
        at(mirror_of(f"file://{bare}", tmp_path), "853")
    assert "of a hash at least 4 digits are needed" in raised.value.why


@pytest.mark.parametrize(
    "ref",
    [
        "",
        "-x",
        "--upload-pack=touch x",
        "a b",
        "a\nb",
        "a\0b",
        "main..dev",
        "main@{1}",
        "main:a.txt",
        "main^{tree}",
        "main^{/text}",
        ":/text",
        "a*",
        "~2",
        "^main",
        "/main",
        "main/",
        "a//b",
        "a.lock",
        "+main",
    ],
)
def test_what_is_no_ref_is_refused_before_anything_is_asked(ref: str, tmp_path: Path) -> None:
    mirror = mirror_of(f"file://{tmp_path}/missing", tmp_path)
    with pytest.raises(SourceError, match="is no ref" if ref != "+main" else "no repository"):
        at(mirror, ref)


def test_what_is_no_commit_is_refused(bare: Path, repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is no commit"):
        at(mirror_of(f"file://{bare}", tmp_path), repository.git("rev-parse", "HEAD:a.txt"))


def test_an_empty_repository_says_so(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "empty.git")], check=True)
    for ref in (None, "main", "abcdef", "1" * 40):
        with pytest.raises(SourceError, match="has no commits"):
            at(mirror_of(f"file://{tmp_path}/empty.git", tmp_path), ref)


def test_a_local_work_tree_gives_its_branches_and_those_it_knows_of(
    bare: Path, repository: Repository, tmp_path: Path
) -> None:
    before = repository.git("for-each-ref"), sorted((repository.path / ".git").iterdir())
    mirror = mirror_of(str(repository.path), tmp_path)
    assert at(mirror).branch == "main"
    assert at(mirror, "origin/dev~1").commit == repository.git("rev-parse", "dev~1")
    assert (repository.git("for-each-ref"), sorted((repository.path / ".git").iterdir())) == before


def test_offline_says_what_is_missing(bare: Path, repository: Repository, tmp_path: Path) -> None:
    with http_server(bare.parent) as server:
        mirror = mirror_of(f"{server.url}/project.git", tmp_path)
        with pytest.raises(SourceError, match="was never fetched") as raised:
            at(mirror, "main", offline=True)
        assert raised.value.hint == "run once without --offline"
        with pytest.raises(SourceError, match=f"the commit {'1' * 16} of"):
            at(mirror, "1" * 40, offline=True)
        assert server.requests == []
        at(mirror, "main")
        asked = len(server.requests)
        with pytest.raises(SourceError, match=r"the commit .* is not here"):
            at(mirror, "dev", offline=True)
        with pytest.raises(SourceError, match=r"the history of .* is not here"):
            at(mirror, "main~1", offline=True)
        with pytest.raises(SourceError, match="has no mian"):
            at(mirror, "mian", offline=True)
        assert len(server.requests) == asked


def longer_repository(path: Path) -> Repository:
    """A repository whose objects are named by SHA-256."""
    path.mkdir()
    subprocess.run(["git", "init", "-q", "--object-format=sha256", "-b", "main", str(path)], check=True)
    return Repository.create(path)


@pytest.fixture(params=["file", "http", "http-v0"])
def longer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Repository]]:
    """The address of a repository whose commits are named by SHA-256, and a clone of it."""
    repository = longer_repository(tmp_path / "longer")
    for number in range(3):
        repository.write("a.txt", f"{number}\n")
        repository.commit()
    repository.git("tag", "-a", "-m", "a tag", "v1", "HEAD~2")
    bare = tmp_path / "served/longer.git"
    repository.git("clone", "-q", "--bare", ".", str(bare))
    if request.param == "file":
        yield f"file://{bare}", repository
    else:
        with http_server(bare.parent, exact_commits=request.param == "http") as server:
            yield f"{server.url}/{bare.name}", repository


def test_commits_that_are_named_by_longer_hashes_come_too(longer: tuple[str, Repository], tmp_path: Path) -> None:
    address, repository = longer
    first, second, third = repository.git("rev-list", "--reverse", "main").split()
    assert len(first) == 64
    expected = {
        None: Resolution(None, "default", third, "main"),
        "v1": Resolution("v1", "tag", first),
        second: Resolution(second, "commit", second),
        second[:41]: Resolution(second[:41], "commit", second),
        "main~2": Resolution("main~2", "expression", first),
    }
    for number, (ref, resolution) in enumerate(expected.items()):
        mirror = mirror_of(address, tmp_path / str(number))
        assert at(mirror, ref) == resolution
        assert at(mirror, resolution.commit, offline=True).commit == resolution.commit
        assert content(mirror, resolution.commit)
        (mirror.path / "config").write_text("[broken")
        assert at(mirror_of(address, tmp_path / str(number)), ref, offline=True) == resolution


def test_a_hash_of_the_other_kind_is_not_there_and_harms_nothing(
    bare: Path, longer: tuple[str, Repository], tmp_path: Path
) -> None:
    for address, wrong, what in (
        (f"file://{bare}", "1" * 64, f"has no {'1' * 64}"),
        (longer[0], "1" * 40, "names its commits by SHA-256"),
    ):
        mirror = mirror_of(address, tmp_path)
        with pytest.raises(SourceError, match=what):
            at(mirror, wrong)
        assert at(mirror, "main").branch == "main"
        with pytest.raises(SourceError, match=f"has no {wrong}"):
            at(mirror, wrong)


def test_a_remote_that_changed_its_kind_of_hash_is_told(bare: Path, tmp_path: Path) -> None:
    mirror = mirror_of(f"file://{bare}", tmp_path)
    commit = at(mirror, "main").commit
    bare.rename(tmp_path / "away")
    repository = longer_repository(tmp_path / "longer")
    repository.commit()
    repository.git("clone", "-q", "--bare", ".", str(bare))
    with pytest.raises(SourceError, match="does not name its commits as it did") as raised:
        at(mirror, "main")
    assert str(mirror.path) in raised.value.hint
    assert at(mirror, commit).commit == commit


def test_a_kept_commit_outlives_the_remote_and_a_cleaning(bare: Path, tmp_path: Path) -> None:
    mirror = mirror_of(f"file://{bare}", tmp_path)
    commit = at(mirror, "dev").commit
    keep(mirror, commit, "20250101-000000-abcdef")
    bare.rename(tmp_path / "gone")
    git = ["git", "--git-dir", str(mirror.path)]
    subprocess.run([*git, "update-ref", "-d", f"refs/projrun/commits/{commit}"], check=True)
    subprocess.run([*git, "gc", "-q", "--prune=now"], check=True)
    assert at(mirror, commit).commit == commit
    assert content(mirror, commit) == "1\n"


def test_a_broken_mirror_is_made_anew_around_its_commits(bare: Path, tmp_path: Path) -> None:
    commit = at(mirror_of(f"file://{bare}", tmp_path), "main").commit
    path = mirror_of(f"file://{bare}", tmp_path).path
    for name, broken in (("HEAD", ""), ("config", "[broken"), ("config", "\0")):
        (path / name).write_text(broken)
        assert at(mirror_of(f"file://{bare}", tmp_path), commit, offline=True).commit == commit
    (path / "HEAD").unlink()
    assert at(mirror_of(f"file://{bare}", tmp_path), "dev").branch == "dev"
    path.rename(tmp_path / "away")
    path.write_text("not a directory")
    assert at(mirror_of(f"file://{bare}", tmp_path), "dev").branch == "dev"


def test_what_a_killed_fetch_leaves_is_in_nobodys_way(bare: Path, repository: Repository, tmp_path: Path) -> None:
    mirror = mirror_of(f"file://{bare}", tmp_path)
    at(mirror, "v1")
    (mirror.path / "objects/pack/tmp_pack_abc").write_text("half")
    (mirror.path / "projrun-aside-abc/objects").mkdir(parents=True)
    left = ("shallow.lock", "packed-refs.lock", "config.lock", "HEAD.lock", "refs/remotes/origin/main.lock")
    for name in left:
        (mirror.path / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror.path / name).touch()
    commit = at(mirror, "main").commit
    (mirror.path / f"refs/projrun/commits/{commit}.lock").touch()
    assert at(mirror, "main~1").commit == repository.git("rev-parse", "main~1")
    assert not list(mirror.path.glob("**/*.lock"))
    assert not list(mirror.path.glob("objects/pack/tmp_*"))
    assert not list(mirror.path.glob("projrun-aside-*"))


def test_a_commit_without_its_files_is_fetched(bare: Path, repository: Repository, tmp_path: Path) -> None:
    mirror = mirror_of(f"file://{bare}", tmp_path)
    repository.write("a.txt", "new\n")
    commit = repository.commit()
    repository.git("push", "-q")
    tree = repository.git("rev-parse", "HEAD^{tree}")
    for name in (commit, tree):
        place = mirror.path / "objects" / name[:2]
        place.mkdir(exist_ok=True)
        (place / name[2:]).write_bytes((repository.path / ".git/objects" / name[:2] / name[2:]).read_bytes())
    assert at(mirror, commit).commit == commit
    assert content(mirror, commit) == "new\n"


def test_a_fetch_that_is_killed_can_be_done_again(bare: Path, repository: Repository, tmp_path: Path) -> None:
    with http_server(bare.parent) as server:
        server.stall()
        address = f"{server.url}/project.git"
        child = subprocess.Popen([sys.executable, "-c", RESOLVE, address, str(tmp_path / "cache")], cwd=ROOT)
        assert server.asked.wait(60)
        child.kill()
        child.wait()
        server.may_answer.set()
        assert at(mirror_of(address, tmp_path), "main").branch == "main"


RESOLVE = """
import sys
from pathlib import Path
from projrun.core.report import Silent
from projrun.source.address import parse
from projrun.source.mirror import open_mirror
from projrun.source.resolving import resolve
mirror = open_mirror(parse(sys.argv[1]), Path(sys.argv[2]), Silent())
print(resolve(mirror, "main", report=Silent()).commit)
"""


def test_processes_on_one_address_do_not_collide(bare: Path, repository: Repository, tmp_path: Path) -> None:
    words = [sys.executable, "-c", RESOLVE, f"file://{bare}", str(tmp_path / "cache")]
    children = [subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    outputs = {child.communicate()[0].strip() for child in children}
    assert [child.returncode for child in children] == [0] * 6
    assert outputs == {repository.git("rev-parse", "main")}


def test_who_waits_says_for_whom(bare: Path, tmp_path: Path) -> None:
    mirror = mirror_of(f"file://{bare}", tmp_path)
    told = Told()
    waiter = threading.Thread(target=lambda: resolve(mirror, "main", report=told))
    with exclusive(mirror.path.with_suffix(".lock"), holder="process 42"):
        waiter.start()
        while waiter.is_alive() and not told.phases:
            waiter.join(0.01)
    waiter.join()
    assert told.phases[0] == f"fetch: waiting for process 42, which fetches from file://{bare}"


def test_progress_is_told_and_gits_own_bar_is_handed_on(bare: Path, tmp_path: Path) -> None:
    told = Told()
    resolve(mirror_of(f"file://{bare}", tmp_path), "main", report=told)
    assert told.phases[0] == f"fetch: asking file://{bare} for main"
    assert told.phases[-1].startswith("fetch: 3 objects")
    assert b"Receiving objects: 100% (3/3)" in told.written


@pytest.fixture
def private(bare: Path) -> Iterator[HttpServer]:
    with http_server(bare.parent, login=("me", "S3CR/T@:#")) as server:
        yield server


LOGIN = "me:S3CR%2FT%40:%23@"


def test_userinfo_signs_in_and_is_nowhere_to_be_seen(
    private: HttpServer, tmp_path: Path, hostile_environment: Path
) -> None:
    # A helper of the user's is asked for nothing, and gets nothing to keep.
    helper = tmp_path / "helper"
    helper.write_text(f"#!/bin/sh\ncat >>{tmp_path}/asked\n")
    helper.chmod(0o755)
    (hostile_environment / ".gitconfig").write_text(f"[credential]\n\thelper = {helper}\n")
    address = parse(private.url.replace("//", f"//{LOGIN}") + "/project.git")
    told = Told()
    private.stall()
    lines: list[bytes] = []

    def look() -> None:
        assert private.asked.wait(60)
        lines.extend(file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if readable(file))
        private.may_answer.set()

    looking = threading.Thread(target=look)
    looking.start()
    mirror = open_mirror(address, tmp_path / "cache", told)
    assert resolve(mirror, "main", report=told).branch == "main"
    looking.join()
    assert private.signed_in[-1] == "me:S3CR/T@:#"
    assert any(b"ls-remote" in line for line in lines)
    assert not any(b"S3CR" in line for line in lines)
    assert b"S3CR" not in told.written
    assert "S3CR" not in repr(mirror) + "".join(told.phases)
    assert not (tmp_path / "asked").exists()
    written = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert not any(b"S3CR" in path.read_bytes() or "S3CR" in str(path) for path in written)


def readable(file: Path) -> bool:
    """Whether the process is still there."""
    try:
        return bool(file.read_bytes())
    except OSError:
        return False


def test_credentials_are_no_part_of_the_mirrors_name(private: HttpServer, tmp_path: Path) -> None:
    with_login = mirror_of(private.url.replace("//", f"//{LOGIN}") + "/project.git", tmp_path)
    assert mirror_of(f"{private.url}/project.git#sub", tmp_path).path == with_login.path


def test_a_wrong_password_and_none_are_refused_without_a_word_of_it(private: HttpServer, tmp_path: Path) -> None:
    for login in ("", "me:WR0NG@", "WR0NG@"):
        with pytest.raises(SourceError, match="does not accept you") as raised:
            at(mirror_of(private.url.replace("//", f"//{login}") + "/project.git", tmp_path), "main")
        assert "WR0NG" not in error_of(raised)
        assert "git ls-remote" in raised.value.hint


def test_a_user_name_is_one_for_the_users_own_helper(
    private: HttpServer, tmp_path: Path, hostile_environment: Path
) -> None:
    (hostile_environment / ".gitconfig").write_text(
        '[credential]\n\thelper = "!f() { grep -q username=me && echo password=S3CR/T@:#; }; f"\n'
    )
    assert at(mirror_of(private.url.replace("//", "//me@") + "/project.git", tmp_path), "main").branch == "main"


def test_a_token_alone_signs_in_as_a_user_name(bare: Path, tmp_path: Path) -> None:
    with http_server(bare.parent, login=("T0KEN", "")) as server:
        mirror = mirror_of(server.url.replace("//", "//T0KEN@") + "/project.git", tmp_path)
        assert at(mirror, "main").branch == "main"
        assert "T0KEN" not in repr(mirror)


def test_a_redirect_takes_no_password_elsewhere(private: HttpServer, bare: Path, tmp_path: Path) -> None:
    with http_server(bare.parent, login=("other", "one")) as elsewhere:
        private.redirect = elsewhere.url
        with pytest.raises(SourceError):
            at(mirror_of(private.url.replace("//", f"//{LOGIN}") + "/project.git", tmp_path), "main")
        assert elsewhere.requests
        assert elsewhere.signed_in == []


def test_a_redirect_leads_to_no_file(bare: Path, tmp_path: Path) -> None:
    with http_server(bare.parent) as server:
        server.redirect = f"file://{bare}?"
        with pytest.raises(SourceError):
            at(mirror_of(f"{server.url}/project.git", tmp_path), "main")


def test_the_users_own_shorthand_works(bare: Path, tmp_path: Path, hostile_environment: Path) -> None:
    (hostile_environment / ".gitconfig").write_text(f'[url "file://{bare.parent}/"]\n\tinsteadOf = mine:\n')
    assert at(mirror_of("mine:project.git", tmp_path), "main").branch == "main"


def test_a_server_that_says_nothing_is_given_up(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROJRUN_GIT_TIMEOUT", "0.2")
    with http_server(bare.parent) as server:
        server.stall()
        with pytest.raises(SourceError, match="gave no answer") as raised:
            at(mirror_of(f"{server.url}/project.git", tmp_path), "main")
        assert "PROJRUN_GIT_TIMEOUT=1" in raised.value.hint
    monkeypatch.setenv("PROJRUN_GIT_TIMEOUT", "soon")
    with pytest.raises(UsageError):
        at(mirror_of(f"file://{bare}", tmp_path), "main")


def test_a_place_without_a_repository_and_a_host_that_is_down_are_told(bare: Path, tmp_path: Path) -> None:
    with http_server(bare.parent) as server:
        for address in (f"{server.url}/missing.git", f"file://{tmp_path}/missing.git"):
            with pytest.raises(SourceError, match="there is no repository at"):
                at(mirror_of(address, tmp_path), "main")
    with pytest.raises(SourceError, match="cannot be reached"):
        at(mirror_of(f"{server.url}/project.git", tmp_path), "main")
    with pytest.raises(SourceError, match=r"the host nowhere\.invalid is not known"):
        at(mirror_of("https://nowhere.invalid/project.git", tmp_path), "main")


def test_a_cache_that_cannot_be_written_is_told(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(SourceError, match="cannot be written") as raised:
        mirror_of(f"file://{bare}", tmp_path)
    assert "PROJRUN_CACHE" in raised.value.hint


def test_an_object_that_would_leave_the_checkout_is_refused(
    bare: Path, repository: Repository, tmp_path: Path
) -> None:
    blob = repository.git("rev-parse", "HEAD:a.txt")
    inner = repository.git("mktree", stdin=f"100644 blob {blob}\tconfig\n".encode())
    tree = repository.git("mktree", stdin=f"040000 tree {inner}\t.git\n".encode())
    commit = repository.git("commit-tree", tree, "-m", "evil")
    repository.git("push", "-q", "origin", f"{commit}:refs/heads/evil")
    mirror = mirror_of(f"file://{bare}", tmp_path)
    with pytest.raises(SourceError, match="holds an object that git refuses"):
        at(mirror, "evil")
    with pytest.raises(SourceError):
        at(mirror, commit, offline=True)


def test_a_local_repository_that_would_fetch_what_it_lacks_executes_nothing(
    bare: Path, repository: Repository, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch '{tmp_path}/sprung'\n")
    trap.chmod(0o755)
    evil = Repository(bare)
    for name, value in (
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "evil"),
        ("remote.evil.url", f"ext::{trap}"),
        ("remote.evil.promisor", "true"),
        ("remote.evil.uploadpack", str(trap)),
        ("protocol.ext.allow", "always"),
        ("uploadpack.packObjectsHook", str(trap)),
        ("core.sshCommand", str(trap)),
        ("core.fsmonitor", str(trap)),
    ):
        evil.git("config", name, value)
    blob = repository.git("rev-parse", "HEAD:a.txt")
    commit = repository.git("rev-parse", "HEAD")
    (bare / "objects" / blob[:2] / blob[2:]).unlink()
    for address in (f"file://{bare}", str(bare)):
        with pytest.raises(SourceError):
            at(mirror_of(address, tmp_path), commit)
    assert not (tmp_path / "sprung").exists()
    with pytest.raises(AssertionError):
        evil.git("cat-file", "blob", blob)
    assert (tmp_path / "sprung").exists()  # the trap works


def test_nothing_of_the_users_shell_steers_git(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY", "GIT_INDEX_FILE", "GIT_NAMESPACE"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "none")
    assert at(mirror_of(f"file://{bare}", tmp_path), "main~1").kind == "expression"
    assert not (tmp_path / "elsewhere").exists()


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[SshServer]:
    with ssh_server(tmp_path / "ssh") as server:
        yield server


def test_ssh_fetches_by_the_users_key(
    ssh: SshServer, bare: Path, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", ssh.command)
    mirror = mirror_of(ssh.url(bare), tmp_path)
    commit = repository.git("rev-parse", "main~1")
    assert at(mirror, commit).commit == commit
    assert at(mirror, "main~2").commit == repository.git("rev-parse", "main~2")
    monkeypatch.setenv("GIT_SSH_COMMAND", f"{ssh.command} -p {ssh.port}")
    scp = mirror_of(f"{ssh.user}@127.0.0.1:{bare}", tmp_path)
    assert at(scp, "v1").kind == "tag"


def test_an_ssh_command_of_the_users_configuration_is_taken(
    ssh: SshServer, bare: Path, tmp_path: Path, hostile_environment: Path
) -> None:
    (hostile_environment / ".gitconfig").write_text(f"[core]\n\tsshCommand = {ssh.command}\n")
    assert at(mirror_of(ssh.url(bare), tmp_path), "main").branch == "main"


def test_ssh_asks_nothing_and_says_what_to_try(
    ssh: SshServer, bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = mirror_of(ssh.url(bare), tmp_path)
    trying = f"ssh -T ssh://{ssh.user}@127.0.0.1:{ssh.port}"
    for command, what in (
        (ssh.keyless_command, "does not accept you"),
        (ssh.strange_command, "the host key of 127.0.0.1 is not known"),
    ):
        monkeypatch.setenv("GIT_SSH_COMMAND", command)
        with pytest.raises(SourceError, match=what) as raised:
            at(mirror, "main")
        assert trying in raised.value.hint
    monkeypatch.setenv("GIT_SSH_COMMAND", ssh.command)
    with pytest.raises(SourceError, match="there is no repository at"):
        at(mirror_of(ssh.url(tmp_path / "missing.git"), tmp_path), "main")


@pytest.mark.parametrize("required", [True, False])
def test_without_sshd_its_tests_are_skipped_or_fail_where_they_must_run(
    required: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.git_servers.REQUIRED", ["ssh"] if required else [])
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    ended = pytest.fail.Exception if required else pytest.skip.Exception
    with pytest.raises(ended, match="openssh-server"), ssh_server(tmp_path / "ssh"):
        pass
