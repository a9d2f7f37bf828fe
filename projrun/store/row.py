"""A run as one row of a listing."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from projrun.core.values import Struct, field
from projrun.store.labels import labels_of
from projrun.store.run import LOST, RunRecord


class RunRow(Struct, frozen=True):
    """What a listing shows. ``started`` and ``ended`` are ISO 8601 in UTC, ``duration`` is in seconds.

    ``root`` is the project's directory; ``parameters`` and ``metrics`` are values by name, nested ones as
    JSON text; ``inputs`` are SHA-256 digests by name, ``types`` the declared types of the parameters. A run that
    goes on has no metrics here yet. What is not known (yet) is None.
    """

    id: str
    status: str
    started: str
    project: str | None = None
    root: str | None = None
    entry_point: str | None = None
    name: str | None = None
    note: str | None = None
    ended: str | None = None
    duration: float | None = None
    exit_code: int | None = None
    commit: str | None = None
    snapshot: str | None = None
    dirty: bool | None = None
    environment: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)


def row_of(record: RunRecord) -> RunRow:
    """The row of a run, from whatever of its documents can be read."""
    start: Mapping[str, Any] = record.start or {}
    recipe: Mapping[str, Any] = record.recipe or {}
    outcome: Mapping[str, Any] = record.outcome or {}
    head = start or recipe
    source = _mapping(recipe.get("source"))
    project = _mapping(start.get("project"))
    labels = labels_of(record)
    spec = _mapping(recipe.get("spec"))
    return RunRow(
        id=record.id,
        status=record.status,
        started=_text(head.get("created")) or _text(outcome.get("started")) or _made(record),
        project=_text(project.get("name")) or _text(spec.get("project")),
        root=_text(project.get("root")) or _text(spec.get("root")),
        entry_point=_text(_mapping(recipe.get("entry_point")).get("name")) or _text(start.get("entry_point")),
        name=labels.name,
        note=labels.note,
        ended=_text(outcome.get("ended")),
        duration=_number(outcome.get("duration")),
        exit_code=_integer(outcome.get("exit_code")),
        commit=_text(source.get("commit")),
        snapshot=_text(source.get("snapshot")),
        dirty=source["dirty"] if isinstance(source.get("dirty"), bool) else None,
        environment=_text(_mapping(recipe.get("environment")).get("key")),
        tags=labels.tags,
        parameters=_by_name(recipe.get("parameters")),
        metrics=_metrics(record),
        inputs=_texts(recipe.get("inputs"), "sha256"),
        types=_texts(recipe.get("parameters"), "type"),
    )


def _metrics(record: RunRecord) -> Mapping[str, Any]:
    """The last values that its outcome has; of a lost run those that its program wrote before."""
    if record.outcome is None and record.status == LOST:
        from projrun.store.metrics import last_values  # few runs are lost

        return last_values(record.path)
    return _by_name((record.outcome or {}).get("metrics"))


def _made(record: RunRecord) -> str:
    """When the directory was last written to, for a run whose documents do not tell."""
    try:
        seconds = record.path.stat().st_mtime
    except OSError:
        seconds = 0.0
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(seconds))


def _by_name(values: object) -> dict[str, Any]:
    if not isinstance(values, list):
        return {}
    return {
        value["name"]: _shown(value.get("value"))
        for value in values
        if isinstance(value, dict) and isinstance(value.get("name"), str)
    }


def _texts(values: object, key: str) -> dict[str, str]:
    """What each entry of a list has under a key, by the entries' names."""
    if not isinstance(values, list):
        return {}
    return {
        value["name"]: value[key]
        for value in values
        if isinstance(value, dict) and isinstance(value.get("name"), str) and isinstance(value.get(key), str)
    }


def _shown(value: object) -> object:
    """A value for a listing: what is nested is its JSON text, which no reader of the row has to descend into."""
    if isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value)
    ):
        try:
            return json.dumps(value)
        except RecursionError:
            return "(too deep to show)"
    return value


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object) -> float | None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:
        return None
