"""The engine's API without a library: what a run asks of it must not wait for one to be imported.

Every question has a connection of its own, by HTTP/1.0, so that the answer is what comes until the end. An engine
that is reached by ssh is not spoken with here.
"""

from __future__ import annotations

import contextlib
import json
import socket
from typing import Any, NamedTuple

_READ_BYTES = 64 * 1024
_FIRST_REFUSAL = 300


class Place(NamedTuple):
    """Where an engine is. ``at`` is a socket's path (``unix``) or ``host:port`` (``tcp``).

    ``certificates`` of a connection by TLS: the files of the authority, the certificate and the key, and whether
    the engine's own has to be signed by that authority.
    """

    scheme: str
    at: str
    certificates: tuple[str, str, str, bool] | None = None


class Refused(Exception):
    """The engine says that it will not or cannot. ``status`` is that of HTTP, the text what the engine says."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def ask(place: Place, method: str, path: str, document: Any = None, *, timeout: float) -> Any:
    """Asks the engine and gives its answer as data; None when it is empty. ``timeout``: seconds of silence.

    Raises Refused, and OSError when the engine is not there or breaks off.
    """
    with begin(place, method, path, document, timeout=timeout) as connection:
        return heard(connection)


def heard(connection: socket.socket) -> Any:
    """The answer that comes over a connection, as :func:`ask` gives it."""
    return answer(_all(connection))


def begin(
    place: Place, method: str, path: str, document: Any = None, *, timeout: float | None = None
) -> socket.socket:
    """Asks, and gives the connection over which the answer comes, whole when it ends. Raises OSError."""
    body = b"" if document is None else json.dumps(document).encode()
    head = f"{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return _sent(place, head.encode() + body, timeout)


def answer(data: bytes) -> Any:
    """What a whole answer says. Raises Refused, and ConnectionError when it is none or broken off."""
    status, fields, content = _parted(data)
    length = fields.get("content-length")
    if length is not None and len(content) < int(length):
        raise ConnectionError("it broke off in the middle of an answer")
    try:
        found = json.loads(content) if content.strip() else None
    except ValueError as error:
        if status < _FIRST_REFUSAL:
            raise ConnectionError("it broke off in the middle of an answer") from error
        found = None
    if status >= _FIRST_REFUSAL:
        told = found.get("message") if isinstance(found, dict) else None
        raise Refused(status, str(told or content.decode(errors="replace").strip() or f"status {status}"))
    return found


def attach(place: Place, path: str, *, timeout: float) -> tuple[socket.socket, bytes]:
    """A connection over which only bytes go once the engine has agreed, and those that came already.

    ``timeout`` is for the agreement alone. Raises Refused, and OSError.
    """
    head = (
        f"POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
    )
    connection = _sent(place, head.encode(), timeout)
    try:
        data = b""
        while b"\r\n\r\n" not in data and (piece := connection.recv(_READ_BYTES)):
            data += piece
        status, told, begun = _parted(data)
        if status >= _FIRST_REFUSAL:
            while len(data) < int(told.get("content-length", 0)) and (piece := connection.recv(_READ_BYTES)):
                data += piece
            answer(data)
        connection.settimeout(None)
        return connection, begun
    except BaseException:
        connection.close()
        raise


def described(place: Place, path: str, *, timeout: float) -> dict[str, str] | None:
    """The fields of the head of an answer, by their names in small letters; None for what the engine has not."""
    with begin(place, "HEAD", path, timeout=timeout) as connection:
        status, fields, _ = _parted(_all(connection))
    return fields if status < _FIRST_REFUSAL else None


def connect(place: Place, timeout: float | None) -> socket.socket:
    """A connection to the engine. Raises OSError, also for certificates that are not there or not right."""
    if place.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout)
            connection.connect(place.at)
        except BaseException:
            connection.close()
            raise
        return connection
    host, _, port = place.at.rpartition(":")
    host = host.strip("[]")
    connection = socket.create_connection((host, int(port)), timeout)
    if place.certificates is None:
        return connection
    try:
        return _secured(connection, host, place.certificates)
    except BaseException:
        connection.close()
        raise


def _secured(connection: socket.socket, host: str, certificates: tuple[str, str, str, bool]) -> socket.socket:
    import ssl

    authority, certificate, key, verify = certificates
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if verify:
        context.load_verify_locations(authority)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(certificate, key)
    return context.wrap_socket(connection, server_hostname=host)


def _sent(place: Place, request: bytes, timeout: float | None) -> socket.socket:
    connection = connect(place, timeout)
    try:
        with contextlib.suppress(BrokenPipeError):  # it may have answered before it heard all
            connection.sendall(request)
    except BaseException:
        connection.close()
        raise
    return connection


def _all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(_READ_BYTES), b""))


def _parted(data: bytes) -> tuple[int, dict[str, str], bytes]:
    """An answer's status, fields and content."""
    head, end, content = data.partition(b"\r\n\r\n")
    if not end:
        raise ConnectionError("it ended the connection without an answer")
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split()
    if len(words) < 2 or not words[1].isdigit():
        raise ConnectionError(f"it does not answer as a container engine does: {first[:60]!r}")
    fields = (line.partition(":") for line in lines)
    return int(words[1]), {name.strip().lower(): value.strip() for name, _, value in fields}, content
