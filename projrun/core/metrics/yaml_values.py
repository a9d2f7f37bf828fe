"""YAML of metrics -> plain values, by the core schema of YAML 1.2 (section 10.3.2), as a spec is read.

So ``1e3``, ``.inf`` and ``0x10`` are numbers; ``yes``, ``1_000``, ``12:30`` and dates are text. Anchors, aliases
and tags are refused, and with them all that a small file could make large.
"""

from __future__ import annotations

import re
from typing import Any

from projrun.core.metrics.numbers import INFINITY, MINUS_INFINITY, NAN, NumberText, Repeated, integer, real
from projrun.core.yaml_events import NotYaml, events

DEEPEST = 100

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def load(text: str) -> Any:
    """The value of one document; of a key that occurs twice the first one counts. Raises ValueError."""
    building = _Building()
    documents = 0
    try:
        for event in events(text):
            documents += type(event).__name__ == "DocumentStartEvent"
            if documents > 1:
                raise ValueError("it holds a second document")
            building.take(event)
    except NotYaml as error:
        place = "" if error.index is None else f"line {error.line}, column {error.column}: "
        raise ValueError(f"it is not YAML: {place}{error}") from None
    return building.value


class _Building:
    """Mappings and lists as they open, fill and close."""

    def __init__(self) -> None:
        self.value: Any = None
        # With the key that waits for its value.
        self._open: list[tuple[dict[str, Any] | list[Any], list[str]]] = []

    def take(self, event: Any) -> None:
        kind = type(event).__name__
        if kind == "AliasEvent" or getattr(event, "anchor", None) is not None:
            raise ValueError("anchors and aliases are not read")
        if getattr(event, "tag", None) is not None:
            raise ValueError(f"the tag {event.tag} is not read")
        if kind in ("MappingStartEvent", "SequenceStartEvent"):
            if self._awaits_key():
                raise ValueError("a key is no text")
            if len(self._open) >= DEEPEST:
                raise ValueError("it is nested too deeply")
            self._open.append((Repeated() if kind == "MappingStartEvent" else [], []))
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self._put(self._open.pop()[0])
        elif kind == "ScalarEvent" and self._awaits_key():
            self._open[-1][1].append(event.value)
        elif kind == "ScalarEvent":
            self._put(event.value if event.style else plain(event.value))

    def _awaits_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1][0], dict) and not self._open[-1][1]

    def _put(self, value: Any) -> None:
        if not self._open:
            self.value = value
            return
        around, waiting = self._open[-1]
        if isinstance(around, list):
            around.append(value)
            return
        key = waiting.pop()
        if key in around:
            assert isinstance(around, Repeated)
            around.keys_twice.append(key)
        else:
            around[key] = value


def plain(text: str) -> Any:
    """The value of a plain scalar; a number that would lose is a NumberText."""
    if text in _WORDS:
        return _WORDS[text]
    if _BASED.fullmatch(text):
        return integer(str(int(text, 0))) if len(text) < 1000 else text
    if _INT.fullmatch(text):
        return integer(text.removeprefix("+"))
    if _FLOAT.fullmatch(text):
        return real(text.removeprefix("+"))
    if _NOT_FINITE.fullmatch(text):
        word = NAN if text.lower() == ".nan" else MINUS_INFINITY if text.startswith("-") else INFINITY
        return NumberText(word)
    return text
