"""What a POSIX shell makes of a text (Shell Command Language, 2.2 Quoting and 2.3 Token Recognition)."""

from __future__ import annotations

import re

from projrun.core.regex import regex

# A value that will be put in. No text holds it: NUL is refused everywhere.
HOLE = "\0"

_SPLIT = regex(
    r"""(?P<blank>[ \t\n]+)
      | \\\n
      | \\(?P<escaped>.)
      | '(?P<single>[^']*)'
      | "(?P<double>(?:[^"\\]|\\.)*)"
      | (?P<operator>[|&;<>()]+)
      | (?P<bare>[^ \t\n\\'"])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED_IN_DOUBLE = regex(r'\\(?:\n|([$`"\\]))')
_ASSIGNMENT = regex(r"(?:[ \t\n]|\\\n)*(?P<name>[A-Za-z_][A-Za-z0-9_]*)=")

# Double quotes that open no quotes of their own: "$x", "${x}" and "$(pwd)" are plain enough.
_BRACED = r"\$\{[^{}'\"`\\$()\0]*\}"
_DOUBLE = rf"""\"(?:[^"\\`$]|\\.|{_BRACED}|\$\([^()"'`\\$\0]*\)|\$(?![(\[\\{{]))*\""""
_CONTEXT = regex(
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

    Raises ValueError for a quote that is not closed and for what only a shell could do: operators (``|``, ``>``),
    several lines, a variable in front (2.9.1 Simple Commands).
    """
    if assignment := _ASSIGNMENT.match(text):
        name = assignment["name"]
        raise ValueError(
            f"{name}= in front of a command is for a shell: write `environment: {{variables: {{{name}: ...}}}}`,"
            " or `shell: true`"
        )
    words: list[str] = []
    word: str | None = None
    broken = False
    at = 0
    while at < len(text):
        found = _SPLIT.match(text, at)
        if found is None:
            raise ValueError(_unclosed(text, at))
        at = found.end()
        if found["operator"]:
            sign = found["operator"]
            raise ValueError(f"{sign} is for a shell: put it in quotes if a word has it, or write `shell: true`")
        if found["blank"]:
            words += [] if word is None else [word]
            word = None
            broken = broken or (bool(words) and "\n" in found["blank"])
        elif found.lastgroup:
            if broken:
                raise ValueError(
                    "the command goes on in another line: fold the lines with >-, or use `shell: true`"
                )
            word = (word or "") + _meaning(found)
    return (*words, *([] if word is None else [word]))


def _meaning(found: re.Match[str]) -> str:
    if found["double"] is not None:
        return _ESCAPED_IN_DOUBLE.sub(lambda escape: escape[1] or "", found["double"])
    return next(part for part in found.groups()[1:] if part is not None)


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
