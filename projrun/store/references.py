"""What the records of a store name: objects, directory lists among them, and snapshots.

=============  ==============================================================================================
recipe.json    ``inputs[].object``; ``inputs[].sha256`` of a file, for the store may have it as an output of
               another run; ``environment.container.build.log.sha256``; ``source.snapshot``
outcome.json   ``outputs[].object``
=============  ==============================================================================================

A test holds that no other digest of the schema is one of an object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from projrun.core.errors import StoreError
from projrun.core.values import Struct
from projrun.store.ids import is_id, names_in
from projrun.store.objects import Objects
from projrun.store.outputs import entries
from projrun.store.reading import each_of
from projrun.store.run import ALIVE, RUNNING, RunRecord, read_run

_SHA256 = re.compile("[0-9a-f]{64}")


class Names(Struct, frozen=True):
    """What one record names. ``lists`` are objects that list the entries of a directory, which are objects too.

    ``required`` are those of all of these that were kept for this run: they must be there.
    """

    objects: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    snapshot: str | None = None
    required: frozenset[str] = frozenset()


class Unreadable(Struct, frozen=True):
    """A record, or a list that one names, that cannot be read: what else it names is not known."""

    run: str
    why: str


class Named(Struct, frozen=True):
    """What all records name together. ``since`` is when the oldest run that goes on now began (seconds since the
    epoch): of what was put after that, some may be named yet."""

    runs: int
    objects: frozenset[str]
    snapshots: frozenset[str]
    unreadable: tuple[Unreadable, ...]
    since: float | None


class Unclear(ValueError):
    """A document that is not as its schema has it, where it names what is kept."""


def names_of(record: RunRecord) -> Names:
    """What a record names. Raises Unclear when a document cannot be read or understood."""
    for kind, document in (("recipe", record.recipe), ("outcome", record.outcome)):
        if document is None and is_there(record.path / f"{kind}.json"):
            raise Unclear(record.why_incomplete or f"{kind}.json cannot be read")
    recipe, outcome = record.recipe or {}, record.outcome or {}
    if record.recipe is None and outcome.get("process"):
        raise Unclear("recipe.json is missing, and the program ran")
    kept = [*_kept(recipe, "inputs"), *_kept(outcome, "outputs")]
    objects = {sha256 for sha256, is_list in kept if not is_list}
    lists = {sha256 for sha256, is_list in kept if is_list}
    if (log := _digest(_log(recipe), "sha256")) is not None:
        objects.add(log)
    required = frozenset(objects | lists)
    files = [one for one in _items(recipe, "inputs") if one.get("kind") == "file"]
    read = {sha256 for one in files if (sha256 := _digest(one, "sha256")) is not None}
    source = _mapping(recipe, "source")
    snapshot = source.get("snapshot")
    if snapshot is not None and not isinstance(snapshot, str):
        raise Unclear("source.snapshot is not the name of a commit")
    return Names(frozenset(objects | read), frozenset(lists), snapshot, required)


def all_named(
    runs: Path, objects: Objects, told: Callable[[int, int], None] | None = None, *, without: Iterable[str] = ()
) -> Named:
    """What all records name, but those of the runs ``without``.

    ``told`` is called with how many records were read, and how many there are.
    """
    left_out = frozenset(without)
    chosen = [run for run in run_ids(runs) if run not in left_out]
    found: set[str] = set()
    lists: dict[str, str] = {}
    snapshots: set[str] = set()
    unreadable: list[Unreadable] = []
    since: list[float] = []
    for count, (run, (names, began)) in enumerate(zip(chosen, each_of(runs, chosen, _look), strict=True)):
        if began is not None:
            since.append(began)
        if isinstance(names, str):
            unreadable.append(Unreadable(run, names))
        else:
            found |= names.objects
            lists |= dict.fromkeys(names.lists, run)
            snapshots |= {names.snapshot} if names.snapshot else set()
        if told:
            told(count + 1, len(chosen))
    for sha256, run in lists.items():
        found.add(sha256)
        try:
            found |= listed_in(objects, sha256)
        except StoreError as error:
            unreadable.append(Unreadable(run, f"{error.what}: {error.why}"))
    return Named(len(chosen), frozenset(found), frozenset(snapshots), tuple(unreadable), min(since, default=None))


def _look(path: Path) -> tuple[Names | str, float | None]:
    """What a run names, or why that is not known; and when it began, if it goes on."""
    record = read_run(path)
    began = None
    if record.status == RUNNING:
        began = _began(path)
        record = read_run(path)  # a document that came since it was looked for is there now
    try:
        return names_of(record), began
    except Unclear as unclear:
        return str(unclear), began


def listed_in(objects: Objects, sha256: str) -> frozenset[str]:
    """The files that a directory list names; none when it is not there. Raises StoreError when it is damaged."""
    if not is_there(objects.path(sha256)):
        return frozenset()
    try:
        return frozenset(entry["sha256"] for entry in entries(objects, sha256) if entry["kind"] == "file")
    except (LookupError, TypeError) as error:
        raise StoreError(
            f"object {sha256} is no list of a directory", why=str(error), hint="projrun store check"
        ) from error


def run_ids(runs: Path) -> list[str]:
    """The ids of all runs, in order. Raises StoreError when they cannot be listed."""
    try:
        return sorted(name for name in names_in(runs) if is_id(name))
    except OSError as error:
        raise StoreError(
            f"the runs cannot be listed: {runs}", why=error.strerror or str(error), hint=f"ls -ld {runs}"
        ) from error


def _kept(document: Mapping[str, Any], key: str) -> Iterator[tuple[str, bool]]:
    for one in _items(document, key):
        if (sha256 := _digest(one, "object")) is not None:
            yield sha256, one.get("kind") != "file"


def _log(recipe: Mapping[str, Any]) -> Mapping[str, Any]:
    container = _mapping(_mapping(recipe, "environment"), "container")
    return _mapping(_mapping(container, "build"), "log")


def _digest(document: Mapping[str, Any], key: str) -> str | None:
    value = document.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise Unclear(f"{key} is no SHA-256: {value!r:.80}")
    return value


def _mapping(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    if value is not None and not isinstance(value, dict):
        raise Unclear(f"{key} is not an object of JSON")
    return value or {}


def _items(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = document.get(key)
    if value is not None and not (isinstance(value, list) and all(isinstance(one, dict) for one in value)):
        raise Unclear(f"{key} is not a list of objects of JSON")
    return value or []


def _began(run: Path) -> float:
    """When a run began, by the file system's clock: ``alive`` is made first and never written to."""
    try:
        return (run / ALIVE).stat().st_mtime
    except OSError:
        return 0.0


def is_there(path: Path) -> bool:
    """Whether something is there; what cannot be looked at may be."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
