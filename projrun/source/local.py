"""A commit of the user's own repository, which is only read: refs, index and files stay as they are."""

from __future__ import annotations

import os
from pathlib import Path

from projrun.core.errors import SourceError
from projrun.source import fetching
from projrun.source.git import Repository
from projrun.source.model import Resolution
from projrun.source.refs import Listing, Wanted, ambiguous_hash, parse_listing, parse_ref


def resolve(repository: Repository, ref: str | None) -> Resolution:
    """The commit that a ref is in a repository of this machine (None: HEAD); nothing is fetched.

    A branch, remote branch, tag, full or short hash, HEAD, each with ``~N`` or ``^N``. Raises SourceError.
    """
    wanted = parse_ref(ref)
    directory, listing = git_directory(repository), _listing(repository)
    found = None if wanted.full_hash else listing.find(wanted.base)
    if found is not None:
        commit = fetching.held(directory, found.commit)
    elif wanted.full_hash:
        commit = fetching.held(directory, wanted.base)
    else:
        commit = _only_commit(directory, wanted) if wanted.short_hash else None
    if commit is None:
        raise listing.missing(wanted, str(repository.worktree))
    if not wanted.suffix:
        kind = found.kind if found else "commit"
        return Resolution(ref, kind, commit, found.branch if found else None)
    older = fetching.older(directory, commit, wanted.suffix)
    if older is None:
        raise SourceError(
            f"{repository.worktree} has no {ref}",
            why=f"{wanted.base} is {commit[:12]}, whose history here is shorter",
            hint="give a smaller number; in a shallow clone: git fetch --unshallow",
        )
    return Resolution(ref, "expression", older)


def git_directory(repository: Repository) -> Path:
    """Where git keeps what belongs to the work tree."""
    return Path(repository.read("rev-parse", "--absolute-git-dir").text.removesuffix("\n"))


def module_with(directory: Path, commit: str) -> Path | None:
    """The git directory of a submodule, of those below a git directory, that has the commit with its files."""
    for place, folders, files in os.walk(directory / "modules"):
        if "HEAD" in files and "objects" in folders:
            folders[:] = [name for name in folders if name == "modules"]
            if fetching.held(Path(place), commit):
                return Path(place)
    return None


def is_published(directory: Path, commit: str) -> bool:
    """Whether a remote branch that a git directory knows of holds the commit."""
    told = fetching.run(
        directory, "for-each-ref", "--count=1", f"--contains={commit}", "--format=%(refname)", "refs/remotes"
    )
    return bool(told.strip())


def _listing(repository: Repository) -> Listing:
    told = repository.read("show-ref", "--head", "--dereference", accept=(0, 1))
    head = repository.read("symbolic-ref", "--quiet", "HEAD", accept=(0, 1)).text.strip()
    lines = [line.replace(" ", "\t", 1) for line in told.text.splitlines()]
    return parse_listing("\n".join([*([f"ref: {head}\tHEAD"] if head else []), *lines]))


def _only_commit(directory: Path, wanted: Wanted) -> str | None:
    commits = fetching.commits_like(directory, wanted.base)
    if len(commits) > 1:
        raise ambiguous_hash(wanted.base, commits)
    return next((commit for name in commits if (commit := fetching.held(directory, name))), None)
