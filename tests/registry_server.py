"""A registry on loopback: pull and push of the OCI distribution API, version 2, over plain http.

An engine takes 127.0.0.0/8 for a registry that needs no TLS, so that ``docker push 127.0.0.1:PORT/name:tag`` gives
real digests. The API: https://github.com/opencontainers/distribution-spec.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tests.engine import Engine


class Manifest(NamedTuple):
    kind: str
    content: bytes


class Registry:
    """What the running registry holds. ``requests`` are the methods and paths asked for: ``GET /v2/...``.

    ``login`` (``user:password``) is asked for when it is not empty. ``broken`` makes every request fail with 500.
    """

    def __init__(self, login: str = "") -> None:
        self.login = login
        self.port = 0
        self.requests: list[str] = []
        self.broken = False
        self.blobs: dict[str, bytes] = {}
        self.uploads: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], Manifest] = {}
        self.tags: dict[tuple[str, str], str] = {}

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``, as it stands before a name."""
        return f"127.0.0.1:{self.port}"

    def push(self, engine: Engine, image: str, name: str) -> str:
        """Pushes an image of the engine as ``name`` (``base:1``) and returns the digest that it has here.

        The engine then knows it as ``HOST/base:1`` with that digest; ``forget`` takes that away again.
        """
        repository, _, tag = name.rpartition(":")
        engine.api.tag(image, f"{self.host}/{repository}", tag)
        user, _, password = self.login.partition(":")
        login = {"username": user, "password": password} if self.login else None
        for line in engine.api.push(f"{self.host}/{repository}", tag, stream=True, decode=True, auth_config=login):
            assert "error" not in line, line
        return self.tags[repository, tag]

    def forget(self, engine: Engine, name: str) -> None:
        """Makes the engine forget what it knows as ``name``, by tag and by digest, so that it has to ask."""
        repository = f"{self.host}/{name.rpartition(':')[0]}"
        for image in engine.api.images(repository):
            known = [*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())]
            for reference in known:
                if reference.startswith((f"{repository}:", f"{repository}@")):
                    with contextlib.suppress(Exception):  # the first of several names may take others along
                        engine.api.remove_image(reference)

    def move(self, name: str, digest: str) -> None:
        """Lets a tag (``base:1``) mean another of the manifests that are here."""
        repository, _, tag = name.rpartition(":")
        assert (repository, digest) in self.manifests
        self.tags[repository, tag] = digest

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """By tag or by digest."""
        return self.manifests.get((repository, self.tags.get((repository, reference), reference)))

    def asked(self, repository: str, part: str = "") -> list[str]:
        """The requests so far about a repository; ``part`` is ``manifests`` or ``blobs``."""
        return [request for request in self.requests if f"/v2/{repository}/{part}" in request]


@contextlib.contextmanager
def registry(*, login: str = "") -> Iterator[Registry]:
    """Runs an empty registry for the block, on a free port."""
    state = Registry(login)
    with _Listening(state) as server:
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


class _Listening(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, state: Registry) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.state = state


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class _Answer(BaseHTTPRequestHandler):
    server: _Listening
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        state, path = self.server.state, urlsplit(self.path).path
        body = self._body()
        state.requests.append(f"{self.command} {path}")
        wanted = f"Basic {base64.b64encode(state.login.encode()).decode()}"
        if state.broken:
            self._fail(500, "UNKNOWN")
        elif state.login and self.headers["Authorization"] != wanted:
            self._fail(401, "UNAUTHORIZED", {"WWW-Authenticate": 'Basic realm="tests"'})
        elif path in ("/v2", "/v2/"):
            self._send(200, {}, b"{}")
        elif found := re.fullmatch(r"/v2/(.+)/blobs/uploads/(.*)", path):
            self._upload(found[1], found[2], body)
        elif found := re.fullmatch(r"/v2/(.+)/blobs/(sha256:\w+)", path):
            self._blob(found[2])
        elif found := re.fullmatch(r"/v2/(.+)/manifests/([^/]+)", path):
            self._manifest(found[1], found[2], body)
        elif found := re.fullmatch(r"/v2/(.+)/tags/list", path):
            tags = sorted(tag for name, tag in state.tags if name == found[1])
            self._send(200, {}, json.dumps({"name": found[1], "tags": tags}).encode())
        else:
            self._fail(404, "UNSUPPORTED")

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = _answer  # noqa: N815 - the base class names them

    def _upload(self, repository: str, upload: str, body: bytes) -> None:
        """A blob comes in pieces (PATCH) or at once, and is done with its digest."""
        state = self.server.state
        query = parse_qs(urlsplit(self.path).query)
        if (mounted := query.get("mount", [""])[0]) in state.blobs:
            self._send(201, {"Location": f"/v2/{repository}/blobs/{mounted}"}, b"")
            return
        upload = upload or f"{len(state.uploads)}-{threading.get_ident()}"
        content = state.uploads[upload] = state.uploads.get(upload, b"") + body
        if digest := query.get("digest", [""])[0]:
            if _digest(content) != digest:
                self._fail(400, "DIGEST_INVALID")
                return
            state.blobs[digest] = state.uploads.pop(upload)
            self._send(201, {"Location": f"/v2/{repository}/blobs/{digest}", "Docker-Content-Digest": digest}, b"")
            return
        place = {"Location": f"/v2/{repository}/blobs/uploads/{upload}", "Docker-Upload-UUID": upload}
        self._send(202, {**place, "Range": f"0-{max(len(content) - 1, 0)}"}, b"")

    def _blob(self, digest: str) -> None:
        content = self.server.state.blobs.get(digest)
        if content is None:
            self._fail(404, "BLOB_UNKNOWN")
        else:
            kind = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest}
            self._send(200, kind, content)

    def _manifest(self, repository: str, reference: str, body: bytes) -> None:
        state = self.server.state
        if self.command == "PUT":
            digest = _digest(body)
            state.manifests[repository, digest] = Manifest(self.headers["Content-Type"], body)
            if not reference.startswith("sha256:"):
                state.tags[repository, reference] = digest
            place = f"/v2/{repository}/manifests/{digest}"
            self._send(201, {"Location": place, "Docker-Content-Digest": digest}, b"")
        elif manifest := state.manifest(repository, reference):
            kind = {"Content-Type": manifest.kind, "Docker-Content-Digest": _digest(manifest.content)}
            self._send(200, kind, manifest.content)
        else:
            self._fail(404, "MANIFEST_UNKNOWN")

    def _fail(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        content: Any = {"errors": [{"code": code, "message": code.lower().replace("_", " ")}]}
        self._send(status, headers or {}, json.dumps(content).encode())

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            kind = {"Content-Type": "application/json", "Docker-Distribution-Api-Version": "registry/2.0"}
            for name, value in {**kind, **headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def log_message(self, format: str, *words: object) -> None:  # noqa: A002 - the base class names it
        pass
