"""Fingerprints of declared data: inputs before the run, outputs after it."""

from __future__ import annotations

import math
import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from shlex import quote

from projrun.core.errors import DataError
from projrun.core.flags import Flag
from projrun.core.nearest import nearest
from projrun.core.paths import escape_reason
from projrun.core.patterns import is_pattern, matching
from projrun.core.remembered import Remembered
from projrun.core.report import Reporter
from projrun.core.values import replace
from projrun.data.model import ChangedInput, Fingerprint
from projrun.data.reading import Digest, Reading, Uncovered, Unstable, kind_of
from projrun.data.tree import changed_at, digest_directory, digest_files, mark_of_files, stat_mark, written_since
from projrun.spec.model import SPEC_NAME, DataEntry

_NAMED = 5  # of the files in a directory that changed


def fingerprint(
    name: str, path: str, root: Path, pin: str | None = None, reading: Reading | None = None
) -> Fingerprint:
    """The file or directory at ``path`` of the project as it is now; kind ``missing`` when it is not there.

    A link is followed as long as it stays inside the project. ``pin`` is noted, not compared. What ``reading``
    remembers is not read. Raises DataError when it leads out of the project, cannot be read, is no file or
    directory, or changes meanwhile.
    """
    if reason := escape_reason(root, path):
        raise DataError(
            f"{path!r} is not a path inside the project", why=reason, hint="give a path below the project"
        )
    reading = reading or Reading()
    began = time.time_ns()
    try:
        kind, found, members = _digest(path, root, reading)
    except FileNotFoundError:
        # So it was one of several files that went away.
        if (root / path).exists() or (is_pattern(root, path) and matching(root, path)):
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
    counted = found.size, found.files, found.sha256
    return Fingerprint(name, path, kind, *counted, pin, seen=found.mark, hashed=began, members=members)


def _digest(path: str, root: Path, reading: Reading) -> tuple[str, Digest, tuple[str, ...]]:
    """What is there, its digest, and the files when it is a pattern."""
    full = root / path
    if is_pattern(root, path):
        members = tuple(matching(root, path))
        if not members:
            raise FileNotFoundError(path)
        _check_inside(root, members)
        return "glob", digest_files(members, root, reading), members
    mode = full.stat().st_mode
    if stat.S_ISDIR(mode):
        return "directory", digest_directory(full, root, reading), ()
    if stat.S_ISREG(mode):
        return "file", reading.file(os.fsencode(full)), ()
    raise Uncovered(f"{path} is {kind_of(mode)}")


def _check_inside(root: Path, members: Sequence[str]) -> None:
    for member in members:
        if reason := escape_reason(root, member):
            raise Uncovered(f"{member}: {reason}")


def _mark(found: Fingerprint, root: Path) -> str | None:
    """The mark of an input as it is now; of the files that a pattern names, all of them."""
    if found.kind == "glob":
        return mark_of_files(matching(root, found.path), root)
    return stat_mark(root / found.path)


@contextmanager
def reading_with(cache: Path | None, report: Reporter | None = None) -> Iterator[Reading]:
    """Reads with what is remembered in ``cache``."""
    with Remembered(cache) as remembered, Reading(remembered, report) as reading:
        yield reading


def inputs(
    entries: Sequence[DataEntry], root: Path, cache: Path | None = None, report: Reporter | None = None
) -> tuple[Fingerprint, ...]:
    """Fingerprints of declared inputs, each there and as its pin says.

    With ``cache`` what was read before and nobody wrote since is not read again. ``report`` hears of what takes
    long.

    Raises DataError that names every input that is missing or, when all are there, every one that is not
    what its pin says.
    """
    # All of them before anything is hashed, which may take long.
    absent = [entry for entry in entries if not escape_reason(root, entry.path) and _is_absent(root, entry.path)]
    if absent:
        raise _missing(absent, root)
    with reading_with(cache, report) as reading:
        inside = (entry.path for entry in entries if not escape_reason(root, entry.path))
        reading.begin(os.fsencode(root / path) for path in inside)
        found = tuple(fingerprint(entry.name, entry.path, root, entry.sha256, reading) for entry in entries)
    gone = [entry for entry, found_one in zip(entries, found, strict=True) if found_one.kind == "missing"]
    if gone:
        raise _missing(gone, root)
    changed = [found_one for found_one in found if found_one.pin and found_one.pin != found_one.sha256]
    if changed:
        raise _mismatch(changed, root)
    return found


