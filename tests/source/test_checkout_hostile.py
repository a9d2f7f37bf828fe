"""A checkout of a stranger's commit executes nothing, writes nowhere else and lets nothing lead out of it."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projrun.core.errors import SourceError
from projrun.core.report import Silent
from projrun.source import written
from projrun.source.checkout import checkout
from projrun.source.model import Address
from tests.repositories import Repository
from tests.source.checkouts import check_out, needs_lfs, pointer_to, with_submodule
from tests.source.test_hostile import armed
from tests.source.trees import contents, everything

pytestmark = pytest.mark.slow

REMOTE = Address("https", "https://host.invalid/org/a.git", "https://host.invalid/org/a.git")


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A program that leaves a file when it is run."""
    program = tmp_path / "trap"
    program.write_text(f"#!/bin/sh\ntouch '{tmp_path}/sprung'\ncat\n")
    program.chmod(0o755)
    return program


def tree(repository: Repository, *entries: tuple[str, str, str]) -> str:
    """A tree that git itself would not make: entries of mode, name and object."""
    whole = b"".join(os.fsencode(f"{mode} {path}\0") + bytes.fromhex(name) for mode, path, name in entries)
    return repository.git("hash-object", "-t", "tree", "--literally", "-w", "--stdin", stdin=whole)


def commit_of(repository: Repository, *entries: tuple[str, str, str]) -> str:
    return repository.git("commit-tree", tree(repository, *entries), "-m", "hostile")


def blob(repository: Repository, content: str) -> str:
    return repository.git("hash-object", "-w", "--stdin", stdin=content.encode())


def from_away(repository: Repository, destination: Path) -> None:
    """Checks out what came from a remote; nothing of it may be asked for."""

    def fetch(address: Address, commit: str) -> Path:
        raise AssertionError(f"{address} was asked for")

    checkout(
        repository.path / ".git",
        repository.git("rev-parse", "HEAD"),
        destination,
        fetch_submodule=fetch,
        base=REMOTE,
        report=Silent(),
    )


def test_nothing_that_the_repository_configured_is_executed(
    repository: Repository, trap: Path, tmp_path: Path
) -> None:
    armed(repository, trap)
    for name in ("post-checkout", "post-merge", "reference-transaction"):
        hook = repository.path / ".git/hooks" / name
        hook.unlink(missing_ok=True)
        hook.symlink_to(trap)
    repository.git("config", "filter.trap.process", str(trap))
    commit = repository.git("rev-parse", "HEAD")
    (tmp_path / "sprung").unlink(missing_ok=True)
    check_out(repository, commit, tmp_path / "run")
    assert (tmp_path / "run/a.txt").read_text() == "aaaa\n"
    assert (tmp_path / "run/a.lfs").read_text() == "aaaa\n"
    assert not (tmp_path / "sprung").exists()


def test_the_trap_works_in_a_checkout(repository: Repository, trap: Path, tmp_path: Path) -> None:
    armed(repository, trap)
    (tmp_path / "sprung").unlink(missing_ok=True)
    repository.git("checkout", "-q", "--force", "HEAD")
    assert (tmp_path / "sprung").exists()


def test_no_filter_of_the_user_is_executed(
    repository: Repository, trap: Path, tmp_path: Path, hostile_environment: Path
) -> None:
    repository.write(".gitattributes", "*.txt filter=mine\n")
    repository.write("a.txt", "aaaa\n")
    commit = repository.commit()
    text = f'[filter "mine"]\nsmudge = {trap}\nprocess = {trap}\nrequired = true\n'
    text += f"[init]\ntemplateDir = {tmp_path}/t\n"
    (hostile_environment / ".gitconfig").write_text(text)
    (hostile_environment / ".config/git").mkdir(parents=True)
    (hostile_environment / ".config/git/config").write_text(text)
    (tmp_path / "t/hooks").mkdir(parents=True)
    (tmp_path / "t/hooks/post-checkout").symlink_to(trap)
    check_out(repository, commit, tmp_path / "run")
    assert (tmp_path / "run/a.txt").read_text() == "aaaa\n"
    assert not (tmp_path / "sprung").exists()
    assert not (tmp_path / "run/.git/hooks").exists()


