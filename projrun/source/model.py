"""Where the code of a run comes from, as frozen values.

Paths are text relative to the work tree, with forward slashes; bytes that are not UTF-8 are surrogate escapes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from projrun.core.values import Struct

if TYPE_CHECKING:
    from projrun.source.git import Repository


class Change(Struct, frozen=True):
    """One path that differs from the commit.

    ``kind``: added, modified, deleted, renamed, type-changed, mode-changed, untracked, submodule, conflicted.
    ``old_path`` is where a renamed file came from.
    """

    path: str
    kind: str
    staged: bool = False
    old_path: str | None = None


class Submodule(Struct, frozen=True):
    """A submodule: its path, the commit that is checked out, whether its own tree is dirty, and whether a
    remote branch of its own holds that commit.
    """

    path: str
    commit: str
    dirty: bool
    pushed: bool = True


class Seen(Struct, frozen=True):
    """A path that was not as committed, and a mark that changes whenever the file does (its stat values)."""

    path: str
    mark: str


class Source(Struct, frozen=True):
    """A directory as one look found it.

    ``directory`` is the project, ``worktree`` the root of the git work tree (the project itself when there
    is no repository), ``subdirectory`` the one seen from the other ("" when they are the same). ``commit``
    is HEAD (None: no repository, or no commit yet); ``remote`` is an address without credentials;
    ``remote_branch`` a remote branch that holds HEAD (None: not pushed). ``snapshot`` is the commit in the
    store's sources.git that stands for the files as they were, None while there is none. ``seen`` has
    every path that was not as committed (every file, when there is no repository). ``opened`` is what git told
    of the repository itself, so that a second look need not ask. ``origin`` is where a private checkout came
    from, None for the user's own directory; ``head`` is what is checked out there, where it is a snapshot and not
    the ``commit`` that the snapshot was taken at.
    """

    directory: Path
    worktree: Path
    subdirectory: str
    repository: bool
    commit: str | None
    branch: str | None
    remote: str | None
    remote_branch: str | None
    changes: tuple[Change, ...]
    submodules: tuple[Submodule, ...]
    snapshot: str | None = None
    seen: tuple[Seen, ...] = ()
    opened: Repository | None = None
    origin: Origin | None = None
    head: str | None = None

    @property
    def dirty(self) -> bool:
        return bool(self.changes)

    @property
    def pushed(self) -> bool:
        """Whether HEAD, and that of every submodule, is on a remote branch."""
        return self.remote_branch is not None and all(submodule.pushed for submodule in self.submodules)

    @property
    def needs_snapshot(self) -> bool:
        """Whether nobody but this directory has these files."""
        return self.dirty or self.commit is None or not self.pushed


class Address(Struct, frozen=True):
    """Where a repository is.

    ``kind``: ssh, https, http, file, path (a directory of this machine). ``url`` is what git gets, without any
    secret; ``shown`` is what may be recorded and printed. ``subdirectory`` is the project's place in the
    repository ("": its root). ``username`` and ``password`` are those of an https or http address, None when it
    has none; either may be a token, so neither is shown.
    """

    kind: str
    url: str
    shown: str
    subdirectory: str = ""
    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Address({self.shown!r})"


class Resolution(Struct, frozen=True):
    """What a ref came to.

    ``ref`` is as it was asked for (None: the HEAD of the remote). ``kind``: branch, tag, commit, expression,
    default. ``commit`` is the full hash, ``branch`` the name of the branch, if it is one.
    """

    ref: str | None
    kind: str
    commit: str
    branch: str | None = None


class Origin(Struct, frozen=True):
    """Where the commit of a private checkout came from.

    ``address`` is the repository's as it may be shown, None for one of the user's own. ``repository`` and
    ``project`` are what the run is known by, because the checkout is gone after it: the work tree and the
    directory of the user's own project, or the address without and with ``#subdirectory``.
    """

    resolution: Resolution
    address: str | None
    repository: str
    project: str
