"""What a run is called, as it can be changed afterwards: ``labels.json`` beside the documents that never change.

It stands in the place of name, note and tags of start.json as a whole: ``{"document": "labels", "version": 1,
"run": ID, "name": text|null, "note": text|null, "tags": {text: text}}``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from projrun.core.errors import StoreError
from projrun.core.files import write_json
from projrun.core.labels import Labels, check
from projrun.core.locks import exclusive
from projrun.store.failures import writing
from projrun.store.run import LABELS, VERSION, RunRecord, read_run

_LOCK = "labels.lock"


def labels_of(record: RunRecord) -> Labels:
    """What a run is called now, from whatever of its documents can be read."""
    head: Mapping[str, Any] = record.labels or record.start or record.recipe or {}
    tags = head.get("tags")
    return Labels(
        name=_text(head.get("name")),
        tags={name: str(value) for name, value in tags.items()} if isinstance(tags, dict) else {},
        note=_text(head.get("note")),
    )


def change_labels(path: Path, change: Callable[[Labels], Labels]) -> Labels:
    """Replaces what the run of that directory is called by what ``change`` makes of it, and gives that.

    Of several processes that do this at once each builds on what the one before it wrote. Nothing is written
    when nothing changes. Raises StoreError, and what ``change`` raises, and UsageError
    for labels that are too long.
    """
    with writing(path), _locked(path):
        record = read_run(path)
        before = labels_of(record)
        after = change(before)
        check(after)
        if after != before or (record.labels is None and (path / LABELS).exists()):
            write_json(path / LABELS, _document(path.name, after), mode=0o600)
    return after


@contextlib.contextmanager
def _locked(path: Path) -> Any:
    if not path.is_dir():
        raise StoreError(f"run {path.name} is gone", why="it was removed meanwhile", hint="projrun runs --all")
    with exclusive(path / _LOCK, holder=""):
        yield


def _document(run: str, labels: Labels) -> dict[str, Any]:
    return {
        "document": "labels",
        "version": VERSION,
        "run": run,
        "name": labels.name,
        "note": labels.note,
        "tags": dict(labels.tags),
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
