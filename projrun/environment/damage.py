"""Whether the files of a built environment are still those that were built.

Each run looks at the names where packages and programs lie, and at size, times and mode of the files nearest to
the top. A thorough look is at all names and all files. Neither reads a file unless its numbers differ.
"""

from __future__ import annotations

import contextlib
import time
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from projrun.environment import manifest

QUICK_FILES = 1500  # as many as can be looked at in a few milliseconds

ADDED, REMOVED, ALTERED = "added", "removed", "altered"
# Not in the list of files: what describes it, and the marker, which is written after it.
UNLISTED = ("projrun-environment.json", manifest.FILES, manifest.STATS)
_RACY_NS = 1_000_000_000  # a file that changed so lately may change again within the same tick of its clock


@dataclass(frozen=True)
class Difference:
    """``kind``: added, removed or altered."""

    kind: str
    path: str


def reason(directory: Path, digest: str, lock: Path, *, thorough: bool) -> str | None:
    """Why the environment in ``directory`` is not what was built, in one sentence, or None when it is.

    ``digest`` is that of its list of files. Where only times changed, the new ones are kept, with ``lock`` held.
    """
    limit = None if thorough else QUICK_FILES
    try:
        folders, paths = manifest.read_paths(directory, limit)
        kept = manifest.read_stats(directory, len(paths))
    except (OSError, ValueError, IndexError):
        return f"its list of files ({manifest.FILES}, {manifest.STATS}) cannot be read"
    numbers = manifest.stats(directory, paths)
    if numbers == kept and _has_names(directory, folders) and not (thorough and _strays(directory, paths)):
        return None
    return _judged(directory, digest, lock, numbers, thorough=thorough)


def _has_names(directory: Path, folders: Mapping[str, str]) -> bool:
    return all(manifest.names_digest(directory, folder) == digest for folder, digest in folders.items())


def _strays(directory: Path, paths: Iterable[str]) -> list[str]:
    """The files that were not there when it was built."""
    return sorted(set(manifest.scan(directory, UNLISTED)).difference(paths))


def _judged(directory: Path, digest: str, lock: Path, numbers: array[int], *, thorough: bool) -> str | None:
    """What differs, by content. ``numbers`` are those of the entries that were looked at."""
    try:
        listed = manifest.read(directory, digest)
        kept = manifest.read_stats(directory, len(listed.entries))
    except (OSError, ValueError) as error:
        return f"its list of files cannot be used: {error}"
    found = name_differences(directory, listed)
    if thorough:
        strays = _strays(directory, [entry.path for entry in listed.entries])
        found += [Difference(ADDED, path) for path in strays if not _is_below_one(path, found)]
    touched = list(manifest.differing(numbers, kept))
    found += content_differences(directory, [listed.entries[place] for place in touched])
    if found:
        return describe(found, listed)
    _keep_numbers(directory, lock, numbers, touched, len(listed.entries))
    return None


def name_differences(directory: Path, listed: manifest.Manifest) -> list[Difference]:
    """The names in the watched folders that are new. What is gone shows as the files that are gone."""
    found = []
    for folder, digest in listed.folders.items():
        if manifest.names_digest(directory, folder) == digest:
            continue
        prefix = f"{folder}/"
        then = {
            entry.path.removeprefix(prefix).split("/")[0]
            for entry in listed.entries
            if entry.path.startswith(prefix)
        }
        found += [
            Difference(ADDED, f"{prefix}{name}") for name in manifest.names(directory, folder) if name not in then
        ]
        now = set(manifest.names(directory, folder))
        found += [Difference(REMOVED, f"{prefix}{name}") for name in sorted(then - now)]
    return found


def content_differences(directory: Path, entries: Iterable[manifest.Entry]) -> list[Difference]:
    """Which of these do not hold what they held."""
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
                found.append(Difference(ALTERED, entry.path))
    return found


def describe(found: Sequence[Difference], listed: manifest.Manifest) -> str:
    """The differences in one sentence: packages when there are whole ones, else the first file."""
    told = []
    for kind in (ADDED, REMOVED):
        packages = sorted({name for one in found if one.kind == kind if (name := _package(one, listed))})
        if packages:
            plural = "packages were" if len(packages) > 1 else "a package was"
            told.append(f"{plural} {kind}: {', '.join(packages)}")
    if told:
        return "; ".join(told)
    order = {ALTERED: 0, ADDED: 1, REMOVED: 2}
    first = min(found, key=lambda one: (order[one.kind], one.path))
    more = len({one.path for one in found}) - 1
    others = f", and {more} more" if more else ""
    return f"{shown(first.path)} was {first.kind} since it was built{others}"


def shown(path: str) -> str:
    """A path as people know it: from site-packages on, where it lies there."""
    return path.partition("/site-packages/")[2] or path


def _package(one: Difference, listed: manifest.Manifest) -> str:
    """The distribution that came or went as a whole; empty when it is only a file."""
    name = shown(one.path).split("/")[0]
    if not name.endswith(".dist-info"):
        return ""
    if one.kind == REMOVED and one.path.rpartition("/")[2] != name:
        return ""  # a file of its metadata
    if one.kind == ADDED and any(f"/{name}/" in entry.path for entry in listed.entries):
        return ""
    return name.split("-")[0]


def _is_below_one(path: str, found: Iterable[Difference]) -> bool:
    return any(path == one.path or path.startswith(f"{one.path}/") for one in found)


def _keep_numbers(directory: Path, lock: Path, numbers: array[int], touched: Sequence[int], count: int) -> None:
    """Keeps the numbers of files that hold what they held, so that they are not read again at each run.

    Not of those that were changed just now: an edit that follows could leave the same numbers.
    """
    from projrun.core import locks

    recent = time.time_ns() - _RACY_NS
    with contextlib.suppress(
        OSError
    ):  # somebody builds, or may write here and we may not: the next run reads again
        held = locks.take(lock)
        try:
            kept = manifest.read_stats(directory, count)
            for place in touched:
                begin, end = place * manifest.PER_FILE, (place + 1) * manifest.PER_FILE
                if numbers[begin + 2] < recent:
                    kept[begin:end] = numbers[begin:end]
            manifest.write_stats(directory, kept)
        finally:
            held.close()
