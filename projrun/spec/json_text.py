"""JSON (RFC 8259) with places. YAML's readers are no match for it: surrogate pairs, tabs, long keys."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]  # there since 3.0, not in the stubs
from typing import Any

from projrun.spec.fault import Mark
from projrun.spec.tree import Event, Malformed

_BLANKS = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}
_WORD = re.compile("true|false|null")
_BREAK = re.compile(r"\r\n|\r|\n")

LONGEST_NUMBER = 3000


def overlong(text: str) -> str:
    """Why a number of this text is refused (Python reads no longer ones), empty when it is not."""
    return f"a number of {len(text)} characters is too long" if len(text) > LONGEST_NUMBER else ""


def lone_surrogate(text: str) -> str:
    """Why a text cannot be used, empty when it can: half of a surrogate pair is not a character."""
    half = next((character for character in text if "\ud800" <= character <= "\udfff"), None)
    return f"\\u{ord(half):04x} alone is not a character" if half else ""


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line_starts = [0, *(found.end() for found in _BREAK.finditer(text))]

    def mark(self, offset: int | None = None) -> Mark:
        place = self.at if offset is None else offset
        line = bisect_right(self.line_starts, place)
        return line, place - self.line_starts[line - 1] + 1

    def skip_blanks(self) -> str:
        """The first character that is not blank, empty at the end."""
        found = _BLANKS.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.text[self.at : self.at + 1]

    def expect(self, wanted: str) -> str:
        found = self.skip_blanks()
        if not found or found not in wanted:
            raise Malformed(self.mark(), f"JSON wants {' or '.join(wanted)} here")
        self.at += 1
        return found

    def value(self) -> Iterator[Event]:
        first = self.skip_blanks()
        if first == "{":
            yield from self._mapping()
        elif first == "[":
            yield from self._sequence()
        elif first == '"':
            yield self._string()
        else:
            yield self._plain()

    def _mapping(self) -> Iterator[Event]:
        yield Event("mapping", self.mark())
        self.at += 1
        if self.skip_blanks() == "}":
            self.at += 1
        else:
            while True:
                if self.skip_blanks() != '"':
                    raise Malformed(self.mark(), "JSON wants a key in double quotes here")
                yield self._string()
                self.expect(":")
                yield from self.value()
                if self.expect(",}") == "}":
                    break
        yield Event("end")

    def _sequence(self) -> Iterator[Event]:
        yield Event("sequence", self.mark())
        self.at += 1
        if self.skip_blanks() == "]":
            self.at += 1
        else:
            while True:
                yield from self.value()
                if self.expect(",]") == "]":
                    break
        yield Event("end")

    def _string(self) -> Event:
        mark = self.mark()
        try:
            text, self.at = scanstring(self.text, self.at + 1, True)
        except ValueError as error:
            raise Malformed(mark, "a text that does not end, or holds what JSON wants escaped") from error
        return Event("scalar", mark, text, refusal=lone_surrogate(text))

    def _plain(self) -> Event:
        mark = self.mark()
        if word := _WORD.match(self.text, self.at):
            self.at = word.end()
            return Event("scalar", mark, _WORDS[word.group()], word.group())
        number = _NUMBER.match(self.text, self.at)
        if not number:
            raise Malformed(mark, "JSON wants a value here")
        self.at = number.end()
        text = number.group()
        if refusal := overlong(text):
            return Event("scalar", mark, None, text, refusal)
        return Event("scalar", mark, float(text) if number[1] or number[2] else int(text), text)


def events(text: str) -> Iterator[Event]:
    """The steps through a JSON text, lazily. Raises Malformed where it is not JSON."""
    reader = _Reader(text)
    yield from reader.value()
    if reader.skip_blanks():
        raise Malformed(reader.mark(), "JSON ends before this")
