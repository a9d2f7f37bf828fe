"""Text that looks like a secret although nobody declared it: tokens by their marks, keys, passwords."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

# The kinds by their first two bytes. The marks are those that the issuers document for secret scanners.
_KINDS = {
    b"AK": "an AWS access key",
    b"AS": "an AWS access key",
    b"AI": "a Google API key",
    b"gh": "a GitHub token",
    b"gi": "a GitHub token",
    b"gl": "a GitLab token",
    b"xo": "a Slack token",
    b"sk": "an API key",
    b"hf": "a Hugging Face token",
    b"ey": "a JSON web token",
}
# The least of each that is like no other text, with bytes of which it has one: looking for a byte costs nothing,
# and most text lacks one. A pattern begins with its mark, not with what must not be before it: re then goes
# through the data for the mark alone, ten times as fast.
_TOKENS = (
    (b"I", rb"A(?<![A-Za-z0-9]A)(?:[KS]IA[A-Z0-9]{16}|Iza[\w-]{35})"),
    (
        b"_-",
        rb"g(?<![A-Za-z0-9]g)(?:h[posur]_[A-Za-z0-9]{36}|ithub_pat_\w{22}|lpat-[\w-]{20})",
    ),
    (b"-", rb"xox(?<![A-Za-z0-9]xox)[abeoprs]-[\w-]{10}"),
    (b"-", rb"sk-(?<![A-Za-z0-9]sk-)[\w-]{20}"),
    (b"_", rb"hf_(?<![A-Za-z0-9]hf_)[A-Za-z0-9]{30}"),
    (b".", rb"eyJ(?<![A-Za-z0-9]eyJ)[\w-]{10,200}\.eyJ[\w-]{10}"),
)
_FRAME = rb"-----BEGIN (?:[A-Z0-9]{1,10} ){0,3}PRIVATE KEY-----"
_LOGIN = rb"://(?<=[A-Za-z0-9]://)[^\s/?#@:'\"]{0,100}:(?!\*\*\*@|[${<%])[^\s/?#@'\"]{3,200}@"
_SETTING = rb"(?:password|passwd|access_token|api_?key|client_secret)=(?!\*)[^&\s#'\"]{4}"

# Every token has a run of so many letters, digits, - and _, and most chunks of a log have none: one pass over
# the bytes tells, where looking for each mark takes ten.
_RUN = b"a" * 20
_RUNS = bytes(97 if byte < 128 and (chr(byte).isalnum() or byte in b"_-") else 32 for byte in range(256))
_REACH = 256  # bytes of a chunk that may be the beginning of something that ends in the next
_ENOUGH = 10  # findings of a stream after which nobody learns more


class Like(NamedTuple):
    """Something that looks like a secret: what it looks like, and where it ends."""

    what: str
    end: int


@cache
def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.ASCII)  # most runs need none, and compiling takes its time


def _matches(what: str, pattern: bytes, data: bytes) -> Iterator[Like]:
    return (Like(what, match.end()) for match in _compiled(pattern).finditer(data))


def likenesses(data: bytes) -> Iterator[Like]:
    """What in ``data`` looks like a secret, each once."""
    patterns = [pattern for bytes_, pattern in _TOKENS if any(byte in data for byte in bytes_)]
    if patterns and _RUN in data.translate(_RUNS):
        for pattern in patterns:
            for match in _compiled(pattern).finditer(data):
                yield Like(_KINDS[match[0][:2]], match.end())
    if b"PRIVATE KEY" in data:
        yield from _matches("a private key", _FRAME, data)
    if b"@" in data:
        yield from _matches("the password of an address", _LOGIN, data)
    marks = [mark for mark in (b"?", b"&") if mark in data] if b"=" in data else []
    if marks and b"://" in data:
        for mark in marks:
            yield from _matches("a password in an address", rb"\%b%b" % (mark, _SETTING), data)


def likeness(text: str) -> str | None:
    """What ``text`` holds that looks like a secret: ``a GitHub token``; None when nothing does."""
    found = next(likenesses(text.encode("utf-8", "surrogateescape")), None)
    return found.what if found else None


class Watch:
    """Looks at streams as they pass, in bounded memory. Nothing of what is found is kept but its place."""

    def __init__(self) -> None:
        self._tails: dict[str, bytes] = {}
        self._lines: dict[str, int] = {}
        self._found: dict[str, list[tuple[str, int]]] = {}

    def look(self, stream: str, data: bytes) -> None:
        """Looks at what comes next of a stream."""
        found = self._found.setdefault(stream, [])
        if len(found) >= _ENOUGH:
            return
        tail = self._tails.get(stream, b"")
        whole = tail + data
        line = self._lines.get(stream, 1)
        for like in likenesses(whole):
            if like.end > len(tail):
                found.append((like.what, line + data.count(b"\n", 0, like.end - len(tail))))
        self._lines[stream] = line + data.count(b"\n")
        self._tails[stream] = whole[-_REACH:]

    def found(self) -> tuple[tuple[str, str, int], ...]:
        """Each finding with its stream and line there, counted from 1; at most ten or so of a stream."""
        return tuple(
            (what, stream, line) for stream, all_of_it in self._found.items() for what, line in all_of_it[:_ENOUGH]
        )
