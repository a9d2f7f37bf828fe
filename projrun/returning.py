"""The outputs that a recorded run left in the store, back as files."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from projrun.core.copying import make_parents
from projrun.core.errors import DataError, system_reason
from projrun.core.files import check_free, clear
from projrun.core.paths import escape_reason, is_below
from projrun.spec.load import project_around
from projrun.store.outputs import write_output
from projrun.store.run import MOVED, RunRecord
from projrun.store.store import Store

_SHOW = "projrun show RUN tells what is known of it"


def restore_outputs(store: Path, run: str, destination: Path) -> tuple[str, ...]:
    """Writes the kept outputs of a run below ``destination`` (new or empty); gives their paths.

    Raises UsageError for an unknown run or a destination in use, DataError when the run has none that are kept,
    and StoreError when one of them is damaged; nothing stays of it then.
    """
    opened = Store(store)
    record = opened.read(opened.resolve(run, project_around(Path())))
    kept = list(_kept(record))
    if not kept:
        raise _nothing(record)
    check_free(destination)
    made = not destination.exists()
    try:
        destination.mkdir(parents=True, exist_ok=True)
        for output in kept:
            _write(opened, record, output, destination)
    except BaseException as error:
        with contextlib.suppress(OSError):
            clear(destination, whole=made)  # an empty directory of the user's stays
        if isinstance(error, OSError):
            raise DataError(
                f"the outputs of run {record.id} cannot be written to {destination}",
                why=system_reason(error, destination),
                hint="make room or name another directory",
            ) from error
        raise
    return tuple(str(output["path"]) for output in kept)


def _kept(record: RunRecord) -> Iterator[Mapping[str, Any]]:
    """The outputs that are objects, or were moved to the run's directory."""
    taken: list[str] = []
    outputs = record.outcome["outputs"] if record.outcome else ()
    for output in sorted(outputs, key=lambda one: str(one["path"])):
        path = str(output["path"])
        if not is_below(path, taken) and (output["object"] or _moved(record, path).exists()):
            taken.append(path)
            yield output


def _moved(record: RunRecord, path: str) -> Path:
    return record.path / MOVED / path


def _write(store: Store, record: RunRecord, output: Mapping[str, Any], destination: Path) -> None:
    path = str(output["path"])
    if reason := escape_reason(destination, path):
        raise OSError(0, reason, path)
    place = make_parents(destination, path)
    if output["object"]:
        write_output(store.objects, output["object"], place, directory=output["kind"] != "file")
    elif _moved(record, path).is_dir():
        shutil.copytree(_moved(record, path), place, symlinks=True)
    else:
        shutil.copy2(_moved(record, path), place, follow_symlinks=False)


def _nothing(record: RunRecord) -> DataError:
    what = f"run {record.id} has no outputs in the store"
    if record.recipe is None or record.outcome is None:
        return DataError(what, why=record.why_incomplete or "it has not ended", hint=_SHOW)
    if not record.recipe["source"]["checkout"]:
        where = record.recipe["source"]["directory"]
        return DataError(what, why=f"it ran in place, and left them in {where}", hint=f"ls {where}")
    return DataError(what, why="it wrote none that are declared", hint=_SHOW)
