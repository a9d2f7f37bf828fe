"""All there is to see in one git work tree, submodules and what git was told not to look at included."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from projrun.core.steps import Steps, finished
from projrun.core.values import Struct, replace
from projrun.source.git import Repository
from projrun.source.index_file import special_entries
from projrun.source.listing import File, check_nested, list_files, lstat
from projrun.source.model import Change, Seen, Submodule
from projrun.source.remote import pushed_branch
from projrun.source.status import INDEX, STATUS, IndexEntry, Status, parse_index, parse_status

_OBJECT_BYTES = {"sha1": 20, "sha256": 32}


class Look(Struct, frozen=True):
    """What one look at a work tree found. Paths are relative to its root."""

    status: Status
    changes: tuple[Change, ...]
    submodules: tuple[Submodule, ...]
    seen: tuple[Seen, ...]


def look_at(repository: Repository) -> Look:
    """Looks at a work tree. Raises SourceError when git cannot tell."""
    return finished(looking_at(repository))


def looking_at(repository: Repository) -> Steps[Look]:
    """As :func:`look_at`, in steps."""
    told, entries = yield from repository.reading(STATUS, lambda: _special_entries(repository))
    status = parse_status(told.stdout)
    changes = list(_settled(repository, status))
    known = {change.path for change in changes}
    hidden = [entry for entry in entries if entry.hidden and not entry.gitlink and entry.path not in known]
    changes += _hidden_changes(repository, hidden)
    changes += _missed_changes(repository, [one for one in entries if one.noted and one.path not in known])
    gitlinks = {entry.path: entry for entry in entries if entry.gitlink}
    submodules: list[Submodule] = []
    seen: list[Seen] = []
    for entry in gitlinks.values():
        inner, marks = _look_at_submodule(repository, entry)
        submodules += inner
        seen += marks
        if inner[0].dirty and entry.path not in known:
            changes.append(Change(entry.path, "submodule"))
    for change in changes:
        if change.path not in gitlinks:
            seen += _seen_change(repository.worktree, change)
    return Look(status, tuple(changes), tuple(submodules), tuple(sorted(set(seen), key=lambda one: one.path)))


def _special_entries(repository: Repository) -> tuple[IndexEntry, ...]:
    size = _OBJECT_BYTES.get(repository.values.get("extensions.objectformat", ("sha1",))[-1])
    found = special_entries(repository.worktree, size) if size else None
    return parse_index(repository.read(*INDEX).stdout) if found is None else found


def seen_files(files: Iterable[File], prefix: str = "") -> tuple[Seen, ...]:
    """The marks of listed files."""
    return tuple(Seen(prefix + file.path, _mark(file.stat)) for file in files)


def _mark(known: os.stat_result | None) -> str:
    """Differs whenever the file does: an edit that keeps size and times still moves the change time."""
    if known is None:
        return "absent"
    return f"{known.st_mode:o} {known.st_size} {known.st_mtime_ns} {known.st_ctime_ns} {known.st_ino}"


def _seen_change(worktree: Path, change: Change) -> tuple[Seen, ...]:
    known = lstat(f"{worktree}/{change.path}")
    if known is not None and stat.S_ISDIR(known.st_mode):
        if change.kind != "untracked":
            return (Seen(change.path, "directory"),)
        check_nested(worktree / change.path)
        return seen_files(list_files(worktree / change.path, repository=True), f"{change.path}/")
    old = (Seen(change.old_path, _mark(lstat(f"{worktree}/{change.old_path}"))),) if change.old_path else ()
    return (Seen(change.path, _mark(known)), *old)


def _look_at_submodule(repository: Repository, entry: IndexEntry) -> tuple[list[Submodule], list[Seen]]:
    """The submodule, followed by those within it, and the marks of all."""
    directory = repository.worktree / entry.path
    if directory.is_symlink() or not os.path.lexists(directory / ".git"):
        return [Submodule(entry.path, entry.blob, dirty=False)], []
    inside = check_nested(directory)
    look = look_at(inside)
    commit = look.status.commit or ""
    pushed = pushed_branch(inside, look.status) is not None
    prefix = f"{entry.path}/"
    submodules = [
        Submodule(entry.path, commit, dirty=bool(look.changes), pushed=pushed),
        *(replace(inner, path=prefix + inner.path) for inner in look.submodules),
    ]
    seen = [Seen(entry.path, f"commit {commit}"), *(Seen(prefix + one.path, one.mark) for one in look.seen)]
    return submodules, seen


def _settled(repository: Repository, status: Status) -> tuple[Change, ...]:
    """The changes of a status, with content compared where only the mode is known to differ."""
    blobs = _blobs_on_disk(repository, status.mode_changes)
    edited = {path for path, blob in status.mode_changes.items() if blobs.get(path) != blob}
    return tuple(
        replace(change, kind="modified") if change.path in edited else change for change in status.changes
    )


def _hidden_changes(repository: Repository, entries: Sequence[IndexEntry]) -> list[Change]:
    """Edits of files marked assume-unchanged or skip-worktree, which git status passes over."""
    changes = []
    to_compare: dict[str, tuple[IndexEntry, os.stat_result]] = {}
    for entry in entries:
        known = lstat(f"{repository.worktree}/{entry.path}")
        if known is None:
            if not entry.may_be_absent:
                changes.append(Change(entry.path, "deleted"))
        elif stat.S_ISLNK(known.st_mode) != (entry.mode == "120000") or stat.S_ISDIR(known.st_mode):
            changes.append(Change(entry.path, "type-changed"))
        else:
            to_compare[entry.path] = (entry, known)
    blobs = _blobs_on_disk(repository, {path: entry.blob for path, (entry, _) in to_compare.items()})
    modes_count = repository.values.get("core.filemode", ("true",))[-1].lower() not in ("false", "no", "off", "0")
    for path, (entry, known) in to_compare.items():
        executable = "100755" if known.st_mode & stat.S_IXUSR else "100644"
        if blobs.get(path) != entry.blob:
            changes.append(Change(path, "modified"))
        elif modes_count and entry.mode.startswith("100") and entry.mode != executable:
            changes.append(Change(path, "mode-changed"))
    return changes


def _missed_changes(repository: Repository, entries: Sequence[IndexEntry]) -> list[Change]:
    """Edits within the second in which git noted how the file looked, with its modification time put back."""
    expected: dict[str, str] = {}
    for entry in entries:
        known = None if entry.gitlink or entry.hidden else lstat(f"{repository.worktree}/{entry.path}")
        if known is not None and entry.noted != (known.st_ctime_ns, known.st_mtime_ns):
            expected[entry.path] = entry.blob
    blobs = _blobs_on_disk(repository, expected)
    return [Change(path, "modified") for path, blob in expected.items() if blobs.get(path, blob) != blob]


def _blobs_on_disk(repository: Repository, expected: Mapping[str, str]) -> dict[str, str]:
    """The blob git would make of each file. ``expected`` has the paths, and blobs for the kind of hash."""
    blobs: dict[str, str] = {}
    regular: list[str] = []
    for path, blob in expected.items():
        place = f"{repository.worktree}/{path}"
        known = lstat(place)
        if known is not None and stat.S_ISLNK(known.st_mode):
            target = os.readlink(os.fsencode(place))  # noqa: PTH115 - the bytes, as they are
            import hashlib  # brings OpenSSL; few need it

            digest = hashlib.new("sha1" if len(blob) == 40 else "sha256", usedforsecurity=False)
            digest.update(b"blob %d\0%s" % (len(target), target))
            blobs[path] = digest.hexdigest()
        elif known is not None and stat.S_ISREG(known.st_mode):
            regular.append(path)
    if regular:
        names = b"\n".join(_quoted(path) for path in regular)
        told = repository.read("hash-object", "--stdin-paths", stdin=names + b"\n")
        blobs.update(zip(regular, told.text.split(), strict=True))
    return blobs


def _quoted(path: str) -> bytes:
    """A path as git reads it from a line: in C's quotes, whatever bytes it has."""
    return b'"' + b"".join(b"\\%03o" % byte for byte in os.fsencode(path)) + b'"'
