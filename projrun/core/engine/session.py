"""What BuildKit asks of who builds: secrets and logins to registries, as gRPC calls.

The connection is one that we open and the engine then calls over: after ``POST /session`` it is an HTTP/2 client,
and a server is here (session/manager.go and session/grpc.go in moby/buildkit). A call is gRPC over HTTP/2
(https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). The messages are those of
grpc/health/v1/health.proto, session/secrets/secrets.proto and session/auth/auth.proto.
"""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from projrun.core.engine import failures, wire
from projrun.core.values import Struct

if TYPE_CHECKING:
    from projrun.core.engine.client import Engine

HEALTH = "/grpc.health.v1.Health/Check"
SECRET = "/moby.buildkit.secrets.v1.Secrets/GetSecret"  # noqa: S105
CREDENTIALS = "/moby.filesync.v1.Auth/Credentials"

Answers = Mapping[str, Callable[[bytes], bytes]]

_UNKNOWN, _NOT_FOUND, _UNIMPLEMENTED, _INTERNAL = 2, 5, 12, 13
_PREFIX = 5  # of a gRPC message: whether it is compressed, and its length in four bytes
_LARGEST_REQUEST = 4 << 20


class Refused(Exception):
    """A call that is answered with a status (https://grpc.io/docs/guides/status-codes/) and no message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def answers(secrets: Mapping[str, str], credentials: Callable[[str], tuple[str, str]]) -> Answers:
    """What is answered to each method, of a request's bytes.

    ``secrets`` are values by id. ``credentials`` gives user and password for the host of a registry, both empty
    for one that nobody logged in to, and a token without a user.
    """

    def secret(request: bytes) -> bytes:
        name = _text(request, 1)
        if name not in secrets:
            raise Refused(_NOT_FOUND, f"secret {name} is not one of this build")
        return wire.encode([(1, secrets[name].encode("utf-8", "surrogateescape"))])

    def login(request: bytes) -> bytes:
        user, password = credentials(_text(request, 1))
        return wire.encode([(1, user), (2, password)])

    serving = wire.encode([(1, 1)])
    return {HEALTH: lambda _: serving, SECRET: secret, CREDENTIALS: login}


class Session:
    """A session with an engine, served by a thread while this is entered; ``id`` names it to the engine.

    Raises EngineFailure when the engine does not take it.
    """

    def __init__(self, engine: Engine, given: Answers) -> None:
        self.id = uuid.uuid4().hex
        self._api = engine.api
        self._answers = given
        self._socket: Any = None
        self._response: Any = None

    def __enter__(self) -> Session:
        # Engines read a list of methods too (...-Grpc-Method), and look in it for those of file transfer alone.
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "h2c",
            "X-Docker-Expose-Session-Uuid": self.id,
            "X-Docker-Expose-Session-Name": "projrun",
            "X-Docker-Expose-Session-Sharedkey": "",
        }
        response = self._api.post(self._api._url("/session"), headers=headers, stream=True)
        if response.status_code != 101:
            raise failures.refused(response.status_code, response.text, "opening a session for a build")
        self._response = response  # a response that is collected closes its connection
        raw = self._api._get_raw_response_socket(response)
        self._socket = getattr(raw, "_sock", raw)
        self._socket.settimeout(None)
        # What came with the head of the response is in this buffer: the socket alone would miss it.
        reader = response.raw._fp.fp
        server = Server(lambda: bytes(reader.read1(65536)), self._socket.sendall, self._answers)
        threading.Thread(target=self._serve, args=(server,), name="buildkit-session", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        with suppress(OSError):
            self._response.close()

    def _serve(self, server: Server) -> None:
        server.serve()
        self._end()  # so that the engine does not wait for an answer that nobody gives

    def _end(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


class _Call(Struct):
    """One call: what came of its request, and what of the answer did not go yet."""

    path: str
    request: bytearray
    left: bytes = b""
    answered: bool = False


class Server:
    """Answers the calls of one HTTP/2 connection. ``read`` gives b"" at its end."""

    def __init__(self, read: Callable[[], bytes], write: Callable[[bytes], object], given: Answers) -> None:
        from h2.config import H2Configuration
        from h2.connection import H2Connection

        self._read = read
        self._write = write
        self._answers = given
        self._calls: dict[int, _Call] = {}
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))

    def serve(self) -> None:
        """Answers until the connection ends or breaks."""
        from h2.exceptions import H2Error

        with suppress(OSError, ValueError):  # the connection is closed under a reader when a build is over
            self._h2.initiate_connection()
            self._flush()
            while data := self._read():
                try:
                    for event in self._h2.receive_data(data):
                        self._take(event)
                except H2Error:
                    self._flush()  # it holds the reason for the other side
                    return
                self._flush()

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data:
            self._write(data)

    def _take(self, event: object) -> None:
        from h2 import events

        if isinstance(event, events.RequestReceived):
            path = next((value for name, value in event.headers or () if name == b":path"), b"")
            self._calls[event.stream_id or 0] = _Call(path.decode(errors="replace"), bytearray())
        elif isinstance(event, events.DataReceived):
            self._receive(event.stream_id or 0, bytes(event.data or b""), event.flow_controlled_length or 0)
        elif isinstance(event, events.StreamEnded):
            self._answer(event.stream_id or 0)
        elif isinstance(event, events.StreamReset):
            self._calls.pop(event.stream_id or 0, None)
        elif isinstance(event, (events.WindowUpdated, events.RemoteSettingsChanged)):
            for stream in list(self._calls):
                self._send(stream)

    def _receive(self, stream: int, data: bytes, length: int) -> None:
        self._h2.acknowledge_received_data(length, stream)
        call = self._calls.get(stream)
        if call is None:
            return
        call.request += data
        if len(call.request) > _LARGEST_REQUEST:
            self._calls.pop(stream)
            self._h2.reset_stream(stream)

    def _answer(self, stream: int) -> None:
        call = self._calls.get(stream)
        if call is None:
            return
        head = [(":status", "200"), ("content-type", "application/grpc")]
        try:
            message = self._called(call)
        except Refused as refused:
            status = [("grpc-status", str(refused.status)), ("grpc-message", quote(str(refused), safe=" "))]
            self._h2.send_headers(stream, head + status, end_stream=True)
            self._calls.pop(stream)
            return
        self._h2.send_headers(stream, head)
        call.left = b"\x00" + len(message).to_bytes(4, "big") + message
        call.answered = True
        self._send(stream)

    def _called(self, call: _Call) -> bytes:
        method = self._answers.get(call.path)
        if method is None:
            raise Refused(_UNIMPLEMENTED, f"{call.path} is not offered")
        if len(call.request) < _PREFIX or call.request[0]:
            raise Refused(_UNIMPLEMENTED, "a message must be whole and not compressed")
        try:
            return method(bytes(call.request[_PREFIX:]))
        except Refused:
            raise
        except wire.BrokenMessage as error:
            raise Refused(_INTERNAL, str(error)) from error
        except Exception as error:  # a call must get an answer: without one the engine waits for ever
            raise Refused(_UNKNOWN, f"{call.path} failed: {type(error).__name__}") from error

    def _send(self, stream: int) -> None:
        """Sends what of an answer the other side has room for."""
        call = self._calls[stream]
        if not call.answered:
            return
        while call.left:
            room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
            if room <= 0:
                return
            self._h2.send_data(stream, call.left[:room])
            call.left = call.left[room:]
        self._h2.send_headers(stream, [("grpc-status", "0")], end_stream=True)
        self._calls.pop(stream)


def _text(message: bytes, number: int) -> str:
    found = [value for field, value in wire.decode(message) if field == number and isinstance(value, bytes)]
    return found[-1].decode(errors="replace") if found else ""
