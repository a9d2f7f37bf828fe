"""Runs of one's own making, written to a store without a process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from projrun.core.labels import Labels
from projrun.core.values import replace
from projrun.data.model import Metric
from projrun.recipe.document import outcome_document, recipe_document, start_document
from projrun.store.store import Store
from tests.recipe import parts

# The declared types of the parameters that a test may give.
TYPES = {"depth": "int", "rate": "float", "model": "str", "loud": "bool", "extra": "json", "size": "json"}


def keep_run(
    store: Store,
    number: int,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, Any] | None = None,
    *,
    entry_point: str = "train",
    labels: Labels | None = None,
) -> str:
    """Writes a finished run that began ``number`` minutes after the first one. Gives its id."""
    labels = labels or Labels()
    created = parts.CREATED + 60 * number
    run = store.begin()
    start = replace(parts.start_parts(run.id), created=created, entry_point=entry_point, labels=labels)
    run.write_start(start_document(start))
    bound = tuple(
        {"name": name, "type": TYPES[name], "raw": str(value), "value": value, "origin": "default"}
        for name, value in parameters.items()
    )
    of = replace(parts.ENTRY_POINT, name=entry_point)
    recipe = replace(parts.recipe_parts(run.id), created=created, entry_point=of, parameters=bound, labels=labels)
    run.write_recipe(recipe_document(recipe))
    found = tuple(Metric(name, value, "m.json") for name, value in (metrics or {}).items())
    outcome = replace(
        parts.outcome_parts(run.id), started=created, ended=created + 2.5 + number, metrics=found, outputs=()
    )
    run.write_outcome(outcome_document(outcome))
    run.close()
    return run.id
