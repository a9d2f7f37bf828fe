"""One look at a directory: which commit it is at, and all that differs from it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from projrun.core.steps import Steps, finished
from projrun.source import git
from projrun.source.listing import list_files
from projrun.source.look import Look, looking_at, seen_files
from projrun.source.model import Source
from projrun.source.remote import address_of, pushed_branch


def inspect(directory: Path) -> Source:
    """The source in ``directory``, without a snapshot. Writes nothing and executes nothing of the repository's.

    Raises SourceError when there is no such directory, no git, or a repository that git cannot read.
    """
    return finished(inspecting(directory))


def inspecting(directory: Path) -> Steps[Source]:
    """As :func:`inspect`, in steps."""
    directory = directory.absolute()
    repository = yield from git.discovering(directory)
    if repository is None:
        return _without_repository(directory)
    relative = os.path.relpath(os.path.realpath(directory), repository.worktree)
    subdirectory = "" if relative == "." else relative
    if subdirectory and not repository.tracked and _is_ignored(repository, subdirectory):
        return _without_repository(directory)
    look = yield from looking_at(repository)
    status = look.status
    remote_branch = pushed_branch(repository, status)
    return Source(
        directory=directory,
        worktree=repository.worktree,
        subdirectory=subdirectory,
        repository=True,
        commit=status.commit,
        branch=status.branch,
        remote=address_of(repository, status.branch, remote_branch),
        remote_branch=remote_branch,
        changes=look.changes,
        submodules=look.submodules,
        seen=look.seen,
        opened=repository,
    )


def changed_since(before: Source, ignoring: Sequence[str] = ()) -> tuple[str, ...]:
    """The paths that changed since an earlier look, relative to the work tree and sorted; ``HEAD`` for the commit.

    Where the repository is and how it is configured is not asked again. ``ignoring`` names files and directories,
    relative to the project, that were expected to change (declared outputs). Python's own ``__pycache__`` never
    counts. What was only staged or unstaged did not change. Raises SourceError when git cannot tell.
    """
    return changes(before, finished(looking_again(before)), ignoring)


def looking_again(before: Source) -> Steps[Look | None]:
    """Another look at what was looked at, in steps; None where there is no repository."""
    return None if before.opened is None else (yield from looking_at(before.opened))


def changes(before: Source, now: Look | None, ignoring: Sequence[str] = ()) -> tuple[str, ...]:
    """As :func:`changed_since`, of a look that was taken."""
    commit = now.status.commit if now else None
    seen = now.seen if now else seen_files(list_files(before.directory, repository=False))
    expected = [os.path.normpath(os.path.join(before.subdirectory, path)) for path in ignoring]  # noqa: PTH118
    marks = {one.path: one.mark for one in before.seen}
    later = {one.path: one.mark for one in seen}
    changed = sorted(
        path
        for path in marks.keys() | later.keys()
        if marks.get(path) != later.get(path) and not _is_expected(path, expected)
    )
    return ("HEAD", *changed) if (before.head or before.commit) != commit else tuple(changed)


def _is_expected(path: str, expected: Iterable[str]) -> bool:
    return "__pycache__" in path.split("/") or any(
        wanted in (".", path) or path.startswith(f"{wanted}/") for wanted in expected
    )


def _without_repository(directory: Path) -> Source:
    return Source(
        directory=directory,
        worktree=directory,
        subdirectory="",
        repository=False,
        commit=None,
        branch=None,
        remote=None,
        remote_branch=None,
        changes=(),
        submodules=(),
        seen=seen_files(list_files(directory, repository=False)),
    )


def _is_ignored(repository: git.Repository, subdirectory: str) -> bool:
    """Whether the work tree wants nothing to do with the project (one below a home directory kept in git, say)."""
    return repository.read("check-ignore", "--quiet", "--", f"./{subdirectory}", accept=(0, 1)).ok
