"""What goes into a private checkout from the user's own directory, and what comes out of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from projrun.choice import Choice, declared_inputs
from projrun.core.copying import copy_file, make_parents
from projrun.core.errors import DataError, StoreError
from projrun.core.flags import Flag
from projrun.core.paths import escape_reason, is_below
from projrun.data.model import Fingerprint
from projrun.placing import Place
from projrun.source.untracked import untracked
from projrun.store.objects import Objects
from projrun.store.outputs import keep_output


def carry_in(choice: Choice, place: Place) -> tuple[str, ...]:
    """Copies declared inputs that no commit holds into the checkout; gives the paths of those it copied from.

    Those are files of the user's own directory that its repository does not track. What is in the checkout
    already stays. Raises DataError and SourceError.
    """
    if place.checkout is None or place.local is None or not place.local.is_dir():
        return ()
    paths = tuple(entry.path for entry in declared_inputs(choice, place.local))
    inside = tuple(path for path in paths if not escape_reason(place.local, path))
    carried = []
    for path in untracked(place.local, inside):
        target = choice.spec.root / path
        if os.path.lexists(target) or not os.path.lexists(place.local / path):
            continue
        try:
            copy_file(place.local / path, make_parents(choice.spec.root, path))
        except OSError as error:
            raise DataError(
                f"{path} cannot be copied into the private checkout",
                why=f"{error.filename or path}: {error.strerror or error}",
                hint=f"look at it with: ls -ld {place.local / path}",
            ) from error
        carried.append(path)
    return tuple(path for path in paths if any(is_below(one, [path]) for one in carried))


def keep(outputs: Sequence[Fingerprint], root: Path, objects: Objects) -> tuple[list[Fingerprint], list[Flag]]:
    """Keeps the outputs that a run wrote as objects of the store, and flags those that cannot be kept."""
    kept, flags = [], []
    for found in outputs:
        if found.kind not in ("file", "directory") or found.stale:
            kept.append(found)
            continue
        try:
            kept.append(replace(found, kept=keep_output(objects, root / found.path)))
        except (OSError, StoreError) as error:
            why = error.why or error.what if isinstance(error, StoreError) else error.strerror or str(error)
            kept.append(found)
            flags.append(Flag("output-not-kept", f"output {found.path!r} is not kept in the store: {why}"))
    return kept, flags


def bring(outputs: Sequence[Fingerprint], root: Path, home: Path) -> list[Flag]:
    """Copies what a run wrote below ``root`` to the user's own project, and flags what cannot be.

    Files of the same name are replaced; whatever else is there stays. No link is followed.
    """
    flags = []
    for found in outputs:
        if found.kept is None:
            continue
        try:
            top = Path(os.path.realpath(root / found.path))
            _bring_one(top, home, found.path)
            for path in _below(top):
                _bring_one(top / path, home, os.path.join(found.path, path))  # noqa: PTH118
        except OSError as error:
            why = f"{error.filename or found.path}: {error.strerror or error}"
            hint = f"the store has it: object {found.kept}"
            flags.append(Flag("output-not-brought", f"output {found.path!r} was not brought: {why}", hint))
    return flags


def _below(top: Path) -> list[str]:
    """All below a directory, relative to it; a directory comes before what is in it."""
    found = []
    for place, folders, files in os.walk(top):
        found += [os.path.relpath(os.path.join(place, name), top) for name in (*folders, *files)]  # noqa: PTH118
    return found


def _bring_one(source: Path, home: Path, relative: str) -> None:
    place = make_parents(home, relative)
    if source.is_dir() and not source.is_symlink():
        place.mkdir(exist_ok=True)
        if place.is_symlink():
            raise OSError(0, "it is a link, and what is behind it stays as it is", str(place))
    elif place.is_dir() and not place.is_symlink():
        raise OSError(0, "a directory is in the way of a file", str(place))
    elif source.is_symlink() and _leads_out(source, home, relative):
        raise OSError(0, "it is a link that leads out of the project", relative)
    elif source.is_symlink() or source.is_file():
        copy_file(source, place)


def _leads_out(link: Path, home: Path, relative: str) -> bool:
    target = os.readlink(link)  # noqa: PTH115 - the text, as it is
    place = os.path.normpath(os.path.join(os.path.dirname(relative), target))  # noqa: PTH118, PTH120
    return escape_reason(home, place) is not None
