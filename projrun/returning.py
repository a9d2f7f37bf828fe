"""The outputs that a recorded run left in the store, back as files."""

from __future__ import annotations

import contextlib
import posixpath
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from projrun.core.copying import make_parents
from projrun.core.errors import DataError, UsageError, system_reason
from projrun.core.files import check_absent, check_free, clear
from projrun.core.nearest import nearest
from projrun.core.paths import escape_reason, is_below
from projrun.core.values import Struct
from projrun.spec.place import project_around
from projrun.store.objects import damaged
from projrun.store.outputs import entries, write_output, write_part
from projrun.store.run import MOVED, RunRecord
from projrun.store.store import Store

_SHOW = "projrun show {run} tells what is known of it"
_BEYOND = 1 << 63  # no file has so many bytes


def restore_outputs(store: Path, run: str, destination: Path) -> tuple[str, ...]:
    """Writes the kept outputs of a run below ``destination`` (new or empty); gives their paths.

    Raises UsageError for an unknown run or a destination in use, DataError when the run has none that are kept,
    and StoreError when one of them is damaged; nothing stays of it then.
    """
    opened = Store(store)
    record = _record(opened, run)
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
            raise _unwritten(record, destination, error) from error
        raise
    return tuple(str(output["path"]) for output in kept)


class Output(Struct, frozen=True):
    """A declared output as a run left it.

    ``where``: ``kept`` in the store, ``moved`` to the run's directory, or empty: neither. ``size`` is in bytes, of
    ``files`` files; ``kind`` as in the outcome.
    """

    path: str
    kind: str
    size: int
    files: int
    sha256: str | None
    stale: bool
    where: str


def outputs_of(record: RunRecord) -> tuple[Output, ...]:
    """The outputs of a run. Raises DataError for one without outcome."""
    if record.outcome is None:
        raise _nothing(record)
    try:
        return tuple(_output(record, found) for found in record.outcome["outputs"])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(record, error) from error


def output_file(opened: Store, record: RunRecord, path: str) -> BinaryIO:
    """A kept output, or a file of a kept directory, open for reading; what the store holds is checked first.

    Raises UsageError for a path that is no output or no file, DataError for one that is not kept, and StoreError
    for a damaged one.
    """
    path = posixpath.normpath(path)
    output = _holder(record, list(_kept(record)), path)
    part = posixpath.relpath(path, output["path"])
    if not output["object"]:
        return _opened(record, output, part)
    if part == "." and output["kind"] == "file":
        return opened.objects.open(output["object"])
    inside = entries(opened.objects, output["object"]) if output["kind"] != "file" else []
    for entry in inside:
        if entry["path"] == part and entry["kind"] == "file":
            return opened.objects.open(entry["sha256"])
    raise _no_file(record, output, part)


def save_output(opened: Store, record: RunRecord, path: str, place: Path) -> None:
    """Writes a kept output, or a part of a kept directory, to ``place``, where nothing is.

    Raises as :func:`get_outputs`.
    """
    path = posixpath.normpath(path)
    output = _holder(record, list(_kept(record)), path)
    check_absent(place)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _put(opened, record, output, path, place)
    except OSError as error:
        raise _unwritten(record, place, error) from error


def get_outputs(store: Path, run: str, paths: Sequence[str], destination: Path) -> tuple[str, ...]:
    """Writes kept outputs, or parts of kept directories, below ``destination``, each at its path; gives the paths.

    Nothing is written over. Raises UsageError for an unknown run, a path that is no output or a place that is
    taken, DataError for one that is not kept or cannot be written, and StoreError for a damaged one.
    """
    opened = Store(store)
    record = _record(opened, run)
    kept = list(_kept(record))
    if not kept:
        raise _nothing(record)
    found = [(path, _holder(record, kept, path)) for path in map(posixpath.normpath, paths)]
    for path, _ in found:
        check_absent(destination / path)
    try:
        destination.mkdir(parents=True, exist_ok=True)
        for path, output in found:
            _put(opened, record, output, path, _free_place(destination, path))
    except OSError as error:
        raise _unwritten(record, destination, error) from error
    return tuple(path for path, _ in found)


def _record(opened: Store, run: str) -> RunRecord:
    return opened.read(opened.resolve(run, project_around(Path())))


def _output(record: RunRecord, found: Mapping[str, Any]) -> Output:
    where = "kept" if found.get("object") else "moved" if _moved(record, found["path"]).exists() else ""
    size, files, sha256 = found["size"], found["files"], found["sha256"]
    texts = (found["path"], found["kind"], found.get("object") or "", sha256 or "")
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("an output has no path, kind or digest")
    if not all(isinstance(number, int) and 0 <= number < _BEYOND for number in (size, files)):
        raise ValueError("an output has no size")
    return Output(found["path"], found["kind"], size, files, sha256, bool(found["stale"]), where)


