"""What goes into a private checkout from the user's own directory, and what comes out of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from projrun.choice import Choice, declared_inputs
from projrun.core.copying import copy_file, make_parents
from projrun.core.errors import DataError, StoreError, system_reason
from projrun.core.flags import Flag
from projrun.core.paths import escape_reason, is_below
from projrun.core.patterns import is_pattern, matching
from projrun.core.values import replace
from projrun.data.model import Fingerprint
from projrun.placing import Place
from projrun.source.untracked import untracked
from projrun.store.objects import Objects
from projrun.store.outputs import keep_output
from projrun.store.run import MOVED

_TOLD = 3  # of what was not brought of an output
_HAD = "the store has it: projrun restore RUN DIRECTORY --outputs"


def carry_in(choice: Choice, place: Place) -> tuple[str, ...]:
    """Copies declared inputs that no commit holds into the checkout; gives the paths of those it copied from.

    Those are files of the user's own directory that its repository does not track. What is in the checkout
    already stays. Raises DataError and SourceError.
    """
    if place.checkout is None or place.local is None or not place.local.is_dir():
        return ()
    paths = tuple(entry.path for entry in declared_inputs(choice, place.local))
    named = {path: _named(place.local, path) for path in paths}
    inside = tuple(file for path, files in named.items() if not escape_reason(place.local, path) for file in files)
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
                why=system_reason(error, path),
                hint=f"look at it with: ls -ld {place.local / path}",
            ) from error
        carried.append(path)
    return tuple(path for path, files in named.items() if any(is_below(one, files) for one in carried))


def _named(root: Path, path: str) -> tuple[str, ...]:
    """The files that a pattern names, or the path itself."""
    return tuple(matching(root, path)) if is_pattern(root, path) else (path,)


def keep(
    outputs: Sequence[Fingerprint], root: Path, objects: Objects, run: Path
) -> tuple[list[Fingerprint], list[Flag]]:
    """Keeps the outputs that a run wrote as objects of the store.

    One that cannot be an object (a file that cannot be read, say) is moved into the run's directory ``run`` and
    flagged. A link that leads out of the project is kept as the link that it is; what is behind it is not.
    """
    kept = {found.path: found for found in outputs}
    flags: list[Flag] = []
    moved: list[str] = []
    for path, found in sorted(kept.items()):  # a directory comes before what is declared in it
        if found.kind == "missing" or found.stale or is_below(path, moved):
            continue
        try:
            kept[path] = replace(found, kept=keep_output(objects, _within(root, path)))
        except (OSError, StoreError) as error:
            why = system_reason(error, path) if isinstance(error, OSError) else error.why or error.what
            flags.append(_moved(root, run, path, why))
            moved.append(path)
    return list(kept.values()), flags


def bring(outputs: Sequence[Fingerprint], root: Path, home: Path) -> list[Flag]:
    """Copies what a run wrote below ``root`` to the user's own project, and flags what cannot be.

    Files of the same name are replaced; whatever else is there stays. No link is followed.
    """
    flags = []
    for found in outputs:
        if found.kind == "missing" or found.stale:
            continue
        refused = list(_bring_all(root, home, found.path))
        if refused:
            more = f"; and {len(refused) - _TOLD} more" if len(refused) > _TOLD else ""
            message = f"of output {found.path!r} was not brought: {'; '.join(refused[:_TOLD])}{more}"
            flags.append(Flag("output-not-brought", message, _HAD))
    return flags


def not_brought(outputs: Sequence[Fingerprint]) -> list[Flag]:
    """That a run which failed had something to bring and its outputs were left where they are."""
    written = [found.path for found in outputs if found.kind != "missing" and not found.stale]
    if not written:
        return []
    message = f"the program failed, so its outputs were not brought: {', '.join(written)}"
    return [Flag("output-not-brought", message, _HAD)]


def _within(root: Path, path: str) -> Path:
    """The place of an output. Raises OSError for one behind a link that leads out: it is not the project's."""
    if reason := escape_reason(root, path):
        raise OSError(0, reason, path)
    return root / path


def _moved(root: Path, run: Path, path: str, why: str) -> Flag:
    message = f"output {path!r} is no object of the store: {why}"
    try:
        place = make_parents(run, f"{MOVED}/{path}")
        shutil.move(root / path, place)
    except OSError as error:
        return Flag("output-lost", f"{message}; nor can it be moved to the run: {system_reason(error, path)}")
    return Flag("output-not-kept", f"{message}; it was moved to the run's directory, as {MOVED}/{path}")


def _bring_all(root: Path, home: Path, output: str) -> Iterator[str]:
    """Copies an output, file by file, and says what is refused; below a refused directory nothing is tried."""
    try:
        top = Path(os.path.realpath(_within(root, output)))
    except OSError as error:
        yield system_reason(error, output)
        return
    waiting = [""]
    while waiting:
        below = waiting.pop()
        source, relative = top / below, os.path.join(output, below) if below else output  # noqa: PTH118
        try:
            _bring_one(source, home, relative)
            if source.is_dir() and not source.is_symlink():
                names = sorted((entry.name for entry in source.iterdir()), reverse=True)
                waiting += [os.path.join(below, name) for name in names]  # noqa: PTH118
        except OSError as error:
            yield system_reason(error, relative)


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
    else:
        copy_file(source, place)


def _leads_out(link: Path, home: Path, relative: str) -> bool:
    target = os.readlink(link)  # noqa: PTH115 - the text, as it is
    place = os.path.normpath(os.path.join(os.path.dirname(relative), target))  # noqa: PTH118, PTH120
    return escape_reason(home, place) is not None
