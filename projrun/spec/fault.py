"""What is wrong at a place of a document: all that the spec's own rules need to know of how it was read."""

from __future__ import annotations

from projrun.core.values import Struct

# The keys and indexes that lead to a value, and a line with a column, both from 1.
Path = tuple[str | int, ...]
Mark = tuple[int, int]


class Fault(Struct, frozen=True):
    """Something wrong at a path of a document. ``key`` puts it at the entry's key and not at its value.

    ``missing`` marks a file that is not there, which is no fault of the document itself.
    """

    path: Path
    message: str
    hint: str = ""
    key: bool = False
    missing: bool = False
