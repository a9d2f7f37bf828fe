"""Text that names a repository, as an address that is safe to hand to git (git-fetch(1), "Git URLs")."""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path

from projrun.core.errors import SourceError
from projrun.core.regex import regex
from projrun.core.values import replace
from projrun.source import git
from projrun.source.model import Address
from projrun.source.remote import split_userinfo, without_credentials

_URL = regex(r"(?:git\+)?(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_HELPER = regex(r"[A-Za-z0-9][A-Za-z0-9+.-]*::.*", re.DOTALL)
# As git decides it: a colon before the first slash, and a host in brackets may hold colons itself.
_SCP = regex(r"(?P<login>(?:[^/:@]*@)?(?:\[[^\]/]*\]|[^/:\[]*)):(?P<path>.*)", re.DOTALL)
_HOST = regex(r"(?P<host>\[[0-9A-Fa-f:.]+(?:%25\w+)?\]|\w[\w.-]*)(?::(?P<port>\d{0,5}))?")
_BRACKETED = regex(r"\[[\w.:-]+\]|\w[\w.-]*")
_CONTROL = regex(r"[\x00-\x1f\x7f]")
_LOOPBACK = regex(r"localhost|127\.\d+\.\d+\.\d+|\[::1\]")
_NO_COLON = regex(r"(?P<scheme>https?|ssh|file)/{1,3}.*@.*", re.DOTALL)
_SCHEMES = ("ssh", "https", "http", "file")
_FORMS = "host:org/repo.git, ssh://, https:// or file:// with a path, or a directory"


def is_address(text: str) -> bool:
    """Whether ``text`` names a repository to fetch from rather than a directory to look at.

    A directory of this machine is an address when it is a bare repository, or has ``#subdirectory``.
    """
    if text.startswith("-") or _URL.fullmatch(text):
        return True
    directory = _directory_in(text)
    if directory == text:
        return _is_bare(Path(text))
    return directory is not None or any(form.fullmatch(text) for form in (_HELPER, _SCP, _NO_COLON))


def parse(text: str, subdirectory: str | None = None) -> Address:
    """The address that ``text`` is; ``subdirectory`` is the project's place, as ``#subdirectory`` is.

    A directory inside a work tree becomes the work tree and the place in it, in whose stead ``subdirectory``
    counts from the root. Raises SourceError, which shows no secret, when git could take it for an option or a
    program, or nothing could be fetched from it.
    """
    _check_text(text)
    directory = None
    if url := _URL.fullmatch(text):
        address = _of_url(text, url["scheme"].lower(), url["rest"])
    elif (directory := _directory_in(text)) is not None:
        # git would take a::b for a helper and a:b for a host: it only ever gets the whole path.
        address = _of_directory(text, directory)
    elif _HELPER.fullmatch(text):
        raise _refused(text, "a transport helper runs a program of the address's choice", f"give {_FORMS}")
    elif scp := _SCP.fullmatch(text):
        address = _of_scp(text, scp["login"], scp["path"])
    elif lost := _NO_COLON.fullmatch(text):
        # What stands there may be a password: it is not shown.
        raise SourceError(f"the {lost['scheme']} address lacks a colon", hint=f"give {lost['scheme']}://HOST/PATH")
    else:
        raise SourceError(f"there is no directory {_printable(text)}", hint=f"a repository is {_FORMS}")
    if not subdirectory:
        return address
    if address.subdirectory and directory != text:
        raise _refused(text, "it names a subdirectory already", "leave out --subdirectory, or the part after #")
    return replace(address, subdirectory=_inside(text, subdirectory))


def recorded(text: str) -> Address:
    """The address that ``text`` was when it was recorded: a directory need not be there any more.

    Raises SourceError, as :func:`parse` does.
    """
    if text.startswith("/") and not os.path.lexists(text):
        return Address("path", text, text)
    return parse(text)


def _directory_in(text: str) -> str | None:
    """The existing directory that ``text`` names, with ``#subdirectory`` or without."""
    if os.path.isdir(text):  # noqa: PTH112 - a text of any kind
        return text
    before = text.rpartition("#")[0]
    return before if os.path.isdir(before) else None  # noqa: PTH112


def _check_text(text: str) -> None:
    if not text:
        raise SourceError("the address is empty", hint=f"give {_FORMS}")
    if text.startswith("-"):
        raise _refused(text, "git would take it for an option", f"give {_FORMS}")
    if _CONTROL.search(text):
        raise _refused(text, "it holds control characters", "type the address anew")


def _of_url(text: str, scheme: str, rest: str) -> Address:
    if scheme not in _SCHEMES:
        raise _refused(text, f"projrun does not fetch by {scheme}://", f"give {_FORMS}")
    if scheme == "file":
        return _of_file_url(text, rest)
    userinfo, rest = split_userinfo(rest)
    place, _, fragment = rest.partition("#")
    host, slash, path = place.partition("/")
    found = _HOST.fullmatch(host)
    if found is None:
        # What stands there may be a password that lost its @: it is not shown.
        raise SourceError(
            f"the {scheme}:// address has no host",
            why="between // and the next / stands no host name" if host else "nothing stands between the slashes",
            hint=f"give {scheme}://HOST/PATH; in a password write @ as %40 and / as %2F",
        )
    _check_path(text, path)
    subdirectory = _inside(text, fragment)
    host = host.removesuffix(":")
    if scheme == "ssh":
        url = f"ssh://{_ssh_login(text, userinfo)}{host}{slash}{path}"
        return Address("ssh", url, url, subdirectory)
    if "?" in path:
        raise _refused(text, "a query is no part of a repository's address", "leave out what follows the ?")
    url = f"{scheme}://{host.lower()}/{path.rstrip('/')}"
    login_given = _decoded_userinfo(text, userinfo)
    if scheme == "http" and userinfo and not _LOOPBACK.fullmatch(found["host"].lower()):
        raise _refused(text, "http:// would send the password for everybody to read", "give it as https://")
    return Address(scheme, url, url, subdirectory, *login_given)


def _of_file_url(text: str, rest: str) -> Address:
    path, _, fragment = rest.partition("#")
    host, _, below = path.partition("/")
    if host not in ("", "localhost"):
        raise _refused(text, f"file:// reads this machine, and {host!r} is a host", "give file:///PATH")
    _check_path(text, below)
    url = f"file:///{below.lstrip('/').rstrip('/')}"
    return Address("file", url, url, _inside(text, fragment))


def _of_scp(text: str, login: str, rest: str) -> Address:
    path, _, fragment = rest.partition("#")
    user, at, host = login.rpartition("@")
    if path.startswith("/") and host.lower().removeprefix("git+") in _SCHEMES:
        # What follows may be a password that nobody would look for there: it is not shown.
        raise SourceError(
            f"the {host.lower()} address lacks a slash",
            why=f"after {host}: stand two of them, or git would take {host} for a host",
            hint=f"begin it with {host.lower()}://",
        )
    if "@" in path.partition("/")[0] and not at:
        raise _refused(text, "ssh takes no password from an address", "leave it out, and load a key: ssh-add")
    if not _BRACKETED.fullmatch(host):
        raise _refused(text, f"{host!r} is no host" if host else "it has no host", "give host:path")
    _check_user(text, user)
    _check_path(text, path)
    url = f"{user}{at}{host}:{path}"
    return Address("ssh", url, url, _inside(text, fragment))


def _of_directory(text: str, path: str) -> Address:
    directory = Path(os.path.realpath(path))
    subdirectory = _inside(text, text[len(path) + 1 :])
    if not _is_bare(directory):
        repository = git.discover(directory)
        if repository is None:
            raise SourceError(
                f"{directory} is not a git repository",
                why="a ref can only be taken from a repository",
                hint=f"git -C {directory} init, or run the directory as it is, without -v",
            )
        worktree = Path(os.path.realpath(repository.worktree))
        below = os.path.relpath(directory, worktree)
        subdirectory = posixpath.normpath(posixpath.join(below, subdirectory))
        directory = worktree
    return Address("path", str(directory), str(directory), "" if subdirectory == "." else subdirectory)


def _ssh_login(text: str, userinfo: str) -> str:
    user, colon, _ = userinfo.partition(":")
    if colon:
        raise _refused(text, "ssh takes no password from an address", "leave it out, and load a key: ssh-add")
    _check_user(text, _unquoted(user))
    return f"{user}@" if user else ""


def _decoded_userinfo(text: str, userinfo: str) -> tuple[str | None, str | None]:
    if not userinfo:
        return None, None
    user, colon, password = userinfo.partition(":")
    decoded = _unquoted(user), _unquoted(password) if colon else None
    if any(_CONTROL.search(part or "") for part in decoded):
        raise _refused(text, "its user name or password holds control characters", "type the address anew")
    return decoded


def _check_user(text: str, user: str) -> None:
    if user and (user.startswith("-") or re.search(r"[\s@'\"\\`$;&|<>()]", user)):
        raise _refused(text, "its user name could be taken for an option or a command", "give user@host")


def _check_path(text: str, path: str) -> None:
    decoded = _unquoted(path)
    if not decoded.strip("/"):
        raise _refused(text, "it names a host and no repository", f"give {_FORMS}")
    if path.startswith("-") or decoded.startswith("-"):
        raise _refused(text, "its path could be taken for an option", "write ./ or / before the path")
    if _CONTROL.search(decoded):
        raise _refused(text, "its path holds control characters", "type the address anew")


def _inside(text: str, subdirectory: str) -> str:
    """The subdirectory, normalised, when it is one."""
    if not subdirectory:
        return ""
    normal = posixpath.normpath(subdirectory)
    if _CONTROL.search(subdirectory):
        why = "it holds control characters"
    elif normal.startswith("/"):
        why = "it is absolute"
    elif normal == ".." or normal.startswith("../"):
        why = "it leads above the repository"
    else:
        return "" if normal == "." else normal
    raise SourceError(
        f"{_printable(subdirectory)} is no subdirectory of {_safe(text)}", why=why, hint="give a path inside it"
    )


def _is_bare(directory: Path) -> bool:
    # What git itself looks for: gitrepository-layout(5).
    has = (directory / "HEAD").is_file() and (directory / "objects").is_dir() and (directory / "refs").is_dir()
    return has and directory.name != ".git"


def _unquoted(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote  # few addresses need it

    return unquote(text, errors="surrogateescape")


def _refused(text: str, why: str, hint: str) -> SourceError:
    return SourceError(f"{_safe(text)} is no address to fetch from", why=why, hint=hint)


def _safe(text: str) -> str:
    return _printable(without_credentials(text.removeprefix("git+")))


def _printable(text: str) -> str:
    return text if text.isprintable() else ascii(text)[1:-1]
