"""How a verdict looks for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from projrun.cli.terminal import styled

_SHOWN = 8  # findings of one layer
_STATES = {
    "verified": ("verified", "green"),
    "differs": ("differs", "red"),
    "unchecked": ("cannot check", "yellow"),
}


def verdict_lines(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(label, text) line by line: each layer with what it came to, then the verdict."""
    for layer in document["layers"]:
        yield layer["name"], _layer(layer)
        found = [one for one in layer["findings"] if one["state"] == layer["state"] != "verified"]
        for one in found[1:_SHOWN]:
            yield "", f"  {_finding(layer['name'], one)}"
        if len(found) > _SHOWN:
            yield "", f"  and {len(found) - _SHOWN} more (--json lists them)"
    yield "verdict", f"{document['verdict']}: {document['summary']}"


def _layer(layer: Mapping[str, Any]) -> str:
    state = layer["state"]
    text = layer["summary"]
    if state != "verified":
        found = (_finding(layer["name"], one) for one in layer["findings"] if one["state"] == state)
        text = next(found, text)
    return f"{_STATES[state][0]}: {text}"


def _finding(layer: str, one: Mapping[str, Any]) -> str:
    return one["message"] if one["what"] == layer else f"{one['what']}: {one['message']}"


_COLOURS = {**dict(_STATES.values()), "reproduced": "green", "not deterministic": "red", "unverified": "yellow"}


def colour_of(word: str) -> str | None:
    """That of a state, or of what a verdict can be."""
    return _COLOURS.get(word)


def painted(name: str, text: str) -> str:
    """A line's text with what it says in its colour."""
    word = text.partition(":")[0]
    return styled(word, fg=colour_of(word)) + text[len(word) :] if word in _COLOURS and name else text
