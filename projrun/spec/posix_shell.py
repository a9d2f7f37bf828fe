"""What a POSIX shell makes of a text (Shell Command Language, 2.2 Quoting and 2.3 Token Recognition)."""

from __future__ import annotations

import re

# A value that will be put in. No text holds it: NUL is refused everywhere.
HOLE = "\0"

_SPLIT = re.compile(
    r"""(?P<blank>[ \t\n]+)
      | \\\n
      | \\(?P<escaped>.)
      | '(?P<single>[^']*)'
      | "(?P<double>(?:[^"\\]|\\.)*)"
      | (?P<bare>[^ \t\n\\'"])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED_IN_DOUBLE = re.compile(r'\\(?:\n|([$`"\\]))')
_OPERATOR = re.compile(r"[0-9]*(?:[|&;]{1,2}|<{1,3}|>{1,2}|>\||[<>]&[0-9-]|&>)")

# Double quotes that open no quotes of their own: "$x", "${x}" and "$(pwd)" are plain enough.
_BRACED = r"\$\{[^{}'\"`\\$()\0]*\}"
_DOUBLE = rf"""\"(?:[^"\\`$]|\\.|{_BRACED}|\$\([^()"'`\\$\0]*\)|\$(?![(\[\\{{]))*\""""
_CONTEXT = re.compile(
    rf"""(?P<lost>\(\(|<<|\$\[|\$'|`|[($<]\\\n|(?!{_BRACED})\$\{{)
      | (?P<quoted>'[^']*'|{_DOUBLE})
      | (?P<comment>(?:\A|[ \t\n;|&()<>])(?:\\\n)*\#[^\n]*)
      | (?P<escaped>\\.)
      | (?P<dollar>\$\0)
      | (?P<open>['"])
      | .""",
    re.VERBOSE | re.DOTALL,
)
_REASONS = {
    "quoted": "inside quotes: take the quotes away, projrun quotes every value itself",
    "escaped": "after a backslash: take it away, projrun quotes every value itself",
    "dollar": "after a $: take it away, or write ${{name}} for a variable of the shell",
    "comment": "inside a comment, where a value of two lines would end it",
}
_SEPARATORS = " \t\n;|&()<>"


def split(text: str) -> tuple[str, ...]:
    """The words of a command line, quotes and backslashes taken away; nothing is expanded and ``#`` is no comment.

    Raises ValueError for a quote that is not closed and for what only a shell could do (``|``, ``>``).
    """
    words: list[str] = []
    word: str | None = None
    bare = True
    at = 0
    while at < len(text):
        found = _SPLIT.match(text, at)
        if found is None:
            raise ValueError(_unclosed(text, at))
        at = found.end()
        if found["blank"]:
            words += _finished(word, bare)
            word, bare = None, True
        elif found.lastgroup:
            bare = bare and found["bare"] is not None
            word = (word or "") + _meaning(found)
    return (*words, *_finished(word, bare))


def _meaning(found: re.Match[str]) -> str:
    if found["double"] is not None:
        return _ESCAPED_IN_DOUBLE.sub(lambda escape: escape[1] or "", found["double"])
    return next(part for part in found.groups()[1:] if part is not None)


def _finished(word: str | None, bare: bool) -> list[str]:
    if word is None:
        return []
    if bare and _OPERATOR.fullmatch(word):
        raise ValueError(f"{word} is for a shell: write `shell: true`, or '{word}' in quotes if it is a word")
    return [word]


def _unclosed(text: str, at: int) -> str:
    what = "backslash at the end has nothing to quote" if text[at] == "\\" else f"{text[at]} is not closed"
    return f"the {what}"


def quote(text: str) -> str:
    """``text`` as one word of a shell, always quoted: a bare 2 before ``>`` is no word, nor is a=b in front."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


def unsafe(text: str) -> str:
    """Why a quoted word would not stay one word at some :data:`HOLE` of a shell's ``text``; empty when it would.

    Errs on the safe side: after what nests quotes in a way that only a shell follows, no place is taken for safe.
    """
    for found in _CONTEXT.finditer(text):
        kind = found.lastgroup or ""
        if kind in _REASONS and HOLE in found.group():
            return _REASONS[kind]
        if kind in ("lost", "open") and HOLE in text[found.end() :]:
            sign = found.group().removesuffix("\\\n")
            return f"somewhere after {sign} where projrun cannot tell how to quote it: set a variable before that"
    return ""


def alone(text: str, at: int) -> bool:
    """Whether the hole at ``at`` is a word of its own."""
    return text[:at][-1:] in ("", *_SEPARATORS) and text[at + 1 :][:1] in ("", *_SEPARATORS)
