"""Reads YAML or JSON into plain values. Plain scalars follow the core schema of YAML 1.2, section 10.3.2.

What cannot be taken at its word is refused, with its place: a key twice, tags, anchors and aliases, several
documents, control characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from projrun.core.errors import Problem, SpecError
from projrun.core.yaml_events import NotYaml, events
from projrun.spec import json_text
from projrun.spec.fault import Mark
from projrun.spec.spans import Step, json_steps
from projrun.spec.text import LARGEST, mark
from projrun.spec.tree import Document, Event, Malformed, assemble

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOL = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

# What YAML 1.2 does not call printable (section 5.1), and the line breaks of YAML 1.1 that 1.2 dropped and
# the readers still see. Compiled when it is needed: so wide a class takes milliseconds.
_UNPRINTABLE = "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"


# What mends an error of the readers, by their words.
_SYNTAX_HINTS = (
    (
        "mapping values are not allowed",
        "put quotes around the text, if the ': ' belongs to one; else mind the indentation",
    ),
    ("cannot start any token", "put quotes around the text"),
    ("quoted scalar", "close the quote; inside '...' a ' is written twice"),
    ("' or '", "close the bracket, or put quotes around the text"),
)
_QUOTE_OR_INDENT = "put quotes around a text that has signs of YAML in it, and mind the indentation"


def read(text: str, file: str) -> Document:
    """What a YAML or JSON text says; ``file`` names it in errors. Raises SpecError with every problem found."""
    document, problems = examine(text, file)
    if document is None or problems:
        raise SpecError(f"{file} cannot be read", problems=problems)
    return document


def examine(text: str, file: str) -> tuple[Document | None, tuple[Problem, ...]]:
    """As much of a document as can be read (None: nothing), and what is wrong with it as a document."""
    if len(text) > LARGEST:
        return None, (Problem(file, 1, 1, f"the file is larger than {LARGEST // 1_000_000} MB"),)
    looks_like_json = text.lstrip()[:1] in ("{", "[")
    try:
        if looks_like_json or file.endswith(".json"):
            return assemble(json_text.events(text), file)
    except Malformed as error:
        if file.endswith(".json"):
            return None, (Problem(file, *error.mark, error.message, error.hint),)
    try:
        return assemble(yaml_events(text), file)
    except Malformed as error:
        return None, (Problem(file, *error.mark, error.message, error.hint),)


def plain(text: str) -> tuple[Any, str]:
    """The value of a plain scalar by the core schema of YAML 1.2, and why it is refused (empty: it is not)."""
    if text in _NULL:
        return None, ""
    if text in _BOOL:
        return _BOOL[text], ""
    based = _BASED.fullmatch(text)
    if based or _FLOAT.fullmatch(text):
        refusal = json_text.overlong(text)
        return (None if refusal else _number(text, 0 if based else 10)), refusal
    return (float(text.replace(".", "")) if _NOT_FINITE.fullmatch(text) else text), ""


def _number(text: str, base: int) -> int | float:
    return int(text, base) if base == 0 or _INT.fullmatch(text) else float(text)


def yaml_events(text: str, *, pure: bool = False) -> Iterator[Event]:
    """The steps through a YAML text, lazily. ``pure`` does without the compiled reader, which is not everywhere.

    Raises Malformed where it is not YAML, or more than one document.
    """
    if odd := re.search(_UNPRINTABLE, text):
        message = f"the character U+{ord(odd.group()):04X} cannot stand in a YAML file"
        hint = f"remove it, or write {_escaped(odd.group())} in double quotes"
        raise Malformed(mark(text, odd.start()), message, hint)
    try:
        documents = 0
        for event in events(text, pure=pure):
            if type(event).__name__ == "DocumentStartEvent":
                documents += 1
                _check_document_start(event, documents)
            elif taken := _event(event):
                yield taken
    except NotYaml as error:
        raise _syntax_error(error, text) from None


def steps(text: str) -> Iterator[Step]:
    """The steps through a text that can be read, with their offsets in it; JSON as :func:`examine` takes it.

    Raises Malformed for what only the compiled reader takes: a tab before a value.
    """
    if text.lstrip()[:1] in ("{", "["):
        try:
            return iter(tuple(json_steps(text)))
        except Malformed:
            pass
    return iter(tuple(_yaml_steps(text)))


def _yaml_steps(text: str) -> Iterator[Step]:
    try:
        found = tuple(events(text, pure=True))  # the compiled reader may count otherwise
    except NotYaml as error:
        raise _syntax_error(error, text) from None
    for event in found:
        kind = type(event).__name__
        begin, end = event.start_mark, event.end_mark
        assert begin is not None, event
        assert end is not None, event
        place = begin.index, end.index
        if kind == "ScalarEvent":
            yield Step("scalar", *place, style=event.style or "", value=event.value)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            yield Step(kind[: -len("StartEvent")].lower(), *place, flow=bool(event.flow_style))
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            yield Step("end", *place)


def _check_document_start(event: Any, documents: int) -> None:
    if documents > 1:
        raise Malformed(_place(event), "a second document begins here, and one file holds one")
    if event.tags or event.version not in (None, (1, 2)):
        raise Malformed(
            _place(event), "directives (%TAG, %YAML) are not read", "remove the line that begins with %"
        )


def _event(event: Any) -> Event | None:
    """A reader's event as ours, told apart by name: the classes belong to a module that is imported late."""
    kind = type(event).__name__
    if kind in ("MappingEndEvent", "SequenceEndEvent"):
        return Event("end")
    if kind == "AliasEvent":
        message = f"the alias *{event.anchor} is not read: write the value out"
        return Event("scalar", _place(event), None, f"*{event.anchor}", message)
    if kind == "ScalarEvent":
        return _scalar(event)
    if kind in ("MappingStartEvent", "SequenceStartEvent"):
        return Event(kind[: -len("StartEvent")].lower(), _place(event), refusal=_decoration(event))
    return None


def _scalar(event: Any) -> Event:
    refusal = _decoration(event)
    if event.style or refusal:
        refusal = refusal or json_text.lone_surrogate(event.value)
        return Event("scalar", _place(event), event.value, refusal=refusal)
    value, refusal = plain(event.value)
    text = None if isinstance(value, str) else event.value
    return Event("scalar", _place(event), value, text, refusal)


def _decoration(event: Any) -> str:
    if event.tag is not None:
        return f"the tag {_written(event.tag)} is not read: only the spec says what type a value has"
    if event.anchor is not None:
        return f"the anchor &{event.anchor} is not read: write the value out where it is used"
    return ""


def _written(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


def _syntax_error(error: NotYaml, text: str) -> Malformed:
    place = (error.line, error.column)
    if error.index is not None and text[error.index : error.index + 1] == "\t":
        return Malformed(place, "a tab cannot stand here in YAML", "use blanks")
    told = str(error)
    hint = next((hint for sign, hint in _SYNTAX_HINTS if sign in told), _QUOTE_OR_INDENT)
    return Malformed(place, f"this is not YAML: {told}", hint)


def _place(event: Any) -> Mark:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
