"""What names a repository, what may be shown of it, and what is refused."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projrun.core.errors import SourceError
from projrun.source.address import is_address, parse, recorded
from projrun.source.model import Address
from tests.repositories import Repository


@pytest.mark.parametrize(
    ("text", "kind", "url", "subdirectory"),
    [
        ("git@example.org:org/repo.git", "ssh", "git@example.org:org/repo.git", ""),
        ("git@example.org:org/repo.git#models/a", "ssh", "git@example.org:org/repo.git", "models/a"),
        ("example.org:repo", "ssh", "example.org:repo", ""),
        ("MyAlias:repo", "ssh", "MyAlias:repo", ""),
        ("git@[::1]:repo", "ssh", "git@[::1]:repo", ""),
        ("ssh://git@example.org:2222/a.git", "ssh", "ssh://git@example.org:2222/a.git", ""),
        ("ssh://example.org/~me/a.git#x", "ssh", "ssh://example.org/~me/a.git", "x"),
        ("git+ssh://git@example.org/a.git", "ssh", "ssh://git@example.org/a.git", ""),
        ("https://Example.org/A/b.git/", "https", "https://example.org/A/b.git", ""),
        ("git+https://example.org/a.git#./b/../c/", "https", "https://example.org/a.git", "c"),
        ("https://example.org:8443/@scope/a.git", "https", "https://example.org:8443/@scope/a.git", ""),
        ("https://[::1]:80/a.git", "https", "https://[::1]:80/a.git", ""),
        ("http://example.org/a.git", "http", "http://example.org/a.git", ""),
        ("file:///srv/a.git#b", "file", "file:///srv/a.git", "b"),
        ("file://localhost/srv/a.git", "file", "file:///srv/a.git", ""),
    ],
)
def test_an_address_is_read(text: str, kind: str, url: str, subdirectory: str) -> None:
    assert is_address(text)
    assert parse(text) == Address(kind, url, url, subdirectory)


@pytest.mark.parametrize(
    ("userinfo", "username", "password"),
    [
        ("me:secret", "me", "secret"),
        ("token", "token", None),
        (":secret", "", "secret"),
        ("me:", "me", ""),
        ("me:p%40s%3As%2Fw%23", "me", "p@s:s/w#"),
        ("me:p@s:s/w#x", "me", "p@s:s/w#x"),
        ("m%65:p%25", "me", "p%"),
    ],
)
def test_userinfo_is_taken_out_of_what_git_gets(userinfo: str, username: str, password: str | None) -> None:
    address = parse(f"https://{userinfo}@example.org/a.git#sub")
    assert (address.username, address.password) == (username, password)
    assert address.url == address.shown == "https://example.org/a.git"
    assert address.subdirectory == "sub"
    assert repr(address) == repr(parse("https://example.org/a.git#sub"))


@given(password=st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
def test_any_quoted_password_comes_back_and_is_never_shown(password: str) -> None:
    address = parse(f"https://me:{quote('SECRET' + password, safe='')}@example.invalid/a.git")
    assert address.password == "SECRET" + password
    assert address.url == address.shown == "https://example.invalid/a.git"
    assert "SECRET" not in repr(address)


@pytest.mark.parametrize(
    "text",
    [
        "--upload-pack=touch sprung",
        "-oProxyCommand=touch sprung:repo",
        "ext::sh -c 'touch sprung'",
        "fd::17",
        "https::https://example.org/a.git",
        "git://example.org/a.git",
        "ftp://example.org/a.git",
        "javascript://example.org/a.git",
        "ssh:///a.git",
        "https:///a.git",
        "https://@/a.git",
        ":repo",
        "git@:repo",
        "ssh://-oProxyCommand=touch/a.git",
        "ssh://git@-oProxyCommand=touch/a.git",
        "ssh://-oProxyCommand=touch@example.org/a.git",
        "ssh://%2DoProxyCommand=touch@example.org/a.git",
        "ssh://%2DoProxyCommand=touch/a.git",
        "-oProxyCommand=x@example.org:a.git",
        "git@-oProxyCommand=x:a.git",
        "git@example.org:-a.git",
        "git@example.org:%2Da.git",
        "ssh://example.org/-a.git",
        "https://exa mple.org/a.git",
        "https://example.org",
        "https://example.org/",
        "git@example.org:",
        "https://example.org:99x/a.git",
        "https://example.org/a.git?private_token=SECRET",
        "http://me:SECRET@example.org/a.git",
        "ssh://git:SECRET@example.org/a.git",
        "me:SECRET@example.org:a.git",
        "https://me:SECRET/a.git",
        "https:/me:SECRET@example.org/a.git",
        "https//me:SECRET@example.org/a.git",
        "https/me:SECRET@example.org/a.git",
        "ssh:/git:SECRET@example.org/a.git",
        "HTTPS:me:SECRET@example.org/a.git",
        "file:/srv/a.git",
        "https://me:SECRET%0aX@example.org/a.git",
        "https://example.org/a%00.git",
        "https://example.org/a\n.git",
        "git@example.org:a\0.git",
        "file://example.org/a.git",
        "file://",
        "",
    ],
)
def test_what_git_could_misunderstand_is_refused_without_showing_a_secret(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError) as raised:
        parse(text)
    error = raised.value
    assert "SECRET" not in f"{error.what} {error.why} {error.hint}"
    assert error.hint
    assert f"{error.what} {error.why} {error.hint}".isprintable()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["-x", "ext::sh -c true", "git://example.org/a"])
def test_what_is_refused_counts_as_an_address_so_that_it_is_refused(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize("subdirectory", ["..", "../a", "a/../../b", "/etc", "a\0b", "a\nb"])
def test_a_subdirectory_outside_is_refused(subdirectory: str) -> None:
    with pytest.raises(SourceError, match="is no subdirectory"):
        parse("https://example.org/a.git", subdirectory)
    if subdirectory.isprintable():
        with pytest.raises(SourceError, match="is no subdirectory"):
            parse(f"git@example.org:a.git#{subdirectory}")


def test_a_subdirectory_is_given_once() -> None:
    assert parse("https://example.org/a.git", "b/").subdirectory == "b"
    with pytest.raises(SourceError) as raised:
        parse("https://example.org/a.git#b", "c")
    assert "subdirectory already" in raised.value.why


def test_a_subdirectory_of_a_work_tree_counts_from_its_root(repository: Repository) -> None:
    (repository.path / "model/part").mkdir(parents=True)
    root, model = str(repository.path), str(repository.path / "model")
    for text, below, found in ((root, "model", "model"), (model, "model", "model"), (model, "other", "other")):
        assert parse(text, below) == Address("path", root, root, found)
    assert parse(f"{model}#part").subdirectory == "model/part"
    with pytest.raises(SourceError, match="is no address"):
        parse(f"{model}#part", "model")


def test_http_takes_a_password_on_loopback_only() -> None:
    assert parse("http://me:secret@127.0.0.1:8080/a.git").password == "secret"


def test_a_directory_is_no_address_but_a_bare_repository_is(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit()
    bare = tmp_path / "bare.git"
    repository.push_to(bare)
    assert not is_address(str(repository.path))
    assert not is_address(str(tmp_path / "missing"))
    assert not is_address(str(tmp_path))
    assert is_address(str(bare))
    assert is_address(f"{repository.path}#sub")
    assert parse(str(bare)) == Address("path", str(bare), str(bare))
    (tmp_path / "host:path").mkdir()
    monkeypatch.chdir(tmp_path)
    assert not is_address("host:path")


def test_an_existing_directory_is_one_whatever_git_would_take_its_name_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a::b", "ext::sh -c touch sprung"):
        bare = tmp_path / name
        plain = Repository.create(tmp_path / f"{name} plain")
        plain.write("sub/a.txt", "a")
        plain.commit()
        plain.push_to(bare)
        monkeypatch.chdir(tmp_path)
        assert is_address(name)
        assert parse(name) == Address("path", str(bare), str(bare))
        assert parse(f"{name}#sub") == Address("path", str(bare), str(bare), "sub")
        assert not is_address(f"{name} plain")
        assert parse(f"{name} plain#sub") == Address("path", str(plain.path), str(plain.path), "sub")
        monkeypatch.chdir(tmp_path.parent)
        assert is_address(name)
        for text in (name, f"{name}#sub"):
            with pytest.raises(SourceError, match="is no address"):
                parse(text)


def test_an_address_that_was_recorded_needs_no_directory_any_more(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.git")
    assert recorded(gone) == Address("path", gone, gone)
    assert recorded("git@example.org:a.git") == parse("git@example.org:a.git")
    for text in ("ext::sh -c true", "gone.git", str(tmp_path)):
        with pytest.raises(SourceError):
            recorded(text)


def test_a_directory_inside_a_work_tree_is_the_work_tree_and_the_place_in_it(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write("models/small/a.txt", "a")
    repository.write("odd#name/a.txt", "a")
    path = str(repository.path)
    (tmp_path / "link").symlink_to(repository.path)
    assert parse(path) == Address("path", path, path)
    assert parse(f"{path}/models/small") == Address("path", path, path, "models/small")
    assert parse(f"{path}#models/small") == Address("path", path, path, "models/small")
    assert parse(f"{path}/models#small") == Address("path", path, path, "models/small")
    assert parse(f"{path}/odd#name") == Address("path", path, path, "odd#name")
    assert parse(f"{tmp_path}/link") == Address("path", path, path)
    monkeypatch.chdir(repository.path / "models")
    assert parse(".") == Address("path", path, path, "models")


def test_a_directory_without_a_repository_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not a git repository"):
        parse(str(tmp_path))
    with pytest.raises(SourceError, match="there is no directory"):
        parse(str(tmp_path / "missing"))
    with pytest.raises(SourceError, match="there is no directory"):
        parse(f"{tmp_path}/missing#sub")
