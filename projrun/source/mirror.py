"""One bare repository in the cache for each address: what was fetched once is there for every later run."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from projrun.core.errors import SourceError
from projrun.core.files import write_atomic
from projrun.core.hashing import sha256_bytes
from projrun.core.locks import exclusive
from projrun.core.report import Reporter
from projrun.core.values import Struct
from projrun.source import fetching, git
from projrun.source.model import Address
from projrun.source.refs import Listing

RUNS = "refs/projrun/runs"
# Begins the names of folders in a mirror that last as long as it is held.
ASIDE = "projrun-aside-"

_SHA256 = 64  # hex digits

# The user's templates and defaults are for repositories of the user's.
_MAKE = {"GIT_DEFAULT_HASH": "sha1", "GIT_DEFAULT_REF_FORMAT": "files"}


class Mirror(Struct, frozen=True):
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
            with locked(mirror, report):
                if not _is_repository(mirror.path):
                    _make(mirror)
    except OSError as error:
        raise unwritable(mirror, error) from error
    return mirror


def has_mirror(address: Address, cache: Path) -> bool:
    """Whether anything was ever fetched from an address."""
    return _is_repository(_mirror(address, cache).path)


def is_mirror(directory: Path, cache: Path) -> bool:
    """Whether a git directory is one of the cache's mirrors."""
    return directory.parent == cache.absolute() / "mirrors"


def keep(mirror: Mirror, commit: str, run: str) -> None:
    """Keeps a commit of the mirror for a run, whatever becomes of the remote. Raises SourceError."""
    reference = mirror.path / RUNS / run
    try:
        reference.parent.mkdir(parents=True, exist_ok=True)
        # git's own way takes a lock that a killed process leaves behind.
        write_atomic(reference, f"{commit}\n".encode())
    except OSError as error:
        raise unwritable(mirror, error) from error


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
    for file in ("HEAD", "config"):
        (mirror.path / file).unlink(missing_ok=True)
    _initialise(mirror.path, mirror.address)
    if (listing := fetching.known_refs(mirror.path)) and listing.refs:
        _set_hash(mirror.path, next(iter(listing.refs.values())))


def make_empty(path: Path, address: Address, name: str) -> None:
    """Makes a repository for an address at ``path``, for the kind of hash that ``name`` is one of."""
    _initialise(path, address)
    _set_hash(path, name)


def _initialise(path: Path, address: Address) -> None:
    words = ("init", "--quiet", "--bare", "--template=", str(path))
    git.run(words, path.parent, variables=_MAKE)
    # For people who look into the cache: gitrepository-layout(5).
    (path / "description").write_text(f"{address.shown}\n", errors="surrogateescape")


def _set_hash(path: Path, name: str) -> None:
    """gitrepository-layout(5) and the format's versions: an extension needs the second."""
    by_sha256 = len(name) == _SHA256
    setting = ("extensions.objectFormat", "sha256") if by_sha256 else ("--unset-all", "extensions.objectFormat")
    for words in (("core.repositoryFormatVersion", str(int(by_sha256))), setting):
        git.run(("config", *words), path, variables={"GIT_DIR": str(path)}, accept=(0, 5))  # 5: it was not set


def agrees(mirror: Mirror, name: str) -> bool:
    """Whether the mirror names objects by the same kind of hash as ``name`` is one of."""
    return (len(name) == _SHA256) == ("objectformat" in (mirror.path / "config").read_text().lower())


def agree(mirror: Mirror, listing: Listing) -> None:
    """Has the mirror name objects as the remote does, by SHA-1 or SHA-256; it is to be held meanwhile.

    Raises SourceError when it has objects by the other name.
    """
    name = next(iter(listing.refs.values()), None)
    if name is None or agrees(mirror, name):
        return
    if any(mirror.path.glob("objects/pack/*.pack")):
        raise SourceError(
            f"{mirror.address.shown} does not name its commits as it did",
            why=f"it does by {len(name)} digits, and those that were fetched before have another number",
            hint=f"the mirror is a cache, except for commits the remote no longer has: rm -r {mirror.path}",
        )
    _set_hash(mirror.path, name)


@contextlib.contextmanager
def locked(mirror: Mirror, report: Reporter) -> Iterator[None]:
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
    for folder in path.glob(f"{ASIDE}*"):
        shutil.rmtree(folder, ignore_errors=True)


def unwritable(mirror: Mirror, error: OSError) -> SourceError:
    """What it means for the user that a mirror cannot be written."""
    return SourceError(
        f"the mirror of {mirror.address.shown} cannot be written to {mirror.path}",
        why=error.strerror or str(error),
        hint="make room or get the right to write there, or choose another folder: PROJRUN_CACHE=DIR",
    )
