"""A server of one file on loopback that can be made to fail in the ways of the network."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from projrun.core.values import Struct, field


class FileServer(Struct):
    """What is served, how, and what was asked. ``cut`` is after how many bytes the next answers break off.

    ``answers`` are status codes that come first; ``login`` is the Authorization that is asked for.
    """

    content: bytes
    ranges: bool = True
    cut: list[int] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    login: str = ""
    asked: list[str] = field(default_factory=list)
    url: str = ""


@contextlib.contextmanager
def serving_file(content: bytes) -> Iterator[FileServer]:
    """Serves ``content`` at every path but /moved, which leads to /here, and /lost, to no address."""
    state = FileServer(content)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(f"{self.path} {self.headers.get('Range', '')}".strip())
            if state.answers:
                self.send_error(state.answers.pop(0))
            elif self.path in ("/moved", "/lost"):
                self.send_response(302)
                self.send_header("Location", "/here" if self.path == "/moved" else "http://[nowhere")
                self.end_headers()
            elif state.login and self.headers.get("Authorization") != state.login:
                self.send_error(401)
            else:
                self._send()

        def _send(self) -> None:
            wanted = self.headers.get("Range", "")
            start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted and state.ranges else 0
            size = len(state.content)
            if start >= size > 0:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(size - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            self.end_headers()
            end = start + state.cut.pop(0) if state.cut else size
            self.wfile.write(state.content[start:end])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
