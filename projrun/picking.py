"""Which runs a command line means: named one by one, or all that a query finds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from projrun.core.errors import UsageError
from projrun.store.index import RunQuery
from projrun.store.store import Store


def picked(
    store: Store, words: Sequence[str], where: str | None, *, project: Path | None, everywhere: bool = False
) -> tuple[str, ...]:
    """The full ids of the runs that are named and of those that the query ``where`` finds, each once.

    ``last`` is that of ``project``, and the query finds its runs alone, unless it is to be ``everywhere``.
    Raises UsageError for a word that names no run, or when no run is meant at all, and StoreError.
    """
    if not words and where is None:
        raise UsageError(
            "no run is named",
            why="it takes the runs by their ids, or a query that finds them",
            hint="name one (projrun runs lists them), or --where QUERY",
        )
    named = [store.resolve(word, None if everywhere else project) for word in words]
    if where is not None:
        if not where.strip():
            raise UsageError(
                "the query is empty",
                why="it would find every run",
                hint="""--where 'status = "failed"', for example""",
            )
        named += [row.id for row in store.list_runs(RunQuery(None if everywhere else project, where=where))]
    return tuple(dict.fromkeys(named))


def listed(word: str) -> tuple[str, ...]:
    """The runs of a word that names several, parted by commas: ``last,k3f9``."""
    return tuple(part for part in (one.strip() for one in word.split(",")) if part)
