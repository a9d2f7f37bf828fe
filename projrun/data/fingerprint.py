"""Fingerprints of declared data: inputs before the run, outputs after it."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from shlex import quote

from projrun.core.errors import DataError
from projrun.core.flags import Flag
from projrun.core.nearest import nearest
from projrun.core.paths import escape_reason
from projrun.data.model import Fingerprint
from projrun.data.remembered import Remembered
from projrun.data.tree import Uncovered, Unstable, digest_directory, digest_file, kind_of, stat_mark
from projrun.spec.model import SPEC_NAME, DataEntry

_NOTHING = Remembered(None)


def fingerprint(
    name: str, path: str, root: Path, pin: str | None, remembered: Remembered = _NOTHING
) -> Fingerprint:
    """The file or directory at ``path`` of the project as it is now; kind ``missing`` when it is not there.

    A link is followed as long as it stays inside the project. ``pin`` is noted, not compared. What ``remembered``
    knows is not read. Raises DataError when it leads out of the project, cannot be read, is no file or directory,
    or changes meanwhile.
    """
    if reason := escape_reason(root, path):
        raise DataError(
            f"{path!r} is not a path inside the project", why=reason, hint="give a path below the project"
        )
    full = root / path
    try:
        mode = full.stat().st_mode
        if stat.S_ISDIR(mode):
            kind, found = "directory", digest_directory(full, root, remembered)
        elif stat.S_ISREG(mode):
            kind, found = "file", digest_file(os.fsencode(full), remembered)
        else:
            raise Uncovered(f"{path} is {kind_of(mode)}")
    except FileNotFoundError:
        if full.exists():  # so it was an entry of the directory that went away
            raise _unstable(path, path) from None
        return Fingerprint(name, path, "missing", pin=pin)
    except NotADirectoryError:
        return Fingerprint(name, path, "missing", pin=pin)
    except OSError as error:
        raise _unreadable(path, error) from error
    except Unstable as error:
        raise _unstable(path, str(error)) from error
    except Uncovered as error:
        raise DataError(
            f"{path!r} cannot be fingerprinted",
            why=str(error),
            hint="declare plain files and directories inside the project",
        ) from error
    return Fingerprint(name, path, kind, found.size, found.files, found.sha256, pin)


def inputs(entries: Sequence[DataEntry], root: Path, cache: Path | None = None) -> tuple[Fingerprint, ...]:
    """Fingerprints of declared inputs, each there and as its pin says.

    With ``cache`` what was read before and nobody wrote since is not read again.

    Raises DataError that names every input that is missing or, when all are there, every one that is not
    what its pin says.
    """
    # All of them before anything is hashed, which may take long.
    absent = [entry for entry in entries if not escape_reason(root, entry.path) and _is_absent(root / entry.path)]
    if absent:
        raise _missing(absent, root)
    with Remembered(cache and cache / "digests.sqlite") as remembered:
        found = tuple(_input(entry, root, remembered) for entry in entries)
    gone = [entry for entry, found_one in zip(entries, found, strict=True) if found_one.kind == "missing"]
    if gone:
        raise _missing(gone, root)
    changed = [found_one for found_one in found if found_one.pin and found_one.pin != found_one.sha256]
    if changed:
        raise _mismatch(changed, root)
    return found


def _input(entry: DataEntry, root: Path, remembered: Remembered) -> Fingerprint:
    mark = stat_mark(root / entry.path)
    return replace(fingerprint(entry.name, entry.path, root, entry.sha256, remembered), seen=mark)


def changed_inputs(found: Sequence[Fingerprint], root: Path) -> tuple[str, ...]:
    """The paths of inputs that somebody wrote since they were hashed. Reads no file."""
    return tuple(one.path for one in found if stat_mark(root / one.path) != one.seen)


def look(paths: Sequence[str], root: Path) -> Mapping[str, str | None]:
    """A mark of each path as it is now, for :func:`outputs` to tell what the run wrote. Reads no file."""
    return {path: stat_mark(root / path) for path in paths}


def outputs(
    paths: Sequence[str], root: Path, before: Mapping[str, str | None]
) -> tuple[tuple[Fingerprint, ...], tuple[Flag, ...]]:
    """Fingerprints of declared outputs after the run, and a flag for each that is not as it should be.

    ``before`` is what :func:`look` gave. Raises nothing for what the program left behind: an output that is
    not there is ``missing``, one that cannot be read is ``unreadable``, one left untouched is ``stale``.
    """
    found = []
    flags = []
    for path in paths:
        try:
            found_one = fingerprint(path, path, root, None)
        except DataError as error:
            found_one = Fingerprint(path, path, "unreadable")
            flags.append(Flag("output-unreadable", f"output {path!r} has no fingerprint: {error.why}", error.hint))
        if found_one.kind == "missing":
            flags.append(Flag("output-missing", f"output {path!r} was not written"))
        elif before.get(path) is not None and before[path] == stat_mark(root / path):
            found_one = replace(found_one, stale=True)
            flags.append(
                Flag(
                    "output-stale",
                    f"output {path!r} was there before and this run did not touch it",
                    f"rm -r {quote(path)}",
                )
            )
        found.append(found_one)
    return tuple(found), tuple(flags)


def _is_absent(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # the fingerprint says what is wrong
    return False


def _missing(entries: Sequence[DataEntry], root: Path) -> DataError:
    first = entries[0]
    close = _neighbour(root, first.path)
    hint = f"put it there, or mend data.{first.name} in {SPEC_NAME}"
    if len(entries) == 1:
        what = f"input {first.name!r} is missing: {first.path}"
    else:
        what = f"{len(entries)} inputs are missing: {', '.join(entry.path for entry in entries)}"
    return DataError(
        what,
        why=f"there is no such file or directory in {root}",
        hint=f"{hint} (did you mean {close!r}?)" if close else hint,
    )


def _neighbour(root: Path, path: str) -> str | None:
    """The name beside a missing file that is most like it."""
    pure = PurePosixPath(path)
    try:
        close = nearest(pure.name, os.listdir(root / pure.parent))  # noqa: PTH208 - names only
    except OSError:
        return None
    return str(pure.parent / close) if close else None


def _mismatch(changed: Sequence[Fingerprint], root: Path) -> DataError:
    first = changed[0]
    names = ", ".join(repr(found.name) for found in changed)
    what = (
        f"input {names} is not what its pin says"
        if len(changed) == 1
        else f"inputs {names} are not what their pins say"
    )
    reasons = "; ".join(
        f"{found.path} has sha256 {found.sha256}, its pin is {found.pin}, changed {_changed(root / found.path)}"
        for found in changed
    )
    return DataError(
        what,
        why=reasons,
        hint=f"put back the pinned data; if the change is meant, set data.{first.name}.sha256 to {first.sha256}",
    )


def _changed(path: Path) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(path.stat().st_mtime))
    except (OSError, OverflowError, ValueError):
        return "at an unknown time"


def _unreadable(path: str, error: OSError) -> DataError:
    place = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else path
    return DataError(
        f"{path!r} cannot be read",
        why=f"{place}: {error.strerror or error}",
        hint=f"look at it with: ls -ld {quote(place)}",
    )


def _unstable(path: str, place: str) -> DataError:
    return DataError(
        f"{path!r} changed while it was being read",
        why=f"{place} is being written by somebody",
        hint="wait until it is complete, then run again",
    )
