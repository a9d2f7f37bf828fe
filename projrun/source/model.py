"""Where the code of a run comes from, as frozen values.

Paths are text relative to the work tree, with forward slashes; bytes that are not UTF-8 are surrogate escapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Change:
    """One path that differs from the commit.

    ``kind``: added, modified, deleted, renamed, type-changed, mode-changed, untracked, submodule, conflicted.
    ``old_path`` is where a renamed file came from.
    """

    path: str
    kind: str
    staged: bool = False
    old_path: str | None = None


@dataclass(frozen=True)
class Submodule:
    """A submodule: its path, the commit that is checked out, and whether its own tree is dirty."""

    path: str
    commit: str
    dirty: bool


@dataclass(frozen=True)
class Source:
    """A directory as one look found it.

    ``directory`` is the project, ``worktree`` the root of the git work tree (the project itself when there
    is no repository), ``subdirectory`` the one seen from the other ("" when they are the same). ``commit``
    is HEAD (None: no repository, or no commit yet); ``remote`` is an address without userinfo;
    ``remote_branch`` a remote branch that holds HEAD (None: not pushed). ``snapshot`` is the commit in the
    store's sources.git that stands for the files as they were, None while there is none. ``state`` is a
    digest of what was seen, equal for two looks between which nothing changed.
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
    state: str
    snapshot: str | None = None

    @property
    def dirty(self) -> bool:
        return bool(self.changes)

    @property
    def pushed(self) -> bool:
        return self.remote_branch is not None

    @property
    def needs_snapshot(self) -> bool:
        """Whether nobody but this directory has these files."""
        return self.dirty or self.commit is None or not self.pushed
