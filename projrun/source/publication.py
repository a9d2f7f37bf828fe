"""Whether a remote has a commit, asked of the remote itself: what a repository knows of its remotes may be old."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from projrun.core.errors import SourceError
from projrun.core.report import Reporter
from projrun.source import address as addresses
from projrun.source import fetching, git, local, remote
from projrun.source.mirror import ASIDE, Mirror, agree, locked, make_empty, open_mirror, unwritable
from projrun.source.model import Address, Source
from projrun.source.refs import Listing
from projrun.source.resolving import fetched


@dataclass(frozen=True)
class Publication:
    """Whether a commit can be had from a remote: ``held`` is None when the remote could not be asked.

    ``where`` is the remote's address as it may be shown, "" without one. ``why`` says why ``held`` is not True.
    """

    held: bool | None
    where: str
    why: str = ""


def published(
    source: Source, report: Reporter, *, cache: Path, offline: bool = False, address: Address | None = None
) -> Publication:
    """Asks the remote that is believed to have the commit of ``source``, of a private checkout too.

    ``address`` is the one that the source was fetched from, if it was; only that one has its password. The remote
    has the commit when a branch or tag leads to it, or when it gives the commit out. Nothing is written but the
    mirror. Submodules are not asked about. Raises UsageError alone: what goes wrong is part of the answer.
    """
    where = address.shown if address else source.remote or ""
    try:
        repository = _repository(source)
        place = address or _address_of(source, repository)
        if place is None or source.commit is None:
            return Publication(False, "", "there is no remote that can be asked")
        if offline:
            return Publication(None, where, "--offline was asked for")
        report.phase("fetch", f"asking {place.shown} whether it has commit {source.commit[:10]}")
        known = local.git_directory(repository) if repository else None
        return _asked(open_mirror(place, cache, report), source, known, report)
    except SourceError as error:
        return Publication(None, where, f"{error.what}{': ' if error.why else ''}{error.why}")


def _repository(source: Source) -> git.Repository | None:
    """The user's own repository; None when the source is an address."""
    if source.origin is None:
        return source.opened
    return git.discover(Path(source.origin.repository)) if source.origin.address is None else None


def _address_of(source: Source, repository: git.Repository | None) -> Address | None:
    url = source.remote
    if repository is not None:
        url = remote.url_of(repository, source.branch, source.remote_branch)
    with contextlib.suppress(SourceError):
        return addresses.recorded(url) if url else None
    return None


def _asked(mirror: Mirror, source: Source, known: Path | None, report: Reporter) -> Publication:
    commit, shown = source.commit or "", mirror.address.shown
    try:
        with locked(mirror, report):
            listing = fetching.ask_refs(mirror.path, mirror.address, report)
            agree(mirror, listing)
            tips = frozenset(listing.refs.values())
            places = [place for place in (known, mirror.path) if place]
            if commit in tips or any(fetching.leads_to(place, commit, tips) for place in places):
                return Publication(True, shown)
            if _gives_out(mirror, commit, tips, report):
                return Publication(True, shown)
    except OSError as error:
        raise unwritable(mirror, error) from error
    return Publication(False, shown, _why_not(source.remote_branch, listing))


def _gives_out(mirror: Mirror, commit: str, tips: frozenset[str], report: Reporter) -> bool:
    if fetching.held(mirror.path, commit) is None:
        return fetched(mirror, commit, report) is not None
    # git does not ask for what it has.
    with tempfile.TemporaryDirectory(prefix=ASIDE, dir=mirror.path) as folder:
        empty = Path(folder, "empty.git")
        make_empty(empty, mirror.address, commit)
        if fetching.fetch_commit(empty, mirror.address, commit, report):
            return True
    fetching.fetch_all(mirror.path, mirror.address, report)
    return fetching.leads_to(mirror.path, commit, tips)


def _why_not(believed: str | None, listing: Listing) -> str:
    name = (believed or "").partition("/")[2]
    tip = listing.refs.get(f"refs/heads/{name}")
    if not name:
        return "no branch or tag of it leads to the commit"
    if tip is None:
        return f"its branch {name} is not there any more"
    return f"its branch {name} was rewritten, and is at {tip[:10]} now"
