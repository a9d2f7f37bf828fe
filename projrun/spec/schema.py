"""The JSON Schema of ProjectSpec.yaml, and what it says of reading: where a plain scalar stands for its text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from projrun.spec.fault import Path as Place
    from projrun.spec.tree import Document

SCHEMA_FILE = Path(__file__).parent.parent / "schemas" / "project-spec.v1.json"

_TEXT = "#/$defs/text"


def source() -> bytes:
    """The schema as it is written."""
    return SCHEMA_FILE.read_bytes()


def definition() -> dict[str, Any]:
    """The schema as plain data."""
    schema: dict[str, Any] = json.loads(source())
    return schema


def with_texts(document: Document, schema: Mapping[str, Any]) -> Any:
    """The document's value with the source text of plain scalars wherever the schema wants text.

    So ``python: 3.10`` is "3.10" and a variable's ``1`` is "1". Null is never text.
    """
    return _Walk(document, schema["$defs"]).value(document.value, schema, ())


class _Walk:
    def __init__(self, document: Document, definitions: Mapping[str, Any]) -> None:
        self.texts = document.texts
        self.definitions = definitions

    def value(self, value: Any, schema: Mapping[str, Any], path: Place) -> Any:
        text_is_wanted = False
        while reference := schema.get("$ref"):
            text_is_wanted = text_is_wanted or reference == _TEXT
            schema = self.definitions[reference.removeprefix("#/$defs/")]
        if isinstance(value, dict):
            return {key: self.value(below, _entry(schema, key), (*path, key)) for key, below in value.items()}
        if isinstance(value, list):
            items = schema.get("items", {})
            return [self.value(below, items, (*path, index)) for index, below in enumerate(value)]
        return self.texts.get(path, value) if text_is_wanted and value is not None else value


def _entry(schema: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    others = schema.get("additionalProperties")
    found: Mapping[str, Any] = schema.get("properties", {}).get(key, others if isinstance(others, dict) else {})
    return found
