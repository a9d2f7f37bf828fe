"""Where else the commit is: the remote branch that holds it, and that remote's address."""

from __future__ import annotations

import os
import re

from projrun.core.regex import regex
from projrun.source.git import Repository
from projrun.source.model import Source
from projrun.source.status import Status

_URL = regex(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_HELPER = regex(r"(?P<helper>[A-Za-z0-9][A-Za-z0-9+.-]*)::(?P<address>.*)", re.DOTALL)
_HOST_AND_PORT = regex(r"(\[[^\]]*\]|[^:]*)(:\d*)?")


def pushed_branch(repository: Repository, status: Status) -> str | None:
    """The remote branch (``origin/main``) that holds HEAD, or None."""
    if status.commit is None:
        return None
    remote = _remote_of(repository, status.branch)
    upstream = status.upstream or ""
    if status.ahead == 0 and remote and upstream.startswith(f"{remote}/"):
        return upstream  # spares a walk over every remote branch
    return branch_with(repository, "HEAD", remote)


def branch_with(repository: Repository, commit: str, remote: str | None = None) -> str | None:
    """The remote branch that holds a commit, or None; one of ``remote``, else of ``origin``, if there is one."""
    told = repository.read(
        "for-each-ref", f"--contains={commit}", "--format=%(refname)%00%(symref)", "refs/remotes"
    )
    names = [line.split("\0")[0] for line in told.text.split("\n") if line.endswith("\0")]
    branches = sorted(name.removeprefix("refs/remotes/") for name in names)
    preferred = [name for wish in (remote, "origin") for name in branches if wish and name.startswith(f"{wish}/")]
    return next(iter([*preferred, *branches]), None)


def name_of(source: Source) -> str:
    """What the user's own repository calls the remote of its branch; ``origin`` if it does not say."""
    values = source.opened.values if source.opened else {}
    names = [name.split(".")[1] for name in values if name.startswith("remote.") and name.endswith(".url")]
    own = _remote_of(source.opened, source.branch) if source.opened else None
    return own or next((name for name in ("origin", *names) if name in names), "origin")


def address_of(repository: Repository, branch: str | None, remote_branch: str | None) -> str | None:
    """As :func:`url_of`, without credentials."""
    url = url_of(repository, branch, remote_branch)
    return without_credentials(url) if url else None


def url_of(repository: Repository, branch: str | None, remote_branch: str | None) -> str | None:
    """The address of the remote that has the commit, else of the branch's upstream, else of ``origin``.

    A path is one from the root. It may hold a password: it is to be parsed, and never shown.
    """
    remotes = {
        name.removeprefix("remote.").removesuffix(".url"): urls[0]
        for name, urls in repository.values.items()
        if name.startswith("remote.") and name.endswith(".url")
    }
    holders = sorted((name for name in remotes if (remote_branch or "").startswith(f"{name}/")), key=len)
    for name in (*holders[-1:], _remote_of(repository, branch), "origin"):
        if name in remotes:
            return _from_root(_rewritten(remotes[name], repository), repository)
    return None


def without_credentials(address: str) -> str:
    """A git address (git-fetch(1), "Git URLs") without anything that could be a password or a token.

    The user name of an ssh address stays: ``git@host:path`` is no address without it, and no secret.
    Passwords that hold ``@`` or ``/`` unquoted are dropped whole.
    """
    if helper := _HELPER.fullmatch(address):
        return f"{helper['helper']}::{without_credentials(helper['address'])}"
    if url := _URL.fullmatch(address):
        return f"{url['scheme']}://{_clean_rest(url['scheme'].lower(), url['rest'])}"
    before, at, _ = address.partition("@")
    if not at or before.startswith(("/", "./", "../", "~")):
        return address
    if ":" in before:
        return address.rpartition("@")[2]
    login, colon, path = address.partition(":")
    user, _, host = login.rpartition("@")
    return address if not colon or "@" not in user else f"{host}:{path}"


def _clean_rest(scheme: str, rest: str) -> str:
    ssh = scheme in ("ssh", "git+ssh", "ssh+git")
    if scheme == "file":
        return rest
    if not ssh:
        rest = re.split(r"[?#]", rest, maxsplit=1)[0] if "@" not in rest else _without_query(rest)
    userinfo, rest = split_userinfo(rest)
    user = userinfo.partition(":")[0]
    return f"{user}@{rest}" if ssh and user and "@" not in user else rest


def split_userinfo(rest: str) -> tuple[str, str]:
    """What follows ``scheme://`` as userinfo ("" if there is none) and the rest, which begins with the host.

    A password may hold ``@``, ``/`` and ``#`` unquoted: as long as one is there, the last ``@`` ends it.
    """
    authority, _, path = rest.partition("/")
    userinfo, at, _ = authority.rpartition("@")
    has_password = ":" in userinfo if at else not _HOST_AND_PORT.fullmatch(authority)
    if has_password and "@" in path:
        userinfo, at, rest = rest.rpartition("@")
        return userinfo, rest
    return userinfo, rest[len(userinfo) + len(at) :]


def _without_query(rest: str) -> str:
    """Cuts a query or fragment after the last ``@``: before it the signs belong to a password."""
    before, at, after = rest.rpartition("@")
    return before + at + re.split(r"[?#]", after, maxsplit=1)[0]


def _remote_of(repository: Repository, branch: str | None) -> str | None:
    names = repository.values.get(f"branch.{branch}.remote", ())
    return names[-1] if names and names[-1] != "." else None


def _rewritten(address: str, repository: Repository) -> str:
    """The address after ``url.<base>.insteadOf``: a private shorthand means nothing on another machine."""
    best, base = "", ""
    for name, prefixes in repository.values.items():
        if name.startswith("url.") and name.endswith(".insteadof"):
            for prefix in prefixes:
                if address.startswith(prefix) and len(prefix) > len(best):
                    best, base = prefix, name.removeprefix("url.").removesuffix(".insteadof")
    return base + address[len(best) :] if best else address


def _from_root(address: str, repository: Repository) -> str:
    """A path of this machine as it is from everywhere. As git decides it: no colon before the first slash."""
    if not address or ":" in address.partition("/")[0]:
        return address
    return os.path.normpath(repository.worktree / address)
