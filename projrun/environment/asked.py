"""What a tool is asked to resolve: files that we write, of the requirements that were read and nothing else.

A tool reads more into a line than we do (options, variables of the machine, files anywhere), so it never gets the
project's own files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from projrun.core.values import Struct
from projrun.environment import lock
from projrun.environment.requirements import RequirementLine

_WHOLE = "projrun-asked.in"
_PART = "projrun-asked-{}.in"
_IN_COMMENT = re.compile(r"(?:(-[rc]) )?(?:[^\s'\"`(]*/)?projrun-asked(?:-(\d+))?\.in")


class Asked(Struct, frozen=True):
    """Requirements as they were read. ``file`` is how the user knows them.

    ``project`` is the name of the project whose pyproject.toml they come from, for comments. ``pre``: pre-releases
    will do.
    """

    file: str
    lines: tuple[RequirementLine, ...]
    project: str = ""
    pre: bool = False

    def write(self, folder: Path) -> Path:
        """Writes them into a folder, each file of the user's as one of ours; gives the one that includes the rest.

        Raises ValueError for a line that is no requirement of a release: those are refused before.
        """
        includes = []
        for number, part in enumerate(self._parts()):
            name = _PART.format(number)
            rows = [line for line in self.lines if _part_of(line) == part]
            (folder / name).write_text(_text(rows), encoding="utf-8")
            includes.append(f"{'-c' if part[1] else '-r'} {name}\n")
        whole = folder / _WHOLE
        whole.write_text("".join(includes), encoding="utf-8")
        return whole

    def as_named(self, text: str, folder: Path) -> str:
        """What a tool wrote of the files in ``folder``, with the user's files in their place."""
        parts = self._parts()

        def named(match: re.Match[str]) -> str:
            option, number = match[1], match[2]
            if number is None or int(number) >= len(parts):
                return self.file
            file, _, group = parts[int(number)]
            if option and self.project and file == self.file:
                return f"{self.project} ({file}{group and f':{group}'})"
            return f"{option} {file}" if option else file

        return _IN_COMMENT.sub(named, text.replace(f"{os.fspath(folder)}/", ""))

    def _parts(self) -> list[tuple[str, bool, str]]:
        return list(dict.fromkeys(map(_part_of, self.lines)))


def _part_of(line: RequirementLine) -> tuple[str, bool, str]:
    return line.file, line.constraint, line.group


def _text(lines: Iterable[RequirementLine]) -> str:
    """The requirements, each in the line in which the user has it, for tools name lines in their errors."""
    text, row = "", 0
    for line in sorted(lines, key=lambda one: one.line):
        before = max(line.line - row - 1, 0)
        text += "\n" * before + f"{_written(line.text)}\n"
        row += before + 1
    return text


def _written(text: str) -> str:
    requirement = lock.as_requirement(text)
    if requirement is None or requirement.url:
        raise ValueError(f"{text!r} names no release")
    return str(requirement)
