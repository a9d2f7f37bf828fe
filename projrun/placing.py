"""Where a run runs: in the user's own directory, or in a private checkout that is gone after it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from projrun.source.model import Source

if TYPE_CHECKING:
    from projrun.source.mirror import Mirror


@dataclass(frozen=True)
class Place:
    """Where the project is looked for (``start``), and whose it is.

    ``local`` is the user's own project directory, None when the source is an address. Of a private checkout:
    ``checkout`` is its root, ``source`` what it holds, ``mirrored`` the mirrors and commits it came from, and
    ``told`` what was said while it was made.
    """

    start: Path
    local: Path | None
    checkout: Path | None = None
    source: Source | None = None
    mirrored: tuple[tuple[Mirror, str], ...] = ()
    told: tuple[str, ...] = ()
