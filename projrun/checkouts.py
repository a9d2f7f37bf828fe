"""Private checkouts: a commit of an address, or of one's own repository, in a place that goes with the run."""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
import secrets
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

from projrun.core.errors import ProjrunError, SourceError, SpecError, system_reason
from projrun.core.locks import Held, exclusive, is_held, take
from projrun.core.paths import escape_reason
from projrun.core.report import FETCH, Reporter
from projrun.core.values import replace
from projrun.finding import Found, find, find_head
from projrun.options import Options
from projrun.placing import Naming, Place
from projrun.source import inspect, local
from projrun.source.checkout import checkout, discard
from projrun.source.mirror import Mirror, keep, open_mirror
from projrun.source.model import Address, Source
from projrun.source.resolving import resolve
from projrun.spec.model import SPEC_NAME
from projrun.spec.place import one_in, projects_below
from projrun.spec.text import specification_in

_ALIVE = "alive"
_TREE = "source"
# A state of a progress bar that the next one is drawn over.
_DRAWN_OVER = re.compile(rb"[^\r\n]*\r(?!\n)")


class _Telling:
    """Hands on what is told, and remembers its lines for a log that does not exist yet."""

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self.lines: list[str] = []

    def phase(self, name: str, text: str) -> None:
        self.lines.append(f"{name}: {text}")
        self._report.phase(name, text)

    def write(self, stream: str, data: bytes) -> None:
        if stream == FETCH:
            said = _DRAWN_OVER.sub(b"", data).decode(errors="replace")
            self.lines += [f"git: {line.rstrip()}" for line in said.splitlines() if line.strip()]
        self._report.write(stream, data)


@contextlib.contextmanager
def checked_out(options: Options, report: Reporter) -> Iterator[Place]:
    """A private checkout of the commit that SOURCE and the version come to, for as long as the block runs.

    Nothing of the user's own directory is touched. Raises SourceError, and SpecError when the commit has no
    project there.
    """
    telling = _Telling(report)
    with _checked_out(find(options, telling), options, telling) as place:
        yield place


@contextlib.contextmanager
def checked_out_head(options: Options, source: Source, report: Reporter) -> Iterator[Place]:
    """A private checkout of the commit that the user's own directory was found at.

    Raises as :func:`checked_out`, and SourceError when it is at another one now.
    """
    telling = _Telling(report)
    found = find_head(source.directory, options, telling)
    if found.origin.resolution.commit != source.commit:
        raise SourceError(
            f"HEAD of {source.worktree} moved while the run began",
            why=f"it was {source.commit}, and is {found.origin.resolution.commit}",
            hint="run it again",
        )
    with _checked_out(found, options, telling) as place:
        yield place


@contextlib.contextmanager
def checked_out_again(
    found: Found, options: Options, report: Reporter, prepare: Callable[[Path], None]
) -> Iterator[Place]:
    """A private checkout of a commit that is found already; ``prepare`` gets the project's directory in it first.

    Raises as :func:`checked_out`.
    """
    telling = _Telling(report)
    with _checked_out(found, options, telling, prepare) as place:
        yield place


def keep_commits(place: Place, run: str) -> None:
    """Keeps the commits that a run is made of in their mirrors, whatever becomes of the remotes."""
    for mirror, commit in place.mirrored:
        keep(mirror, commit, run)


class _Submodules:
    """Finds the submodules of a checkout; notes the mirrors they came from and which nobody else has."""

    def __init__(self, found: Found, options: Options, report: Reporter) -> None:
        self._found, self._options, self._report = found, options, report
        self.mirrored: list[tuple[Mirror, str]] = []
        self.unpublished: set[str] = set()

    def fetch(self, address: Address, commit: str) -> Path:
        held = local.module_with(self._found.modules, commit) if self._found.modules else None
        if held is not None:
            if not local.is_published(held, commit):
                self.unpublished.add(commit)
            return held
        mirror = open_mirror(address, self._options.cache, self._report)
        resolve(mirror, commit, offline=self._options.offline, report=self._report)
        self.mirrored.append((mirror, commit))
        return mirror.path


