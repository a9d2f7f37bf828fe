"""The flow of ``projrun rm``: which runs go, what goes with them, and what keeps one from going."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from projrun.collecting import progress
from projrun.core.errors import ProjrunError, StoreError
from projrun.core.files import open_plain, read_plain
from projrun.core.locks import is_held
from projrun.core.removal import size_of
from projrun.core.report import Reporter
from projrun.core.values import Struct
from projrun.source import snapshot
from projrun.store.reading import each_of
from projrun.store.references import Unclear, Unreadable, all_named, listed_in, names_of, run_ids
from projrun.store.removal import StillRuns, finish_removals, remove_run
from projrun.store.row import RunRow, row_of
from projrun.store.run import ALIVE, read_run
from projrun.store.store import Store

# How a recipe says which run it does again; as encode_json writes it.
_AGAIN = re.compile(rb'"reproduces":\s*\{\s*"run":\s*"([a-z0-9]{12})"')
# A key of every recipe that comes after it.
_AFTER = b'"spec": {'
_HEAD = 8192  # bytes that have both, unless the note is long


class Going(Struct, frozen=True):
    """A run that may go. ``size`` is that of its directory, in bytes; ``done_again`` are runs that did it anew."""

    row: RunRow
    size: int
    done_again: tuple[str, ...]


class Removal(Struct, frozen=True):
    """What would go: runs, and with them what no other run names, which ``projrun gc`` removes later.

    ``alive`` go on, and stay. ``unreadable`` are other records of which it is not known what they name: as long as
    they are there, gc removes no object and no snapshot.
    """

    runs: tuple[Going, ...]
    alive: tuple[str, ...]
    objects: int
    objects_size: int
    snapshots: int
    unreadable: tuple[Unreadable, ...]

    @property
    def size(self) -> int:
        """The bytes of the runs' directories."""
        return sum(one.size for one in self.runs)


def foreseen(store: Store, runs: Sequence[str], report: Reporter) -> Removal:
    """What removing these runs comes to; nothing is touched. Raises StoreError."""
    alive = tuple(run for run in runs if _is_alive(store.runs_directory / run))
    going = [run for run in runs if run not in set(alive)]
    objects, snapshots = _held(store, going)
    unreadable: tuple[Unreadable, ...] = ()
    if objects or snapshots:
        others = all_named(store.runs_directory, store.objects, progress(report, "read"), without=going)
        objects, snapshots, unreadable = objects - others.objects, snapshots - others.snapshots, others.unreadable
    done_again = _done_again(store, set(going))
    return Removal(
        tuple(_going(store, run, tuple(done_again.get(run, ()))) for run in going),
        alive,
        len(objects),
        sum(size_of(store.objects.path(sha256)) for sha256 in objects),
        len(snapshots),
        unreadable,
    )


def discard(store: Store, removal: Removal) -> Iterator[tuple[str, ProjrunError | None]]:
    """Removes the runs, one by one, and gives the id of each when it is gone; of one that stays also why.

    Raises StoreError when what an interrupted removal left cannot be removed.
    """
    finish_removals(store.runs_directory)
    for one in removal.runs:
        try:
            remove_run(store.runs_directory / one.row.id)
        except (StillRuns, StoreError) as error:
            yield one.row.id, error
        else:
            yield one.row.id, None


def _held(store: Store, runs: Sequence[str]) -> tuple[set[str], set[str]]:
    """The objects that these runs name and the store has, and their snapshots."""
    objects: set[str] = set()
    snapshots: set[str] = set()
    for run in runs:
        with contextlib.suppress(Unclear, StoreError):
            names = names_of(read_run(store.runs_directory / run))
            objects |= names.objects | names.lists
            snapshots |= {names.snapshot} if names.snapshot else set()
            for listed in names.lists:
                objects |= listed_in(store.objects, listed)
    here = {sha256 for sha256 in objects if store.objects.path(sha256).exists()}
    return here, {commit for commit in snapshots if snapshot.holds(store.sources, commit)}


def _done_again(store: Store, runs: set[str]) -> dict[str, list[str]]:
    """The other runs that did one of these again, by that one."""
    found: dict[str, list[str]] = {}
    others = [run for run in run_ids(store.runs_directory) if run not in runs]
    for other, run in zip(others, each_of(store.runs_directory, others, _done_before), strict=True):
        if run in runs:
            found.setdefault(run, []).append(other)
    return found


def _done_before(path: Path) -> str:
    """The run that a run did again; empty when it did none."""
    try:
        match = _AGAIN.search(_head(path / "recipe.json"))
    except OSError:
        return ""
    return match[1].decode() if match else ""


def _head(recipe: Path) -> bytes:
    """As much of a recipe as tells whether it does another run again."""
    with open(open_plain(recipe), "rb", buffering=0) as file:
        head = file.read(_HEAD)
    return head if _AFTER in head else read_plain(recipe)


def _going(store: Store, run: str, done_again: tuple[str, ...]) -> Going:
    path = store.runs_directory / run
    return Going(row_of(read_run(path)), size_of(path), done_again)


def _is_alive(path: Path) -> bool:
    try:
        return is_held(path / ALIVE)
    except OSError:
        return False
