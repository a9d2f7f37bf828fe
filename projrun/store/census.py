"""What a store holds, counted and weighed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from projrun.core.files import is_shared
from projrun.core.removal import size_of
from projrun.core.values import Struct
from projrun.store.abilities import network_of
from projrun.store.collecting import all_objects
from projrun.store.index import RunQuery
from projrun.store.log import INDEX_NAME, LOG_NAME
from projrun.store.opening import journal_of
from projrun.store.references import run_ids
from projrun.store.run import STATUSES
from projrun.store.store import FORMAT, Store

_LOGS = (LOG_NAME, INDEX_NAME)
_MANY = 10_000  # runs: looking at each takes half a second then


class Census(Struct, frozen=True):
    """What a store holds. ``statuses`` and ``projects`` are numbers of runs; times are ISO 8601 in UTC.

    ``journal`` is how the index is written, ``wal`` or ``delete`` (SQLite, PRAGMA journal_mode);
    None when there is none. ``network`` is the kind of network file system that the store is on, if it is on one.
    """

    path: Path
    format: int
    shared: bool
    runs: int
    statuses: Mapping[str, int]
    projects: Mapping[str, int]
    oldest: str | None
    newest: str | None
    objects: int
    snapshots: int
    journal: str | None
    network: str | None


class Sizes(Struct, frozen=True):
    """Bytes. ``runs`` is of what lies with the runs, without their ``logs``; both None where that takes long."""

    objects: int
    sources: int
    runs: int | None
    logs: int | None
    index: int


def count(store: Store) -> Census:
    """What a store holds, from its index, which is brought up to date. Raises StoreError."""
    store.check()
    index = store.index
    statuses = {
        str(group.keys[0]): int(group.values[0]) for group in index.grouped(RunQuery(), ("status",), ("count",))
    }
    projects = {
        str(group.keys[0] or ""): int(group.values[0])
        for group in index.grouped(RunQuery(), ("project",), ("count",))
    }
    first = index.runs(RunQuery(sort=("started",), limit=1))
    last = index.runs(RunQuery(sort=("-started",), limit=1))
    return Census(
        path=store.path,
        format=FORMAT,
        shared=is_shared(store.path),
        runs=sum(statuses.values()),
        statuses={status: statuses[status] for status in STATUSES if status in statuses},
        projects=dict(sorted(projects.items(), key=lambda one: (-one[1], one[0]))),
        oldest=first[0].started if first else None,
        newest=last[0].started if last else None,
        objects=sum(1 for _ in all_objects(store.objects)),
        snapshots=_snapshots(store.sources),
        journal=journal_of(store.path / "index.sqlite"),
        network=network_of(store.path),
    )


def weigh(store: Store, *, everything: bool) -> Sizes:
    """How much room a store takes; with very many runs not what lies with them, unless ``everything`` is wanted.

    Raises StoreError.
    """
    ids = run_ids(store.runs_directory)
    runs, logs = _weighed(store.runs_directory, ids) if everything or len(ids) <= _MANY else (None, None)
    index = sum(size_of(store.path / f"index.sqlite{end}") for end in ("", "-wal", "-shm"))
    objects = sum(one.size for one in all_objects(store.objects))
    return Sizes(objects, size_of(store.sources), runs, logs, index)


def _weighed(runs: Path, ids: Sequence[str]) -> tuple[int, int]:
    """The bytes of what lies with runs, and of their logs."""
    records, logs = 0, 0
    for run in ids:
        for name, size in _sizes(os.path.join(runs, run)):  # noqa: PTH118 - no Path for each of many
            if name in _LOGS:
                logs += size
            else:
                records += size
    return records, logs


def _sizes(folder: str) -> Iterator[tuple[str, int]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                below = entry.is_dir(follow_symlinks=False)
                yield entry.name, size_of(Path(entry.path)) if below else entry.stat(follow_symlinks=False).st_size
    except OSError:
        return


def _snapshots(sources: Path) -> int:
    try:
        return len(os.listdir(sources / "refs" / "projrun" / "snapshots"))  # noqa: PTH208 - quicker for many
    except OSError:
        return 0
