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
from projrun.data import fingerprint
from projrun.data.model import Fingerprint
from projrun.records import Record
from projrun.store.objects import Objects
from projrun.store.outputs import write_missing
from projrun.store.store import Store

_HINT = "put it back where the run read it, or into the project's directory; projrun show RUN names its digest"


def provide(record: Record, root: Path, store: Store) -> tuple[str, ...]:
    """Brings the inputs that are not in the checkout ``root``; gives their paths.

    They come from the project's own directory, when what is there is what the run read, or are objects of a store.
    Raises DataError that names every input that is nowhere.
    """
    wanted = lacking_in(record, root)
    lacking = dict(missing(record, wanted, store))
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
    for one in wanted:
        _bring(record, one, root, store)
    return tuple(str(one["path"]) for one in wanted)


def lacking_in(record: Record, root: Path) -> list[Mapping[str, Any]]:
    """The inputs that a checkout does not have, or has only a part of.

    A file that is there and is another one is not among them: nothing is written over.
    """
    inputs: list[Mapping[str, Any]] = record.recipe["inputs"]
    return [one for one in inputs if _is_lacking(root, one)]


def _is_lacking(root: Path, one: Mapping[str, Any]) -> bool:
    if one["kind"] == "file":
        return not os.path.lexists(root / one["path"])
    return not _is_it(_found(root, one), one)


def missing(record: Record, wanted: Sequence[Mapping[str, Any]], store: Store) -> Iterator[tuple[str, str]]:
    """The inputs that are neither in the project's own directory nor kept, with why."""
    for one in wanted:
        path, local = str(one["path"]), local_project(record.recipe["source"])
        if _kept(record, one, store) is not None:
            continue
        lacks = "the commit does not have it" + (", or not all of it" if one["kind"] != "file" else "")
        if local is None:
            yield path, f"{lacks}, and the project's own directory is not there"
            continue
        found = _found(local, one)
        if not _is_it(found, one):
            told = f"is there with sha256 {found.sha256}" if found and found.sha256 else "is not there"
            yield path, f"{lacks}; in {local} it {told}, and the run read {one['sha256']}"


def unlike(record: Record, root: Path, wanted: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """The inputs that a checkout has, in another content than the run read, with why. ``wanted`` are left out."""
    for one in record.recipe["inputs"]:
        path = str(one["path"])
        if one not in wanted and not _is_it(found := _found(root, one), one):
            told = f"has sha256 {found.sha256}" if found and found.sha256 else "cannot be read"
            yield path, f"in the commit it {told}, and the run read {one['sha256']}"


def _found(root: Path, one: Mapping[str, Any]) -> Fingerprint | None:
    """What is in a directory now where the input was; None when it cannot be read."""
    path = str(one["path"])
    try:
        return fingerprint.fingerprint(path, path, root)
    except ProjrunError:
        return None


def _is_it(found: Fingerprint | None, one: Mapping[str, Any]) -> bool:
    return found is not None and found.sha256 == one["sha256"]


def _kept(record: Record, one: Mapping[str, Any], store: Store) -> tuple[Objects, str] | None:
    """The object of an input, and where it is: a file is one by its own digest, whoever kept it."""
    sha256 = one["sha256"] if one["kind"] == "file" else one.get("object")
    objects = [kept.objects for kept in (record.store, store) if kept is not None]
    return next(((kept, sha256) for kept in objects if sha256 and kept.path(sha256).is_file()), None)


def _bring(record: Record, one: Mapping[str, Any], root: Path, store: Store) -> None:
    path, local = str(one["path"]), local_project(record.recipe["source"])
    try:
        if reason := escape_reason(root, path):
            raise OSError(0, reason, path)
        found = _found(local, one) if local is not None else None
        if local is not None and found is not None and _is_it(found, one):
            for part in found.members or (path,):
                _copy(Path(os.path.realpath(local / part)), make_parents(root, part))
        elif kept := _kept(record, one, store):
            _write(*kept, one, root)
    except (OSError, StoreError) as error:
        why = system_reason(error, path) if isinstance(error, OSError) else error.why
        raise DataError(f"{path} cannot be copied into the private checkout", why=why, hint=_HINT) from error


def _write(objects: Objects, sha256: str, one: Mapping[str, Any], root: Path) -> None:
    """Writes an object where the input was; the files that a pattern names are kept by their paths."""
    if one["kind"] == "glob":
        write_missing(objects, sha256, root)
    elif one["kind"] == "directory":
        write_missing(objects, sha256, make_parents(root, str(one["path"])))
    else:
        objects.copy_to(sha256, make_parents(root, str(one["path"])))


def _copy(source: Path, place: Path) -> None:
    """Copies what is not there yet: a file, or what is in a directory."""
    waiting = [(source, place)]
    while waiting:
        one, target = waiting.pop()
        if one.is_dir() and not one.is_symlink():
            target.mkdir(exist_ok=True)
            waiting += [(entry, target / entry.name) for entry in one.iterdir() if entry.name != ".git"]
        elif not os.path.lexists(target):
            copy_file(one, target)
