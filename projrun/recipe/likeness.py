"""Text that looks like a secret although nobody declared it: tokens by their marks, keys, passwords."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

# What a kind begins with, and the least of it that is like no other text. The marks are those that the
# issuers document for secret scanners.
_KINDS = (
    ("an AWS access key", (b"AKIA", b"ASIA"), rb"(?:AKIA|ASIA)[A-Z0-9]{16}"),
    ("a GitHub token", (b"ghp_", b"gho_", b"ghs_", b"ghu_", b"ghr_"), rb"gh[posur]_[A-Za-z0-9]{36}"),
    ("a GitHub token", (b"github_pat_",), rb"github_pat_\w{22}"),
    ("a GitLab token", (b"glpat-",), rb"glpat-[\w-]{20}"),
    ("a Slack token", (b"xox",), rb"xox[abeoprs]-[\w-]{10}"),
    ("an API key", (b"sk-",), rb"sk-[\w-]{20}"),
    ("a Google API key", (b"AIza",), rb"AIza[\w-]{35}"),
    ("a Hugging Face token", (b"hf_",), rb"hf_[A-Za-z0-9]{30}"),
    ("a JSON web token", (b"eyJ",), rb"eyJ[\w-]{10,200}\.eyJ[\w-]{10}"),
)
_TOKENS = tuple((what, marks, rb"(?<![A-Za-z0-9])(?:%b)" % pattern) for what, marks, pattern in _KINDS)
_FRAME = rb"-----BEGIN (?:[A-Z0-9]{1,10} ){0,3}PRIVATE KEY-----"
_LOGIN = rb"(?<=[A-Za-z0-9]://)[^\s/?#@:'\"]{0,100}:(?!\*\*\*@|[${<%])[^\s/?#@'\"]{3,200}@"
_SETTINGS = (b"assword=", b"asswd=", b"_token=", b"key=", b"secret=")
_SETTING = rb"[?&](?:password|passwd|access_token|api_?key|client_secret)=(?!\*)[^&\s#'\"]{4}"

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
    if _RUN in data.translate(_RUNS):
        github = b"gh" in data  # in place of six marks
        for what, marks, pattern in _TOKENS:
            if (github or marks[0][:2] != b"gh") and any(mark in data for mark in marks):
                yield from (Like(what, match.end()) for match in _compiled(pattern).finditer(data))
    if b"PRIVATE KEY-----" in data:
        yield from (Like("a private key", match.end()) for match in _compiled(_FRAME).finditer(data))
    if b"://" in data:
        if b"@" in data:
            yield from (
                Like("the password of an address", match.end()) for match in _compiled(_LOGIN).finditer(data)
            )
        if any(mark in data for mark in _SETTINGS):
            yield from (
                Like("a password in an address", match.end()) for match in _compiled(_SETTING).finditer(data)
            )


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
