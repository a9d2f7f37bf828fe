"""Writes the values of a specification as YAML that reads back as the same values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from projrun.core.regex import regex
from projrun.spec.fault import Path

_PLAIN = regex(r"[A-Za-z_][A-Za-z0-9_./-]*")
_WORDS = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n"))
_WIDTH = 100

Comments = Mapping[Path, Sequence[str]]


def as_yaml(value: Mapping[str, Any], comments: Comments) -> str:
    """The text of a specification; ``comments`` are the lines that come before a value, by its path."""
    head = [*comments.get((), ()), ""] if comments.get(()) else []
    return "\n".join([*head, *_mapping(value, (), "", comments)]) + "\n"


def _mapping(value: Mapping[str, Any], path: Path, indent: str, comments: Comments) -> Iterator[str]:
    for key, below in value.items():
        here = (*path, key)
        yield from (f"{indent}{line}" for line in comments.get(here, ()))
        if isinstance(below, Mapping) and below and not _is_short(here, below):
            yield f"{indent}{_text(key)}:"
            yield from _mapping(below, here, f"{indent}  ", comments)
        elif isinstance(below, list) and len(_flow(below)) > _WIDTH:
            yield f"{indent}{_text(key)}:"
            yield from (f"{indent}  - {_flow(item)}" for item in below)
        else:
            yield f"{indent}{_text(key)}: {_flow(below)}"


def _is_short(path: Path, value: Mapping[str, Any]) -> bool:
    """Whether a mapping is written in one line: a parameter, or what has no mapping in it and fits there."""
    if path[2:3] == ("parameters",) and len(path) > 3:
        return True
    return (
        len(path) > 1
        and len(_flow(value)) < _WIDTH
        and not any(isinstance(one, Mapping) for one in value.values())
    )


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(key)}: {_flow(below)}" for key, below in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(text: str) -> str:
    """A text as a scalar, in quotes unless every reader takes it for that text without."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return "".join(one if one.isprintable() else _escaped(one) for one in json.dumps(text, ensure_ascii=False))


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
