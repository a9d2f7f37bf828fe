"""What git status and git ls-files tell, as values (formats: git-status(1) and git-ls-files(1))."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from projrun.core.values import Struct
from projrun.source.model import Change

STATUS = (
    "status",
    "--porcelain=v2",
    "--branch",
    "-z",
    "--untracked-files=all",
    "--find-renames",
    # Submodules are looked into one by one: git would run what their own configuration names.
    "--ignore-submodules=dirty",
)
INDEX = ("ls-files", "-z", "--stage", "-v")

_GITLINK = b"160000"
# A file or a link that git looks at.
_USUAL = (b"\0H 100", b"\0H 120")


class Status(Struct, frozen=True):
    """``ahead`` is None when nothing is known of an upstream. Untracked directories are nested repositories.

    ``mode_changes`` maps a path whose mode differs to the blob its content must be for that to be all.
    """

    commit: str | None
    branch: str | None
    upstream: str | None
    ahead: int | None
    changes: tuple[Change, ...]
    mode_changes: dict[str, str]


class IndexEntry(NamedTuple):
    """An entry of the index that status does not tell about. ``hidden``: git was told not to look at the file.

    ``noted`` are change and modification time (ns) of a file as git noted them within the last second before it
    wrote the index, else nothing: git compares whole seconds of a change time, and of an edit within the same one
    that puts back the modification time it says nothing.
    """

    path: str
    mode: str
    blob: str
    gitlink: bool
    hidden: bool
    may_be_absent: bool
    noted: tuple[int, int] | None = None


def parse_status(output: bytes) -> Status:
    """Reads the output of :data:`STATUS`."""
    headers: dict[str, str] = {}
    changes: list[Change] = []
    mode_changes: dict[str, str] = {}
    records = iter(os.fsdecode(output).split("\0"))
    for record in records:
        if record.startswith("# "):
            name, _, value = record[2:].partition(" ")
            headers[name] = value
        elif record.startswith(("1 ", "2 ", "u ", "? ")):
            change, blob = _change(record, records)
            changes.append(change)
            if blob:
                mode_changes[change.path] = blob
    commit, branch = headers.get("branch.oid"), headers.get("branch.head")
    ahead = headers.get("branch.ab", "").partition(" ")[0].removeprefix("+")
    return Status(
        commit=None if commit == "(initial)" else commit,
        branch=None if branch == "(detached)" else branch,
        upstream=headers.get("branch.upstream"),
        ahead=int(ahead) if ahead.isdecimal() else None,
        changes=tuple(changes),
        mode_changes=mode_changes,
    )


def parse_index(output: bytes) -> tuple[IndexEntry, ...]:
    """Reads the output of :data:`INDEX`; gives submodules and entries marked assume-unchanged or skip-worktree."""
    usual = sum((b"\0" + output).count(start) for start in _USUAL)
    if usual == output.count(b"\0"):
        return ()  # spares a look at each of very many
    found = []
    for record in output.split(b"\0"):
        # The tag of an entry git looks at is H, or M while it is in conflict.
        hidden = record[:1] not in (b"H", b"M", b"")
        if hidden or record[2:8] == _GITLINK:
            head, _, path = record.partition(b"\t")
            tag, mode, blob, _stage = os.fsdecode(head).split(" ")
            gitlink = record[2:8] == _GITLINK
            found.append(IndexEntry(os.fsdecode(path), mode, blob, gitlink, hidden, tag in ("S", "s")))
    return tuple(found)


def _change(record: str, records: Iterator[str]) -> tuple[Change, str | None]:
    """One change; and for a file whose mode differs on disk, the blob of its index entry."""
    if record.startswith("? "):
        return Change(record[2:].removesuffix("/"), "untracked"), None
    if record.startswith("u "):
        return Change(record.split(" ", 10)[10], "conflicted"), None
    old_path = next(records) if record.startswith("2 ") else None
    fields = record.split(" ", 9 if old_path is not None else 8)
    _, states, submodule, head_mode, index_mode, disk_mode, head_blob, index_blob, *_, path = fields
    staged = states[0] != "."
    if head_blob == index_blob and len({head_mode, index_mode, disk_mode}) > 1:
        content = "mode-changed"
    else:
        content = "modified"
    kind = _kind(states, submodule) or content
    undecided = kind == "mode-changed" and index_mode != disk_mode
    return Change(path, kind, staged, old_path), index_blob if undecided else None


def _kind(states: str, submodule: str) -> str | None:
    if "D" in states:
        return "deleted"
    if submodule.startswith("S"):
        return "submodule"
    for letter, kind in (("A", "added"), ("C", "added"), ("R", "renamed"), ("T", "type-changed")):
        if letter in states:
            return kind
    return None