@pytest.mark.parametrize(
    "links",
    [
        {"out": "/etc/passwd"},
        {"out": "../outside"},
        {"a/b/out": "../../../outside"},
        {"a/up": "..", "out": "a/up/../outside"},
        {"first": "second", "second": "third", "third": ".."},
        {"a/dir": "../b", "out": "a/dir/../../outside"},
        {"out": "missing/../../outside"},
        {"out": "../run/file"},
        {"out": "./a/../.././outside"},
    ],
    ids=str,
)
def test_a_link_that_leads_out_is_refused(repository: Repository, tmp_path: Path, links: dict[str, str]) -> None:
    repository.write("file", "x")
    repository.write("b/file", "x")
    for name, target in links.items():
        (repository.path / name).parent.mkdir(parents=True, exist_ok=True)
        (repository.path / name).symlink_to(target)
    with pytest.raises(SourceError, match="leads out of the project") as caught:
        check_out(repository, repository.commit(), tmp_path / "run")
    assert any(name in caught.value.what for name in links)
    assert not (tmp_path / "run").exists()


def test_links_that_stay_inside_are_kept(repository: Repository, tmp_path: Path) -> None:
    repository.write("b/file", "x")
    links = {"a/one": "../b/file", "a/two": "../b/./../a/one", "all": ".", "loop/a": "b", "loop/b": "a"}
    for name, target in {**links, "new": "not/../yet"}.items():
        (repository.path / name).parent.mkdir(parents=True, exist_ok=True)
        (repository.path / name).symlink_to(target)
    check_out(repository, repository.commit(), tmp_path / "run")
    assert contents(tmp_path / "run") == contents(repository.path)


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c", "d/a", "d/b", "d/e/a"]),
        st.lists(st.sampled_from(["..", ".", "", "a", "b", "c", "d", "e", "none", "/"]), min_size=1, max_size=6),
        max_size=6,
    )
)
def test_links_that_are_kept_never_lead_out(links: dict[str, list[str]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place, "around/run")
        (root / "d/e").mkdir(parents=True)
        for name, parts in links.items():
            (root / name).symlink_to("/".join(parts) or ".")
        try:
            written.check_links(root, links)
        except SourceError:
            return
        real = os.path.realpath(root)
        for name in links:
            assert f"{led_to(root / name) or real}/".startswith(f"{real}/")


def led_to(link: Path) -> str | None:
    """Where a link leads once a run has made every directory that is missing on the way; None: in a circle."""
    while True:
        try:
            return os.path.realpath(link, strict=True)
        except FileNotFoundError as error:
            Path(error.filename).mkdir()
        except OSError as error:
            assert error.errno == errno.ELOOP
            return None


def test_a_link_of_a_submodule_may_not_lead_out_either(tmp_path: Path) -> None:
    for target, fits in (("../../file", True), ("../../../file", False)):
        place = tmp_path / str(fits)
        inner = Repository.create(place / "inner")
        (inner.path / "link").symlink_to(target)
        inner.commit()
        outer = Repository.create(place / "outer")
        outer.git("submodule", "add", "-q", str(inner.path), "libs/inner")
        commit = outer.commit()
        if fits:
            check_out(outer, commit, place / "run")
            continue
        with pytest.raises(SourceError, match="link libs/inner/link leads out"):
            check_out(outer, commit, place / "run")


@pytest.mark.parametrize("name", [".git", ".GIT", ".Git", "git~1", ".g\u200cit", "..", "."])
def test_a_file_that_would_change_a_repository_is_refused(
    repository: Repository, tmp_path: Path, trap: Path, name: str
) -> None:
    hooks = tree(repository, ("100755", "post-checkout", blob(repository, trap.read_text())))
    commit = commit_of(repository, ("40000", name, hooks))
    before = everything(repository.path)
    with pytest.raises(SourceError, match="cannot be checked out") as caught:
        check_out(repository, commit, tmp_path / "run")
    assert "invalid path" in caught.value.why
    assert not (tmp_path / "run").exists()
    assert everything(repository.path) == before
    assert not (tmp_path / "sprung").exists()


def test_a_name_with_a_slash_leads_nowhere(repository: Repository, tmp_path: Path) -> None:
    commit = commit_of(repository, ("100644", "../outside", blob(repository, "x")))
    with pytest.raises(SourceError):
        check_out(repository, commit, tmp_path / "run")
    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("link_first", [True, False])
def test_nothing_is_written_through_a_link(repository: Repository, tmp_path: Path, link_first: bool) -> None:
    (tmp_path / "outside").mkdir()
    inner = tree(repository, ("100644", "file", blob(repository, "x")))
    entries = [("120000", "a", blob(repository, str(tmp_path / "outside"))), ("40000", "a", inner)]
    commit = commit_of(repository, *(entries if link_first else entries[::-1]))
    with contextlib.suppress(SourceError):
        check_out(repository, commit, tmp_path / "run")
    assert list((tmp_path / "outside").iterdir()) == []
    assert not (tmp_path / "run/a").is_symlink()


def test_a_submodule_in_the_place_of_a_link_is_refused(tmp_path: Path) -> None:
    outer, _ = with_submodule(tmp_path)
    (tmp_path / "outside").mkdir()
    commit = commit_of(
        outer,
        ("100644", ".gitmodules", blob(outer, '[submodule "a"]\npath=a\nurl=../inner\n')),
        ("120000", "a", blob(outer, str(tmp_path / "outside"))),
        ("160000", "a", git_link(outer)),
    )
    with contextlib.suppress(SourceError):
        check_out(outer, commit, tmp_path / "run")
    assert list((tmp_path / "outside").iterdir()) == []
    assert not (tmp_path / "run/a").is_symlink()


def git_link(outer: Repository) -> str:
    return outer.git("ls-tree", "HEAD", "libs/").split()[2]


@pytest.mark.parametrize(
    "url",
    [
        "/srv/secret",
        "file:///srv/secret",
        "-upload",
        "--upload-pack=touch sprung",
        "ext::touch sprung",
        "fd::17/foo",
        "ssh://-oProxyCommand=touch/x",
        "-oProxyCommand=x:y",
        "../../../../../..//srv/secret",
        "somewhere/else",
        "https://host.invalid/b.git#place",
        "ftp://host.invalid/x",
        "",
    ],
)
def test_a_submodule_address_that_is_none_to_fetch_from_is_refused(tmp_path: Path, url: str) -> None:
    outer, _ = with_submodule(tmp_path, url=url)
    with pytest.raises(SourceError, match="submodule libs/inner cannot be checked out"):
        from_away(outer, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_submodule_of_a_local_repository_must_say_where_it_is(tmp_path: Path) -> None:
    outer, commit = with_submodule(tmp_path, url="inner")
    with pytest.raises(SourceError, match="submodule libs/inner cannot be checked out"):
        check_out(outer, commit, tmp_path / "run")


def test_a_submodule_whose_update_is_a_command_is_refused(tmp_path: Path, trap: Path) -> None:
    outer, _ = with_submodule(tmp_path)
    outer.git("config", "-f", ".gitmodules", "submodule.a.b c.update", f"!{trap}")
    with pytest.raises(SourceError, match="libs/inner") as caught:
        check_out(outer, outer.commit(), tmp_path / "run")
    assert "its update is a command" in caught.value.why
    assert not (tmp_path / "sprung").exists()


def test_a_gitmodules_that_is_a_link_is_refused(tmp_path: Path) -> None:
    outer, _ = with_submodule(tmp_path)
    held = blob(outer, '[submodule "a"]\npath=a\nurl=../inner\n')
    commit = commit_of(outer, ("120000", ".gitmodules", held), ("160000", "a", git_link(outer)))
    with pytest.raises(SourceError) as caught:
        check_out(outer, commit, tmp_path / "run")
    assert ".gitmodules" in caught.value.what + caught.value.why
    assert not (tmp_path / "run").exists()


def test_a_gitmodules_includes_nothing(tmp_path: Path) -> None:
    outer, _ = with_submodule(tmp_path)
    (tmp_path / "more").write_text('[submodule "x"]\npath = libs/inner\nurl = ../inner\n')
    outer.write(".gitmodules", f"[include]\npath = {tmp_path}/more\n")
    with pytest.raises(SourceError) as caught:
        check_out(outer, outer.commit(), tmp_path / "run")
    assert "no entry for it" in caught.value.why


def test_submodules_without_an_end_are_refused(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "level0")
    for level in range(1, 19):
        outer = Repository.create(tmp_path / f"level{level}")
        inner = repository.commit() if level == 1 else repository.git("rev-parse", "HEAD")
        outer.write(".gitmodules", f'[submodule "s"]\npath = s\nurl = ../level{level - 1}\n')
        outer.git("add", ".gitmodules")
        outer.git("update-index", "--add", "--cacheinfo", f"160000,{inner},s")
        outer.git("commit", "-q", "-m", "a level")
        repository = outer
    with pytest.raises(SourceError, match="nested more than 16 deep"):
        check_out(repository, repository.git("rev-parse", "HEAD"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def with_pointer(repository: Repository, config: str = "", pointer: str = pointer_to(b"content")) -> str:
    repository.write(".gitattributes", "*.big filter=lfs\n")
    repository.write("a.big", pointer)
    if config:
        repository.write(".lfsconfig", config)
    held = hashlib.sha256(b"content").hexdigest()
    place = repository.path / ".git/lfs/objects" / held[:2] / held[2:4] / held
    place.parent.mkdir(parents=True)
    place.write_bytes(b"content")
    return repository.commit()


@pytest.mark.parametrize(
    "config",
    [
        "[lfs]\nurl = file:///srv/secret\n",
        "[lfs]\nurl = /srv/secret\n",
        '[remote "origin"]\nlfsurl = ext::touch sprung\n',
        "[lfs]\nurl = ssh://-oProxyCommand=touch/x\n",
        "[lfs]\npushUrl = file:///srv/secret\n",
        "[include]\npath = /srv/secret\n",
        "[lfs",
    ],
)
def test_an_address_of_git_lfs_that_is_none_to_fetch_from_is_refused(
    repository: Repository, tmp_path: Path, config: str
) -> None:
    with_pointer(repository, config)
    with pytest.raises(SourceError, match=r"\.lfsconfig"):
        from_away(repository, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_directory_that_is_here_is_no_address_of_git_lfs(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = with_pointer(repository, "[lfs]\nurl = ext::touch sprung\n")
    repository.push_to(tmp_path / "ext::touch sprung")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=r"\.lfsconfig is refused"):
        check_out(repository, commit, tmp_path / "run")


def test_an_extension_of_git_lfs_is_refused(repository: Repository, tmp_path: Path) -> None:
    digest = hashlib.sha256(b"content").hexdigest()
    text = f"version https://git-lfs.github.com/spec/v1\next-0-foo sha256:{digest}\noid sha256:{digest}\nsize 7\n"
    commit = with_pointer(repository, pointer=text)
    with pytest.raises(SourceError, match="needs an extension of Git LFS"):
        check_out(repository, commit, tmp_path / "run")


@needs_lfs
def test_no_program_of_an_lfsconfig_or_of_the_repository_is_executed(
    repository: Repository, tmp_path: Path, trap: Path
) -> None:
    commit = with_pointer(
        repository,
        f'[lfs]\nfetchexclude = *\nstandalonetransferagent = t\n[lfs "customtransfer.t"]\npath = {trap}\n'
        f'[lfs "extension.foo"]\nsmudge = {trap}\nclean = {trap}\npriority = 0\n[core]\nsshCommand = {trap}\n',
    )
    repository.git("config", "lfs.extension.foo.smudge", str(trap))
    repository.git("config", "lfs.extension.foo.clean", str(trap))
    repository.git("config", "filter.lfs.smudge", str(trap))
    check_out(repository, commit, tmp_path / "run")
    assert (tmp_path / "run/a.big").read_bytes() == b"content"
    assert not (tmp_path / "sprung").exists()


def test_the_surroundings_stay_as_they_were(repository: Repository, tmp_path: Path) -> None:
    repository.write("a.txt", "x")
    (repository.path / "out").symlink_to("../around/mine")
    commit = repository.commit()
    (tmp_path / "around").mkdir()
    (tmp_path / "around/mine").write_text("mine")
    before = everything(tmp_path)
    with pytest.raises(SourceError):
        check_out(repository, commit, tmp_path / "around/run")
    after = everything(tmp_path)
    # The directory that held the checkout for a while has another time now, and nothing else differs.
    assert {path for path in after if after[path] != before.get(path)} <= {tmp_path / "around"}
    assert set(after) == set(before)
