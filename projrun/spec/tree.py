"""A document as plain values, with the source text and the place of each: what every reader here gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from projrun.core.errors import Problem
from projrun.core.values import Struct, field
from projrun.spec.fault import Fault, Mark, Path

DEEPEST = 100


class Document(Struct, frozen=True):
    """What a file says.

    ``value`` is plain JSON-like data. ``texts`` holds the exact source text of every scalar that was written
    plain and is not text (``0x1F``, ``1e400``, ``true``, an empty value). ``marks`` and ``key_marks`` hold
    the line and column, from 1, of values and of the keys before them. ``refused`` are the paths whose value
    could not be taken over; a problem was reported for each.
    """

    file: str
    value: Any
    texts: Mapping[Path, str]
    marks: Mapping[Path, Mark]
    key_marks: Mapping[Path, Mark]
    refused: frozenset[Path] = frozenset()

    def problem(self, fault: Fault) -> Problem:
        """The fault with its place: that of the value, or for what is not there of the key that should hold it."""
        line, column = self._place(fault)
        return Problem(self.file, line, column, fault.message, fault.hint)

    def _place(self, fault: Fault) -> Mark:
        if fault.key and fault.path in self.key_marks:
            return self.key_marks[fault.path]
        path = fault.path
        while path and path not in self.marks and path not in self.key_marks:
            path = path[:-1]
        is_there = path == fault.path or not isinstance(self._at(path), dict | list)
        first, second = (self.marks, self.key_marks) if is_there else (self.key_marks, self.marks)
        return first.get(path) or second.get(path) or (1, 1)

    def _at(self, path: Path) -> Any:
        value = self.value
        for step in path:
            value = value[step]
        return value


class Malformed(Exception):
    """The text breaks off being YAML or JSON at ``mark``."""

    def __init__(self, mark: Mark, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.mark = mark
        self.message = message
        self.hint = hint


class Event(NamedTuple):
    """A step through a document. ``kind``: ``mapping``, ``sequence`` (both open something), ``end``, ``scalar``.

    ``text`` is the source text of a plain scalar that is not text. ``refusal`` says why the value cannot be
    used, empty when it can.
    """

    kind: str
    mark: Mark = (1, 1)
    value: Any = None
    text: str | None = None
    refusal: str = ""


class _Open(Struct):
    """A mapping or list that is being filled. What is not ``kept`` is read and dropped."""

    value: dict[str, Any] | list[Any]
    path: Path
    kept: bool
    key: str | None = None
    key_kept: bool = True

    @property
    def awaits_key(self) -> bool:
        return isinstance(self.value, dict) and self.key is None


class _Assembly(Struct):
    """The state of :func:`assemble`."""

    file: str
    value: Any = None
    texts: dict[Path, str] = field(default_factory=dict)
    marks: dict[Path, Mark] = field(default_factory=dict)
    key_marks: dict[Path, Mark] = field(default_factory=dict)
    refused: set[Path] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)

    def take(self, event: Event) -> None:
        if event.kind == "end":
            self._close()
            return
        if event.refusal:
            self._report(event.mark, event.refusal)
        if self.stack and self.stack[-1].awaits_key:
            self._take_key(event)
        else:
            self._take_value(event)

    def _take_key(self, event: Event) -> None:
        mapping = self.stack[-1]
        if event.kind != "scalar":
            self._report(event.mark, "a key must be text, and this is a list or a mapping")
            self._open(event, mapping.path, kept=False)
            return
        is_text = isinstance(event.value, str)
        mapping.key = event.value if is_text else event.text or ""
        mapping.key_kept = mapping.kept and is_text and not event.refusal
        path = (*mapping.path, mapping.key)
        if not is_text and not event.refusal:
            written = event.text or "an empty key"
            self._report(event.mark, f"a key must be text, and {written} is not", f'write "{event.text}"')
        elif mapping.kept and mapping.key in mapping.value:
            message = f"{mapping.key!r} is there twice"
            self._report(event.mark, message, f"the first one is in line {self.key_marks[path][0]}")
            mapping.key_kept = False
        elif mapping.key_kept:
            self.key_marks[path] = event.mark

    def _take_value(self, event: Event) -> None:
        path, kept = self._where()
        if kept:
            if event.text != "":  # where nothing stands has no place, and readers differ in what they call it
                self.marks[path] = event.mark
            if event.text is not None:
                self.texts[path] = event.text
            if event.refusal:
                self.refused.add(path)
        if event.kind == "scalar":
            self._put(event.value, kept)
        else:
            self._open(event, path, kept)

    def _where(self) -> tuple[Path, bool]:
        if not self.stack:
            return (), True
        around = self.stack[-1]
        if isinstance(around.value, list):
            return ((*around.path, len(around.value)), around.kept)
        return ((*around.path, around.key or ""), around.kept and around.key_kept)

    def _open(self, event: Event, path: Path, kept: bool) -> None:
        if len(self.stack) >= DEEPEST:
            raise Malformed(event.mark, f"more than {DEEPEST} levels, one inside the other")
        self.stack.append(_Open({} if event.kind == "mapping" else [], path, kept))

    def _close(self) -> None:
        done = self.stack.pop()
        if self.stack and self.stack[-1].awaits_key:
            self.stack[-1].key, self.stack[-1].key_kept = "", False
        else:
            self._put(done.value, self._where()[1])

    def _put(self, value: Any, kept: bool) -> None:
        if not self.stack:
            self.value = value
            return
        around = self.stack[-1]
        if isinstance(around.value, list):
            around.value.append(value)
            return
        if kept:
            around.value[around.key or ""] = value
        around.key = None

    def _report(self, mark: Mark, message: str, hint: str = "") -> None:
        self.problems.append(Problem(self.file, *mark, message, hint))


def assemble(events: Iterable[Event], file: str) -> tuple[Document, tuple[Problem, ...]]:
    """The document that the events tell, and what was refused in it. Raises Malformed, also when too deep."""
    state = _Assembly(file)
    for event in events:
        state.take(event)
    document = Document(file, state.value, state.texts, state.marks, state.key_marks, frozenset(state.refused))
    return document, tuple(state.problems)
