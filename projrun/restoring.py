"""The source of a recorded run, back as files."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from projrun.core.errors import SourceError, system_reason
from projrun.core.files import check_free
from projrun.core.report import Reporter
from projrun.core.values import Struct
from projrun.source import address as addresses
from projrun.source import git, local
from projrun.source.checkout import checkout, discard
from projrun.source.difference import Held
from projrun.source.mirror import Mirror, has_mirror, is_mirror, open_mirror
from projrun.source.model import Address
from projrun.source.resolving import resolve
from projrun.source.restore import restore
from projrun.spec.place import project_around
from projrun.store.store import Store

_SHOW = "projrun show {run} tells what is known of it"


def restore_source(
    store: Path, cache: Path, run: str, destination: Path, report: Reporter, *, offline: bool = False
) -> str:
    """Writes the files of a run's source into ``destination`` (new or empty); returns the commit they are of.

    They come from the snapshot in the store; a run without one has its commit in a mirror, in the repository it
    was run in, or at its remote, which is asked last and not with ``offline``. Raises UsageError for an unknown
    run and SourceError that names the commit when it is nowhere.
    """
    opened = Store(store)
    found = _recorded(opened, opened.resolve(run, project_around(Path())))
    if found.snapshot:
        restore(opened.sources, found.snapshot, destination)
        return found.snapshot
    check_free(destination)
    _write(_Finder(cache, found.places, report, offline), found.commit, destination)
    return found.commit


def held_source(store: Path, cache: Path, run: str, report: Reporter) -> Held:
    """The commit that a run, by its full id, is of, and a git directory that has it. Asks no network.

    Raises SourceError when it is nowhere on this machine.
    """
    opened = Store(store)
    found = _recorded(opened, run)
    if found.snapshot:
        return Held(opened.sources, found.snapshot)
    directory, _ = _Finder(cache, found.places, report, offline=True).find(found.commit)
    return Held(directory, found.commit)


class _Recorded(Struct, frozen=True):
    """What a recipe says of its source: the commit, the snapshot ("": none), where the commit may be."""

    commit: str
    snapshot: str
    places: tuple[str, ...]


def _recorded(store: Store, run: str) -> _Recorded:
    record = store.read(run)
    if record.recipe is None:
        raise SourceError(
            f"run {record.id} has no recipe",
            why=record.why_no_recipe,
            hint=_SHOW.format(run=record.id),
        )
    try:
        source = record.recipe["source"]
        return _Recorded(str(source["commit"]), str(source["snapshot"] or ""), _places(source))
    except (LookupError, TypeError):
        raise SourceError(
            f"the recipe of run {record.id} is damaged",
            why="it does not say what its source was",
            hint=_SHOW.format(run=record.id),
        ) from None


def _places(source: Mapping[str, Any]) -> tuple[str, ...]:
    """Where the commit may be, the user's own repository first."""
    own = () if source.get("address") else (source["worktree"],)
    return tuple(place for place in (*own, source.get("address"), source["remote"]) if place)


class _Finder(Struct, frozen=True):
    """Finds a commit at one of ``places``: directories, which may be gone by now, and addresses."""

    cache: Path
    places: tuple[str, ...]
    report: Reporter
    offline: bool

    def find(self, commit: str) -> tuple[Path, Address]:
        """A git directory that has the commit, and where relative addresses of submodules start from."""
        reasons: dict[str, str] = {}
        known = []
        for place in self.places:
            try:
                known.append(addresses.recorded(place))
            except SourceError as error:
                reasons[place] = _reason(error)
        # What is here already, before anybody is asked.
        for online in (False, True)[: 1 if self.offline else 2]:
            for address in known:
                try:
                    # The remote is the last one: a clone's relative addresses start there.
                    return self.held(address, commit, online=online), known[-1]
                except SourceError as error:
                    reasons[address.shown] = _reason(error)
        asked = [f"{place}: {reason}" for place, reason in reasons.items()] or ["no place is recorded"]
        raise SourceError(
            f"commit {commit} is gone",
            why="\n".join(
                ["the run was clean and pushed, so the store has no snapshot; where it may be:", *asked]
            ),
            hint=f"in a clone that still has it: git push ADDRESS {commit}:refs/heads/kept",
        )

    def held(self, address: Address, commit: str, *, online: bool) -> Path:
        """The git directory of an address, when it has the commit or, with ``online``, can fetch it."""
        if address.kind == "path":
            directory = Path(address.url)
            if directory.is_dir() and (repository := git.discover(directory)):
                local.resolve(repository, commit)
                return local.git_directory(repository)
            if not directory.is_dir() and not has_mirror(address, self.cache):
                raise SourceError(
                    f"the directory {address.shown} is gone",
                    why="no mirror was ever made of it",
                    hint="put a clone of it in its place",
                )
        mirror = open_mirror(address, self.cache, self.report)
        resolve(mirror, commit, offline=not online, report=self.report)
        return mirror.path


def find_commit(
    source: Mapping[str, Any], cache: Path, report: Reporter, *, offline: bool
) -> tuple[Path, Address, Mirror | None]:
    """Where the commit of a recipe's ``source`` is: a git directory that has it, where relative addresses of its
    submodules start from, and the mirror when the directory is one.

    Raises SourceError that names the commit when it is nowhere.
    """
    objects, base = _Finder(cache, _places(source), report, offline).find(str(source["commit"]))
    return objects, base, Mirror(objects, base) if is_mirror(objects, cache) else None


def _reason(error: SourceError) -> str:
    return f"{error.what}{': ' if error.why else ''}{error.why}"


def _write(finder: _Finder, commit: str, destination: Path) -> None:
    """Writes the files of a commit, without the repository that a checkout is.

    A directory that is there stays the same one: it may be the current one, or what a link leads to.
    """
    objects, base = finder.find(commit)

    def fetch_submodule(address: Address, inner: str) -> Path:
        return local.module_with(objects, inner) or finder.held(address, inner, online=not finder.offline)

    with _aside(destination) as aside:
        submodules = checkout(
            objects,
            commit,
            aside,
            fetch_submodule=fetch_submodule,
            base=base,
            report=finder.report,
            offline=finder.offline,
        )
        for place in (aside, *(aside / one.path for one in submodules)):
            discard(place / ".git")
        for entry in sorted(aside.iterdir()):
            entry.rename(destination / entry.name)


@contextlib.contextmanager
def _aside(destination: Path) -> Iterator[Path]:
    """A name within ``destination``, which is made when it is not there, and nothing is left of on failure."""
    made = not destination.exists()
    aside = destination / f".projrun-{secrets.token_hex(4)}"
    try:
        destination.mkdir(parents=True, exist_ok=True)
        yield aside
    except BaseException as error:
        discard(aside)
        if made:
            with contextlib.suppress(OSError):
                destination.rmdir()
        if isinstance(error, OSError):
            raise SourceError(
                f"the source cannot be restored to {destination}",
                why=system_reason(error, destination),
                hint="make room there, or name another directory",
            ) from error
        raise
    discard(aside)
