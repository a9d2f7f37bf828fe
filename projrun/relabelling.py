"""What a run is called, changed after it ended: without the secrets that it declared."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from projrun.concealing import SHORT, likely_labels
from projrun.core.flags import Flag
from projrun.core.labels import Labels
from projrun.core.userinfo import passwords_in
from projrun.recipe.redaction import Redactor
from projrun.store.store import Store

_VARIABLE = "variable: "  # how a recipe tells of the origin of a parameter


def relabel(store: Store, run: str, change: Callable[[Labels], Labels]) -> tuple[Labels, tuple[Flag, ...]]:
    """Changes name, note and tags of the run of that full id; gives them, and flags for likely secrets.

    The secrets of a run are in no record: masked is what the caller's variables have under the names that the
    recipe has, or the start of a run that got no recipe. Raises as :meth:`Store.relabel`.
    """
    record = store.read(run)
    text = Redactor((*_begun_with(record.start or {}), *_secrets(record.recipe or {}))).text

    def masked(labels: Labels) -> Labels:
        wanted = change(labels)
        return Labels(
            name=wanted.name and text(wanted.name),
            tags={text(key): text(value) for key, value in wanted.tags.items()},
            note=wanted.note and text(wanted.note),
        )

    labels = store.relabel(run, masked)
    return labels, likely_labels(labels)


def _begun_with(start: Mapping[str, Any]) -> Iterator[str]:
    return (os.environ.get(name, "") for name in _texts(start.get("secrets")))


def _secrets(recipe: Mapping[str, Any]) -> Iterator[str]:
    """What a run kept secret, as far as its recipe (which may be damaged) and our variables tell."""
    variables = _mapping(recipe.get("variables"))
    build = _mapping(_mapping(_mapping(recipe.get("environment")).get("container")).get("build"))
    names = [*_texts(variables.get("secrets")), *_texts(build.get("secrets"))]
    for one in map(_mapping, _list(recipe.get("parameters"))):
        if one.get("secret") and str(one.get("origin")).startswith(_VARIABLE):
            names.append(str(one["origin"])[len(_VARIABLE) :])
    yield from (os.environ.get(name, "") for name in names)
    for name in _mapping(variables.get("inherited")):
        yield from (password for password in passwords_in(os.environ.get(name, "")) if len(password) >= SHORT)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: object) -> Iterator[str]:
    return (one for one in _list(value) if isinstance(one, str))
