"""Paths that name several files: ``data/*.csv``.

``*`` and ``?`` stand for any characters of a name but a dot at its beginning, ``[...]`` for one of these, ``**``
for any number of directories (those with such a dot, and links to directories, left out). Upper and lower case
differ.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path

from projrun.core.regex import regex

_MAGIC = regex(r"[*?\[]")
_LEFT_OUT = ".git"


def is_pattern(root: Path, path: str) -> bool:
    """Whether a path names several files: it has a sign for that in it, and nothing has it for a name."""
    return bool(_MAGIC.search(path)) and not os.path.lexists(root / path)


def matching(root: Path, pattern: str) -> list[str]:
    """The paths below ``root`` that a pattern names and that are no directories, each once, by their bytes.

    What is in a directory that cannot be read is not among them.
    """
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    return sorted(set(_below(root, "", parts)), key=os.fsencode)


def _below(root: Path, base: str, parts: list[str]) -> Iterator[str]:
    if not parts:
        if not os.path.isdir(root / base) and os.path.lexists(root / base):  # noqa: PTH112 - raises nothing
            yield base
        return
    part, rest = parts[0], parts[1:]
    if part == "**":
        yield from _below(root, base, rest or ["*"])
        for name in _names(root / base):
            inside = root / base / name
            if name[0] != "." and inside.is_dir() and not inside.is_symlink():
                yield from _below(root, _joined(base, name), parts)
    elif _MAGIC.search(part):
        for name in _names(root / base):
            if fnmatch.fnmatchcase(name, part) and (name[0] != "." or part[0] == "."):
                yield from _below(root, _joined(base, name), rest)
    else:
        yield from _below(root, _joined(base, part), rest)


def _names(directory: Path) -> list[str]:
    try:
        return [name for name in os.listdir(directory) if name != _LEFT_OUT]  # noqa: PTH208 - names only
    except OSError:
        return []


def _joined(base: str, name: str) -> str:
    return f"{base}/{name}" if base else name
