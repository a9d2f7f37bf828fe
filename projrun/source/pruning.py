"""Snapshots that no record names, removed from the store's repository; and whether those that are named are whole.

Who captures shares a lock that is held alone here: no snapshot is made of what is just being removed. The kept
indexes may name files that went; git then refuses to write a tree, and the files are read again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from projrun.core.errors import StoreError, system_reason
from projrun.core.locks import exclusive
from projrun.core.removal import remove_tree, size_of
from projrun.core.report import Reporter
from projrun.core.values import Struct
from projrun.source.snapshot import REFS, lock_of
from projrun.source.sources_git import SourcesGit, WriteFailed

_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_NAMES = re.compile(r"\b[0-9a-f]{40}\b|\b[0-9a-f]{64}\b")
# From so many loose objects on they are worth a pack, which is smaller.
_MANY_LOOSE = 2000


class Snapshots(Struct, frozen=True):
    """The snapshots of a store: those that no record names and that may go, and how many there are in all."""

    going: tuple[str, ...]
    all: int


def unnamed_snapshots(sources_git: Path, named: Collection[str], before: float) -> Snapshots:
    """The snapshots that no record names and that were captured last ``before`` that moment.

    That is in seconds since the epoch. Raises StoreError when they cannot be listed.
    """
    found = list(_references(sources_git))
    going = (path.name for path in found if path.name not in named and _is_older(path, before))
    return Snapshots(tuple(going), len(found))


def prune(sources_git: Path, named: Collection[str], before: float, report: Reporter) -> tuple[Snapshots, int]:
    """Removes the snapshots that :func:`unnamed_snapshots` gives, and what nothing else is made of.

    Gives them, and the bytes that this freed. Waits for those who capture. Raises StoreError; what was named until
    then is whole all the same.
    """
    if not (sources_git / "objects").is_dir():
        return Snapshots((), 0), 0
    size = size_of(sources_git)

    def waiting(_: str) -> None:
        report.phase("snapshots", "waiting for a run that captures one")

    try:
        with exclusive(lock_of(sources_git), holder="", waiting=waiting):
            found = unnamed_snapshots(sources_git, named, before)
            for commit in found.going:
                (sources_git / REFS / commit).unlink(missing_ok=True)
            _remove_unfinished(sources_git)
            git = SourcesGit(sources_git.absolute(), sources_git.absolute())
            if found.going or _loose(git) > _MANY_LOOSE:
                report.phase("snapshots", f"removing {len(found.going)} of {found.all}")
                git.write("repack", "-a", "-d", "-q")
            git.write("prune", "--expire=now")
    except WriteFailed as failed:
        raise _unpruned(sources_git, failed.said) from failed
    except OSError as error:
        raise _unpruned(sources_git, system_reason(error, sources_git)) from error
    return found, max(size - size_of(sources_git), 0)


def faults_of(sources_git: Path, commits: Collection[str], *, quick: bool) -> dict[str, str]:
    """Which of the snapshots are not there or not whole, with why.

    ``quick`` looks only whether all that they are made of is there. Raises SourceError when there is no git.
    """
    faults = {commit: "it is not in the store" for commit in commits if not _is_named(sources_git, commit)}
    held = sorted(set(commits).difference(faults))
    if not held:
        return faults
    git = SourcesGit(sources_git.absolute(), sources_git.absolute())
    looked = git.ask("fsck", "--no-dangling", "--no-progress", "--connectivity-only" if quick else "--full")
    if looked.ok:
        return faults
    said = [line for line in (*looked.text.splitlines(), *looked.error_text.splitlines()) if _is_fault(line)]
    broken = {name: line for line in reversed(said) for name in _NAMES.findall(line)}
    return faults | {commit: why for commit in held if (why := _fault(git, commit, broken))}


def _fault(git: SourcesGit, commit: str, broken: Mapping[str, str]) -> str:
    """Why a snapshot is not whole; empty when none of what it is made of is broken."""
    listed = git.ask("ls-tree", "-r", "-t", "-z", "--full-tree", commit)
    if not listed.ok:
        return listed.error_text or "git cannot list its files"
    names = (commit, git.ask("rev-parse", f"{commit}^{{tree}}").text.strip())
    for name in names:
        if name in broken:
            return broken[name]
    for entry in listed.text.split("\0"):
        head, _, path = entry.partition("\t")
        if head.rpartition(" ")[2] in broken:
            return f"{path}: {broken[head.rpartition(' ')[2]]}"
    return ""


def _is_fault(line: str) -> bool:
    # A broken link is told with what is missing at its end.
    return not line.startswith(("notice:", "dangling ", "Checking ", "warning:", "broken link ", " "))


def _is_named(sources_git: Path, commit: str) -> bool:
    if not _COMMIT.fullmatch(commit):
        return False
    try:
        return (sources_git / REFS / commit).read_text(encoding="ascii", errors="replace").strip() == commit
    except OSError:
        return False


def _loose(git: SourcesGit) -> int:
    return int(git.write("count-objects").text.split()[0])


def _references(sources_git: Path) -> Iterator[Path]:
    folder = sources_git / REFS
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - there may be very many
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unpruned(sources_git, system_reason(error, folder)) from error
    yield from (folder / name for name in names if _COMMIT.fullmatch(name))


def _aside(folder: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - there may be very many
    except OSError:
        return []
    return [folder / name for name in names if name.startswith(".") and name.endswith(".part")]


def _remove_unfinished(sources_git: Path) -> None:
    """Removes what captures that were killed left; none goes on now."""
    for path in (*_aside(sources_git / "indexes"), *_aside(sources_git / REFS)):
        remove_tree(path)
    for path in sources_git.glob("*.lock"):
        if path != lock_of(sources_git):
            path.unlink(missing_ok=True)


def _is_older(path: Path, before: float) -> bool:
    try:
        return path.lstat().st_mtime < before
    except OSError:
        return False


def _unpruned(sources_git: Path, why: str) -> StoreError:
    return StoreError(
        f"the snapshots cannot be pruned: {sources_git}", why=why, hint=f"git -C {sources_git} fsck --full"
    )
