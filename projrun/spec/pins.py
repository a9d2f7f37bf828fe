"""Pins of data, written into the text of a specification. Nothing else of the text changes."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from projrun.core.errors import SpecError
from projrun.spec import document, schema
from projrun.spec.spans import Span, Step, spans
from projrun.spec.tree import Malformed

# A plain scalar of a line that is one in {...} too.
_PLAIN_ANYWHERE = re.compile(r"[\w./][\w./ +=~@^$-]*(?<! )")
# A digest that a reader of YAML takes for a number.
_NUMBER = re.compile(r"[0-9]+(e[0-9]+)?")
_BLOCK = ("|", ">")
# The comment behind the head of a block, which goes with it.
_HEAD_NOTE = re.compile(r"[|>][-+0-9]*([ \t]+#[^\r\n]*)")


class _Edit(NamedTuple):
    """What stands from ``start`` to ``end`` is replaced."""

    start: int
    end: int
    text: str


def with_pins(text: str, file: str, pins: Mapping[str, str]) -> str:
    """The text with the SHA-256 of data as their pins, by the names of the data.

    Comments, layout, line breaks and quotes stay. Raises SpecError when the text is written in a way that cannot
    be edited like this; it says what to write by hand.
    """
    try:
        places = spans(document.steps(text))
    except Malformed as error:
        raise _unwritable(file, pins) from error
    edits = [_edit(text, places, name, sha256) for name, sha256 in pins.items()]
    written = text
    for edit in sorted(edits, reverse=True):
        written = written[: edit.start] + edit.text + written[edit.end :]
    if not _is_pinned(text, written, file, pins):
        raise _unwritable(file, pins)
    return written


def _unwritable(file: str, pins: Mapping[str, str]) -> SpecError:
    lines = "; ".join(f"data.{name}.sha256: {sha256}" for name, sha256 in pins.items())
    return SpecError(
        f"{file} cannot be edited without a change to something else",
        why="it is written in a way that projrun does not write",
        hint=f"write it by hand: {lines}",
    )


def _edit(text: str, places: Mapping[Any, Span], name: str, sha256: str) -> _Edit:
    entry = places["data", name].step
    pinned = places.get(("data", name, "sha256"))
    if pinned is not None:
        return _Edit(pinned.step.start, pinned.step.end, _like(pinned.step, sha256))
    pin = _digest(sha256, quoted=entry.json)
    key = '"sha256"' if entry.json else "sha256"
    if entry.kind == "scalar":
        path = '"path"' if entry.json else "path"
        end = len(text[: entry.end].rstrip())  # a block of lines goes on to what comes next
        note = _HEAD_NOTE.match(text, entry.start) if entry.style in _BLOCK else None
        remark = note[1] if note else ""
        return _Edit(entry.start, end, f"{{{path}: {_as_written(text, entry)}, {key}: {pin}}}{remark}")
    beside = places.get(("data", name, "path")) or next(
        span for place, span in places.items() if place[:2] == ("data", name) and len(place) == 3
    )
    if entry.flow:
        return _Edit(beside.step.end, beside.step.end, f", {key}: {pin}")
    return _own_line(text, beside, f"{key}: {pin}")


def _own_line(text: str, beside: Span, line: str) -> _Edit:
    """A line after that of a scalar, or before one that is several lines long."""
    start = beside.key or 0
    begin = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    indent = text[begin:start]
    if indent.strip() or beside.step.style in _BLOCK:
        return _Edit(start, start, f"{line}{_line_break(text)}{' ' * len(indent)}")
    rest = re.compile(r"[^\r\n]*").match(text, beside.step.end)
    end = rest.end() if rest else len(text)
    return _Edit(end, end, f"{_line_break(text)}{indent}{line}")


def _line_break(text: str) -> str:
    found = re.search(r"\r\n|\r|\n", text)
    return found.group() if found else "\n"


def _like(pinned: Step, sha256: str) -> str:
    quote = pinned.style if pinned.style in ("'", '"') else ""
    return f"{quote}{sha256}{quote}" if quote else _digest(sha256, quoted=pinned.json)


def _digest(sha256: str, *, quoted: bool) -> str:
    return f'"{sha256}"' if quoted or _NUMBER.fullmatch(sha256) else sha256


def _as_written(text: str, scalar: Step) -> str:
    """A scalar as it stands where that is right between braces too, else in quotes."""
    written = text[scalar.start : scalar.end]
    if scalar.style in ("'", '"') or _PLAIN_ANYWHERE.fullmatch(written):
        return written
    return json.dumps(scalar.value, ensure_ascii=False)


def _is_pinned(before: str, after: str, file: str, pins: Mapping[str, str]) -> bool:
    """Whether the pins are all that a reader finds changed."""
    definition = schema.definition()
    read, unreadable = document.examine(after, file)
    if read is None or unreadable:
        return False
    wanted = copy.deepcopy(schema.with_texts(document.read(before, file), definition))
    for name, sha256 in pins.items():
        entry = wanted["data"][name]
        wanted["data"][name] = {**(entry if isinstance(entry, dict) else {"path": entry}), "sha256": sha256}
    return bool(schema.with_texts(read, definition) == wanted)
