"""The outputs of two runs matched: by their digests, and by what they hold where both are at hand."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from projrun.again import local_project
from projrun.core.errors import ProjrunError, StoreError
from projrun.core.hashing import sha256_file
from projrun.core.paths import escape_reason
from projrun.core.values import Struct
from projrun.data import fingerprint
from projrun.store.objects import Objects
from projrun.store.outputs import entries
from projrun.verdict import contents
from projrun.verdict.model import DIFFERS, UNCHECKED, VERIFIED, Compared, OutputFinding
from projrun.verdict.tally import Incomparable

_Output = Mapping[str, Any]


class _NotHeld(Exception):
    """Why the bytes of an output are not at hand."""


class _Content(NamedTuple):
    """A file by its digest, or what else is there by a text; ``place`` has a file's bytes."""

    mark: str
    place: Path | None = None
    executable: bool = False


class Side(Struct, frozen=True):
    """One of two runs: its outputs, the objects that may hold them, and its recipe's ``source``."""

    outputs: Sequence[_Output]
    objects: Objects | None
    source: Mapping[str, Any]


def match(before: Side, after: Side, measured: frozenset[str] = frozenset()) -> tuple[OutputFinding, ...]:
    """A finding for each output, and for each file that differs of one that is a directory.

    ``measured`` are files of metrics and no other outputs: their numbers are compared as metrics, the rest here.
    """
    first, second = ({str(one["path"]): one for one in side.outputs} for side in (before, after))
    found: list[OutputFinding] = []
    for path in dict.fromkeys((*first, *second)):
        old, new = first.get(path), second.get(path)
        if old is None or new is None:
            whose = "the run" if old is None else "the new run"
            found.append(OutputFinding(path, UNCHECKED, None, f"the record of {whose} does not tell of it"))
        elif path in measured and old["sha256"] != new["sha256"]:
            found.append(_beside_metrics(path, old, new, before, after))
        else:
            found += _matched(path, old, new, before, after)
    return tuple(found)


def _beside_metrics(path: str, old: _Output, new: _Output, before: Side, after: Side) -> OutputFinding:
    """What a file of metrics holds besides: lists."""
    digests = old["sha256"], new["sha256"]
    told = "another sha256; its numbers are compared as metrics"
    try:
        first, second = (_held(*one)[""].place for one in ((old, before), (new, after)))
        assert first is not None and second is not None, path
        compared = contents.compare_beside_metrics(path, first, second)
    except (_NotHeld, LookupError) as reason:
        return OutputFinding(path, UNCHECKED, "metrics", f"{told}, lists in it are not: {reason}", *digests)
    except (Incomparable, OSError) as reason:
        message = f"another sha256; not compared by content: {reason}"
        return OutputFinding(path, DIFFERS, "sha256", message, *digests)
    if compared is None:
        told = "another sha256; the last values in it are compared as metrics"
    if compared is None or compared.equal:
        return OutputFinding(path, VERIFIED, "metrics", told, *digests)
    message = f"besides its metrics, {_told(compared)}"
    return OutputFinding(path, DIFFERS, "content", message, *digests, compared)


def _matched(path: str, old: _Output, new: _Output, before: Side, after: Side) -> Iterator[OutputFinding]:
    kinds = old["kind"], new["kind"]
    digests = old["sha256"], new["sha256"]
    if old["stale"]:
        yield OutputFinding(path, UNCHECKED, None, "the run did not write it: it was there before", *digests)
    elif "unreadable" in kinds:
        yield OutputFinding(path, UNCHECKED, None, "it could not be read", *digests)
    elif kinds == ("missing", "missing"):
        yield OutputFinding(path, VERIFIED, None, "neither run wrote it")
    elif new["stale"]:
        yield OutputFinding(path, DIFFERS, None, "it was written, and this time it was not", *digests)
    elif kinds[0] != kinds[1]:
        yield OutputFinding(path, DIFFERS, None, f"it was {kinds[0]}, and is {kinds[1]}", *digests)
    elif digests[0] == digests[1]:
        yield OutputFinding(path, VERIFIED, "sha256", "the same sha256", *digests)
    else:
        yield from _by_content(path, old, new, before, after)


def _by_content(path: str, old: _Output, new: _Output, before: Side, after: Side) -> Iterator[OutputFinding]:
    try:
        first, second = _held(old, before), _held(new, after)
    except _NotHeld as reason:
        message = f"another sha256; not compared by content: {reason}"
        yield OutputFinding(path, DIFFERS, "sha256", message, old["sha256"], new["sha256"])
        return
    found = [
        _file(f"{path}/{below}" if below else path, first.get(below), second.get(below))
        for below in sorted(first.keys() | second.keys())
        if _differ(first.get(below), second.get(below))
    ]
    yield from found
    if not found:
        message = "another sha256, by what the store does not keep: pipes, sockets, or devices"
        yield OutputFinding(path, DIFFERS, "sha256", message, old["sha256"], new["sha256"])