@contextlib.contextmanager
def _checked_out(
    found: Found, options: Options, telling: _Telling, prepare: Callable[[Path], None] | None = None
) -> Iterator[Place]:
    commit = found.origin.resolution.commit
    submodules = _Submodules(found, options, telling)
    with _folder(options.cache, telling) as (folder, held), _named(naming := _naming(folder / _TREE, found)):
        tree = folder / _TREE
        checkout(
            found.objects,
            commit,
            tree,
            fetch_submodule=submodules.fetch,
            base=found.base,
            report=telling,
            offline=options.offline,
        )
        if prepare is not None:
            _check_inside(tree, found)
            prepare(tree / found.subdirectory)
        start = _project_in(tree, found)
        yield Place(
            start=start,
            local=found.local,
            checkout=tree,
            source=_source(start, found, submodules.unpublished),
            mirrored=(*([(found.mirror, commit)] if found.mirror else []), *submodules.mirrored),
            told=tuple(telling.lines),
            naming=naming,
            held=(held,),
        )


def _naming(tree: Path, found: Found) -> Naming:
    name = f"{found.origin.repository}@{found.origin.resolution.commit[:10]}"
    # Tools tell the path without links, and errors as it is from here.
    places = [os.path.realpath(tree), str(tree)]
    with contextlib.suppress(OSError):  # the current directory may be gone
        places += [os.path.relpath(place) for place in places]
    return Naming(tuple(dict.fromkeys(places)), name)


def _source(start: Path, found: Found, unpublished: set[str]) -> Source:
    looked = inspect.inspect(start)
    submodules = tuple(
        replace(one, dirty=False, pushed=one.commit not in unpublished) for one in looked.submodules
    )
    return replace(
        looked,
        # git has just written the files. It may still find some modified, those with line ends that the commit's
        # own attributes do not allow, say; of these `seen` has the marks.
        changes=(),
        branch=found.origin.resolution.branch,
        remote=found.remote,
        remote_branch=found.remote_branch,
        submodules=submodules,
        origin=found.origin,
    )


def _check_inside(tree: Path, found: Found) -> None:
    """Raises SourceError for a record that says that the project is somewhere else than in its commit."""
    if reason := escape_reason(tree, found.subdirectory):
        raise SourceError(
            f"the subdirectory of the project is not one of commit {found.origin.resolution.commit[:10]}",
            why=f"{found.subdirectory!r}: {reason}",
            hint="the recipe was changed after the run: look who gave it to you",
        )


def _project_in(tree: Path, found: Found) -> Path:
    """The project's directory in the checkout. What lies around the checkout is nobody's project."""
    commit, repository = found.origin.resolution.commit, found.origin.repository
    start = tree / found.subdirectory
    if specification_in(start) is None:
        below = projects_below(tree)
        where = posixpath.join(found.subdirectory, SPEC_NAME)
        raise SpecError(
            f"there is no {where} in commit {commit[:10]} of {repository}",
            why=one_in(below),
            hint=f"--subdirectory {shlex.quote(below[0])}"
            if below
            else "name another version (-v), or --subdirectory",
        )
    return start


@contextlib.contextmanager
def _folder(cache: Path, telling: _Telling) -> Iterator[tuple[Path, Held]]:
    """A new folder among the checkouts, ours while the block runs and removed with all that is in it; its lock."""
    checkouts = cache.absolute() / "checkouts"
    folder = checkouts / secrets.token_hex(6)
    try:
        checkouts.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Whoever sees the folder of a run sees whether the run lives.
        with exclusive(checkouts / ".lock", holder=f"process {os.getpid()}"):
            left = [one for one in checkouts.iterdir() if one.is_dir() and not is_held(one / _ALIVE)]
            folder.mkdir(mode=0o700)
            lock = take(folder / _ALIVE)
            for one in left:
                # Into ours, so that nobody else removes it at the same time.
                with contextlib.suppress(OSError):
                    one.rename(folder / one.name)
    except OSError as error:
        raise SourceError(
            f"no private checkout can be made in {checkouts}",
            why=system_reason(error, checkouts),
            hint="make room or get the right to write there, or choose another folder: PROJRUN_CACHE=DIR",
        ) from error
    try:
        for one in left:
            _remove(folder / one.name, telling)
        yield folder, lock
    finally:
        _remove(folder / _TREE, telling)
        with exclusive(checkouts / ".lock", holder=f"process {os.getpid()}"):
            _remove(folder, telling)
            lock.close()


def _remove(folder: Path, telling: _Telling) -> None:
    """Removes a checkout. One that cannot be is told of and no error: the run is over, or not begun."""
    try:
        discard(folder)
    except SourceError as error:
        telling.phase("source", f"{error.what}: {error.why}")


@contextlib.contextmanager
def _named(naming: Naming) -> Iterator[None]:
    """Errors that leave the block name files by their commit."""
    try:
        yield
    except ProjrunError as error:
        naming.apply(error)
        raise
