"""What BuildKit asks over its session, asked by a real HTTP/2 client over a real socket."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, TrailersReceived
from h2.settings import SettingCodes
from hypothesis import given, settings
from hypothesis import strategies as st

from projrun.core.engine import session, wire
from projrun.core.values import Struct, field

BIG = "x" * 300_000  # more than HTTP/2 sends before it is asked for more


class Answer(Struct):
    headers: dict[str, str] = field(default_factory=dict)
    data: bytes = b""
    ended: bool = False

    @property
    def status(self) -> str:
        return self.headers["grpc-status"]


class Caller:
    """The engine's side."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._socket.settimeout(20)
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()

    def call(self, path: str, *messages: bytes, flag: int = 0) -> list[Answer]:
        """Calls a method with each message, all at once."""
        answers: dict[int, Answer] = {}
        for message in messages:
            stream = self.h2.get_next_available_stream_id()
            head = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x")]
            self.h2.send_headers(stream, [*head, ("content-type", "application/grpc"), ("te", "trailers")])
            framed = bytes([flag]) + len(message).to_bytes(4, "big") + message
            self.h2.send_data(stream, framed, end_stream=True)
            answers[stream] = Answer()
        while not all(one.ended for one in answers.values()):
            self._socket.sendall(self.h2.data_to_send())
            data = self._socket.recv(65536)
            assert data
            for event in self.h2.receive_data(data):
                self._take(event, answers)
        return list(answers.values())

    def _take(self, event: object, answers: dict[int, Answer]) -> None:
        if isinstance(event, (ResponseReceived, TrailersReceived)):
            answers[event.stream_id or 0].headers |= dict(event.headers or ())  # type: ignore[arg-type]
        elif isinstance(event, DataReceived):
            answers[event.stream_id or 0].data += event.data or b""
            self.h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
        elif isinstance(event, StreamEnded):
            answers[event.stream_id or 0].ended = True


def _login(host: str) -> tuple[str, str]:
    if host == "broken.example":
        raise RuntimeError("the password is hunter2")
    return ("me", "pass") if host == "there.example" else ("", "")


@contextlib.contextmanager
def _served() -> Iterator[socket.socket]:
    here, there = socket.socketpair()
    given_ = session.answers({"token": "s3cret", "big": BIG, "odd": "\udcff"}, _login)
    server = session.Server(lambda: there.recv(65536), there.sendall, given_)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield here
    finally:
        here.close()
        thread.join(20)
        there.close()
        assert not thread.is_alive()


@pytest.fixture
def caller() -> Iterator[Caller]:
    with _served() as connection:
        yield Caller(connection)


def _message(answer: Answer) -> list[tuple[int, int | bytes]]:
    assert answer.status == "0"
    assert int.from_bytes(answer.data[1:5], "big") == len(answer.data) - 5
    return wire.decode(answer.data[5:])


def test_it_is_healthy(caller: Caller) -> None:
    (answer,) = caller.call(session.HEALTH, b"")
    assert _message(answer) == [(1, 1)]


def test_a_secret_is_given_by_its_id_however_long_it_is(caller: Caller) -> None:
    asked = [wire.encode([(1, name)]) for name in ("token", "big", "odd", "big")]
    token, big, odd, again = caller.call(session.SECRET, *asked)
    assert _message(token) == [(1, b"s3cret")]
    assert _message(big) == _message(again) == [(1, BIG.encode())]
    assert _message(odd) == [(1, b"\xff")]


def test_it_waits_for_a_caller_with_little_room(caller: Caller) -> None:
    caller.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1000, SettingCodes.MAX_FRAME_SIZE: 16384})
    (answer,) = caller.call(session.SECRET, wire.encode([(1, "big")]))
    assert _message(answer) == [(1, BIG.encode())]


def test_a_secret_that_is_not_given_is_not_found(caller: Caller) -> None:
    (answer,) = caller.call(session.SECRET, wire.encode([(1, "other thing\n%")]))
    assert (answer.status, answer.data) == ("5", b"")
    assert answer.headers["grpc-message"] == "secret other thing%0A%25 is not one of this build"


def test_logins_are_given_by_host_and_their_failures_tell_nothing(caller: Caller) -> None:
    hosts = [wire.encode([(1, name)]) for name in ("there.example", "else.example", "broken.example")]
    known, unknown, broken = caller.call(session.CREDENTIALS, *hosts)
    assert _message(known) == [(1, b"me"), (2, b"pass")]
    assert _message(unknown) == [(1, b""), (2, b"")]
    assert (broken.status, "hunter2" in broken.headers["grpc-message"]) == ("2", False)


def test_what_is_not_offered_is_answered_too(caller: Caller) -> None:
    (answer,) = caller.call("/moby.filesync.v1.FileSync/DiffCopy", b"")
    assert answer.status == "12"
    (answer,) = caller.call(session.SECRET, wire.encode([(1, "token")]), flag=1)
    assert answer.status == "12"
    (answer,) = caller.call(session.SECRET, b"\x0a\x05ab")
    assert answer.status == "13"
    assert caller.call(session.HEALTH, b"")[0].status == "0"


@settings(max_examples=30)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_end_the_connection_and_nothing_else(data: bytes, begun: bool) -> None:
    with _served() as connection, contextlib.suppress(OSError):
        connection.sendall(Caller(connection).h2.data_to_send() + data if begun else data)
        connection.shutdown(socket.SHUT_WR)
