"""The files of a directory that its repository does not track: what a private checkout cannot have by itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from projrun.core.paths import is_below
from projrun.source import git
from projrun.source.listing import check_nested, lstat
from projrun.source.status import parse_index


def untracked(directory: Path, paths: tuple[str, ...]) -> tuple[str, ...]:
    """The files below ``paths`` of a directory that its repository does not track, ignored or not; sorted.

    Both are relative to the directory. Of a repository within that is no submodule every file counts but what
    lies in its ``.git``: nobody else has it, and nothing of it is executed. Raises SourceError.
    """
    repository = git.discover(directory)
    if repository is None or not paths:
        return ()
    below = os.path.relpath(os.path.realpath(directory), repository.worktree)
    asked = [os.path.normpath(os.path.join(below, path)) for path in paths]  # noqa: PTH118 - text
    return tuple(sorted({os.path.relpath(path, below) for path in _untracked(repository, asked)}))


def _untracked(repository: git.Repository, asked: list[str]) -> Iterator[str]:
    worktree = repository.worktree
    # git is silent about what lies deep inside a repository within, so it is asked about that as well.
    around = {path: root for path in asked if (root := _repository_around(worktree, path))}
    words = ("--literal-pathspecs", "ls-files", "-z")
    others = repository.read(*words, "--others", "--", *asked)
    index = repository.read(*words, "--stage", "-v", "--", *asked, *around.values())
    submodules = {entry.path for entry in parse_index(index.stdout) if entry.gitlink}
    for path in others.text.split("\0"):
        if path.endswith("/"):
            yield from _files(worktree, path.rstrip("/"))
        elif path:
            yield path
    for path, root in around.items():
        if root not in submodules:
            yield from _files(worktree, path)
    for root in submodules:
        if os.path.lexists(worktree / root / ".git"):
            yield from _of_submodule(worktree, root, asked)


def _of_submodule(worktree: Path, root: str, asked: Iterable[str]) -> Iterator[str]:
    inside = [os.path.relpath(path, root) for path in asked if is_below(path, [root])]
    wanted = inside or ["."]  # it lies below what is asked for
    for path in _untracked(check_nested(worktree / root), wanted):
        yield f"{root}/{path}"


def _repository_around(worktree: Path, path: str) -> str | None:
    """The outermost repository within the work tree that holds ``path``, or is it."""
    parts = path.split("/")
    for count in range(1, len(parts) + 1):
        root = "/".join(parts[:count])
        if root == "." or os.path.islink(worktree / root):  # noqa: PTH114 - text
            return None
        if os.path.lexists(worktree / root / ".git"):
            return root
    return None


def _files(worktree: Path, path: str) -> Iterator[str]:
    """The regular files and links at or below ``path`` and outside of any ``.git``."""
    waiting = [path]
    while waiting:
        found = waiting.pop()
        known = lstat(f"{worktree}/{found}")
        if known is None or found.rpartition("/")[2] == ".git":
            continue
        if stat.S_ISDIR(known.st_mode):
            waiting += (f"{found}/{name}" for name in os.listdir(worktree / found))  # noqa: PTH208 - text
        elif stat.S_ISREG(known.st_mode) or stat.S_ISLNK(known.st_mode):
            yield found
