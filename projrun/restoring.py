"""The source of a recorded run, back as files."""

from __future__ import annotations

from pathlib import Path

from projrun.core.errors import SourceError
from projrun.source.restore import restore
from projrun.store.store import Store


def restore_source(store: Path, run: str, destination: Path) -> str:
    """Writes the files of a run's snapshot into ``destination`` (new or empty); returns the snapshot's commit.

    Raises UsageError for an unknown run and SourceError when the store holds no snapshot for it.
    """
    opened = Store(store)
    record = opened.read(opened.resolve(run))
    if record.recipe is None:
        raise SourceError(f"run {record.id} has no recipe", why=record.why_incomplete or "")
    source = record.recipe["source"]
    if not source["snapshot"]:
        remote = source["remote"] or "its repository"
        raise SourceError(
            f"run {record.id} has no snapshot: its tree was clean and pushed",
            why=f"commit {source['commit']} of {remote}",
            hint=f"git clone {source['remote'] or 'ADDRESS'} DIR && git -C DIR checkout {source['commit']}",
        )
    restore(opened.sources, source["snapshot"], destination)
    return str(source["snapshot"])
