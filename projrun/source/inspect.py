"""One look at a directory: which commit it is at, and all that differs from it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from projrun.core.hashing import sha256_value
from projrun.source import git
from projrun.source.listing import list_files
from projrun.source.look import look_at, seen_files
from projrun.source.model import Source
from projrun.source.remote import address_of, pushed_branch


def inspect(directory: Path) -> Source:
    """The source in ``directory``, without a snapshot. Writes nothing and executes nothing of the repository's.

    Raises SourceError when there is no such directory, no git, or a repository that git cannot read.
    """
    directory = directory.absolute()
    repository = git.discover(directory)
    if repository is None:
        return _without_repository(directory)
    relative = os.path.relpath(os.path.realpath(directory), repository.worktree)
    subdirectory = "" if relative == "." else relative
    if subdirectory and _is_ignored(repository, subdirectory):
        return _without_repository(directory)
    look = look_at(repository)
    status = look.status
    remote_branch = pushed_branch(repository, status)
    return _with_state(
        Source(
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
            state="",
            seen=look.seen,
        )
    )


def changed_between(before: Source, after: Source, ignoring: Sequence[str] = ()) -> tuple[str, ...]:
    """The paths that changed between two looks, relative to the work tree and sorted; ``HEAD`` for the commit.

    ``ignoring`` names files and directories, relative to the project, that were expected to change (declared
    outputs). Python's own ``__pycache__`` never counts. What was only staged or unstaged did not change.
    """
    expected = [os.path.normpath(os.path.join(before.subdirectory, path)) for path in ignoring]  # noqa: PTH118
    marks = {seen.path: seen.mark for seen in before.seen}
    later = {seen.path: seen.mark for seen in after.seen}
    changed = sorted(
        path
        for path in marks.keys() | later.keys()
        if marks.get(path) != later.get(path) and not _is_expected(path, expected)
    )
    return ("HEAD", *changed) if before.commit != after.commit else tuple(changed)


def _is_expected(path: str, expected: Iterable[str]) -> bool:
    return "__pycache__" in path.split("/") or any(
        wanted in (".", path) or path.startswith(f"{wanted}/") for wanted in expected
    )


def _without_repository(directory: Path) -> Source:
    return _with_state(
        Source(
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
            state="",
            seen=seen_files(list_files(directory, repository=False)),
        )
    )


def _with_state(source: Source) -> Source:
    state = sha256_value(
        [
            source.commit,
            source.branch,
            [[change.path, change.kind, change.staged, change.old_path] for change in source.changes],
            [[one.path, one.commit, one.dirty, one.pushed] for one in source.submodules],
            [[seen.path, seen.mark] for seen in source.seen],
        ]
    )
    return replace(source, state=state)


def _is_ignored(repository: git.Repository, subdirectory: str) -> bool:
    """Whether the work tree wants nothing to do with the project (one below a home directory kept in git, say)."""
    return repository.read("check-ignore", "--quiet", "--", f"./{subdirectory}", accept=(0, 1)).ok
