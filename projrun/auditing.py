"""The flow of ``projrun store check``: whether what a store says it has is there, whole and true."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from projrun.core.errors import ProjrunError, StoreError, system_reason
from projrun.core.files import read_json
from projrun.core.hashing import sha256_file
from projrun.core.json_schema import Validator
from projrun.core.report import Reporter
from projrun.core.values import Struct, asdict
from projrun.source import pruning
from projrun.spec.schema import SCHEMA_FILE
from projrun.store import collecting, removal
from projrun.store.index import RunQuery
from projrun.store.reading import each_of
from projrun.store.references import Names, Unclear, is_there, listed_in, names_of, run_ids
from projrun.store.row import RunRow, row_of
from projrun.store.run import DOCUMENTS, RUNNING, RunRecord, read_run, read_verdict
from projrun.store.store import Store

_SCHEMA = SCHEMA_FILE.with_name("recipe.v1.json")
_TOLD_EVERY = 1000
_RUNS_TOLD = 3  # of those that name an object


class Fault(Struct, frozen=True):
    """Something that is not as it was kept, and what to type next.

    ``kind`` is ``record``, ``object``, ``snapshot`` or ``index``; ``of`` is the run, digest or commit.
    """

    kind: str
    of: str
    message: str
    hint: str


class Audit(Struct, frozen=True):
    """What was looked at, and what is wrong. ``unnamed`` and ``left_behind`` are no faults: gc removes them."""

    runs: int
    objects: int
    hashed: int
    snapshots: int
    unnamed: int
    left_behind: int
    faults: tuple[Fault, ...]


class _Read(Struct, frozen=True):
    """What the records came to: who names what, and what is wrong with them."""

    runs: int
    rows: Mapping[str, RunRow]
    objects: Mapping[str, list[str]]
    snapshots: Mapping[str, list[str]]
    faults: tuple[Fault, ...]


def audit(store: Store, report: Reporter, *, quick: bool = False) -> Audit:
    """Looks at every record, at all that they name, and at the index. Nothing is changed.

    ``quick`` reads no content: what is named is there, and every document is one. Raises StoreError for a store
    that cannot be read at all.
    """
    store.check()
    read = _read(store, report, quick=quick)
    found = {one.sha256: one for one in collecting.all_objects(store.objects)}
    faults = [*read.faults, *_missing(read, found)]
    named = sorted(sha256 for sha256 in read.objects if sha256 in found)
    if not quick:
        faults += _altered(store, read, named, report)
    report.phase("snapshots", f"looking at {len(read.snapshots)}")
    faults += _snapshots(store, read, quick=quick)
    faults += _index(store, read)
    left = [*removal.leftovers(store.path, collecting.clock(store.path))]
    return Audit(
        runs=read.runs,
        objects=len(found),
        hashed=0 if quick else len(named),
        snapshots=len(read.snapshots),
        unnamed=len(set(found).difference(named)),
        left_behind=len(left),
        faults=tuple(faults),
    )


def _read(store: Store, report: Reporter, *, quick: bool) -> _Read:
    rows: dict[str, RunRow] = {}
    objects: dict[str, list[str]] = {}
    lists: dict[str, None] = {}
    snapshots: dict[str, list[str]] = {}
    faults: list[Fault] = []
    runs = run_ids(store.runs_directory)
    found = each_of(store.runs_directory, runs, partial(_look, quick=quick))
    for count, (run, one) in enumerate(zip(runs, found, strict=True)):
        if count % _TOLD_EVERY == _TOLD_EVERY - 1:
            report.phase("records", f"{count + 1} of {len(runs)}")
        if one is None:
            continue  # it is being written
        rows[run] = one.row
        faults += one.faults
        for sha256 in one.names.required:
            objects.setdefault(sha256, []).append(run)
        lists |= dict.fromkeys(one.names.lists)
        if one.names.snapshot:
            snapshots.setdefault(one.names.snapshot, []).append(run)
    for sha256 in lists:
        try:
            for file in listed_in(store.objects, sha256):
                objects[file] = list(dict.fromkeys([*objects.get(file, ()), *objects[sha256]]))
        except StoreError as error:
            faults.append(_of_object(sha256, objects[sha256], f"{error.what}: {error.why}"))
    return _Read(len(runs), rows, objects, snapshots, tuple(faults))


class _One(Struct, frozen=True):
    """What one record came to."""

    row: RunRow
    faults: tuple[Fault, ...]
    names: Names


def _look(path: Path, *, quick: bool) -> _One | None:
    """What the record of a run comes to; None of one that goes on."""
    record = read_run(path)
    if record.status == RUNNING:
        return None
    names = Names()
    with contextlib.suppress(Unclear):  # a fault already
        names = names_of(record)
    return _One(row_of(record), tuple(_of_record(record, quick=quick)), names)


def _of_record(record: RunRecord, *, quick: bool) -> Iterator[Fault]:
    """What is wrong with the documents of a run that has ended. That it is lost is none of it: that is known."""
    hint = f"restore {record.path} from a backup, or give the run up: projrun rm {record.id}"
    verdict = read_verdict(record.path)
    documents = {kind: getattr(record, kind) for kind in (*DOCUMENTS, "labels")} | {"verdict": verdict}
    there = [kind for kind in documents if is_there(record.path / f"{kind}.json")]
    damaged = [kind for kind in there if documents[kind] is None]
    if damaged == ["labels"]:
        yield Fault(
            "record", record.id, str(record.why_incomplete), f"projrun tag {record.id} KEY=VALUE makes it anew"
        )
        return
    if "start" not in there or damaged:
        yield Fault("record", record.id, record.why_incomplete or "verdict.json is damaged", hint)
        return
    try:
        names_of(record)
    except Unclear as unclear:
        yield Fault("record", record.id, str(unclear), hint)
        return
    for kind in () if quick else there:
        if fault := _by_schema(documents[kind]):
            yield Fault("record", record.id, f"{kind}.json: {fault}", hint)


def _by_schema(document: Any) -> str:
    error = next(_validator().errors(document), None)
    return f"{error.json_path}: {error.message:.200}" if error else ""


@cache
def _validator() -> Validator:
    return Validator(read_json(_SCHEMA), is_ours=True)


def _missing(read: _Read, found: Collection[str]) -> Iterator[Fault]:
    for sha256, runs in read.objects.items():
        if sha256 not in found:
            yield _of_object(sha256, runs, "it is not in the store")


def _altered(store: Store, read: _Read, named: Sequence[str], report: Reporter) -> Iterator[Fault]:
    """The objects whose content has another digest; several are read at once."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for count, (sha256, why) in enumerate(
            zip(named, pool.map(partial(_why_untrue, store), named), strict=True)
        ):
            if why:
                yield _of_object(sha256, read.objects[sha256], why)
            if count % _TOLD_EVERY == _TOLD_EVERY - 1:
                report.phase("objects", f"{count + 1} of {len(named)}")


