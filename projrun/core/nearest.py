"""The name a user probably meant."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_FILES_LIKENESS = 0.85  # more than requirements.lock and requirements.in have


def nearest(name: str, names: Iterable[str], likeness: float = 0.6) -> str | None:
    """The one of ``names`` that is most like ``name``, or None when none is close (``likeness`` from 0 to 1)."""
    import difflib  # only ever needed for an error

    folded = {candidate.casefold(): candidate for candidate in names}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=likeness)
    return folded[close[0]] if close else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A hint that names the nearest one, or all of them when none is near; empty when there are none."""
    known = list(names)
    close = nearest(name, known)
    if close:
        return f"did you mean {close!r}?"
    return f"known: {', '.join(known)}" if known else ""


def nearest_file(root: Path, path: str) -> str:
    """A hint that names the file in ``root`` that a missing ``path`` may mean; empty when there is none."""
    folder, name = os.path.split(path)
    try:
        with os.scandir(root / folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_file() and entry.name != name)
    except (OSError, ValueError):  # a name that cannot be
        return ""
    near = nearest(name, names, _FILES_LIKENESS)
    return f"did you mean {os.path.join(folder, near)!r}?" if near else ""  # noqa: PTH118
