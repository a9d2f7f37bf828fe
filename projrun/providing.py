"""Inputs of a recorded run that its commit does not have, brought to the private checkout."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from projrun.again import local_project
from projrun.core.copying import copy_file, make_parents
from projrun.core.errors import DataError, ProjrunError, StoreError, system_reason
from projrun.core.paths import escape_reason
from projrun.core.patterns import matching
from projrun.data import fingerprint
from projrun.options import Options
from projrun.records import Record
from projrun.store.objects import Objects
from projrun.store.outputs import check_whole, fill
from projrun.store.store import Store

_HINT = "put it back where the run read it, or into the project's directory; projrun show RUN names its digest"


def provide(record: Record, root: Path, options: Options) -> tuple[str, ...]:
    """Brings the inputs that are not in the checkout ``root``; gives their paths.

    They come from the project's own directory, when what is there is what the run read, or are objects of a store.
    Raises DataError that names every input that is nowhere.
    """
    wanted = lacking_in(record, root)
    lacking = dict(missing(record, wanted, options))
    if lacking:
        first, *_ = lacking
        count = len(lacking)
        raise DataError(
            f"input {first!r} cannot be had"
            if count == 1
            else f"{count} inputs cannot be had: {', '.join(lacking)}",
            why="\n".join(f"{path}: {reason}" for path, reason in lacking.items()),
            hint=_HINT,
        )
    return tuple(str(one["path"]) for one in wanted if _bring(record, one, root, options))


def lacking_in(record: Record, root: Path) -> list[Mapping[str, Any]]:
    """The inputs that a checkout does not have, or has only a part of.

    A file that is there and is another one is not among them: nothing is written over. Raises DataError for one
    that no project can declare.
    """
    inputs: list[Mapping[str, Any]] = record.recipe["inputs"]
    for one in inputs:
        if reason := escape_reason(root, str(one["path"])):
            raise DataError(
                f"input {one['path']!r} is not a path inside the project",
                why=reason,
                hint="the recipe was changed after the run: look who gave it to you",
            )
    return [one for one in inputs if _lacks(root, one)]


def _lacks(root: Path, one: Mapping[str, Any]) -> bool:
    if one["kind"] == "file":
        return not os.path.lexists(root / one["path"])
    return bool(_digest(root, str(one["path"])) != one["sha256"])


def missing(
    record: Record, wanted: Sequence[Mapping[str, Any]], options: Options, *, read: bool = False
) -> Iterator[tuple[str, str]]:
    """The inputs that are neither in the project's own directory nor kept, with why.

    One that has an address is fetched from there, or from the cache, when the run begins. ``read``: what is kept
    counts once all of it was read and found whole; else that is seen when it is copied.
    """
    for one in wanted:
        path, local = str(one["path"]), local_project(record.recipe["source"])
        kept = _objects(record, one, Store(options.store))
        faults = [_fault(*each, one) for each in kept] if read else [""] * len(kept)
        if one.get("url") or "" in faults:
            continue
        damage = f"; what is kept of it cannot be used: {faults[0]}" if faults else ""
        if local is None:
            yield path, f"the commit does not have it, and the project's own directory is not there{damage}"
            continue
        found = _digest(local, path, options.cache)
        if found != one["sha256"]:
            told = f"is there with sha256 {found}" if found else "is not there"
            yield (
                path,
                f"the commit does not have it; in {local} it {told}, and the run read {one['sha256']}{damage}",
            )


def held(record: Record, one: Mapping[str, Any], options: Options) -> bool:
    """Whether the project's own directory has an input as the run read it, or a store keeps it, whole."""
    local = local_project(record.recipe["source"])
    there = local is not None and _digest(local, str(one["path"]), options.cache) == one["sha256"]
    return there or any(not _fault(*each, one) for each in _objects(record, one, Store(options.store)))


