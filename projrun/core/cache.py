"""What was found out once and can be found out again. A cache that fails costs time and nothing else."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from projrun.core.files import write_atomic

_T = TypeVar("_T")


def recall(file: Path, read: Callable[[Any], _T]) -> _T | None:
    """What ``read`` makes of the value kept in ``file``; None when there is none, or not one that it can read."""
    try:
        return read(json.loads(file.read_bytes()))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def keep(file: Path, value: Any) -> None:
    """Keeps a value of plain data for :func:`recall`, folders too. Infinity is a value here."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, json.dumps(value).encode(), mode=0o600, durable=False)
