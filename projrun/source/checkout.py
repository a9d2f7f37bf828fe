"""The files of a commit in a private place: one detached checkout for one run, removed after it.

git itself writes the files, by the attributes that the commit holds; nothing that the repository or the user
configured is executed. The repository that has the objects is only read.
"""

from __future__ import annotations

import contextlib
import errno
import re
import shlex
from collections.abc import Callable
from pathlib import Path

from projrun.core.errors import SourceError, system_reason
from projrun.core.removal import remove_tree
from projrun.core.report import Reporter
from projrun.core.values import Struct
from projrun.source import lfs, submodules, worktree, written
from projrun.source.model import Address, Submodule
from projrun.source.worktree import Entry, WorkTree

# More than anybody nests by intention.
_DEEPEST = 16
_PLACE = "make room or get the right to write there, or choose another folder: PROJRUN_CACHE=DIR"


class _Task(Struct, frozen=True):
    """What stays the same for a repository and its submodules, to the deepest."""

    root: Path
    fetch_submodule: Callable[[Address, str], Path]
    offline: bool
    report: Reporter


def checkout(  # noqa: PLR0913 - what to write, where to, and how to reach what is not there yet
    objects: Path,
    commit: str,
    destination: Path,
    *,
    fetch_submodule: Callable[[Address, str], Path],
    base: Address,
    report: Reporter,
    offline: bool = False,
) -> tuple[Submodule, ...]:
    """Writes the files of ``commit`` to ``destination``, which must not be there; gives its submodules.

    ``objects`` is a git directory that has the commit; the checkout borrows its objects and is of no use
    without it. ``base`` is the address that relative ones of submodules start from. ``fetch_submodule`` gives
    a git directory that has a commit of an address. ``offline`` fetches no content of Git LFS. Only the
    current user may enter ``destination``; it is a git work tree with HEAD detached at ``commit``. A snapshot
    is written byte for byte.

    Raises SourceError, with nothing left behind, when something is missing or refused: a link that leads
    out, a submodule at an address that is not allowed, content that Git LFS does not have.
    """
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit):
        raise SourceError(
            f"{commit!r} is not the full name of a commit",
            why="it is not 40 or 64 hex digits",
            hint="git rev-parse REF tells it",
        )
    destination = destination.absolute()
    try:
        destination.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise SourceError(
            f"{destination} cannot be made", why=error.strerror or str(error), hint=_PLACE
        ) from error
    task = _Task(destination, fetch_submodule, offline, report)
    try:
        links, found = _fill(task, objects.absolute(), commit, (), base)
        written.check_links(destination, links)
    except BaseException as error:
        with contextlib.suppress(SourceError):
            discard(destination)
        if isinstance(error, OSError):
            why = system_reason(error, destination)
            raise SourceError(
                f"commit {commit} cannot be checked out to {destination}", why=why, hint=_PLACE
            ) from error
        raise
    return tuple(found)


def discard(destination: Path) -> None:
    """Removes a checkout with all that a run left in it, read-only files and directories too.

    One that is not there is no error. Raises SourceError when something cannot be removed.
    """
    try:
        if destination.is_symlink():
            raise NotADirectoryError(errno.ENOTDIR, "it is a link", str(destination))
        remove_tree(destination)
    except OSError as error:
        raise SourceError(
            f"the checkout {destination} cannot be removed",
            why=system_reason(error, destination),
            hint=f"rm -rf {shlex.quote(str(destination))}",
        ) from error


def _fill(
    task: _Task, objects: Path, commit: str, nesting: tuple[str, ...], base: Address
) -> tuple[list[str], list[Submodule]]:
    """Writes one repository and its submodules; gives all links and submodules, by their paths in the checkout.

    ``nesting`` has the path of each submodule around it and its own, from the outermost to the innermost.
    """
    tree = worktree.make(objects, commit, task.root.joinpath(*nesting))
    tree.git("read-tree", commit)
    entries = tree.entries()
    _write(task, tree, entries, base)
    written.check_distinct(tree.path, (entry.path for entry in entries if not entry.submodule))
    links = ["/".join((*nesting, entry.path)) for entry in entries if entry.link]
    found = []
    for wanted in submodules.wanted(tree, entries, base):
        inner_nesting = (*nesting, wanted.path)
        path = "/".join(inner_nesting)
        _check_depth(inner_nesting)
        written.check_place(task.root, path)
        held = task.fetch_submodule(wanted.address, wanted.commit)
        inner_links, inner = _fill(task, held.absolute(), wanted.commit, inner_nesting, wanted.address)
        links += inner_links
        found += [Submodule(path, wanted.commit, dirty=False), *inner]
    return links, found


def _check_depth(nesting: tuple[str, ...]) -> None:
    if len(nesting) > _DEEPEST:
        raise SourceError(
            f"submodules are nested more than {_DEEPEST} deep",
            why=f"the deepest so far is {worktree.shown('/'.join(nesting))}",
            hint="see whether one of them holds itself: git submodule status --recursive",
        )


def _write(task: _Task, tree: WorkTree, entries: tuple[Entry, ...], base: Address) -> None:
    """Lets git write the files, those of Git LFS with their content."""
    wanted = lfs.pointers(tree, entries)
    if not wanted:
        tree.git("read-tree", "--reset", "-u", tree.commit)
        return
    lfs.check_config(tree, entries, base)
    lfs.fetch(tree, wanted, base, offline=task.offline, report=task.report)
    lfs.put_in(tree, wanted)
