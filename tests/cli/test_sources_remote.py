"""``projrun run ADDRESS`` over the wire: the short form of ssh, https with a password, Git LFS by both."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Done, Workspace
from tests.git_servers import HttpServer, http_server, make_certificate, ssh_server
from tests.source.checkouts import needs_lfs

pytestmark = pytest.mark.slow

SECRET = "t0p/s3cret@x"  # must be found nowhere
FORMS = (b"s3cret", base64.b64encode(f"ada:{SECRET}".encode()))
LFS = shutil.which("git-lfs")


@pytest.fixture
def secure(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpServer]:
    """An https server that wants a password; git trusts its certificate."""
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("GIT_SSL_CAINFO", str(certificate))
    with http_server(tmp_path, login=("ada", SECRET), certificate=certificate) as server:
        yield server


@pytest.fixture(params=["address", "helper"])
def login(request: pytest.FixtureRequest, workspace: Workspace, tmp_path: Path) -> str:
    """What stands before the host, so that the server lets us in, by the address or by the user's helper."""
    if request.param == "address":
        return "ada:t0p%2Fs3cret%40x@"
    (tmp_path / "known").write_text(f"username=ada\npassword={SECRET}\n")
    (workspace.home / ".gitconfig").write_text(f'[credential]\n\thelper = "!f() {{ cat {tmp_path}/known; }}; f"\n')
    return ""


def address(server: HttpServer, login: str) -> str:
    return f"{server.url}/remote.git".replace("//", f"//{login}")


@contextmanager
def watched(server: HttpServer) -> Iterator[list[bytes]]:
    """The command lines of all processes while the server is first asked."""
    lines: list[bytes] = []

    def look() -> None:
        if server.asked.wait(60):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    lines.append((process / "cmdline").read_bytes())
                except OSError:
                    continue  # it has ended
        server.may_answer.set()

    server.stall()
    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield lines
    finally:
        server.asked.set()
        looking.join()


def nowhere(workspace: Workspace, *done: Done) -> None:
    """The secret is in no file of store and cache, in none of their names, and in no output."""
    told = b"".join((one.out + one.err).encode() for one in done)
    # Of any project: outside one, last is the last of all.
    shown = [workspace.projrun(verb, "last", cwd=workspace.home) for verb in ("show", "logs")]
    assert [one.code for one in shown] == [0, 0]
    told += "".join(one.out for one in shown).encode()
    for place in (workspace.store, workspace.home / "cache"):
        for path in place.rglob("*"):
            told += os.fsencode(path) + b"\n" + (path.read_bytes() if path.is_file() else b"")
    assert not [form for form in FORMS if form in told]


def test_https_simply_works_and_the_password_is_nowhere(
    workspace: Workspace, secure: HttpServer, login: str
) -> None:
    commit = workspace.repository.git("rev-parse", "HEAD")
    with watched(secure) as lines:
        done = workspace.projrun("run", "--json", address(secure, login), "-v", "main", "-e", "free")
    assert done.code == 0, done.err
    source = done.data["recipe"]["source"]
    assert source["commit"] == commit
    assert source["address"] == source["remote"] == f"{secure.url}/remote.git"
    assert f"ada:{SECRET}" in secure.signed_in
    # What was typed is in the line of the process that was typed.
    ours = [line for line in lines if b"\0projrun\0run\0" not in line]
    assert any(b"ls-remote" in line for line in ours)
    assert not [line for line in ours for form in FORMS if form in line]
    nowhere(workspace, done)
    again = workspace.projrun("run", "--offline", f"{secure.url}/remote.git", "-v", "main", "-e", "free")
    assert again.code == 0, again.err


