"""The bytes behind an address, from an offset on: files, HTTP, and whatever fsspec knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

_BLOCK = 1 << 20
_TIMEOUTS = (15, 60)  # seconds until there is a connection, and between two pieces
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_SIGN_IN = "put a login for that host into ~/.netrc, or fetch it yourself"
_LOG_IN = "give its login as the service's own tools take it (of s3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
_EXTRA = "pip install 'projrun[remote]'"


class TransferError(Exception):
    """What went wrong. ``passing``: another attempt may do. ``hint`` is what to type, empty when nothing helps."""

    def __init__(self, text: str, *, passing: bool = False, hint: str = "") -> None:
        super().__init__(text)
        self.passing = passing
        self.hint = hint


class Stream(NamedTuple):
    """Bytes from ``start`` on; ``size`` is that of the whole, None when it is not told."""

    start: int
    size: int | None
    blocks: Iterator[bytes]


@contextmanager
def opened(url: str, offset: int) -> Iterator[Stream]:
    """The bytes of an address, from ``offset`` on where that can be, else from the beginning.

    Raises TransferError, in the block too.
    """
    scheme = urlsplit(url).scheme.lower()
    way = {"file": _file, "http": _http, "https": _http}.get(scheme, _other)
    with way(url, offset) as stream:
        yield stream


@contextmanager
def _file(url: str, offset: int) -> Iterator[Stream]:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise TransferError(f"a file of another machine ({parts.netloc})", hint="write file:/// and a path")
    from projrun.data.reading import Uncovered, regular_file

    try:
        with regular_file(unquote(parts.path)) as descriptor, open(descriptor, "rb", closefd=False) as file:
            size = file.seek(0, 2)
            start = file.seek(min(offset, size))
            yield Stream(start, size, iter(lambda: file.read(_BLOCK), b""))
    except (OSError, Uncovered) as error:
        raise TransferError(getattr(error, "strerror", None) or str(error)) from error


@contextmanager
def _http(url: str, offset: int) -> Iterator[Stream]:
    import requests
    from urllib3.exceptions import HTTPError

    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUTS) as response:
            yield _answered(response, offset)
    except (requests.RequestException, HTTPError, ValueError) as error:  # an address it leads to may be none
        passing = not isinstance(error, (ValueError, requests.TooManyRedirects))
        raise TransferError(_first_line(error), passing=passing) from error


def _answered(response: Any, offset: int) -> Stream:
    status = response.status_code
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    blocks = response.raw.stream(_BLOCK, decode_content=False)
    if status == 206 and found and int(found[1]) == offset:
        return Stream(offset, int(found[2]) if found[2] != "*" else None, blocks)
    if status == 200:
        length = response.headers.get("Content-Length", "")
        return Stream(0, int(length) if length.isdecimal() else None, blocks)
    if status in (206, 416):  # what was kept is longer than what is there
        return Stream(offset, offset, iter(()))
    hint = _SIGN_IN if status in (401, 403, 407) else ""
    raise TransferError(f"the server answered {status} {response.reason}", passing=status in _PASSING, hint=hint)


@contextmanager
def _other(url: str, offset: int) -> Iterator[Stream]:
    from importlib import import_module

    scheme = urlsplit(url).scheme
    try:
        fsspec = import_module("fsspec")
        system, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        text = f"{scheme}:// needs what projrun does not bring by itself ({_first_line(error)})"
        raise TransferError(text, hint=_EXTRA) from error
    try:
        with system.open(path, "rb") as file:
            size = getattr(file, "size", None)
            if not size and system.isdir(path):  # of a store of objects: the beginning of their names
                raise TransferError("it is a directory", hint="name one file")
            start = file.seek(offset) if size is None or offset <= size else file.seek(0)
            yield Stream(start, size, iter(lambda: file.read(_BLOCK), b""))
    except TransferError:
        raise
    except FileNotFoundError as error:
        raise TransferError("it is not there") from error
    except Exception as error:  # each of its file systems has errors of its own
        text = f"{type(error).__name__}: {_first_line(error)}"
        if isinstance(error, PermissionError) or "credential" in type(error).__name__.lower():
            raise TransferError(text, hint=_LOG_IN) from error
        raise TransferError(text, passing=True) from error


def _first_line(error: BaseException) -> str:
    """What the system said, when it is behind what the libraries say of it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror and cause.errno is not None:
            return cause.strerror
        cause = _reason(cause)
    return str(error).partition("\n")[0][:300] or type(error).__name__


def _reason(error: BaseException) -> BaseException | None:
    """The error that this one stands for: urllib3 has it as ``reason``, requests as what it was made of."""
    for found in (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__):
        if isinstance(found, BaseException) and found is not error:
            return found
    return None
