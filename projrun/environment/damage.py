"""Whether the files of a built environment are still those that were built.

Each run looks at size, times and mode of what is nearest to the top, directories among it: their times change
when a name comes or goes. A thorough look is at everything. Neither reads anything unless its numbers differ.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from projrun.core.values import Struct
from projrun.environment import manifest
from projrun.environment.manifest import Entry, Numbers

QUICK_PATHS = 1000  # as many as can be looked at in a few milliseconds

ADDED, REMOVED, ALTERED = "added", "removed", "altered"
_ORDER = (ALTERED, ADDED, REMOVED)
_RACY_NS = 1_000_000_000  # what changed so lately may change again within the same tick of its clock


class Difference(Struct, frozen=True):
    """``kind``: added, removed or altered."""

    kind: str
    path: str


def reason(directory: Path, digest: str, lock: Path, *, thorough: bool) -> str | None:
    """Why the environment in ``directory`` is not what was built, in one sentence, or None when it is.

    ``digest`` is that of the list of its files. Where only times changed the new ones are kept, under ``lock``.
    """
    try:
        if thorough:
            paths = manifest.read_paths(directory, digest)
        else:
            paths = manifest.read_first_paths(directory, QUICK_PATHS)
    except (OSError, ValueError, IndexError) as error:
        return f"the list of its files cannot be read: {error}"
    now = manifest.numbers(directory, paths)
    touched = now.differing(manifest.read_numbers(directory, len(paths)))
    if not touched and not thorough:
        return None
    try:
        if not touched and manifest.names(directory, "") == sorted(path for path in paths if "/" not in path):
            return None
        listed = manifest.read(directory, digest)
    except (OSError, ValueError) as error:
        return f"the list of its files cannot be used: {error}"
    found = differences(directory, [listed[place] for place in touched], listed)
    if thorough:
        found += _in_directory(directory, "", listed)
    if found:
        return describe(found, listed)
    _keep_numbers(directory, lock, now, touched, len(listed))
    return None


def differences(directory: Path, entries: Iterable[Entry], listed: Sequence[Entry]) -> list[Difference]:
    """What of these entries, of all that are ``listed``, does not hold what it held."""
    from projrun.environment import contents  # only when numbers differ

    found = []
    for entry in entries:
        try:
            same = contents.is_same(entry, contents.entry_of(directory, entry.path))
        except (FileNotFoundError, NotADirectoryError):
            found.append(Difference(REMOVED, entry.path))
        except OSError:
            found.append(Difference(ALTERED, entry.path))
        else:
            if not same:
                inside = _in_directory(directory, entry.path, listed) if entry.is_directory else []
                found += inside or [Difference(ALTERED, entry.path)]
    return found


def _in_directory(directory: Path, folder: str, listed: Iterable[Entry]) -> list[Difference]:
    """The names that came to a directory or went from it; none when it cannot be read, or is none."""
    prefix = f"{folder}/" if folder else ""
    inside = (entry.path.removeprefix(prefix) for entry in listed if entry.path.startswith(prefix))
    then = {name for name in inside if "/" not in name}
    try:
        now = set(manifest.names(directory, folder))
    except OSError:
        return []
    return [
        *(Difference(ADDED, f"{prefix}{name}") for name in sorted(now - then)),
        *(Difference(REMOVED, f"{prefix}{name}") for name in sorted(then - now)),
    ]


def describe(found: Iterable[Difference], listed: Iterable[Entry]) -> str:
    """The differences in one sentence: whole packages when there are some, else the first file."""
    known = {entry.path for entry in listed}
    told = []
    for kind in (ADDED, REMOVED):
        packages = sorted({_package(one, known) for one in found if one.kind == kind} - {""})
        if packages:
            told.append(f"{'packages were' if packages[1:] else 'a package was'} {kind}: {', '.join(packages)}")
    if told:
        return "; ".join(told)
    ordered = sorted(set(found), key=lambda one: (_ORDER.index(one.kind), one.path))
    others = f", and {len(ordered) - 1} more" if ordered[1:] else ""
    return f"{shown(ordered[0].path)} was {ordered[0].kind} since it was built{others}"


def shown(path: str) -> str:
    """A path as people know it: from site-packages on, where it lies there."""
    return path.partition("/site-packages/")[2] or path


def _package(one: Difference, known: set[str]) -> str:
    """The distribution whose metadata came or went as a whole; empty for anything else."""
    name = shown(one.path)
    whole = name.endswith(".dist-info") and "/" not in name
    return name.split("-")[0] if whole and (one.kind == REMOVED) == (one.path in known) else ""


def _keep_numbers(directory: Path, lock: Path, now: Numbers, touched: Sequence[int], count: int) -> None:
    """Keeps the numbers of what holds what it held, so that it is not read again at each run.

    Not of what was changed just now: an edit that follows could leave the same numbers.
    """
    from projrun.core import locks

    with contextlib.suppress(OSError):  # somebody builds, or we may not write here: the next run reads again
        held = locks.take(lock)
        try:
            kept = manifest.read_numbers(directory, count)
            kept.take_over(now, touched, before=time.time_ns() - _RACY_NS)
            manifest.write_numbers(directory, kept)
        finally:
            held.close()
