"""Makes docs/reference/recipe.md from the schema: ``python -m tests.recipe.reference`` writes it anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.schemas import recipe_schema

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "recipe.md"

_INTRODUCTION = """\
# The documents of a run

<!-- Made from schemas/recipe.v1.json by: python -m tests.recipe.reference -->

A run's directory in the store holds three JSON documents, and that of a reproduction a fourth. Each is written
once, whole or not at all, and never changed. (What a run is called can be changed: that has a document of its own,
`labels.json`.) `schemas/recipe.v1.json` (JSON Schema 2020-12) is the definition;
every key below is present unless it says *optional*. A later projrun reads version 1; an earlier one refuses what
is newer.

- No value of a secret is in them, and no user name or password of the address the source comes from. (A password
  in a `uri` parameter is masked too, and the run is flagged.)
- Times are UTC, ISO 8601 with microseconds: they sort as text. Sizes are bytes, durations seconds.
- A path's bytes that are not UTF-8 are lone surrogates, `\\udc80` to `\\udcff` (Python's `surrogateescape`).
"""

_TITLES = {
    "start": "start.json",
    "recipe": "recipe.json",
    "outcome": "outcome.json",
    "verdict": "verdict.json",
    "labels": "labels.json",
    "parameter": "A parameter",
    "flag": "A flag",
}


def page() -> str:
    """The whole page as Markdown."""
    sections = [_INTRODUCTION]
    for name, title in _TITLES.items():
        definition = recipe_schema()["$defs"][name]
        rows = "\n".join(_rows(definition, ""))
        sections.append(
            f"## {title}\n\n{definition['description']}\n\n| key | type | meaning |\n|---|---|---|\n{rows}\n"
        )
    return "\n".join(sections)


def _rows(schema: dict[str, Any], prefix: str) -> Iterator[str]:
    for key, below in schema["properties"].items():
        path = f"{prefix}{key}"
        required = key in schema["required"]
        yield f"| `{path}` | {_type(below)}{'' if required else ', *optional*'} | {_meaning(below)} |"
        for variant in [below, below.get("items", {}), *below.get("anyOf", [])]:
            if variant.get("properties"):
                yield from _rows(variant, f"{path}[]." if below.get("type") == "array" else f"{path}.")


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2].replace("time", "time (text)")
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join("null" if value is None else f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type(variant) for variant in schema["anyOf"])
    types = schema.get("type", "any JSON")
    names = types if isinstance(types, list) else [types]
    if names == ["array"]:
        return f"array of {_type(schema['items'])}"
    return " or ".join("text" if name == "string" else str(name) for name in names)


def _meaning(schema: dict[str, Any]) -> str:
    own = schema.get("description")
    if own is None:
        own = recipe_schema()["$defs"][schema["$ref"].rpartition("/")[2]]["description"]
    return str(own)


if __name__ == "__main__":
    PAGE.write_text(page())
