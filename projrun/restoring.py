"""The source of a recorded run, back as files."""

from __future__ import annotations

from pathlib import Path

from projrun.core.errors import SourceError
from projrun.source.restore import restore
from projrun.store.store import Store

_SHOW = "projrun show RUN tells what is known of it"


def restore_source(store: Path, run: str, destination: Path) -> str:
    """Writes the files of a run's snapshot into ``destination`` (new or empty); returns the snapshot's commit.

    Raises UsageError for an unknown run and SourceError when the store holds no snapshot for it.
    """
    opened = Store(store)
    record = opened.read(opened.resolve(run))
    if record.recipe is None:
        raise SourceError(
            f"run {record.id} has no recipe",
            why=record.why_incomplete or "it ended before its recipe was complete",
            hint=_SHOW,
        )
    try:
        source = record.recipe["source"]
        commit, remote, snapshot = source["commit"], source["remote"], source["snapshot"]
    except (LookupError, TypeError):
        raise SourceError(
            f"the recipe of run {record.id} is damaged", why="it does not say what its source was", hint=_SHOW
        ) from None
    if not snapshot:
        raise SourceError(
            f"run {record.id} has no snapshot: its tree was clean and pushed",
            why=f"commit {commit} of {remote or 'its repository'}",
            hint=f"git clone {remote or 'ADDRESS'} DIR && git -C DIR checkout {commit}",
        )
    restore(opened.sources, snapshot, destination)
    return str(snapshot)
