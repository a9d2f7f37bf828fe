"""Data with an address: fetched once, gone on with where it broke off, and never taken for what it is not."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from projrun.core.errors import DataError
from projrun.core.report import Silent
from projrun.core.values import asdict
from projrun.data import remote
from projrun.spec.model import DataEntry
from tests.data.file_server import FileServer, serving_file

CONTENT = b"0123456789" * 1000
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_WAITS", (0, 0))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def shared_server() -> Iterator[FileServer]:
    with serving_file(CONTENT) as server:
        yield server


@pytest.fixture
def server(shared_server: FileServer) -> FileServer:
    for name, value in asdict(FileServer(CONTENT, url=shared_server.url)).items():  # as new
        setattr(shared_server, name, value)
    return shared_server


class Project:
    def __init__(self, root: Path) -> None:
        self.root, self.cache = root / "project", root / "cache"
        self.root.mkdir()

    def bring(self, url: str, sha256: str = SHA, path: str = "data/x", *, offline: bool = False) -> bytes:
        entry = DataEntry("x", path, sha256, url=url)
        remote.bring([entry], self.root, self.cache, Silent(), offline=offline)
        return (self.root / path).read_bytes()

    @property
    def part(self) -> Path:
        return self.cache / "downloads" / f"{SHA}.part"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_it_is_fetched_once_and_had_from_the_cache_after_that(project: Project, server: FileServer) -> None:
    assert project.bring(f"{server.url}/moved") == CONTENT
    assert project.bring(f"{server.url}/moved", path="again") == CONTENT
    (project.root / "data/x").unlink()
    assert project.bring(f"{server.url}/moved", offline=True) == CONTENT
    assert server.asked == ["/moved", "/here"]
    assert sorted(path.name for path in project.root.rglob("*")) == ["again", "data", "x"]
    assert (project.root / "data/x").stat().st_nlink == 1


def test_what_the_user_has_there_is_never_written_over(project: Project, server: FileServer) -> None:
    (project.root / "mine").write_bytes(b"mine")
    (project.root / "dead").symlink_to("nowhere")
    assert project.bring(server.url, path="mine") == b"mine"
    with pytest.raises(FileNotFoundError):
        project.bring(server.url, path="dead")
    assert server.asked == []


def test_a_fetch_that_breaks_off_goes_on_where_it_was(project: Project, server: FileServer) -> None:
    server.cut = [4000, 3000]
    assert project.bring(server.url) == CONTENT
    assert server.asked == ["/", "/ bytes=4000-", "/ bytes=7000-"]


def test_a_fetch_goes_on_in_another_run(project: Project, server: FileServer) -> None:
    server.cut = [4000, 0, 0]
    with pytest.raises(DataError) as caught:
        project.bring(server.url)
    assert "goes on after 4.0 kB" in caught.value.hint
    assert project.part.stat().st_size == 4000
    assert project.bring(server.url) == CONTENT
    assert server.asked[-1] == "/ bytes=4000-"


def test_a_server_that_knows_no_ranges_sends_all_of_it_again(project: Project, server: FileServer) -> None:
    server.ranges, server.cut = False, [4000]
    assert project.bring(server.url) == CONTENT


@pytest.mark.parametrize("begun", [b"of another version", b"x" * 20_000, CONTENT, CONTENT + b"more"])
def test_what_was_begun_of_another_version_is_begun_anew(
    project: Project, server: FileServer, begun: bytes
) -> None:
    project.part.parent.mkdir(parents=True)
    project.part.write_bytes(begun)
    assert project.bring(server.url) == CONTENT
    assert not project.part.exists()


def test_another_content_is_refused_with_both_hashes(project: Project, server: FileServer) -> None:
    server.content = b"other"
    with pytest.raises(DataError) as caught:
        project.bring(server.url)
    assert caught.value.exit_code == 114
    assert SHA in caught.value.why
    assert hashlib.sha256(b"other").hexdigest() in caught.value.why
    assert list(project.root.rglob("*")) == []
    assert len(server.asked) == 1


@pytest.mark.parametrize(("status", "times"), [(503, 3), (429, 3), (404, 1), (403, 1)])
def test_what_passes_is_tried_again_and_what_does_not_is_not(
    project: Project, server: FileServer, status: int, times: int
) -> None:
    server.answers = [status] * 9
    with pytest.raises(DataError) as caught:
        project.bring(server.url)
    assert str(status) in caught.value.why
    assert len(server.asked) == times
    assert ("netrc" in caught.value.hint) is (status == 403)


def test_a_login_comes_from_netrc(project: Project, server: FileServer, hostile_environment: Path) -> None:
    server.login = "Basic bWU6c2VjcmV0"  # me:secret
    with pytest.raises(DataError):
        project.bring(server.url)
    netrc = hostile_environment / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    assert project.bring(server.url) == CONTENT


def test_what_leads_to_no_address_is_told(project: Project, server: FileServer) -> None:
    with pytest.raises(DataError) as caught:
        project.bring(f"{server.url}/lost")
    assert caught.value.exit_code == 114
    assert len(server.asked) == 1


def test_nothing_answers(project: Project) -> None:
    with pytest.raises(DataError) as caught:
        project.bring("http://127.0.0.1:9/x")
    assert "127.0.0.1" in caught.value.what


def test_offline_asks_nobody(project: Project, server: FileServer) -> None:
    with pytest.raises(DataError, match="is not here"):
        project.bring(server.url, offline=True)
    assert server.asked == []


def test_a_damaged_cache_is_fetched_anew(project: Project, server: FileServer) -> None:
    project.part.parent.mkdir(parents=True)
    project.part.with_suffix("").write_bytes(b"damaged")
    assert project.bring(server.url) == CONTENT


def test_a_file_has_an_address_too(project: Project, tmp_path: Path) -> None:
    (tmp_path / "a b").write_bytes(CONTENT)
    assert project.bring(f"file://{tmp_path}/a%20b") == CONTENT
    os.mkfifo(tmp_path / "pipe")
    for name, words in (("pipe", "FIFO"), ("none", "No such file")):
        with pytest.raises(DataError) as caught:
            project.bring(f"file://{tmp_path}/{name}", "0" * 64, path="other")
        assert words in caught.value.why
    with pytest.raises(DataError) as caught:
        project.bring("file://host/x", "0" * 64, path="other")
    assert "another machine" in caught.value.why


def test_what_fsspec_knows_can_be_fetched(project: Project) -> None:
    fsspec = pytest.importorskip("fsspec")
    with fsspec.open("memory://bucket/x", "wb") as file:
        file.write(CONTENT)
    project.part.parent.mkdir(parents=True)
    project.part.write_bytes(CONTENT[:100])
    assert project.bring("memory://bucket/x") == CONTENT
    with pytest.raises(DataError) as caught:
        project.bring("memory://bucket/none", "0" * 64, path="other")
    assert "not there" in caught.value.why


class NoCredentialsError(Exception):
    """What botocore raises, by its name."""


@pytest.mark.parametrize("error", [PermissionError(13, "Forbidden"), NoCredentialsError("Unable to locate")])
def test_a_login_that_is_missing_is_not_tried_again(
    project: Project, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    fsspec = pytest.importorskip("fsspec")
    tried = []

    def refuse(*args: object, **more: object) -> None:
        tried.append(args)
        raise error

    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "_open", refuse)
    with pytest.raises(DataError) as caught:
        project.bring("memory://bucket/closed", "0" * 64, path="other")
    assert len(tried) == 1
    assert type(error).__name__ in caught.value.why
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint


def test_the_beginning_of_names_is_no_file(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of objects opens it as a file without content."""
    import io

    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.get_filesystem_class("memory")
    monkeypatch.setattr(memory, "_open", lambda *args, **more: io.BytesIO())
    monkeypatch.setattr(memory, "isdir", lambda self, path: True)
    with pytest.raises(DataError) as caught:
        project.bring("memory://bucket/folder", "0" * 64, path="other")
    assert "it is a directory" in caught.value.why


@pytest.mark.parametrize("scheme", ["s3", "nonsense"])
def test_what_is_missing_for_an_address_is_named(
    project: Project, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    for name in ("s3fs", "fsspec") if scheme == "s3" else ():
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DataError) as caught:
        project.bring(f"{scheme}://bucket/x")
    assert f"{scheme}://" in caught.value.why
    assert "projrun[remote]" in caught.value.hint


def test_a_place_that_cannot_be_written_is_named(project: Project, server: FileServer) -> None:
    (project.root / "data").write_text("a file is in the way")
    with pytest.raises(DataError) as caught:
        project.bring(server.url)
    assert f"{project.root}/data" in caught.value.why
