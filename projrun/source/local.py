"""A commit of the user's own repository, which is only read: refs, index and files stay as they are."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from projrun.core.errors import SourceError
from projrun.core.values import Struct, replace
from projrun.source import fetching
from projrun.source.git import Repository
from projrun.source.model import Resolution
from projrun.source.refs import Found, Listing, Wanted, ambiguous_hash, lead_to_it, parse_listing, parse_ref
from projrun.source.worktree import common


class Elsewhere(Struct, frozen=True):
    """A ref that the repository cannot give the commit of, or not all of its files.

    ``ask`` is what another repository may be asked for in its place. ``found`` is the ref when it is here, and
    ``branch`` the branch whose remote that would be. ``error`` says what is missing. ``lasting``: another
    repository may have it even when this one is meant to lack nothing, and means the same by it.
    """

    ref: str | None
    ask: str
    found: Found | None
    branch: str | None
    lasting: bool
    error: SourceError

    def resolved(self, there: Resolution) -> Resolution:
        """What the ref came to when another repository gave ``there``."""
        if parse_ref(self.ref).suffix:
            return Resolution(self.ref, "expression", there.commit)
        if self.found is None:
            return replace(there, ref=self.ref)
        return Resolution(self.ref, self.found.kind, there.commit, self.found.branch)


def resolve(repository: Repository, ref: str | None) -> Resolution:
    """The commit that a ref is in a repository of this machine (None: HEAD); nothing is fetched.

    A branch, remote branch, tag, full or short hash, HEAD, each with ``~N`` or ``^N``. Raises SourceError.
    """
    resolved = look_up(repository, ref)
    if isinstance(resolved, Elsewhere):
        raise resolved.error
    return resolved


def look_up(repository: Repository, ref: str | None) -> Resolution | Elsewhere:
    """As :func:`resolve`, with what to ask another repository for when this one does not have it."""
    wanted = parse_ref(ref)
    directory, listing = git_directory(repository), _listing(repository)
    found = None if wanted.full_hash else listing.find(wanted.base)
    named = found.commit if found else wanted.base
    if found or wanted.full_hash:
        commit = fetching.held(directory, named)
    else:
        commit = _only_commit(directory, wanted) if wanted.short_hash else None
    branch = (found.branch if found else None) or (listing.head or "").removeprefix("refs/heads/") or None
    if commit is None:
        error = (
            _incomplete(repository, wanted, named) if found else listing.missing(wanted, str(repository.worktree))
        )
        return Elsewhere(ref, named + wanted.suffix, found, branch, bool(found or wanted.full_hash), error)
    if not wanted.suffix:
        return Resolution(ref, found.kind if found else "commit", commit, found.branch if found else None)
    older = fetching.older(directory, commit, wanted.suffix)
    if older is not None and fetching.held(directory, older):
        return Resolution(ref, "expression", older)
    if older:
        return Elsewhere(ref, older, found, branch, True, _incomplete(repository, wanted, older))
    # Whoever has all of a commit's history has no less of it than others.
    error = _too_far(repository, wanted, commit)
    return Elsewhere(ref, commit + wanted.suffix, found, branch, False, error)


def shortage(repository: Repository) -> str | None:
    """The kind of clone that is meant to lack some of what its remote has; None for any other repository."""
    if repository.read("rev-parse", "--is-shallow-repository").text.strip() == "true":
        return "a shallow clone"
    promised = ("extensions.partialclone", *(name for name in repository.values if name.endswith(".promisor")))
    return "a partial clone" if any(name in repository.values for name in promised) else None


def _incomplete(repository: Repository, wanted: Wanted, commit: str) -> SourceError:
    return SourceError(
        f"{repository.worktree} does not have all of {wanted.ref or 'HEAD'}",
        why=f"files of commit {commit[:12]} are missing here",
        hint=f"git -C {shlex.quote(str(repository.worktree))} fetch, or look for damage: git fsck",
    )


def _too_far(repository: Repository, wanted: Wanted, commit: str) -> SourceError:
    count = fetching.run(git_directory(repository), "rev-list", "--count", commit).strip()
    return SourceError(
        f"{repository.worktree} has no {wanted.ref}",
        why=f"{wanted.base} is {commit[:12]}, and {lead_to_it(count)}",
        hint="give a smaller number",
    )


def git_directory(repository: Repository) -> Path:
    """Where git keeps what belongs to the work tree."""
    return Path(repository.read("rev-parse", "--absolute-git-dir").text.removesuffix("\n"))


def module_with(directory: Path, commit: str) -> Path | None:
    """The git directory of a submodule that has the commit with its files; one of a linked work tree or of all."""
    for root in dict.fromkeys((directory, common(directory))):
        for place, folders, files in os.walk(root / "modules"):
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