def unlike(record: Record, root: Path, wanted: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """The inputs that a checkout has, in another content than the run read, with why. ``wanted`` are left out."""
    for one in record.recipe["inputs"]:
        path = str(one["path"])
        if one not in wanted and (found := _digest(root, path)) != one["sha256"]:
            yield path, f"in the commit it has sha256 {found}, and the run read {one['sha256']}"


def _digest(local: Path, path: str, cache: Path | None = None) -> str | None:
    """The digest of what is in the project's directory now; None when nothing can be read there.

    With ``cache`` what was read before and nobody wrote since is not read again; the new run reads its copy.
    """
    try:
        with fingerprint.reading_with(cache) as reading:
            return fingerprint.fingerprint(path, path, local, None, reading).sha256
    except ProjrunError:
        return None


def _objects(record: Record, one: Mapping[str, Any], store: Store) -> list[tuple[Objects, str]]:
    """What stores keep of an input: a file of that content, or what was kept of several. Nothing is read."""
    sha256 = one["sha256"] if one["kind"] == "file" else one.get("object")
    stores = {kept.objects.root: kept.objects for kept in (record.store, store) if kept is not None and sha256}
    return [(objects, str(sha256)) for objects in stores.values() if objects.path(str(sha256)).is_file()]


def _fault(objects: Objects, sha256: str, one: Mapping[str, Any]) -> str:
    """Why what is kept of an input is not to be had again; empty when it is. All of it is read."""
    try:
        check_whole(objects, sha256, directory=one["kind"] != "file")
    except StoreError as error:
        return f"{error.what}: {error.why}"
    return ""


def _bring(record: Record, one: Mapping[str, Any], root: Path, options: Options) -> bool:
    """Whether it could be brought; what has an address may not be anywhere else."""
    path, local = str(one["path"]), local_project(record.recipe["source"])
    try:
        if reason := escape_reason(root, path):
            raise OSError(0, reason, path)
        if local is not None and _digest(local, path, options.cache) == one["sha256"]:
            for file in matching(local, path) if one["kind"] == "glob" else [path]:
                _copy(Path(os.path.realpath(local / file)), make_parents(root, file))
            return True
        return _taken(_objects(record, one, Store(options.store)), one, root)
    except (OSError, StoreError) as error:
        why = system_reason(error, path) if isinstance(error, OSError) else error.why
        raise DataError(f"{path} cannot be copied into the private checkout", why=why, hint=_HINT) from error


def _taken(kept: Sequence[tuple[Objects, str]], one: Mapping[str, Any], root: Path) -> bool:
    """Whether one of the stores had it. Raises OSError, and StoreError when nothing else is left to be asked."""
    for objects, sha256 in kept:
        try:
            _write(objects, sha256, one, root)
        except StoreError:
            if (objects, sha256) == kept[-1] and not one.get("url"):
                raise
        else:
            return True
    return False


def _write(objects: Objects, sha256: str, one: Mapping[str, Any], root: Path) -> None:
    """Writes what is kept of an input and is not there yet. Raises OSError and StoreError."""
    if one["kind"] == "glob":  # its files are kept by their paths, and a part of a pattern is no directory
        fill(objects, sha256, root)
        return
    place = make_parents(root, str(one["path"]))
    if one["kind"] == "file":
        objects.copy_to(sha256, place)
    else:
        fill(objects, sha256, place)


def _copy(source: Path, place: Path) -> None:
    """Copies a file that is not there yet, or what is not there yet of a directory."""
    if not source.is_dir():
        if not os.path.lexists(place):
            copy_file(source, place)
        return
    waiting = [(str(source), str(place))]
    while waiting:
        folder, target = waiting.pop()
        is_new = not os.path.lexists(target)
        Path(target).mkdir(exist_ok=True)
        with os.scandir(folder) as entries:
            for entry in entries:
                there = f"{target}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    waiting += [(entry.path, there)] if entry.name != ".git" else []
                elif is_new or not os.path.lexists(there):
                    copy_file(entry.path, there)
