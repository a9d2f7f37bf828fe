"""Documents checked against the public schemas."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import jsonschema

SCHEMAS = Path(__file__).parent.parent / "schemas"


@functools.cache
def recipe_schema() -> dict[str, Any]:
    """schemas/recipe.v1.json."""
    schema: dict[str, Any] = json.loads((SCHEMAS / "recipe.v1.json").read_bytes())
    return schema


@functools.cache
def recipe_validator() -> jsonschema.Draft202012Validator:
    """A validator of a run's documents; the schema itself is checked first."""
    jsonschema.Draft202012Validator.check_schema(recipe_schema())
    return jsonschema.Draft202012Validator(recipe_schema())


def problems(document: Any) -> list[str]:
    """What is wrong with one of a run's documents, innermost first; empty when it is valid."""
    return [f"{error.json_path}: {error.message}" for error in recipe_validator().iter_errors(document)]


def validate_store(store: Path) -> int:
    """Validates every document of every run in a store and returns how many there were.

    Raises AssertionError that names the first file that is not valid.
    """
    count = 0
    for path in sorted((store / "runs").glob("[a-z]*/*.json")):
        if path.stem not in ("start", "recipe", "outcome", "verdict", "labels"):
            continue
        document = json.loads(path.read_bytes())
        found = problems(document)
        assert not found, f"{path}: {found[0]}"
        assert document["document"] == path.stem, f"{path} holds another document"
        assert document["run"] == path.parent.name, f"{path} belongs to another run"
        count += 1
    return count