def changed_inputs(
    found: Sequence[Fingerprint], root: Path, cache: Path | None = None, report: Reporter | None = None
) -> tuple[ChangedInput, ...]:
    """The inputs that are not any more what they were when they were hashed.

    Only one that somebody wrote since is read, and its digest decides. Raises nothing for what is there.
    """
    written = [one for one in found if _mark(one, root) != one.seen]
    if not written:
        return ()
    with reading_with(cache, report) as reading:
        looked_at = [_changed_input(one, root, reading) for one in written]
    return tuple(one for one in looked_at if one.sha256 != one.before.sha256)


def _changed_input(before: Fingerprint, root: Path, reading: Reading) -> ChangedInput:
    try:
        now = fingerprint(before.name, before.path, root, before.pin, reading)
    except DataError as error:
        return ChangedInput(before, "unreadable", f"it cannot be read any more: {error.why}")
    if now.kind == "missing":
        return ChangedInput(before, "missing", "it is gone")
    if now.kind != before.kind:
        return ChangedInput(before, now.kind, f"it is a {now.kind} now", now.sha256, now.size)
    if now.kind == "glob":
        detail = _other_files(before.members, now.members)
    elif now.kind == "file":
        detail = f"{before.size} bytes, now {now.size}" if now.size != before.size else "the same size"
    else:
        detail = _written(root / before.path, before.hashed)
    return ChangedInput(before, now.kind, detail, now.sha256, now.size)


def _other_files(before: Sequence[str], now: Sequence[str]) -> str:
    """What came to the files that a pattern names, and what went, for people."""
    came, went = sorted({*now}.difference(before)), sorted({*before}.difference(now))
    told = [("new", came), ("gone", went)]
    words = [f"{word}: {', '.join(names[:_NAMED])}" for word, names in told if names]
    return "; ".join(words) or "the same names"


def _written(directory: Path, since: int) -> str:
    """What was written in a directory, for people."""
    try:
        names = written_since(directory, since)
    except OSError:
        names = []
    more = f", and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"written in it: {', '.join(names[:_NAMED])}{more}" if names else "an entry came, went or was replaced"


def look(paths: Sequence[str], root: Path) -> Mapping[str, str | None]:
    """A mark of each path as it is now, for :func:`outputs` to tell what the run wrote. Reads no file."""
    return {path: stat_mark(root / path) for path in paths}


def outputs(
    paths: Sequence[str],
    root: Path,
    before: Mapping[str, str | None],
    cache: Path | None = None,
    report: Reporter | None = None,
) -> tuple[tuple[Fingerprint, ...], tuple[Flag, ...]]:
    """Fingerprints of declared outputs after the run, and a flag for each that is not as it should be.

    ``before`` is what :func:`look` gave. Raises nothing for what the program left behind: an output that is
    not there is ``missing``, one that cannot be read is ``unreadable``, one left untouched is ``stale``.
    """
    with reading_with(cache, report) as reading:
        reading.begin(os.fsencode(root / path) for path in paths if not escape_reason(root, path))
        looked_at = [_output(path, root, before.get(path), reading) for path in paths]
    return tuple(found for found, _ in looked_at), tuple(flag for _, flag in looked_at if flag)


def _output(path: str, root: Path, before: str | None, reading: Reading) -> tuple[Fingerprint, Flag | None]:
    try:
        found = fingerprint(path, path, root, None, reading)
    except DataError as error:
        message = f"output {path!r} has no fingerprint: {error.why}"
        return Fingerprint(path, path, "unreadable"), Flag("output-unreadable", message, error.hint)
    if found.kind == "missing":
        return found, Flag("output-missing", f"output {path!r} was not written")
    if before is not None and before == found.seen:
        message = f"output {path!r} was there before and this run did not touch it"
        return replace(found, stale=True), Flag("output-stale", message, f"rm -r {quote(path)}")
    return found, None


def _is_absent(root: Path, path: str) -> bool:
    if is_pattern(root, path):
        return False  # what it names is looked for when it is hashed
    try:
        (root / path).stat()
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
    names = ", ".join(repr(found.name) for found in changed)
    what = (
        f"input {names} is not what its pin says"
        if len(changed) == 1
        else f"inputs {names} are not what their pins say"
    )
    reasons = "; ".join(
        f"{found.path} has sha256 {found.sha256}, its pin is {found.pin}, changed {_changed(root, found)}"
        for found in changed
    )
    typed = " ".join(["projrun data pin", *(quote(found.name) for found in changed)])
    return DataError(
        what,
        why=reasons,
        hint=f"put back the pinned data; if the change is meant: {typed}",
    )


def _changed(root: Path, found: Fingerprint) -> str:
    times = [changed_at(root / path) or math.nan for path in found.members or (found.path,)]
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(max(times)))
    except (OverflowError, ValueError):
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
