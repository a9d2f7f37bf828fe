"""Runs that go: moved aside by one rename, so that no listing ever sees a part of one, then removed."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from projrun.core.errors import UsageError
from projrun.core.locks import Held, is_held, take
from projrun.core.removal import remove_tree, size_of
from projrun.store.failures import writing
from projrun.store.ids import is_id
from projrun.store.run import ALIVE, PASSING

_PATIENCE = 1.0  # seconds
_GONE = ".gone"
_NEW = ".new"
_PART = ".part"


class StillRuns(UsageError):
    """The run goes on."""

    def __init__(self, run: str) -> None:
        super().__init__(
            f"run {run} goes on",
            why="its process lives, and writes to its record",
            hint="stop it, or wait until it has ended: projrun logs --follow " + run,
        )


def remove_run(path: Path) -> None:
    """Removes the run of a directory; one that another process removed meanwhile is no error.

    Raises StillRuns for one whose process lives, by its lock, and StoreError when it cannot be removed.
    """
    gone = path.with_name(f".{path.name}{_GONE}")
    with writing(path):
        remove_tree(gone)  # left by one who was killed
        with contextlib.suppress(FileNotFoundError):
            held = _held(path)
            try:
                path.rename(gone)
            finally:
                held.close()
        remove_tree(gone)


def finish_removals(runs: Path) -> None:
    """Removes what is left of runs whose removal was interrupted. Raises StoreError."""
    with writing(runs):
        for path in _gone(runs):
            remove_tree(path)


def leftovers(store: Path, before: float) -> Iterator[tuple[Path, int]]:
    """What processes that were killed left in a store, but among its objects and sources, with its bytes.

    Runs that were not removed to the end, or never began; files that were not written to the end, last ``before``
    that moment (seconds since the epoch); what a dead run had for its program alone.
    """
    runs = store / "runs"
    for path in (*_gone(runs), *_unbegun(runs, before), *_parts(store, before), *_of_runs(runs, before)):
        yield path, size_of(path)


def _held(path: Path) -> Held:
    """The lock of a run. Raises StillRuns; FileNotFoundError for one that is gone."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return take(path / ALIVE)
        except BlockingIOError:
            # Somebody may just look whether it is held, or be about to remove the run as well.
            if time.monotonic() > until:
                raise StillRuns(path.name) from None
            time.sleep(_PATIENCE / 50)


def _gone(runs: Path) -> Iterator[Path]:
    return (path for path in _entries(runs) if path.name.startswith(".") and path.name.endswith(_GONE))


def _unbegun(runs: Path, before: float) -> Iterator[Path]:
    for path in _entries(runs):
        if path.name.startswith(".") and path.name.endswith(_NEW) and _is_older(path, before):
            with contextlib.suppress(OSError):
                if not is_held(path / ALIVE):
                    yield path


def _of_runs(runs: Path, before: float) -> Iterator[Path]:
    for run in _entries(runs):
        if not is_id(run.name):
            continue
        passing = [path for path in _entries(run) if path.name in PASSING]
        with contextlib.suppress(OSError):
            if passing and not is_held(run / ALIVE):
                yield from passing
        yield from _parts(run, before)


def _parts(folder: Path, before: float) -> Iterator[Path]:
    for path in _entries(folder):
        if path.name.startswith(".") and path.name.endswith(_PART) and _is_older(path, before):
            yield path


def _is_older(path: Path, before: float) -> bool:
    try:
        return path.lstat().st_mtime < before
    except OSError:
        return False


def _entries(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in sorted(os.listdir(folder))]  # noqa: PTH208 - quicker for 100,000
    except OSError:
        return []