def _damaged(record: RunRecord, error: Exception) -> DataError:
    why = f"its outcome.json is damaged ({type(error).__name__}: {error})"
    return DataError(f"the outputs of run {record.id} are not known", why=why, hint=_SHOW.format(run=record.id))


def _holder(record: RunRecord, kept: Sequence[Mapping[str, Any]], path: str) -> Mapping[str, Any]:
    """The kept output that is at ``path``, or the directory it is in."""
    for output in kept:
        if is_below(path, [output["path"]]):
            return output
    assert record.outcome is not None, record.id
    known = [str(one["path"]) for one in record.outcome["outputs"]]
    if any(is_below(path, [one]) for one in known):
        hint = f"projrun outputs {record.id} lists those that are"
        raise DataError(
            f"output {path!r} of run {record.id} is not kept", why="the store has no object", hint=hint
        )
    close = nearest(path, known)
    raise UsageError(
        f"run {record.id} has no output {path!r}",
        why=f"it declares {', '.join(known)}",
        hint=f"projrun outputs {record.id} --get {close or known[0]}",
    )


def _put(store: Store, record: RunRecord, output: Mapping[str, Any], path: str, place: Path) -> None:
    """Writes an output, or what a directory has at ``path``, to ``place``."""
    part = posixpath.relpath(path, output["path"])
    if not output["object"]:
        inside = _moved(record, output["path"]) / part
        _copy_moved(inside, place)
    elif part == ".":
        write_output(store.objects, output["object"], place, directory=output["kind"] != "file")
    elif output["kind"] == "file" or not write_part(store.objects, output["object"], part, place):
        raise _no_file(record, output, part)


def _no_file(record: RunRecord, output: Mapping[str, Any], part: str) -> UsageError:
    path = output["path"]
    if part == ".":
        return UsageError(f"output {path!r} of run {record.id} is no file", hint="name a file that is in it")
    hint = f"projrun outputs {record.id} --get {path}"
    return UsageError(f"output {path!r} of run {record.id} has no {part!r}", hint=hint)


def _opened(record: RunRecord, output: Mapping[str, Any], part: str) -> BinaryIO:
    """A file that was moved to the run's directory."""
    place = _moved(record, output["path"]) / part
    try:
        if place.is_file() and not place.is_symlink():
            return place.open("rb")
    except OSError as error:
        raise DataError(
            f"output {output['path']!r} of run {record.id} cannot be read",
            why=system_reason(error, place),
            hint=f"projrun outputs {record.id} lists what is kept",
        ) from error
    raise _no_file(record, output, part)


def _unwritten(record: RunRecord, destination: Path, error: OSError) -> DataError:
    return DataError(
        f"the outputs of run {record.id} cannot be written to {destination}",
        why=system_reason(error, destination),
        hint="make room or name another directory",
    )


def _kept(record: RunRecord) -> Iterator[Mapping[str, Any]]:
    """The outputs that are objects, or were moved to the run's directory."""
    taken: list[str] = []
    if record.outcome is None:
        return
    outputs_of(record)  # tells of those that are damaged
    for output in sorted(record.outcome["outputs"], key=lambda one: str(one["path"])):
        path = str(output["path"])
        if not is_below(path, taken) and (output["object"] or _moved(record, path).exists()):
            taken.append(path)
            yield output


def _moved(record: RunRecord, path: str) -> Path:
    """Where an output was moved to. Raises StoreError for a record that names a place outside of that."""
    if reason := escape_reason(record.path / MOVED, path):
        raise damaged(f"run {record.id} names an output {path!r}", reason)
    return record.path / MOVED / path


def _write(store: Store, record: RunRecord, output: Mapping[str, Any], destination: Path) -> None:
    path = str(output["path"])
    _put(store, record, output, path, _free_place(destination, path))


def _free_place(destination: Path, path: str) -> Path:
    if reason := escape_reason(destination, path):
        raise OSError(0, reason, path)
    return make_parents(destination, path)


def _copy_moved(moved: Path, place: Path) -> None:
    """Links stay links: what is behind one is not what the run wrote."""
    if moved.is_dir() and not moved.is_symlink():
        shutil.copytree(moved, place, symlinks=True)
    else:
        shutil.copy2(moved, place, follow_symlinks=False)


def _nothing(record: RunRecord) -> DataError:
    what = f"run {record.id} has no outputs in the store"
    show = _SHOW.format(run=record.id)
    if record.recipe is None or record.outcome is None:
        end = "it has not ended" if record.outcome is None else "it ended before its program began"
        return DataError(what, why=record.why_incomplete or end, hint=show)
    written = [one["path"] for one in record.outcome["outputs"] if one["kind"] in ("file", "directory")]
    if written and not record.recipe["source"]["checkout"]:
        where = record.recipe["source"]["directory"]
        return DataError(what, why=f"it ran in place, and left them in {where}", hint=f"ls {where}")
    return DataError(what, why="it wrote none that are declared", hint=show)
