"""The flow of ``projrun gc``: what no record of a store names any more, found and removed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from projrun.core.errors import StoreError, UsageError
from projrun.core.locks import Held, take
from projrun.core.removal import remove_tree
from projrun.core.report import Reporter
from projrun.core.values import Struct
from projrun.source import pruning
from projrun.store import collecting, removal
from projrun.store.failures import writing
from projrun.store.references import Named, Unreadable, all_named
from projrun.store.store import Store

DAY = 86400.0
_TOLD_EVERY = 5000  # records


class Collected(Struct, frozen=True):
    """What goes, or would; sizes in bytes.

    ``young`` is what nothing names and was touched too recently. Of a record that is ``unreadable`` it is not
    known what it names: then no object and no snapshot goes. ``snapshots_size`` is known only afterwards.
    """

    runs: int
    objects: int
    objects_size: int
    young: int
    young_size: int
    snapshots: int
    snapshots_size: int | None
    leftovers: tuple[tuple[Path, int], ...]
    unreadable: tuple[Unreadable, ...]


def collect(store: Store, report: Reporter, *, grace: float = DAY, dry_run: bool = True) -> Collected:
    """Removes what no record names and was touched last more than ``grace`` seconds ago.

    Safe while runs begin, go on and end. Raises UsageError where no store is, and StoreError, also when another
    process collects there.
    """
    if not store.is_there():
        raise UsageError(
            f"there is no store at {store.path}",
            why="without its store.json and its runs nobody knows what is named",
            hint="projrun store info tells where the store is; --store DIR names another",
        )
    if dry_run:
        return _collect(store, report, grace, dry_run=True)
    lock = _alone(store)
    try:
        collecting.mend(store.objects)
        return _collect(store, report, grace, dry_run=False)
    finally:
        lock.close()


def progress(report: Reporter, what: str) -> _Progress:
    """Tells a reporter now and then how many records were read."""
    return _Progress(report, what)


class _Progress:
    def __init__(self, report: Reporter, what: str) -> None:
        self._report, self._what = report, what

    def __call__(self, done: int, of: int) -> None:
        if done % _TOLD_EVERY == 0:
            self._report.phase(self._what, f"{done} of {of} records")


def _collect(store: Store, report: Reporter, grace: float, *, dry_run: bool) -> Collected:
    # The moment comes before the look: whoever begins after it touches what it puts after it.
    now = collecting.clock(store.objects.root)
    named = all_named(store.runs_directory, store.objects, progress(report, "read"))
    before = collecting.cutoff(now, grace, named.since)
    found = collecting.unnamed(store.objects, named, before)
    going = () if named.unreadable else found.going
    if going and not dry_run:
        report.phase("objects", f"removing {len(going)}")
        going = collecting.sweep(store.objects, found, before)
    snapshots, freed = _snapshots(store, named, before, report, dry_run=dry_run)
    left = tuple(_leftovers(store, before, dry_run=dry_run))
    return Collected(
        runs=named.runs,
        objects=len(going),
        objects_size=sum(one.size for one in going),
        young=len(found.young),
        young_size=sum(one.size for one in found.young),
        snapshots=snapshots,
        snapshots_size=freed,
        leftovers=left,
        unreadable=named.unreadable,
    )


def _snapshots(
    store: Store, named: Named, before: float, report: Reporter, *, dry_run: bool
) -> tuple[int, int | None]:
    """How many snapshots go, and the bytes that it freed."""
    if named.unreadable:
        return 0, None
    if dry_run:
        return len(pruning.unnamed_snapshots(store.sources, named.snapshots, before).going), None
    found, freed = pruning.prune(store.sources, named.snapshots, before, report)
    return len(found.going), freed


def _leftovers(store: Store, before: float, *, dry_run: bool) -> Iterator[tuple[Path, int]]:
    found = (*removal.leftovers(store.path, before), *collecting.unfinished(store.objects, before))
    for path, size in found:
        if not dry_run:
            with writing(path):
                remove_tree(path)
        yield path, size


def _alone(store: Store) -> Held:
    with writing(store.path):
        try:
            return take(store.path / "gc.lock")
        except BlockingIOError:
            raise StoreError(
                f"another projrun gc works on this store: {store.path}",
                why="two of them would count what the other one removes",
                hint="wait until it has ended, then try again",
            ) from None
