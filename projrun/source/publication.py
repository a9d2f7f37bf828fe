"""Whether a remote has a commit, asked of the remote itself: what a repository knows of its remotes may be old."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from projrun.core.errors import SourceError
from projrun.core.report import Reporter
from projrun.core.values import Struct
from projrun.source import address as addresses
from projrun.source import fetching, git, local, remote
from projrun.source.mirror import ASIDE, Mirror, agree, locked, make_empty, open_mirror, unwritable
from projrun.source.model import Address, Source
from projrun.source.refs import Listing
from projrun.source.worktree import borrow

_USUAL = ("refs/heads/", "refs/tags/")


class Publication(Struct, frozen=True):
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
    has the commit when one of its refs leads to it. Nothing is written but the mirror. Submodules are not asked
    about. Raises UsageError alone: what goes wrong is part of the answer.
    """
    where = address.shown if address else source.remote or ""
    try:
        repository = _repository(source)
        place = address or _address_of(source, repository)
        if source.commit is None or not where:
            return Publication(False, "", "there is no remote that can be asked")
        if place is None:
            return Publication(None, where, "projrun asks no remote at such an address")
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
    # A password that must not be sent leaves an address that may still do without.
    for form in (url, remote.without_credentials(url)) if url else ():
        with contextlib.suppress(SourceError):
            return addresses.recorded(form)
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
            if _led_to(mirror, commit, listing, known, report):
                return Publication(True, shown)
    except OSError as error:
        raise unwritable(mirror, error) from error
    return Publication(False, shown, _why_not(source.remote_branch, listing))


def _led_to(mirror: Mirror, commit: str, listing: Listing, known: Path | None, report: Reporter) -> bool:
    """Whether a ref of the remote leads to the commit. That it gives the commit out proves nothing of tomorrow.

    What the user's own repository knows need not be fetched again; it is only read.
    """
    if known is None or fetching.is_shallow(known):
        return _fetched_and_led_to(mirror.path, mirror.address, commit, listing, report)
    with tempfile.TemporaryDirectory(prefix=ASIDE, dir=mirror.path) as folder:
        borrowing = Path(folder, "borrowing.git")
        make_empty(borrowing, mirror.address, commit)
        borrow(borrowing, known)
        return _fetched_and_led_to(borrowing, mirror.address, commit, listing, report)


def _fetched_and_led_to(
    directory: Path, address: Address, commit: str, listing: Listing, report: Reporter
) -> bool:
    others = [name for name in listing.refs if name.startswith("refs/") and not name.startswith(_USUAL)]
    for every_ref in (False, True) if others else (False,):
        fetching.fetch_all(directory, address, report, every_ref=every_ref)
        if fetching.leads_to(directory, commit, frozenset(listing.refs.values())):
            return True
    return False


def _why_not(believed: str | None, listing: Listing) -> str:
    name = (believed or "").partition("/")[2]
    tip = listing.refs.get(f"refs/heads/{name}")
    if not name:
        return "no branch or tag of it leads to the commit"
    if tip is None:
        return f"its branch {name} is not there any more"
    return f"its branch {name} was rewritten, and is at {tip[:10]} now"
