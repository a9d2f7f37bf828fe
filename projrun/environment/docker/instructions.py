"""A Dockerfile's lines as instructions: directives, comments, continuations and here-documents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from projrun.core.values import Struct
from projrun.environment.docker.expansion import Fault, words

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_DIRECTIVES = ("syntax", "escape", "check")
_HERE = re.compile(r"\d*<<(-?)([^<]+)")  # a word of an instruction that takes a here-document
_TAKES_HERE = ("RUN", "COPY", "ADD")
KEYWORDS = frozenset(
    {
        *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL"),
        *("MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
    }
)


class Instruction(Struct, frozen=True):
    """``keyword`` in capitals, ``text`` what follows it in one line; ``line`` is its first, from 1."""

    keyword: str
    text: str
    line: int


class Text(Struct, frozen=True):
    """All of them. ``syntax`` is the image that the first lines name as the reader, with its line."""

    instructions: tuple[Instruction, ...]
    escape: str = "\\"
    syntax: tuple[str, int] | None = None
    here_documents: bool = False


def read(text: str) -> Text:
    """The instructions of a Dockerfile. Raises Fault."""
    lines = re.split(r"\r?\n", text.removeprefix("\ufeff"))
    directives = _directives(lines)
    escape, escape_line = directives.get("escape", ("\\", 0))
    if escape not in ("\\", "`"):
        raise Fault(escape_line, f"escape={escape} is no escape", "It is \\ or `.", "# escape=` or no such line")
    reader = _Reader(lines, escape)
    found = tuple(reader.instructions())
    return Text(found, escape, directives.get("syntax"), reader.here_documents)


def _directives(lines: Iterable[str]) -> dict[str, tuple[str, int]]:
    """The directives: comments of a form that stand before all else."""
    found: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(lines, 1):
        match = _DIRECTIVE.fullmatch(line.strip())
        if match is None or match[1].lower() not in _DIRECTIVES:
            break
        if match[1].lower() in found:
            raise Fault(number, f"the directive {match[1]} is there twice", "", "take one of them out")
        found[match[1].lower()] = (match[2], number)
    return found


class _Reader:
    def __init__(self, lines: list[str], escape: str) -> None:
        self._lines, self._escape = lines, escape
        self._place = 0
        self.here_documents = False
        self._continued = re.compile(rf"(?:^|(?<=[^{re.escape(escape)}])){re.escape(escape)}[ \t]*$")

    def instructions(self) -> Iterator[Instruction]:
        while self._place < len(self._lines):
            first = self._lines[self._place].strip()
            if not first or first.startswith("#"):
                self._place += 1
                continue
            line = self._place + 1
            keyword, _, text = self._logical().strip().partition(" ")
            keyword = keyword.upper()
            if keyword not in KEYWORDS:
                raise Fault(
                    line, f"{keyword[:40]} is no instruction", "", "FROM, RUN, COPY and the like begin a line"
                )
            self._skip_here(keyword, text, line)
            yield Instruction(keyword, text.strip(), line)

    def _logical(self) -> str:
        """The line at hand and those that it goes on in, as one with single white space at its ends."""
        joined = ""
        while self._place < len(self._lines):
            raw = self._lines[self._place]
            self._place += 1
            if joined and (not raw.strip() or raw.lstrip().startswith("#")):
                continue
            match = self._continued.search(raw)
            joined += (raw[: match.start()] if match else raw).replace("\t", " ")
            if match is None:
                break
            joined = joined or " "
        return joined

    def _skip_here(self, keyword: str, text: str, line: int) -> None:
        if keyword == "ONBUILD":
            keyword, _, text = text.strip().partition(" ")
        if keyword.upper() not in _TAKES_HERE or "<<" not in text:
            return
        for word in words(text, self._escape):
            found = _HERE.fullmatch(word)
            name = found[2].replace('"', "").replace("'", "") if found else ""
            if found is None or not name:
                continue
            self.here_documents = True
            while True:
                if self._place >= len(self._lines):
                    why = f"No line says {name} alone."
                    raise Fault(line, f"the here-document {name} has no end", why, f"end it with a line: {name}")
                said = self._lines[self._place]
                self._place += 1
                if (said.lstrip("\t") if found[1] else said) == name:
                    break