def test_a_certificate_that_nobody_vouches_for_is_refused(
    workspace: Workspace, secure: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GIT_SSL_CAINFO")
    done = workspace.projrun("run", address(secure, "ada:t0p%2Fs3cret%40x@"), "-e", "free")
    assert done.code == 112
    assert "the certificate of localhost is not trusted" in done.err
    assert "http.sslCAInfo" in done.err
    assert secure.signed_in == []
    assert "s3cret" not in done.out + done.err


def test_a_wrong_password_over_https_says_what_to_try(workspace: Workspace, secure: HttpServer) -> None:
    done = workspace.projrun("run", address(secure, "ada:wr0ng@"), "-e", "free")
    assert done.code == 112
    assert f"{secure.url}/remote.git does not accept you" in done.err
    assert "git credential approve" in done.err
    assert "wr0ng" not in done.out + done.err


def in_subdirectory(workspace: Workspace) -> str:
    """The project is below ``sub`` at the tag ``v1``, and nowhere after it; gives the commit of the tag."""
    (workspace.root / "sub").mkdir()
    for name in ("ProjectSpec.yaml", "requirements.lock", "data", "free.py", "train.py"):
        workspace.repository.git("mv", name, f"sub/{name}")
    commit = workspace.publish()
    workspace.repository.git("tag", "-a", "-m", "the first", "v1")
    workspace.repository.git("rm", "-q", "-r", "sub")
    workspace.publish()
    workspace.repository.git("push", "-q", "origin", "v1")
    return commit


def test_the_short_form_of_ssh_simply_works(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = in_subdirectory(workspace)
    with ssh_server(tmp_path / "ssh") as server:
        monkeypatch.setenv("GIT_SSH_COMMAND", server.command)
        short = f"{server.alias}:{tmp_path}/remote.git"
        document = workspace.run(f"{short}#sub", "-v", "v1", "-e", "free")
        monkeypatch.delenv("GIT_SSH_COMMAND")
        (workspace.home / ".gitconfig").write_text(f"[core]\n\tsshCommand = {server.command}\n")
        whole = f"{server.user}@{short}"
        assert workspace.projrun("run", "-q", f"{whole}#sub", "-v", commit, "-e", "free").out == "free\n"
        wrong = workspace.projrun("run", whole.replace("remote", "missing"), "-e", "free")
    source = document["recipe"]["source"]
    assert (source["commit"], source["resolved_as"], source["subdirectory"]) == (commit, "tag", "sub")
    assert source["address"] == source["remote"] == short
    assert document["recipe"]["spec"]["root"] == f"{short}#sub"
    assert wrong.code == 112
    assert f"there is no repository at {whole.replace('remote', 'missing')}" in wrong.err


@pytest.mark.parametrize("scheme", ["ssh", "https"])
def test_a_host_that_accepts_and_never_answers_is_given_up(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("PROJRUN_GIT_TIMEOUT", "0.5")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/repo.git"
        done = workspace.projrun("run", url, "-e", "free")
    assert done.code == 112
    assert f"{url} gave no answer" in done.err
    assert "PROJRUN_GIT_TIMEOUT=" in done.err


# Git LFS


@pytest.fixture
def large(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A project with a file of Git LFS, whose content is on the server and with the user."""
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{os.path.dirname(LFS or '')}")  # noqa: PTH120
    workspace.repository.git("lfs", "install", "--local")
    workspace.repository.git("lfs", "track", "*.bin")
    workspace.repository.write("weights.bin", "the real weights\n")
    workspace.entry_point("cat weights.bin")
    workspace.publish()
    return workspace


@needs_lfs
def test_files_of_git_lfs_come_over_https(large: Workspace, secure: HttpServer) -> None:
    done = large.projrun("run", "--json", address(secure, "ada:t0p%2Fs3cret%40x@"))
    assert done.code == 0, done.err
    assert large.projrun("logs", "-s", "stdout", cwd=large.home).out == "the real weights\n"
    assert [path for path in secure.requests if path.endswith("/info/lfs/objects/batch")]
    assert [path for path in secure.requests if "/lfs-content/" in path]
    nowhere(large, done)


@needs_lfs
def test_content_of_git_lfs_that_the_server_lost_is_an_error(
    large: Workspace, secure: HttpServer, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "remote.git/lfs")
    done = large.projrun("run", address(secure, "ada:t0p%2Fs3cret%40x@"))
    assert done.code == 112
    assert "the content of weights.bin, kept in Git LFS, cannot be had" in done.err
    assert "s3cret" not in done.out + done.err


@needs_lfs
def test_files_of_git_lfs_come_over_ssh(
    large: Workspace, secure: HttpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The ssh server tells where the content is and what lets one in there: docs/api/authentication of git-lfs.
    told = {
        "href": f"{secure.url}/remote.git/info/lfs",
        "header": {"Authorization": f"Basic {base64.b64encode(f'ada:{SECRET}'.encode()).decode()}"},
        "expires_in": 3600,
    }
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "git-lfs-authenticate").write_text(
        f"#!/bin/sh\necho \"$@\" >>'{tmp_path}/authenticated'\ncat <<'END'\n{json.dumps(told)}\nEND\n"
    )
    (programs / "git-lfs-authenticate").chmod(0o755)
    with ssh_server(tmp_path / "ssh", programs) as server:
        monkeypatch.setenv("GIT_SSH_COMMAND", server.command)
        done = large.projrun("run", "--json", f"{server.alias}:{tmp_path}/remote.git")
        assert done.code == 0, done.err
        assert (tmp_path / "authenticated").read_text().split()[:2] == [f"{tmp_path}/remote.git", "download"]
        document = large.run("--offline", f"{server.alias}:{tmp_path}/remote.git")
    assert document["recipe"]["source"]["changes"] == []
    assert large.projrun("logs", "-s", "stdout", cwd=large.home).out == "the real weights\n"
    nowhere(large, done)


@needs_lfs
def test_the_password_of_the_own_remote_brings_what_the_clone_lacks(large: Workspace, secure: HttpServer) -> None:
    large.repository.git("remote", "set-url", "origin", address(secure, "ada:t0p%2Fs3cret%40x@"))
    shutil.rmtree(large.root / ".git/lfs")
    done = large.projrun("run", "--json", "-v", "HEAD")
    assert done.code == 0, done.err
    assert large.projrun("logs", "-s", "stdout", cwd=large.home).out == "the real weights\n"
    assert done.data["recipe"]["source"]["remote"] == f"{secure.url}/remote.git"
    nowhere(large, done)
