"""One bare repository in the cache for each address: what was fetched once is there for every later run."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from projrun.core.errors import SourceError
from projrun.core.files import write_atomic
from projrun.core.hashing import sha256_bytes
from projrun.core.locks import exclusive
from projrun.core.report import Reporter
from projrun.source import fetching, git
from projrun.source.model import Address, Resolution
from projrun.source.refs import Found, Listing, Wanted, ambiguous_hash, parse_ref

RUNS = "refs/projrun/runs"

# The user's templates and defaults are for repositories of the user's.
_MAKE = {"GIT_DEFAULT_HASH": "sha1", "GIT_DEFAULT_REF_FORMAT": "files"}


@dataclass(frozen=True)
class Mirror:
    """The bare repository at ``path``, which mirrors ``address``."""

    path: Path
    address: Address


def open_mirror(address: Address, cache: Path, report: Reporter) -> Mirror:
    """The mirror of an address, made empty when there is none and made anew around a broken one.

    Makes no network call. Raises SourceError when the cache cannot be written.
    """
    mirror = _mirror(address, cache)
    try:
        mirror.path.parent.mkdir(parents=True, exist_ok=True)
        if not _is_repository(mirror.path):
            with _locked(mirror, report):
                if not _is_repository(mirror.path):
                    _make(mirror)
    except OSError as error:
        raise _unwritable(mirror, error) from error
    return mirror


def has_mirror(address: Address, cache: Path) -> bool:
    """Whether anything was ever fetched from an address."""
    return _is_repository(_mirror(address, cache).path)


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
        with _locked(mirror, report):
            return _resolve_online(mirror, wanted, report)
    except OSError as error:
        raise _unwritable(mirror, error) from error


def keep(mirror: Mirror, commit: str, run: str) -> None:
    """Keeps a commit of the mirror for a run, whatever becomes of the remote. Raises SourceError."""
    reference = mirror.path / RUNS / run
    try:
        reference.parent.mkdir(parents=True, exist_ok=True)
        # git's own way takes a lock that a killed process leaves behind.
        write_atomic(reference, f"{commit}\n".encode())
    except OSError as error:
        raise _unwritable(mirror, error) from error


def _resolve_online(mirror: Mirror, wanted: Wanted, report: Reporter) -> Resolution:
    path, address = mirror.path, mirror.address
    if wanted.full_hash:
        found, commit = None, _fetched(mirror, wanted.base, report)
        listing = Listing({}, None) if commit else fetching.ask_refs(path, address, report)
    else:
        report.phase("fetch", f"asking {address.shown} for {wanted.ref or 'its HEAD'}")
        listing = fetching.ask_refs(path, address, report)
        found = listing.find(wanted.base)
        if found is not None:
            commit = fetching.held(path, found.commit) or _fetched(mirror, found.commit, report)
        elif wanted.short_hash and listing.refs:
            fetching.fetch_all(path, address, report)
            commit = _only_commit(mirror, wanted)
        else:
            commit = None
    if commit is None:
        raise listing.missing(wanted, address.shown)
    if not wanted.suffix:
        return _resolution(wanted, found, commit)
    older = fetching.older(path, commit, wanted.suffix)
    if older is None or fetching.held(path, older) is None:
        fetching.fetch_all(path, address, report)
        older = fetching.older(path, commit, wanted.suffix)
    if older is None:
        raise _too_far(mirror, wanted, commit)
    return _resolution(wanted, found, older)


def _fetched(mirror: Mirror, name: str, report: Reporter) -> str | None:
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
        why=f"{wanted.base} is {commit[:12]}, and {count} commits lead to it, itself counted",
        hint="give a smaller number",
    )


def _mirror(address: Address, cache: Path) -> Mirror:
    key = sha256_bytes(os.fsencode(address.shown))[:32]
    return Mirror(cache.absolute() / "mirrors" / f"{key}.git", address)


def _is_repository(path: Path) -> bool:
    if not path.is_dir():
        return False
    asked = git.run(("rev-parse", "--git-dir"), path, variables={"GIT_DIR": str(path)}, accept=None)
    said = asked.error_text
    # Whatever else git has to complain about, making the mirror anew would not mend it.
    return asked.ok or not ("not a git repository" in said or f"{path}/config" in said)


def _make(mirror: Mirror) -> None:
    """Makes the repository. Around a broken one only what git cannot read: its commits may be the last ones."""
    if not mirror.path.is_dir():
        mirror.path.unlink(missing_ok=True)
        aside = mirror.path.with_name(f".{mirror.path.name}.part")
        shutil.rmtree(aside, ignore_errors=True)
        _initialise(aside, mirror.address)
        aside.rename(mirror.path)
        return
    for name in ("HEAD", "config"):
        (mirror.path / name).unlink(missing_ok=True)
    _initialise(mirror.path, mirror.address)


def _initialise(path: Path, address: Address) -> None:
    words = ("init", "--quiet", "--bare", "--template=", str(path))
    git.run(words, path.parent, variables=_MAKE)
    # For people who look into the cache: gitrepository-layout(5).
    (path / "description").write_text(f"{address.shown}\n", errors="surrogateescape")


@contextlib.contextmanager
def _locked(mirror: Mirror, report: Reporter) -> Iterator[None]:
    """Holds the mirror for the block, cleared of what a killed fetch left."""

    def waiting(holder: str) -> None:
        report.phase("fetch", f"waiting for {holder}, which fetches from {mirror.address.shown}")

    lock = mirror.path.with_suffix(".lock")
    with exclusive(lock, holder=f"process {os.getpid()}", waiting=waiting):
        if mirror.path.is_dir():
            _clear(mirror.path)
        yield


def _clear(path: Path) -> None:
    left = [*path.glob("*.lock"), *path.glob("refs/**/*.lock"), *path.glob("objects/pack/tmp_*")]
    for file in left:
        with contextlib.suppress(FileNotFoundError):
            file.unlink()


def _unwritable(mirror: Mirror, error: OSError) -> SourceError:
    return SourceError(
        f"the mirror of {mirror.address.shown} cannot be written to {mirror.path}",
        why=error.strerror or str(error),
        hint="make room or get the right to write there, or choose another folder: PROJRUN_CACHE=DIR",
    )
