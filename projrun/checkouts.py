"""Private checkouts: a commit of an address, or of one's own repository, in a place that goes with the run."""

from __future__ import annotations

import contextlib
import os
import posixpath
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from projrun.choice import Options
from projrun.core.errors import ProjrunError, SourceError, SpecError
from projrun.core.locks import exclusive, is_held, take
from projrun.core.report import Reporter
from projrun.placing import Place
from projrun.source import address as addresses
from projrun.source import git, inspect, local, remote
from projrun.source.checkout import checkout, discard
from projrun.source.mirror import Mirror, keep, open_mirror, resolve
from projrun.source.model import Address, Origin, Source
from projrun.spec.load import find_project
from projrun.spec.model import SPEC_NAME

_ALIVE = "alive"
_TREE = "source"


@dataclass(frozen=True)
class _Found:
    """A commit and all that is known of it. ``base`` is where relative addresses of submodules start from."""

    objects: Path
    base: Address
    origin: Origin
    subdirectory: str
    local: Path | None
    remote: str | None
    remote_branch: str | None
    mirror: Mirror | None = None


class _Telling:
    """Hands on what is told, and remembers its lines for a log that does not exist yet."""

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self.lines: list[str] = []

    def phase(self, name: str, text: str) -> None:
        self.lines.append(f"{name}: {text}")
        self._report.phase(name, text)

    def write(self, stream: str, data: bytes) -> None:
        self._report.write(stream, data)


@contextlib.contextmanager
def checked_out(options: Options, report: Reporter) -> Iterator[Place]:
    """A private checkout of the commit that SOURCE and the version come to, for as long as the block runs.

    Nothing of the user's own directory is touched. Raises SourceError, and SpecError when the commit has no
    project there.
    """
    telling = _Telling(report)
    with _checked_out(_found(options, telling), options, telling) as place:
        yield place


@contextlib.contextmanager
def checked_out_head(options: Options, source: Source, report: Reporter) -> Iterator[Place]:
    """A private checkout of the commit that the user's own directory was found at.

    Raises as :func:`checked_out`, and SourceError when it is at another one now.
    """
    telling = _Telling(report)
    found = _found_here(addresses.parse(str(source.directory)), None, source.directory)
    if found.origin.resolution.commit != source.commit:
        raise SourceError(
            f"HEAD of {source.worktree} moved while the run began",
            why=f"it was {source.commit}, and is {found.origin.resolution.commit}",
            hint="run it again",
        )
    with _checked_out(found, options, telling) as place:
        yield place


def _found(options: Options, telling: _Telling) -> _Found:
    text, project = options.source, None
    if not addresses.is_address(text):
        with contextlib.suppress(SpecError):
            project = find_project(Path(text))
            text = str(project)
    address = addresses.parse(text, options.subdirectory)
    if address.kind == "path" and os.path.lexists(Path(address.url, ".git")):
        if project is None or options.subdirectory:
            project = Path(address.url, address.subdirectory)
        return _found_here(address, options.version, project)
    mirror = open_mirror(address, options.cache, telling)
    resolution = resolve(mirror, options.version, offline=options.offline, report=telling)
    project_name = address.shown + (f"#{address.subdirectory}" if address.subdirectory else "")
    branch = f"origin/{resolution.branch}" if resolution.branch else "origin"
    return _Found(
        objects=mirror.path,
        base=address,
        origin=Origin(resolution, address.shown, address.shown, project_name),
        subdirectory=address.subdirectory,
        local=None,
        remote=address.shown,
        remote_branch=branch,
        mirror=mirror,
    )


def _found_here(address: Address, ref: str | None, project: Path) -> _Found:
    """A commit of the user's own repository, whose objects are borrowed where they are."""
    repository = git.discover(Path(address.url))
    assert repository is not None
    resolution = local.resolve(repository, ref)
    holder = remote.branch_with(repository, resolution.commit)
    where = remote.address_of(repository, resolution.branch, holder)
    return _Found(
        objects=local.git_directory(repository),
        base=_base(where, address),
        origin=Origin(resolution, None, str(repository.worktree), str(project)),
        subdirectory=address.subdirectory,
        local=project,
        remote=where,
        remote_branch=holder,
    )


