"""Which files of a build context .dockerignore leaves out.

The patterns as https://docs.docker.com/build/concepts/context/#dockerignore-files has them. Not by the docker
package, which asks a file system and knows no list of paths.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from projrun.core.errors import EnvironmentFailure

_MEANT = frozenset(".+()|{}$^")  # by themselves in a pattern, and something else in a regular expression


class Patterns:
    """The patterns of one file. Raises EnvironmentFailure, with its line, for one that means nothing."""

    def __init__(self, text: str, name: str) -> None:
        self._rules = tuple(_rules(text, name))
        self._name = name

    def leaves_out(self, path: str) -> bool:
        """Whether the last pattern that fits ``path``, or a directory above it, is one without ``!``."""
        return self._line(path) > 0

    def place_for(self, path: str) -> str:
        """``file:line`` of the pattern that leaves ``path`` out, "" when none does."""
        line = self._line(path)
        return f"{self._name}:{line}" if line else ""

    def _line(self, path: str) -> int:
        parts = path.split("/")
        above = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
        found = 0
        for taken_back, rule, line in self._rules:
            if (found > 0) == taken_back and any(map(rule.fullmatch, above)):
                found = 0 if taken_back else line
        return found


def _rules(text: str, name: str) -> Iterable[tuple[bool, re.Pattern[str], int]]:
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        pattern = line.strip()
        if not pattern or line.startswith("#"):
            continue
        taken_back = pattern.startswith("!")
        cleaned = posixpath.normpath(pattern.removeprefix("!").strip() or "!").lstrip("/")
        try:
            if cleaned == "!":
                raise ValueError("there is nothing after the !")
            yield taken_back, re.compile(_expression(cleaned)), number
        except (ValueError, re.error, OverflowError) as error:
            raise EnvironmentFailure(
                f"{name}:{number}: {pattern!r} is no pattern",
                why=f"{error}.",
                hint=f"mend the line, or take it out of {name}",
            ) from error


def _expression(pattern: str) -> str:
    """The pattern as a regular expression."""
    written, place = "", 0
    while place < len(pattern):
        sign = pattern[place]
        place += 1
        if pattern.startswith("**", place - 1):
            place += 1
            place += pattern.startswith("/", place)
            written += "(?:.*/)?" if place < len(pattern) else ".*"
        elif sign == "*":
            written += "[^/]*"
        elif sign == "?":
            written += "[^/]"
        elif sign == "[":
            end = _end_of_set(pattern, place)
            written += f"[{pattern[place:end].replace('[', chr(92) + '[')}]"
            place = end + 1
        elif sign == "\\":
            if place == len(pattern):
                raise ValueError("there is nothing after the \\")
            written += re.escape(pattern[place])
            place += 1
        else:
            written += re.escape(sign) if sign in _MEANT or not sign.isalnum() else sign
    return f"(?s:{written})"


def _end_of_set(pattern: str, start: int) -> int:
    place = start + pattern.startswith("^", start)
    while place < len(pattern):
        if pattern[place] == "]" and place > start:
            return place
        place += 2 if pattern[place] == "\\" else 1
    raise ValueError("the [ has no ]")