def _differ(old: _Content | None, new: _Content | None) -> bool:
    """Whether they do; where the bytes are is nothing to either."""
    return old is None or new is None or (old.mark, old.executable) != (new.mark, new.executable)


def _file(path: str, old: _Content | None, new: _Content | None) -> OutputFinding:
    marks = old and old.mark, new and new.mark
    if old is None or new is None:
        message = "it is there now, and was not" if old is None else "it was there, and is not"
        return OutputFinding(path, DIFFERS, "sha256", message, *marks)
    if old.place is None or new.place is None:
        return OutputFinding(path, DIFFERS, "sha256", "it is something else now", *marks)
    if old.executable != new.executable:
        now, then = ("may", "could not") if new.executable else ("may not", "could")
        message = f"it {now} be executed now, and {then} before"
        return OutputFinding(path, DIFFERS, "sha256", message, *marks)
    try:
        compared = contents.compare(path, old.place, new.place)
    except (Incomparable, OSError) as reason:
        message = f"another sha256; not compared by content: {reason}"
        return OutputFinding(path, DIFFERS, "sha256", message, *marks)
    if compared.equal:
        message = f"the same content ({compared.format}, {compared.values} values) in other bytes"
        return OutputFinding(path, VERIFIED, "content", message, *marks, compared)
    return OutputFinding(path, DIFFERS, "content", _told(compared), *marks, compared)


def _told(compared: Compared) -> str:
    """What differs, in a line."""
    parts = [compared.shape] if compared.shape else []
    if compared.differing:
        at = f" at {compared.where}" if compared.where else ""
        told = f"{compared.differing} of {compared.values} values differ"
        if compared.largest_absolute is None:
            parts.append(f"{told}, the first{at}")
        else:
            relative = (compared.largest_relative or 0.0) * 100
            parts.append(f"{told}, by {compared.largest_absolute:.3g} at most{at}, by {relative:.3g}% at most")
    return f"{compared.format}: {'; '.join(parts)}"


def why_not_held(output: _Output, side: Side) -> str:
    """Why the bytes of an output that was written are not at hand; empty when they are."""
    try:
        _held(output, side)
    except _NotHeld as reason:
        return str(reason)
    return ""


def _held(output: _Output, side: Side) -> dict[str, _Content]:
    """The files of an output by their paths below it; a file's own path is empty. Raises _NotHeld."""
    if output["object"] and side.objects is not None:
        return dict(_kept(output, side.objects))
    local = local_project(side.source)
    path = str(output["path"])
    if local is None or side.source.get("checkout") or _digest(local, path) != output["sha256"]:
        raise _NotHeld("the store does not keep it, nor is it in the project's directory any more")
    return dict(_walked(local / path))


def _digest(local: Path, path: str) -> str | None:
    try:
        return None if escape_reason(local, path) else fingerprint.fingerprint(path, path, local, None).sha256
    except ProjrunError:
        return None


def _kept(output: _Output, objects: Objects) -> Iterator[tuple[str, _Content]]:
    if output["kind"] == "file":
        yield "", _object(objects, output["object"])
        return
    try:
        listed = entries(objects, output["object"])
    except StoreError as error:
        raise _NotHeld(error.what) from error
    for entry in listed:
        if entry["kind"] == "file":
            yield entry["path"], _object(objects, entry["sha256"])._replace(executable=entry["executable"])
        else:
            yield entry["path"], _Content(f"link to {entry['target']}" if entry["kind"] == "link" else "directory")


def _object(objects: Objects, sha256: str) -> _Content:
    """A kept file, once it is what it was kept as."""
    place = objects.path(sha256)
    try:
        whole = sha256_file(place) == sha256
    except OSError:
        raise _NotHeld(f"object {sha256} is gone") from None
    if not whole:
        raise _NotHeld(f"object {sha256} is damaged")
    return _Content(sha256, place)


def _walked(place: Path) -> Iterator[tuple[str, _Content]]:
    if not place.is_dir():
        yield "", _Content(sha256_file(place), place)
        return
    for folder, folders, files in os.walk(place):
        for name in (*folders, *files):
            full = Path(folder, name)
            below = os.path.relpath(full, place)
            if full.is_symlink():
                yield below, _Content(f"link to {full.readlink()}")
            elif full.is_file():
                yield below, _Content(sha256_file(full), full, bool(full.stat().st_mode & stat.S_IXUSR))
            elif full.is_dir():
                yield below, _Content("directory")
