"""A package index on loopback: the simple repository API (PEP 503) over a folder of archives."""

from __future__ import annotations

import base64
import contextlib
import re
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from tests.wheels import sha256_of


class Index:
    """The running index. ``requests`` are the paths asked for; ``stall`` holds every archive back until set.

    ``yanked`` are the file names of archives that were withdrawn (PEP 592).
    """

    def __init__(self, folder: Path, port: int, scheme: str = "http") -> None:
        self.folder = folder
        self.url = f"{scheme}://127.0.0.1:{port}/simple/"
        self.requests: list[str] = []
        self.yanked: set[str] = set()
        self.asked_for_archive = threading.Event()
        self.may_send = threading.Event()
        self.may_send.set()

    def stall(self) -> None:
        """From now on an archive is asked for and does not come."""
        self.may_send.clear()

    def page(self, project: str) -> str | None:
        """The project's page, or None when the index has no such project."""
        links = [
            f'<a href="/files/{archive.name}#sha256={sha256_of(archive)}"'
            f"{' data-yanked=broken' if archive.name in self.yanked else ''}>{archive.name}</a>"
            for archive in sorted(self.folder.iterdir())
            if archive.is_file() and normalised(archive.name.split("-")[0]) == project
        ]
        return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>" if links else None


def normalised(name: str) -> str:
    """A project's name as the index spells it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


class Identity(NamedTuple):
    """A server's certificate with its key in one file, and the certificate of who made it."""

    server: Path
    authority: Path


def make_identity(folder: Path) -> Identity:
    """A certificate for 127.0.0.1 by an authority that only we know."""
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "rsa:2048", "-nodes", "-days", "2")
    openssl("req", "-x509", *key, "-subj", "/CN=tests", "-keyout", "authority.key", "-out", "authority.pem")
    openssl("req", *key[:-2], "-subj", "/CN=127.0.0.1", "-keyout", "server.key", "-out", "server.csr")
    (folder / "for").write_text(
        "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n"
    )
    signer = (
        "-CA",
        "authority.pem",
        "-CAkey",
        "authority.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "for",
    )
    openssl("x509", "-req", "-in", "server.csr", *signer, "-out", "server.pem")
    server = folder / "whole.pem"
    server.write_text((folder / "server.key").read_text() + (folder / "server.pem").read_text())
    return Identity(server, folder / "authority.pem")


@contextlib.contextmanager
def serving(folder: Path, *, login: str = "", identity: Identity | None = None) -> Iterator[Index]:
    """Serves the archives of ``folder`` for the block, on a free port.

    ``login`` (``user:password``) is asked for on every request; with an ``identity`` only TLS is spoken.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = f"Basic {base64.b64encode(login.encode()).decode()}" if login else None

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            archive = folder / self.path.rpartition("/")[2]
            self._send(archive.read_bytes() if archive.is_file() else None, "application/octet-stream")

        def do_GET(self) -> None:
            index.requests.append(self.path)
            if wanted not in (None, self.headers["Authorization"]):
                self._send(None, "text/plain", 401)
                return
            if self.path.startswith("/simple/"):
                page = index.page(normalised(self.path.split("/")[2]))
                self._send(page.encode() if page is not None else None, "text/html")
                return
            index.asked_for_archive.set()
            index.may_send.wait()
            archive = folder / self.path.rpartition("/")[2]
            self._send(archive.read_bytes() if archive.is_file() else None, "application/octet-stream")

        def _send(self, body: bytes | None, kind: str, missing: int = 404) -> None:
            with contextlib.suppress(ConnectionError):
                self.send_response(200 if body is not None else missing)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body or b"")))
                if kind == "application/octet-stream":
                    self.send_header("Cache-Control", "max-age=600")  # as indexes do: an archive never changes
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body or b"")

        def log_message(self, format: str, *words: object) -> None:  # noqa: A002 - the base class names it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        index = Index(folder, server.server_address[1], "https" if identity else "http")
        if identity:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(identity.server)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield index
        finally:
            index.may_send.set()
            server.shutdown()
            thread.join()
