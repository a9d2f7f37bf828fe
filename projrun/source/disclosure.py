"""No snapshot takes in a file that holds a secret: what is in the store cannot be taken out of it again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from projrun.core.errors import SourceError
from projrun.core.searching import found_in
from projrun.source.listing import list_files
from projrun.source.model import Source


def check(source: Source, sources_git: Path, secrets: Mapping[bytes, str]) -> None:
    """Looks for texts in the files that a snapshot would add to what everybody has; ``secrets`` have their names.

    Of a commit that is on a remote those are the files that differ from it, otherwise all. Raises SourceError for
    the first that holds one.
    """
    if not secrets:
        return
    texts = tuple(secrets)
    for path, tracked in _captured(source, sources_git):
        place = source.worktree / path
        name = os.fsencode(path)
        found = next((text for text in texts if text in name), None)
        try:
            found = found or (None if place.is_symlink() else found_in(place, texts))
        except OSError:
            continue  # gone meanwhile, or what the snapshot itself tells of
        if found is not None:
            raise _refused(path, secrets[found], tracked=tracked)


def _captured(source: Source, sources_git: Path) -> Iterator[tuple[str, bool]]:
    """The files in question, and whether git tracks them."""
    store = os.path.realpath(sources_git.parent)
    changed = {change.path for change in source.changes}
    for file in list_files(source.worktree, repository=source.repository):
        known = file.tracked and source.pushed and file.path not in changed
        if not known and not f"{source.worktree}/{file.path}".startswith(f"{store}/"):
            yield file.path, file.tracked


def _refused(path: str, name: str, *, tracked: bool) -> SourceError:
    shown = path if path.isprintable() else ascii(path)[1:-1]
    ignore = f"echo /{shown} >> .gitignore"
    return SourceError(
        f"{shown} holds the value of a secret: {name}",
        why="every run keeps the files it was made of, and a secret is never kept",
        hint=f"take the value out of it, or: git rm --cached {shown} && {ignore}" if tracked else ignore,
    )
