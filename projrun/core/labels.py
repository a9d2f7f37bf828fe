"""What a user calls a run: its name, its tags and its note."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Labels:
    """What the user called the run. A tag that was given without a value has the empty text."""

    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None
