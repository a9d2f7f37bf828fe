"""Git servers on loopback: git http-backend behind a small web server, with TLS or not, and a real sshd."""

from __future__ import annotations

import base64
import contextlib
import os
import pwd
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from projrun.core.values import Struct
from tests.lfs_server import answer

# What must not be skipped. Read before a test gets an environment of its own.
REQUIRED = os.environ.get("PROJRUN_TEST_REQUIRE", "").split(",")


class HttpServer:
    """The running web server over the repositories below ``root``.

    ``requests`` are the paths asked for, ``signed_in`` the credentials that came. ``stall()`` holds every answer
    back until ``may_answer`` is set; ``asked`` tells that somebody waits for one. ``redirect`` sends everybody
    elsewhere.
    """

    def __init__(self, root: Path, login: tuple[str, str] | None, exact_commits: bool) -> None:
        self.root = root
        self.login = ":".join(login) if login else None
        self.exact_commits = exact_commits
        self.url = ""
        self.requests: list[str] = []
        self.signed_in: list[str] = []
        self.asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.redirect: str | None = None

    def stall(self) -> None:
        self.asked.clear()
        self.may_answer.clear()


class _Listening(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, state: HttpServer) -> None:
        super().__init__(("127.0.0.1", 0), _Bridge)
        self.state = state

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not trust the certificate ends the connection: no news."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Bridge(BaseHTTPRequestHandler):
    server: _Listening

    def do_GET(self) -> None:
        state = self.server.state
        body = self._body()
        state.requests.append(self.path)
        state.asked.set()
        state.may_answer.wait()
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        login = base64.b64decode(given).decode()
        if login:
            state.signed_in.append(login)
        if state.redirect:
            self._refuse(302, "Location", state.redirect + self.path)
        elif state.login not in (None, login):
            self._refuse(401, "WWW-Authenticate", 'Basic realm="git"')
        elif found := answer(state.root, state.url, self.path, body, self.headers.get("Authorization", "")):
            self._send(200, {"Content-Type": found.kind}, found.body)
        else:
            self._backend(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *words: object) -> None:  # noqa: A002 - the base class names it
        pass

    def _refuse(self, status: int, header: str, value: str) -> None:
        self._send(status, {header: value}, b"")

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _backend(self, body: bytes) -> None:
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=self._variables(body), capture_output=True, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self._send(int(headers.pop("Status", "200").split()[0]), headers, content)

    def _variables(self, body: bytes) -> dict[str, str]:
        """Those of a CGI program: RFC 3875, git-http-backend(1)."""
        url, state = urlsplit(self.path), self.server.state
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(state.root),
            "GIT_PROJECT_ROOT": str(state.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": url.path,
            "QUERY_STRING": url.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        if state.exact_commits:
            variables["GIT_PROTOCOL"] = self.headers.get("Git-Protocol", "")
        return variables


@contextlib.contextmanager
def http_server(
    root: Path,
    *,
    login: tuple[str, str] | None = None,
    exact_commits: bool = True,
    certificate: Path | None = None,
) -> Iterator[HttpServer]:
    """Serves the repositories below ``root``. With ``login``, only to that user with that password.

    Without ``exact_commits`` the server speaks the first protocol, which gives out no commit that is not the
    end of a branch or tag. With a ``certificate`` it is an https server at ``localhost``. Content of Git LFS that
    the repositories hold is given out too.
    """
    state = HttpServer(root, login, exact_commits)
    with _Listening(state) as listening:
        state.url = f"http://127.0.0.1:{listening.server_address[1]}"
        if certificate is not None:
            state.url = f"https://localhost:{listening.server_address[1]}"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            # The handshake is the business of the thread of each connection.
            listening.socket = context.wrap_socket(
                listening.socket, server_side=True, do_handshake_on_connect=False
            )
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            state.may_answer.set()
            listening.shutdown()
            thread.join()


def make_certificate(folder: Path) -> Path:
    """A certificate for ``localhost``, with its key, that nobody but itself vouches for. Skips without openssl."""
    if shutil.which("openssl") is None:
        if "tls" in REQUIRED:
            pytest.fail("openssl is missing and PROJRUN_TEST_REQUIRE names tls: apt install openssl")
        pytest.skip("openssl is not installed: apt install openssl")
    file = folder / "certificate.pem"
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    words = ("openssl", "req", "-x509", *kind, *name, "-keyout", str(file), "-out", str(file))
    made = subprocess.run(words, check=True, capture_output=True)
    assert file.read_text().count("-----BEGIN") == 2, made.stderr
    return file


class SshServer(Struct, frozen=True):
    """A running sshd that lets the key ``key`` in as the current user.

    ``alias`` is a host that its commands know it by. ``command`` is an ssh that knows the key and the host;
    ``strange_command`` one that does not know the host, ``keyless_command`` one that has no key.
    """

    port: int
    user: str
    command: str
    strange_command: str
    keyless_command: str
    alias: str = "projrun-test"

    def url(self, path: Path) -> str:
        return f"ssh://{self.user}@127.0.0.1:{self.port}{path}"


@contextlib.contextmanager
def ssh_server(folder: Path, programs: Path | None = None) -> Iterator[SshServer]:
    """Runs sshd on loopback for the block, with keys and configuration in ``folder``. Skips without sshd.

    What is asked for by name is looked for in ``programs`` first.
    """
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if sshd is None or shutil.which("ssh") is None:
        if "ssh" in REQUIRED:
            pytest.fail("sshd is missing and PROJRUN_TEST_REQUIRE names ssh: apt install openssh-server")
        pytest.skip("sshd is not installed: apt install openssh-server")
    folder.mkdir(mode=0o700)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    (folder / "authorized").write_bytes((folder / "user.pub").read_bytes())
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/authorized\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        f"PermitRootLogin prohibit-password\nAcceptEnv GIT_PROTOCOL\nMaxStartups 100\n"
        + (f"SetEnv PATH={programs}:/usr/bin:/bin\n" if programs else "")
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd of root locks itself in
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([sshd, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log)
    try:
        _await_port(server, port, folder / "log")
        yield _known(folder, port)
    finally:
        server.terminate()
        server.wait()


def _known(folder: Path, port: int) -> SshServer:
    host_key = (folder / "host.pub").read_text().split()[:2]
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {' '.join(host_key)}\n")
    (folder / "none").touch()

    def command(known_hosts: str, key: str) -> str:
        config = folder / f"config-{known_hosts}-{key}"
        config.write_text(
            f"IdentityFile {folder}/{key}\nIdentitiesOnly yes\nIdentityAgent none\n"
            f"UserKnownHostsFile {folder}/{known_hosts}\nGlobalKnownHostsFile /dev/null\n"
            "StrictHostKeyChecking ask\nUpdateHostKeys no\n"
            f"Host {SshServer.alias}\nHostName 127.0.0.1\nPort {port}\n"
        )
        return f"ssh -F {shlex.quote(str(config))}"

    return SshServer(
        port,
        pwd.getpwuid(os.getuid()).pw_name,
        command("known_hosts", "user"),
        command("none", "user"),
        command("known_hosts", "no-key"),
    )


def _await_port(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(500):
        if server.poll() is not None:
            raise AssertionError(f"sshd ended: {log.read_text()}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.01)
    raise AssertionError(f"sshd does not answer: {log.read_text()}")
