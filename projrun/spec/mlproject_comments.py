"""The comments of an MLproject file, by what they stand before."""

from __future__ import annotations

from collections.abc import Mapping

from projrun.core.regex import regex
from projrun.spec.fault import Mark, Path

# A comment at the end of a line: no quote after it, so it is in no quoted text that ends there.
_TRAILING = regex(r"\s(#[^'\"]*)$")


def comments(text: str, marks: Mapping[Path, Mark]) -> dict[Path, list[str]]:
    """The lines of comments right above what has a place, and at the end of its line; of the file's head by ()."""
    lines = text.splitlines()
    taken: set[int] = set()
    found: dict[Path, list[str]] = {(): _head(lines, taken)}
    for path, (line, _) in sorted(marks.items(), key=lambda entry: (entry[1], len(entry[0]))):
        if not path[1:] or line in taken:
            continue  # what has no line of its own
        above = _above(lines, line - 2, taken)
        trailing = _TRAILING.search(lines[line - 1])
        taken.add(line)
        if told := [*above, *([trailing[1].rstrip()] if trailing else [])]:
            found[path] = told
    return found


def _head(lines: list[str], taken: set[int]) -> list[str]:
    found = []
    for number, line in enumerate(lines, 1):
        if not line.lstrip("\ufeff").startswith("#"):
            break
        found.append(line.lstrip("\ufeff").rstrip())
        taken.add(number)
    return found


def _above(lines: list[str], index: int, taken: set[int]) -> list[str]:
    found: list[str] = []
    while index >= 0 and lines[index].lstrip().startswith("#") and index + 1 not in taken:
        found.insert(0, lines[index].strip())
        taken.add(index + 1)
        index -= 1
    return found
