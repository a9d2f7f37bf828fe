"""Paths of what is there already, in the project or outside of it."""

from __future__ import annotations

import os
from pathlib import Path

from projrun.core.paths import escape_reason
from projrun.core.regex import regex
from projrun.spec.argument import shown

# What begins an address; a file: without a host is a path.
_SCHEME = regex(r"[A-Za-z][A-Za-z0-9+.-]*:")
_LOCAL = regex(r"file:(?://)?(?=/)")


def existing_path(text: str, root: Path) -> str:
    """A path that is there: from the project ``root`` when it is inside, else from the root of the file system.

    Raises ValueError.
    """
    path = _LOCAL.sub("", text, count=1)
    if _SCHEME.match(path):
        raise ValueError(f"{shown(text)} is an address, and nothing is downloaded: give the path of a file here")
    for start in (root, Path()):
        place = os.path.normpath(start / path)
        if path and os.path.exists(place):  # noqa: PTH110 - pathlib's raises for a name that is too long
            place = os.path.abspath(place)  # noqa: PTH100 - text
            inside = os.path.relpath(place, root)
            return place if escape_reason(root, inside) else inside
    raise ValueError(f"there is no file or directory {shown(text)}")
