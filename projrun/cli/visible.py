"""Output of programs as a terminal may have it: text and colours, and what else it would obey made visible."""

from __future__ import annotations

import codecs
import re

from projrun.cli.render import printable

RESET = b"\x1b[0m"

# Colours and styles: "Select Graphic Rendition" of ECMA-48. An end that may yet become one is waited for.
_STYLE = re.compile(r"(\x1b\[[0-9;:]{0,30}m)")
_BEGUN = re.compile(r"\x1b(?:\[[0-9;:]{0,30})?\Z")
_ENDS = re.compile(r"\r\n?")


class Visible:
    """One stream. ``\\r`` alone begins a new line, so that nothing is written over."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._held = ""

    def feed(self, data: bytes, *, final: bool = False) -> bytes:
        """What can be shown of the stream now; with ``final`` all of it."""
        text = self._held + self._decoder.decode(data, final)
        begun = None if final else _BEGUN.search(text) or re.search(r"\r\Z", text)
        self._held = text[begun.start() :] if begun else ""
        text = _ENDS.sub("\n", text[: begun.start()] if begun else text)
        parts = _STYLE.split(text)
        shown = (part if at % 2 else _shown(part) for at, part in enumerate(parts))
        return "".join(shown).encode(errors="backslashreplace")


def _shown(text: str) -> str:
    if text.isprintable():
        return text
    pieces = re.split(r"([\n\t])", text)
    return "".join(piece if piece in ("\n", "\t") else printable(piece) for piece in pieces)
