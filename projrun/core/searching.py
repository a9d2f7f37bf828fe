"""Texts looked for in files, whatever their size, with little memory."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

_BLOCK = 1 << 20


def found_in(path: str | Path, wanted: Sequence[bytes]) -> bytes | None:
    """The first of the wanted texts that a file holds; None when it holds none, or is no file.

    Raises OSError for one that cannot be read.
    """
    if not wanted:
        return None
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        overlap, tail = max(map(len, wanted)) - 1, b""
        while block := file.read(_BLOCK):
            data = tail + block
            for text in wanted:
                if text in data:
                    return text
            tail = data[-overlap:] if overlap else b""
    return None


def files_below(path: Path) -> Iterator[Path]:
    """The file at ``path``, or all below the directory there; no link is followed."""
    if path.is_symlink() or not path.is_dir():
        yield path
        return
    for place, _, names in os.walk(path):
        yield from (Path(place, name) for name in sorted(names))
