"""Why git could not fetch, from what it and ssh say in the C locale, and what to try."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

from projrun.core.errors import SourceError
from projrun.core.process import Completed
from projrun.core.values import Struct
from projrun.source import git
from projrun.source.model import Address

_PROGRESS = re.compile(r"^(?:remote: )?[A-Z][\w ]+: +\d+|, done\.$")


class _Reason(Struct, frozen=True):
    """``said`` is what git says; ``what`` and ``hint`` may name {shown}, {place}, {ssh}, {host} and {mirror}."""

    said: re.Pattern[str]
    what: str
    hint: str


def _reason(said: str, what: str, hint: str) -> _Reason:
    return _Reason(re.compile(said, re.IGNORECASE), what, hint)


_SIGN_IN = r"authentication failed|could not read (?:username|password)|terminal prompts disabled|error: 40[13]\b"
# The first that fits is the reason.
_REASONS = (
    _reason(
        r"host identification has changed",
        "the host key of {host} is not the one you know",
        "ask whoever runs {host} whether it was changed; then: ssh-keygen -R {host}",
    ),
    _reason(
        r"host key verification failed|no \S+ host key is known",
        "the host key of {host} is not known",
        "connect once by hand and compare its fingerprint: ssh -T {ssh}",
    ),
    _reason(
        r"could not resolve host|name or service not known",
        "the host {host} is not known",
        "check its spelling and your network; --offline runs what was fetched before",
    ),
    _reason(
        r"network is unreachable|no route to host|connection (?:refused|timed out|reset)|operation timed out"
        r"|failed to connect|couldn't connect|connection closed",
        "{shown} cannot be reached",
        "check your network and whether the host is up: git ls-remote {place}",
    ),
    _reason(
        r"ssl certificate|certificate verif|ssl_|gnutls|ssl:",
        "the certificate of {host} is not trusted",
        "name your authority's file: git config --global http.sslCAInfo FILE",
    ),
    _reason(
        rf"{_SIGN_IN}|access denied",
        "{shown} does not accept you",
        "give git a token: git credential approve, or a helper of yours; try it: git ls-remote {place}",
    ),
    _reason(
        r"permission denied \(|too many authentication failures|invalid format|sign_and_send_pubkey",
        "{shown} does not accept you",
        "load your key: ssh-add -l, ssh-add; then try it: ssh -T {ssh}",
    ),
    _reason(
        r"fsck error|error in object|fsck_",
        "{shown} holds an object that git refuses",
        "it may be meant to harm you; look at it elsewhere: git clone {place} && git fsck",
    ),
    _reason(
        r"^(?:error|fatal): (?:object file|loose object|packfile|bad object|unable to read)",
        "the mirror of {shown} is damaged",
        "it is a cache, except for commits the remote no longer has: rm -r {mirror}",
    ),
    _reason(
        r"not found|does not appear to be a git repository|does not exist|no such file",
        "there is no repository at {shown}",
        "check its spelling; one you have no access to may be told as missing too: git ls-remote {place}",
    ),
    _reason(
        r"no space left|disk quota",
        "there is no room for {shown}",
        "make room, or choose another folder: PROJRUN_CACHE=DIR",
    ),
    _reason(
        r"mismatched algorithms|object-format|expected sha/ref, got .[0-9a-f]{40} ",
        "{shown} names its commits by SHA-256",
        "give all 64 digits of the commit, or a branch or tag; a git older than 2.29 fetches none of it",
    ),
)


def failure(completed: Completed, address: Address, directory: Path) -> SourceError:
    """What a failed git command that talked to ``address`` means for the user. ``directory`` is the mirror."""
    said = completed.error_text
    if "dubious ownership" in said:
        return git.failure(completed, Path(urlsplit(address.url).path))
    lines = [line.strip() for line in re.split(r"[\r\n]+", said)]
    lines = [line for line in lines if line and not _PROGRESS.search(line)]
    names = _names(address, directory)
    for reason in _REASONS:
        line = next((line for line in lines if reason.said.search(line)), None)
        if line is not None:
            why = re.sub(r"^(?:fatal|error|ssh): ", "", line)
            return SourceError(reason.what.format(**names), why=why, hint=reason.hint.format(**names))
    return SourceError(
        f"git cannot fetch from {address.shown}",
        why="; ".join(lines[-3:]) or f"it ended with code {completed.returncode}",
        hint="try it by hand: git ls-remote {place}".format(**names),
    )


def is_sign_in_failure(said: str) -> bool:
    """Whether the server did not accept the credentials that it got over http."""
    return bool(re.search(_SIGN_IN, said, re.IGNORECASE))


def is_refusal(said: str) -> bool:
    """Whether the server, asked for a commit by its hash alone, has none or gives none out that way."""
    return bool(
        re.search(
            r"not our ref|unadvertised object|couldn't find remote ref|does not support shallow"
            r"|dumb http transport does not support",
            said,
        )
    )


def _names(address: Address, directory: Path) -> dict[str, str]:
    # ssh(1) takes an address of this form as well as user@host.
    login = address.url.partition(":")[0]
    if "://" in address.url:
        parts = urlsplit(address.url)
        login, host = f"ssh://{parts.netloc}", parts.hostname or ""
    else:
        host = login.rpartition("@")[2]
    return {
        "shown": address.shown,
        "place": shlex.quote(address.shown),
        "ssh": shlex.quote(login),
        "host": host,
        "mirror": shlex.quote(str(directory)),
    }
