"""Where the submodules of a commit are: gitmodules(5), read from the commit itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from projrun.core.errors import SourceError
from projrun.core.values import Struct, replace
from projrun.source import address
from projrun.source.model import Address
from projrun.source.worktree import Entry, WorkTree, shown

_FILE = ".gitmodules"
_LOCAL = ("file", "path")
_SERVER = re.compile(r"[a-z+]+://[^/]*", re.IGNORECASE)


class Wanted(Struct, frozen=True):
    """A submodule to check out: its path in the work tree, its commit, its address."""

    path: str
    commit: str
    address: Address


def wanted(tree: WorkTree, entries: Sequence[Entry], base: Address) -> tuple[Wanted, ...]:
    """The submodules among ``entries``, with relative addresses resolved against ``base``.

    Those with ``update = none`` are left out, as git does. Raises SourceError for one without an address and
    for one whose address or ``update`` would execute something or read another local directory.
    """
    links = [entry for entry in entries if entry.submodule]
    if not links:
        return ()
    declared = _declared(tree, entries)
    found = []
    for entry in links:
        values = declared.get(entry.path, {})
        update = values.get("update", "checkout")
        if update.startswith("!"):
            raise _refused(entry.path, f"its update is a command: {update!a}")
        if "url" not in values:
            why = f"{_FILE} has no {'url' if values else 'entry'} for it"
            raise _refused(entry.path, why, hint=f"git submodule add URL {entry.path}, then commit; or git rm it")
        if update != "none":
            found.append(Wanted(entry.path, entry.name, _address(entry.path, values["url"], base)))
    return tuple(found)


def resolved(url: str, base: str) -> str:
    """A submodule's address as git resolves it against that of the repository (``relative_url`` in remote.c)."""
    if not url.startswith(("./", "../")):
        return url
    base = base.removesuffix("/")
    separator = "/"
    while url.startswith(("./", "../")):
        if url.startswith("../"):
            place = base.rfind("/")
            if place < 0:
                place = base.rfind(":")
                separator = ":"
            if place < 0:
                raise ValueError("it climbs above the repository's own address")
            base = base[:place]
        url = url.partition("/")[2]
    return f"{base}{separator}{url}".removesuffix("/")


def _declared(tree: WorkTree, entries: Sequence[Entry]) -> Mapping[str, Mapping[str, str]]:
    """The settings of each submodule, by its path."""
    files = [entry for entry in entries if entry.path == _FILE]
    if not files:
        return {}
    if not files[0].mode.startswith("100"):
        raise SourceError(
            f"{_FILE} is not a file",
            why="its content would come from somewhere else",
            hint=f"commit {_FILE} as a plain file",
        )
    told = tree.git("config", f"--blob={files[0].name}", "--no-includes", "--list", "-z", accept=None)
    if not told.ok:
        raise SourceError(f"{_FILE} cannot be read", why=told.error_text, hint=f"git config -f {_FILE} --list")
    sections: dict[str, dict[str, str]] = {}
    for setting in told.text.split("\0"):
        key, _, value = setting.partition("\n")
        section, _, rest = key.partition(".")
        name, _, variable = rest.rpartition(".")
        if section == "submodule" and name:
            sections.setdefault(name, {})[variable] = value
    return {values["path"].rstrip("/"): values for values in sections.values() if "path" in values}


def _address(path: str, url: str, base: Address) -> Address:
    try:
        whole = resolved(url, base.url)
        # A repository beside a bare one that was removed may still have its mirror.
        found = address.recorded(whole) if base.kind in _LOCAL else address.parse(whole)
    except ValueError as error:
        raise _refused(path, str(error)) from error
    except SourceError as error:
        raise _refused(path, f"{error.what}{': ' if error.why else ''}{error.why}") from error
    if found.kind in _LOCAL and base.kind not in _LOCAL:
        raise _refused(path, f"its address {found.shown} is a local path, and {base.shown} is elsewhere")
    if found.kind == "path" and not whole.startswith("/"):
        raise _refused(
            path, f"its address {found.shown} is a path that starts nowhere", hint="begin it with ./ or ../"
        )
    if found.subdirectory:
        raise _refused(path, f"its address {found.shown} names a place in a repository, and not a repository")
    if found.username is None and _server(found) and _server(found) == _server(base):
        # The secret was given for this server.
        return replace(found, username=base.username, password=base.password)
    return found


def _server(place: Address) -> str | None:
    matched = _SERVER.match(place.url) if place.kind not in _LOCAL else None
    return matched.group().lower() if matched else None


def _refused(path: str, why: str, *, hint: str = "") -> SourceError:
    return SourceError(
        f"the submodule {shown(path)} cannot be checked out",
        why=why,
        hint=hint or f"correct it in {_FILE} and commit",
    )
