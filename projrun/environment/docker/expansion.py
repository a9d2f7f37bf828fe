"""The words of an instruction, and the variables in them, as a Dockerfile has them."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]")
_BRACED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?])(.*))?", re.DOTALL)
_DEPTH = 20  # defaults within defaults


class Fault(Exception):
    """Something in a Dockerfile that means nothing. ``line`` is 0 when it has no place."""

    def __init__(self, line: int, what: str, why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.line, self.what, self.why, self.hint = line, what, why, hint


def words(text: str, escape: str) -> list[str]:
    """The words between white space that is not quoted. Quotes and escapes stay."""
    found: list[str] = []
    word, quote, place = "", "", 0
    while place < len(text):
        sign = text[place]
        if sign == escape and quote != "'" and place + 1 < len(text):
            word += text[place : place + 2]
            place += 2
            continue
        if not quote and sign.isspace():
            found += [word] if word else []
            word = ""
        else:
            quote = _quote_after(sign, quote)
            word += sign
        place += 1
    return [*found, word] if word else found


def _quote_after(sign: str, quote: str) -> str:
    if sign == quote:
        return ""
    return sign if not quote and sign in "\"'" else quote


def expand(text: str, known: Mapping[str, str | None], escape: str, line: int, depth: int = 0) -> str:
    """``text`` with its variables filled in, without quotes and escapes. One that is not known is empty.

    Raises Fault.
    """
    if depth > _DEPTH:
        raise Fault(line, "the defaults lie too deep in each other")
    written, quote, place = "", "", 0
    while place < len(text):
        sign = text[place]
        if sign == escape and quote != "'" and place + 1 < len(text):
            written += text[place + 1]
            place += 2
        elif sign == "$" and quote != "'":
            value, place = _variable(text, place + 1, known, (escape, line, depth))
            written += value
        else:
            after = _quote_after(sign, quote)
            written += sign if after == quote else ""
            quote, place = after, place + 1
    if quote:
        raise Fault(line, f"{text!r} has a quote without its end")
    return written


def _variable(
    text: str, place: int, known: Mapping[str, str | None], around: tuple[str, int, int]
) -> tuple[str, int]:
    """The value of the variable whose name begins at ``place``, and where what follows it begins."""
    if not text.startswith("{", place):
        found = _NAME.match(text, place)
        return (known.get(found[0]) or "", found.end()) if found else ("$", place)
    escape, line, depth = around
    end = _closing(text, place, escape)
    inside = _BRACED.fullmatch(text, place + 1, end) if end else None
    if end is None or inside is None:
        why = "${NAME}, ${NAME:-value}, ${NAME:+value} and ${NAME:?message} are."
        raise Fault(line, f"{text[place - 1 :]!r} is not understood", why, "write the value out")
    name, operator, word = inside[1], inside[2] or "", inside[3] or ""
    value = known.get(name)
    there = bool(value) if operator.startswith(":") else value is not None
    if operator.endswith("+"):
        return (expand(word, known, escape, line, depth + 1) if there else ""), end + 1
    if there or not operator:
        return value or "", end + 1
    word = expand(word, known, escape, line, depth + 1)
    if operator.endswith("?"):
        raise Fault(line, f"{name} is not set", word, f"environment.docker.args: {{{name}: ...}}")
    return word, end + 1


def _closing(text: str, place: int, escape: str) -> int | None:
    """Where the brace that opens at ``place`` is closed."""
    depth = 0
    while place < len(text):
        sign = text[place]
        if sign == escape:
            place += 1
        elif sign == "{" and (text[place - 1] == "$"):
            depth += 1
        elif sign == "}":
            depth -= 1
            if depth == 0:
                return place
        place += 1
    return None
