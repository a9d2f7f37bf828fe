"""Runs written to a store, whole or up to a point."""

from __future__ import annotations

from pathlib import Path

from projrun.core.labels import Labels
from projrun.core.values import replace
from projrun.data.model import Metric
from projrun.recipe.document import outcome_document, recipe_document, start_document
from projrun.store.run import RunDirectory
from projrun.store.store import Store
from tests.recipe import parts


def begin_run(
    store: Store, *, created: float = parts.CREATED, root: Path = parts.ROOT, name: str = "n"
) -> RunDirectory:
    """A run with its start document, still held."""
    run = store.begin()
    start = replace(parts.start_parts(run.id), created=created, root=root, labels=Labels(name))
    run.write_start(start_document(start))
    return run


def finish_run(
    run: RunDirectory,
    *,
    status: str = "finished",
    seconds: float = 2.0,
    depth: object = 3,
    metrics: tuple[Metric, ...] = (),
) -> str:
    """Writes recipe and outcome, and lets go of the run. Gives its id."""
    parameter = {"name": "depth", "type": "json", "raw": str(depth), "value": depth, "origin": "default"}
    run.write_recipe(recipe_document(replace(parts.recipe_parts(run.id), parameters=(parameter,))))
    outcome = replace(parts.outcome_parts(run.id), status=status, ended=parts.CREATED + seconds, metrics=metrics)
    run.write_outcome(outcome_document(outcome))
    run.close()
    return run.id


def whole_run(store: Store, *, created: float = parts.CREATED, root: Path = parts.ROOT) -> str:
    """A finished run. Gives its id."""
    return finish_run(begin_run(store, created=created, root=root))