def _base(where: str | None, here: Address) -> Address:
    """As git has it: relative addresses of submodules start from the remote, else from the repository itself."""
    with contextlib.suppress(SourceError):
        if where is not None:
            return addresses.parse(where)
    return here


def keep_commits(place: Place, run: str) -> None:
    """Keeps the commits that a run is made of in their mirrors, whatever becomes of the remotes."""
    for mirror, commit in place.mirrored:
        keep(mirror, commit, run)


class _Submodules:
    """Finds the submodules of a checkout; notes the mirrors they came from and which nobody else has."""

    def __init__(self, found: _Found, options: Options, report: Reporter) -> None:
        self._found, self._options, self._report = found, options, report
        self.mirrored: list[tuple[Mirror, str]] = []
        self.unpublished: set[str] = set()

    def fetch(self, address: Address, commit: str) -> Path:
        held = local.module_with(self._found.objects, commit) if self._found.local else None
        if held is not None:
            if not local.is_published(held, commit):
                self.unpublished.add(commit)
            return held
        mirror = open_mirror(address, self._options.cache, self._report)
        resolve(mirror, commit, offline=self._options.offline, report=self._report)
        self.mirrored.append((mirror, commit))
        return mirror.path


@contextlib.contextmanager
def _checked_out(found: _Found, options: Options, telling: _Telling) -> Iterator[Place]:
    commit = found.origin.resolution.commit
    submodules = _Submodules(found, options, telling)
    with _folder(options.cache, telling) as folder, _named(folder, found):
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
        start = _project_in(tree, found)
        yield Place(
            start=start,
            local=found.local,
            checkout=tree,
            source=_source(start, found, submodules.unpublished),
            mirrored=(*([(found.mirror, commit)] if found.mirror else []), *submodules.mirrored),
            told=tuple(telling.lines),
        )


def _source(start: Path, found: _Found, unpublished: set[str]) -> Source:
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


def _project_in(tree: Path, found: _Found) -> Path:
    """The project's directory in the checkout. What lies around the checkout is nobody's project."""
    commit, repository = found.origin.resolution.commit, found.origin.repository
    start = tree / found.subdirectory
    if not os.path.lexists(start / SPEC_NAME):
        below = sorted(path.parent.relative_to(tree) for path in tree.glob(f"*/{SPEC_NAME}"))
        where = posixpath.join(found.subdirectory, SPEC_NAME)
        raise SpecError(
            f"there is no {where} in commit {commit[:10]} of {repository}",
            why=f"there is one in {', '.join(map(str, below))}" if below else "",
            hint=f"--subdirectory {below[0]}" if below else "name another version (-v), or --subdirectory",
        )
    return start


@contextlib.contextmanager
def _folder(cache: Path, telling: _Telling) -> Iterator[Path]:
    """A new folder among the checkouts, ours while the block runs and removed with all that is in it."""
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
            why=f"{error.filename or checkouts}: {error.strerror or error}",
            hint="make room or get the right to write there, or choose another folder: PROJRUN_CACHE=DIR",
        ) from error
    try:
        for one in left:
            _remove(folder / one.name, telling)
        yield folder
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
def _named(folder: Path, found: _Found) -> Iterator[None]:
    """Errors of the block name files by their commit: the checkout itself will be gone."""
    name = f"{found.origin.repository}@{found.origin.resolution.commit[:10]}"
    tree = str(folder / _TREE)

    def told(text: str) -> str:
        return text.replace(f"{tree}/", f"{name}:").replace(tree, name)

    try:
        yield
    except ProjrunError as error:
        error.what, error.why, error.hint = told(error.what), told(error.why), told(error.hint)
        if isinstance(error, SpecError):
            error.problems = tuple(replace(problem, file=told(problem.file)) for problem in error.problems)
        raise
