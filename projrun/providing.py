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
from projrun.records import Record
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
    return [one for one in inputs if not os.path.lexists(root / one["path"]) or _is_partial(root, one)]


def _is_partial(root: Path, one: Mapping[str, Any]) -> bool:
    return bool(one["kind"] == "directory" and _digest(root, str(one["path"])) != one["sha256"])


def missing(record: Record, wanted: Sequence[Mapping[str, Any]], store: Store) -> Iterator[tuple[str, str]]:
    """The inputs that are neither in the project's own directory nor kept, with why."""
    for one in wanted:
        path, local = str(one["path"]), local_project(record.recipe["source"])
        if _object(record, one, store) is not None:
            continue
        if local is None:
            yield path, "the commit does not have it, and the project's own directory is not there"
            continue
        found = _digest(local, path)
        if found != one["sha256"]:
            told = f"is there with sha256 {found}" if found else "is not there"
            yield path, f"the commit does not have it; in {local} it {told}, and the run read {one['sha256']}"


def unlike(record: Record, root: Path, wanted: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """The inputs that a checkout has, in another content than the run read, with why. ``wanted`` are left out."""
    for one in record.recipe["inputs"]:
        path = str(one["path"])
        if one not in wanted and (found := _digest(root, path)) != one["sha256"]:
            yield path, f"in the commit it has sha256 {found}, and the run read {one['sha256']}"


def _digest(local: Path, path: str) -> str | None:
    """The digest of what is in the project's directory now; None when nothing can be read there."""
    try:
        return fingerprint.fingerprint(path, path, local, None).sha256
    except ProjrunError:
        return None


def _object(record: Record, one: Mapping[str, Any], store: Store) -> tuple[Store, str] | None:
    """The store that keeps a file of that content."""
    if one["kind"] != "file":
        return None
    stores = [kept for kept in (record.store, store) if kept is not None]
    return next(((kept, one["sha256"]) for kept in stores if kept.objects.path(one["sha256"]).is_file()), None)


def _bring(record: Record, one: Mapping[str, Any], root: Path, store: Store) -> None:
    path, local = str(one["path"]), local_project(record.recipe["source"])
    try:
        if reason := escape_reason(root, path):
            raise OSError(0, reason, path)
        place = make_parents(root, path)
        kept = _object(record, one, store)
        if local is not None and _digest(local, path) == one["sha256"]:
            _copy(Path(os.path.realpath(local / path)), place)
        elif kept is not None:
            kept[0].objects.copy_to(kept[1], place)
    except (OSError, StoreError) as error:
        why = system_reason(error, path) if isinstance(error, OSError) else error.why
        raise DataError(f"{path} cannot be copied into the private checkout", why=why, hint=_HINT) from error


def _copy(source: Path, place: Path) -> None:
    """Copies a file, or what is not there yet of a directory."""
    if not source.is_dir():
        copy_file(source, place)
        return
    waiting = [(source, place)]
    while waiting:
        folder, target = waiting.pop()
        target.mkdir(exist_ok=True)
        for entry in sorted(folder.iterdir()):
            if entry.is_dir() and not entry.is_symlink():
                waiting += [(entry, target / entry.name)] if entry.name != ".git" else []
            elif not os.path.lexists(target / entry.name):
                copy_file(entry, target / entry.name)
