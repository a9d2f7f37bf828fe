"""Where in a text its values are, for who writes into it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from projrun.spec import json_text
from projrun.spec.fault import Path

_BREAK = re.compile(r"\r\n|\r|\n")
_JSON_SCALAR = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s,\]}]+', re.DOTALL)


class Step(NamedTuple):
    """A step through a document: ``mapping``, ``sequence``, ``end`` or ``scalar``, from offset to offset.

    ``flow`` tells ``{...}`` from lines of their own; ``style`` is the quote of a scalar or the sign before a block
    of lines, empty for a plain one; ``json`` that everything must be quoted.
    """

    kind: str
    start: int
    end: int
    flow: bool = False
    style: str = ""
    value: str = ""
    json: bool = False


class Span(NamedTuple):
    """A value in a text, and where the key before it begins (None in a list, and for the whole)."""

    step: Step
    key: int | None = None


def spans(steps: Iterable[Step]) -> dict[Path, Span]:
    """Every value by its path. A mapping or list has the offsets of its beginning alone."""
    found: dict[Path, Span] = {}
    around: list[_Open] = []
    for step in steps:
        if step.kind == "end":
            around.pop()
            continue
        inside = around[-1] if around else None
        if inside and inside.awaits_key and step.kind == "scalar":
            inside.key = step
            continue
        key = inside.key if inside else None
        path = inside.path_of_next() if inside else ()
        found[path] = Span(step, key.start if key else None)
        if step.kind != "scalar":
            around.append(_Open(path, step.kind == "mapping"))
    return found


class _Open:
    """A mapping or list that is gone through."""

    def __init__(self, path: Path, is_mapping: bool) -> None:
        self.path = path
        self.is_mapping = is_mapping
        self.key: Step | None = None
        self.count = 0

    @property
    def awaits_key(self) -> bool:
        return self.is_mapping and self.key is None

    def path_of_next(self) -> Path:
        """The path of the value that comes now."""
        step: str | int = self.count
        if self.is_mapping:
            step = self.key.value if self.key else ""
        self.key = None
        self.count += 1
        return (*self.path, step)


def json_steps(text: str) -> Iterator[Step]:
    """The steps through a JSON text. Raises Malformed when it is none."""
    starts = [0, *(found.end() for found in _BREAK.finditer(text))]
    for event in json_text.events(text):
        if event.kind == "end":
            yield Step("end", 0, 0, json=True)
            continue
        line, column = event.mark
        start = starts[line - 1] + column - 1
        if event.kind != "scalar":
            yield Step(event.kind, start, start + 1, flow=True, json=True)
            continue
        written = _JSON_SCALAR.match(text, start)
        assert written is not None, start
        style = '"' if written.group().startswith('"') else ""
        yield Step("scalar", start, written.end(), style=style, value=str(event.value), json=True)
