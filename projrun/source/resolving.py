"""What a ref of an address comes to, and how its commit gets into the mirror."""

from __future__ import annotations

from projrun.core.errors import SourceError
from projrun.core.report import Reporter
from projrun.core.values import replace
from projrun.source import fetching
from projrun.source.mirror import Mirror, agree, agrees, locked, unwritable
from projrun.source.model import Resolution
from projrun.source.refs import Found, Listing, Wanted, ambiguous_hash, lead_to_it, parse_ref


def resolve(mirror: Mirror, ref: str | None, *, offline: bool = False, report: Reporter) -> Resolution:
    """The commit that a ref of the address is now (None: of its HEAD), which the mirror has afterwards.

    A branch, tag, full or short hash, HEAD, each with ``~N`` or ``^N``; full names (``refs/heads/main``) too.
    The remote is asked, except for a full hash that the mirror has, and not with ``offline``: then the ref is
    what it was when the remote was last asked. Raises SourceError.
    """
    wanted = parse_ref(ref)
    if wanted.full_hash and (commit := _held_with_suffix(mirror, wanted)):
        return _resolution(wanted, None, commit)
    try:
        if offline:
            return _resolve_offline(mirror, wanted)
        with locked(mirror, report):
            return _resolve_online(mirror, wanted, report)
    except OSError as error:
        raise unwritable(mirror, error) from error


def _resolve_online(mirror: Mirror, wanted: Wanted, report: Reporter) -> Resolution:
    path, address = mirror.path, mirror.address
    if wanted.full_hash:
        found, (commit, listing) = None, _exact(mirror, wanted.base, report)
    else:
        report.phase("fetch", f"asking {address.shown} for {wanted.ref or 'its HEAD'}")
        listing = fetching.ask_refs(path, address, report)
        agree(mirror, listing)
        found = listing.find(wanted.base)
        if found is not None:
            commit = fetching.held(path, found.commit) or fetched(mirror, found.commit, report)
        elif wanted.short_hash and listing.refs:
            fetching.fetch_all(path, address, report)
            commit = _only_commit(mirror, wanted)
        else:
            commit = None
    if commit is None:
        raise replace(listing, head=listing.head or fetching.head_here(address)).missing(wanted, address.shown)
    if not wanted.suffix:
        return _resolution(wanted, found, commit)
    older = fetching.older(path, commit, wanted.suffix)
    if older is None or fetching.held(path, older) is None:
        fetching.fetch_all(path, address, report)
        older = fetching.older(path, commit, wanted.suffix)
    if older is None:
        raise _too_far(mirror, wanted, commit)
    return _resolution(wanted, found, older)


def _exact(mirror: Mirror, name: str, report: Reporter) -> tuple[str | None, Listing]:
    """The commit of a full hash; and the refs of the remote, if it had to be asked for them."""
    commit = fetched(mirror, name, report) if agrees(mirror, name) else None
    if commit:
        return commit, Listing({}, None)
    listing = fetching.ask_refs(mirror.path, mirror.address, report)
    if not agrees(mirror, name):
        agree(mirror, listing)
        commit = fetched(mirror, name, report) if agrees(mirror, name) else None
    return commit, listing


def fetched(mirror: Mirror, name: str, report: Reporter) -> str | None:
    """The commit of a full hash, fetched: alone when the server gives it out, else with all there is."""
    path, address = mirror.path, mirror.address
    commit = fetching.held(path, name)
    if commit is None and fetching.fetch_commit(path, address, name, report):
        return fetching.held(path, name)
    for every_ref in (False, True):
        if commit is None:
            fetching.fetch_all(path, address, report, every_ref=every_ref)
            commit = fetching.held(path, name)
    return commit


def _resolve_offline(mirror: Mirror, wanted: Wanted) -> Resolution:
    hint = "run once without --offline"
    shown = mirror.address.shown
    listing = fetching.known_refs(mirror.path)
    if listing is None and not (wanted.full_hash or wanted.short_hash):
        raise SourceError(f"{shown} was never fetched", why="with --offline nothing is", hint=hint)
    found = None if listing is None or wanted.full_hash else listing.find(wanted.base)
    name = found.commit if found else wanted.base
    if found or wanted.full_hash:
        commit = fetching.held(mirror.path, name)
    else:
        commit = _only_commit(mirror, wanted) if wanted.short_hash else None
    if commit is None and listing is not None and not (found or wanted.full_hash or wanted.short_hash):
        raise listing.missing(wanted, shown)
    if commit is None:
        raise SourceError(
            f"the commit {name[:16]} of {shown} is not here",
            why=f"{wanted.ref or 'HEAD'} was never fetched, and with --offline nothing is",
            hint=hint,
        )
    if wanted.suffix:
        older = fetching.older(mirror.path, commit, wanted.suffix)
        commit = fetching.held(mirror.path, older) if older else None
    if commit is None:
        raise SourceError(
            f"the history of {shown} is not here",
            why=f"{wanted.ref} needs it, and with --offline nothing is fetched",
            hint=hint,
        )
    return _resolution(wanted, found, commit)


def _held_with_suffix(mirror: Mirror, wanted: Wanted) -> str | None:
    commit = fetching.held(mirror.path, wanted.base)
    if commit is None or not wanted.suffix:
        return commit
    older = fetching.older(mirror.path, commit, wanted.suffix)
    return fetching.held(mirror.path, older) if older else None


def _only_commit(mirror: Mirror, wanted: Wanted) -> str | None:
    commits = fetching.commits_like(mirror.path, wanted.base)
    if len(commits) > 1:
        raise ambiguous_hash(wanted.base, commits)
    return next((commit for name in commits if (commit := fetching.held(mirror.path, name))), None)


def _resolution(wanted: Wanted, found: Found | None, commit: str) -> Resolution:
    if wanted.suffix:
        return Resolution(wanted.ref, "expression", commit)
    if found is None:
        return Resolution(wanted.ref, "commit", commit)
    return Resolution(wanted.ref, found.kind, commit, found.branch)


def _too_far(mirror: Mirror, wanted: Wanted, commit: str) -> SourceError:
    count = fetching.run(mirror.path, "rev-list", "--count", commit).strip()
    return SourceError(
        f"{mirror.address.shown} has no {wanted.ref}",
        why=f"{wanted.base} is {commit[:12]}, and {lead_to_it(count)}",
        hint="give a smaller number",
    )