def _why_untrue(store: Store, sha256: str) -> str:
    place = store.objects.path(sha256)
    try:
        return "" if sha256_file(place) == sha256 else "its content has another digest"
    except OSError as error:
        return system_reason(error, place)


def _of_object(sha256: str, runs: Sequence[str], message: str) -> Fault:
    more = f" and {len(runs) - _RUNS_TOLD} more" if len(runs) > _RUNS_TOLD else ""
    whose = ", ".join(runs[:_RUNS_TOLD]) + more
    hint = f"projrun reproduce {runs[0]} makes outputs again; else restore it from a backup of the store"
    return Fault("object", sha256, f"{message}; named by {whose}", hint)


def _snapshots(store: Store, read: _Read, *, quick: bool) -> Iterator[Fault]:
    if not read.snapshots:
        return
    hint = "restore sources.git from a backup of the store; without it the run cannot be had again"
    try:
        faults = pruning.faults_of(store.sources, read.snapshots, quick=quick)
    except ProjrunError as error:
        yield Fault("snapshot", str(store.sources), f"{error.what}: {error.brief}", error.hint)
        return
    for commit, why in sorted(faults.items()):
        yield Fault(
            "snapshot", commit, f"{why}; the source of {', '.join(read.snapshots[commit][:_RUNS_TOLD])}", hint
        )


def _index(store: Store, read: _Read) -> Iterator[Fault]:
    """Whether the index says what the records say, of the runs that have ended."""
    known = {row.id: row for row in store.list_runs(RunQuery())}
    wrong = [
        run
        for run, row in read.rows.items()
        if run not in known or json.dumps(asdict(known[run])) != json.dumps(asdict(row))
    ]
    if wrong:
        which = ", ".join(wrong[:_RUNS_TOLD]) + (
            f" and {len(wrong) - _RUNS_TOLD} more" if wrong[_RUNS_TOLD:] else ""
        )
        yield Fault("index", which, "the index does not say what the record says", "projrun store rebuild")
