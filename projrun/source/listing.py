"""The files of a directory that are source: what git tracks, and what it does not ignore."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from projrun.core.errors import SourceError
from projrun.source import git

_LIST = ("ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard")


class File(NamedTuple):
    """A regular file or symbolic link on disk. ``path`` is relative to the listed directory."""

    path: str
    tracked: bool
    stat: os.stat_result


def list_files(worktree: Path, *, repository: bool) -> tuple[File, ...]:
    """Every such file below ``worktree`` (its root, when it is a repository), sorted by path.

    Files of submodules and of nested repositories are files like all others, except for what lies in
    their ``.git``. Sockets, pipes and devices are left out, and so is what lies behind a symbolic link.
    Raises SourceError when git cannot tell.
    """
    found: dict[str, File] = {}
    _add_files(str(worktree), "", repository, repository, found)
    return tuple(found[path] for path in sorted(found))


def check_nested(directory: Path) -> git.Repository:
    """The repository whose work tree has its root at ``directory``. Raises SourceError when there is none."""
    repository = git.discover(directory)
    if repository is None or os.path.realpath(directory) != str(repository.worktree):
        raise SourceError(
            f"the submodule or nested repository {directory} is broken",
            why="there is a .git in it that leads to no repository of this directory",
            hint=f"git submodule update --init {directory.name}, or remove {directory / '.git'}",
        )
    return repository


def lstat(path: str) -> os.stat_result | None:
    """What is at ``path``, None when nothing is. Raises SourceError when it cannot be told."""
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read",
            why=error.strerror or str(error),
            hint="make its directory readable (chmod u+rx), or name it in .gitignore",
        ) from error


def _add_files(root: str, prefix: str, repository: bool, tracked: bool, found: dict[str, File]) -> None:
    """Adds the files that git lists in ``root / prefix``, and those of the repositories within."""
    behind_link: dict[str, bool] = {}
    for tag, name in _listed(Path(root, prefix), repository):
        path = prefix + name.removesuffix("/")
        # A tracked file whose directory has been replaced by a link is no part of the tree any more.
        if _is_behind_link(root, path.rpartition("/")[0], behind_link):
            continue
        on_disk = lstat(f"{root}/{path}")
        if on_disk is None:
            continue
        is_tracked = tracked and tag != "?"
        if stat.S_ISREG(on_disk.st_mode) or stat.S_ISLNK(on_disk.st_mode):
            found.setdefault(path, File(path, is_tracked, on_disk))
        elif stat.S_ISDIR(on_disk.st_mode) and os.path.lexists(f"{root}/{path}/.git"):
            check_nested(Path(root, path))
            _add_files(root, f"{path}/", True, is_tracked, found)


def _listed(directory: Path, repository: bool) -> list[tuple[str, str]]:
    if repository:
        told = git.run(_LIST, directory)
    else:
        with git.without_repository(directory) as variables:
            told = git.run(_LIST, directory, variables=variables)
    return [(record[0], record[2:]) for record in told.text.split("\0") if record]


def _is_behind_link(root: str, directory: str, known: dict[str, bool]) -> bool:
    unknown = []
    while directory and directory not in known:
        unknown.append(directory)
        directory = directory.rpartition("/")[0]
    behind = known.get(directory, False)
    for below in reversed(unknown):
        behind = known[below] = behind or os.path.islink(f"{root}/{below}")  # noqa: PTH114 - a Path costs tenfold
    return behind
