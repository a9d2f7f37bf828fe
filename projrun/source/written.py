"""What was written to a checkout, looked at once more: nothing leads out of it, and nothing was lost in it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from projrun.core.errors import SourceError
from projrun.source.worktree import shown

# So many links the kernel follows before it gives up: path_resolution(7).
_MOST_LINKS = 40


def check_links(root: Path, links: Iterable[str]) -> None:
    """Raises SourceError when one of the ``links`` (paths relative to ``root``) leads out of ``root``.

    A link leads out when it, or one that it goes through, is absolute or climbs above ``root``, even if it
    comes back. What a link names need not exist.
    """
    for link in links:
        if _leads_out(os.fsencode(root), os.fsencode(link)):
            target = os.readlink(root / link)  # noqa: PTH115 - a Path would tidy it
            raise SourceError(
                f"the symbolic link {shown(link)} leads out of the project",
                why=f"it points to {shown(target)}, and a private checkout holds all that a run may rely on",
                hint="put the file itself in its place, or a link to a file of the repository",
            )


def check_distinct(root: Path, paths: Iterable[str]) -> None:
    """Raises SourceError when two of ``paths`` are one file, as names that differ in case only can be."""
    known: dict[tuple[int, int], str] = {}
    for path in paths:
        found = os.lstat(f"{root}/{path}")
        first = known.setdefault((found.st_dev, found.st_ino), path)
        if first != path:
            raise SourceError(
                f"{shown(first)} and {shown(path)} are one file on this file system",
                why="it does not tell upper and lower case, or two spellings of a letter, apart",
                hint="rename one of them in the repository, or use a cache on another file system",
            )


def check_place(root: Path, path: str) -> Path:
    """The directory ``path`` that git made for a submodule; SourceError unless it is a real one below ``root``."""
    place = root
    for part in path.split("/"):
        place /= part
        if place.is_symlink() or not place.is_dir():
            raise SourceError(
                f"the submodule {shown(path)} has no place of its own",
                why=f"{shown(str(place.relative_to(root)))} is not a directory of the repository",
                hint="commit it with no link or file in its way: git ls-files --stage",
            )
    return place


def _leads_out(root: bytes, link: bytes) -> bool:
    done: list[bytes] = []
    waiting = link.split(b"/")[::-1]
    followed = 0
    while waiting and followed <= _MOST_LINKS:
        part = waiting.pop()
        if part in (b"", b"."):
            continue
        if part == b"..":
            if not done:
                return True
            done.pop()
            continue
        target = _target(b"/".join((root, *done, part)))
        if target is None:
            done.append(part)
        elif target.startswith(b"/"):
            return True
        else:
            followed += 1
            waiting.extend(target.split(b"/")[::-1])
    return False


def _target(path: bytes) -> bytes | None:
    try:
        return os.readlink(path)  # noqa: PTH115 - a name of any bytes
    except OSError:
        return None
