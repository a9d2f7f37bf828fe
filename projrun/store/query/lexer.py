"""A query's text as tokens."""

from __future__ import annotations

import re

from projrun.core.errors import UsageError
from projrun.core.nearest import nearest
from projrun.core.values import Struct
from projrun.store.facts import GROUPS
from projrun.store.query.mistakes import mistake
from projrun.store.query.model import FIELDS, PLAIN_KEY, Field

WORD, FIELD, NUMBER, TEXT, SIGN, END = "word", "field", "number", "text", "sign", "end"

_DIGITS = 4000  # of one number: enough for any, and below what Python reads at once
_BLANK = re.compile(r"\s+")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]inf\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d]\w*")
_SIGN = re.compile(r"==|!=|<>|<=|>=|[=<>(),-]")
_QUOTED = {quote: re.compile(f"{quote}((?:[^{quote}]|{quote}{quote})*){quote}") for quote in "\"'`"}
_OTHER_LANGUAGES = {"&": "and", "|": "or", "!": "not", "~": "like"}


class Token(Struct, frozen=True):
    """A piece of a query: ``text`` as it is written, ``value`` without quotes, ``field`` of a name with a dot."""

    kind: str
    text: str
    at: int
    value: str = ""
    field: Field | None = None

    @property
    def end(self) -> int:
        return self.at + len(self.text)

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these words; upper case is the same."""
        return self.kind == WORD and self.text.lower() in words

    def is_sign(self, *signs: str) -> bool:
        return self.kind == SIGN and self.text in signs


def tokens(text: str) -> tuple[Token, ...]:
    """All tokens of a query, the end as the last. Raises UsageError."""
    found: list[Token] = []
    at = 0
    while True:
        if blank := _BLANK.match(text, at):
            at = blank.end()
        if at == len(text):
            return (*found, Token(END, "", at))
        token = _token(text, at)
        found.append(token)
        at = token.end


def _token(text: str, at: int) -> Token:
    if match := _NUMBER.match(text, at):
        return _number(text, match[0], at)
    if match := _WORD.match(text, at):
        return _key(text, match[0], at) if text.startswith(".", match.end()) else Token(WORD, match[0], at)
    if match := _SIGN.match(text, at):
        return Token(SIGN, match[0], at)
    if text[at] in "\"'":
        return _quoted(text, at, TEXT)
    word = _OTHER_LANGUAGES.get(text[at])
    raise mistake(
        text,
        at,
        f"the query has a character that means nothing there: {text[at]!a}",
        hint=f"write it as a word: {word}"
        if word
        else 'put text, and names with other characters, into quotes: "…"',
    )


def _number(text: str, digits: str, at: int) -> Token:
    end = at + len(digits)
    if len(digits) > _DIGITS:
        raise mistake(text, at, f"a number of a query has at most {_DIGITS:,} digits", hint="write it shorter")
    if end < len(text) and (text[end].isalnum() or text[end] in "_.:"):
        rest = re.compile(r"[\w.:+-]*").match(text, at)
        meant = rest[0] if rest else digits
        raise mistake(text, at, f"{meant[:40]!r} is no number", hint=f'text is written in quotes: "{meant[:40]}"')
    return Token(NUMBER, digits, at, digits)


def _quoted(text: str, at: int, kind: str) -> Token:
    quote = text[at]
    match = _QUOTED[quote].match(text, at)
    if not match:
        raise mistake(text, at, f"the text that begins here has no {quote} at its end", hint=f"add the {quote}")
    return Token(kind, match[0], at, match[1].replace(quote * 2, quote))


def _key(text: str, group: str, at: int) -> Token:
    """A field of a group: the group, a dot, and a plain or quoted name."""
    if group not in GROUPS:
        raise unknown_field(text, at, group, dotted=True)
    begin = at + len(group) + 1
    if text[begin : begin + 1] in _QUOTED:
        quoted = _quoted(text, begin, FIELD)
        name, end = quoted.value, quoted.end
    else:
        match = PLAIN_KEY.match(text, begin)
        name, end = (match[0], match.end()) if match else ("", begin)
    if not name:
        raise mistake(text, begin, f"a name is missing after {group}.", hint=f'{group}.NAME, or {group}."A NAME"')
    return Token(FIELD, text[at:end], at, field=Field(group, name))


def unknown_field(text: str, at: int, name: str, *, dotted: bool = False) -> UsageError:
    """The error for a name that is no field's."""
    known = [*FIELDS, *(f"{group}.NAME" for group in GROUPS)]
    near = nearest(f"{name}.NAME" if dotted else name, known)
    listed = f"the fields are {', '.join(known)}"
    return mistake(
        text,
        at,
        f"there is no field {name[:40] + '.' * dotted!r}",
        hint=f"did you mean {near!r}?" if near else listed if dotted else _grouped(name) + listed,
    )


def _grouped(name: str) -> str:
    """How a name would be written that was meant as a metric's or a parameter's."""
    return f"a metric is metrics.{name[:40]}, a parameter params.{name[:40]}; "
