"""What the RECORD files of installed distributions say of their files (PEP 376, PEP 427, PEP 627)."""

from __future__ import annotations

import base64
import csv
import hashlib
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from projrun.environment.manifest import CACHED, Entry


@dataclass(frozen=True)
class Row:
    """A line of a RECORD: ``path`` is relative to the environment, ``hash`` as it is written, ``sha256=...``.

    ``record`` is the RECORD's own path.
    """

    path: str
    hash: str
    record: str


def rows(directory: Path, folder: str) -> Iterator[Row]:
    """The lines of every RECORD in site-packages ``folder`` that have a hash, but for compiled bytecode."""
    for place in sorted((directory / folder).glob("*.dist-info/RECORD")):
        record = place.relative_to(directory).as_posix()
        text = place.read_text(encoding="utf-8", errors="surrogateescape")
        for row in csv.reader(text.splitlines()):
            if len(row) > 1 and row[1] and CACHED not in row[0].split("/"):
                yield Row(posixpath.normpath(posixpath.join(folder, row[0])), row[1], record)


def faults(directory: Path, rows: Iterable[Row], entries: Mapping[str, Entry]) -> Iterator[tuple[Row, str]]:
    """The lines that do not fit the files, with what is wrong."""
    for row in rows:
        entry = entries.get(row.path)
        if row.path.startswith(("../", "/")):
            yield row, "lies outside the environment"
        elif entry is None:
            yield row, "is missing"
        elif not fits(directory, row, entry):
            yield row, "does not have the hash that its RECORD says"


def fits(directory: Path, row: Row, entry: Entry) -> bool:
    """Whether a file has the hash of its line, in whatever algorithm that is."""
    algorithm, _, digest = row.hash.partition("=")
    if algorithm == "sha256":
        return decoded(digest) == entry.sha256
    try:
        return decoded(digest) == hashlib.new(algorithm, (directory / row.path).read_bytes()).hexdigest()
    except (ValueError, OSError):
        return False


def decoded(digest: str) -> str:
    """A digest as RECORD writes it (URL-safe base64 without padding) in hexadecimal; empty when it is none."""
    try:
        return base64.urlsafe_b64decode(f"{digest}==").hex()
    except ValueError:
        return ""
