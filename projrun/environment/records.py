"""What the RECORD files of installed distributions say of their files (PEP 376, PEP 427, PEP 627)."""

from __future__ import annotations

import base64
import csv
import hashlib
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from projrun.environment.manifest import CACHED, Entry

# "sha256 or better" (PEP 427), of a fixed length.
_COUNTING = {"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s"}
_UNLIKE = "does not have the hash that its RECORD says"


class Fault(NamedTuple):
    """A line of a RECORD that does not fit its file, or a RECORD that cannot be read.

    ``path`` is relative to the environment; ``text`` goes on from it: ``is missing``. ``distribution`` is the
    name and version that the RECORD's folder has.
    """

    path: str
    text: str
    distribution: str


class _Row(NamedTuple):
    """A line of a RECORD: ``path`` is relative to the environment, ``hash`` as it is written, ``sha256=...``."""

    path: str
    hash: str


def faults(directory: Path, folder: str, entries: Mapping[str, Entry]) -> Iterator[Fault]:
    """Where the RECORDs in site-packages ``folder`` and the files are at odds, but for compiled bytecode."""
    for place in _records(directory, folder):
        owner = _owner(place)
        try:
            rows = _rows(place, folder)
        except (OSError, csv.Error) as error:
            yield Fault(place.relative_to(directory).as_posix(), f"cannot be read: {error}", owner)
            continue
        for row in rows:
            text = _fault(directory, row, entries.get(row.path)) if row.hash else None
            if text is not None:
                yield Fault(row.path, text, owner)


def owners(directory: Path, folder: str, path: str) -> tuple[str, ...]:
    """The distributions whose RECORD has the file, by name and version."""
    found = []
    for place in _records(directory, folder):
        try:
            if any(row.path == path for row in _rows(place, folder)):
                found.append(_owner(place))
        except (OSError, csv.Error):
            continue
    return tuple(found)


def _records(directory: Path, folder: str) -> list[Path]:
    return sorted((directory / folder).glob("*.dist-info/RECORD"))


def _owner(record: Path) -> str:
    return record.parent.name.removesuffix(".dist-info").replace("-", " ", 1)


def _rows(record: Path, folder: str) -> list[_Row]:
    """All lines but those of bytecode. Raises OSError, csv.Error."""
    text = record.read_text(encoding="utf-8", errors="surrogateescape")
    return [
        _Row(_below(folder, row[0]), row[1])
        for row in csv.reader(text.splitlines())
        if len(row) > 1 and CACHED not in row[0].split("/")
    ]


def _below(folder: str, path: str) -> str:
    plain = not (path.startswith((".", "/")) or path.endswith("/") or "//" in path or "/." in path)
    return f"{folder}/{path}" if path and plain else posixpath.normpath(posixpath.join(folder, path))


def _fault(directory: Path, row: _Row, entry: Entry | None) -> str | None:
    algorithm, _, digest = row.hash.partition("=")
    if row.path.startswith(("../", "/")):
        return "lies outside the environment"
    if entry is None:
        return "is missing"
    if algorithm not in _COUNTING:
        return f"has a hash in its RECORD that does not count: {algorithm[:40]}"
    same = _decoded(digest) == _digest(directory, algorithm, entry) != ""
    return None if same else _UNLIKE


def _digest(directory: Path, algorithm: str, entry: Entry) -> str | None:
    if algorithm == "sha256":
        return entry.sha256
    try:
        return hashlib.new(algorithm, (directory / entry.path).read_bytes()).hexdigest()
    except OSError:
        return None


def _decoded(digest: str) -> str:
    """A digest as RECORD writes it (URL-safe base64 without padding) in hexadecimal; empty when it is none."""
    try:
        return base64.urlsafe_b64decode(f"{digest}==").hex()
    except ValueError:
        return ""
