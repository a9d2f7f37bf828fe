"""Frozen values as documents.

Values here are ``msgspec.Struct``: a dataclass writes and compiles its methods anew in every process, half a
millisecond for each class, which was a third of the time of a short run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


def as_dict(value: Struct) -> dict[str, Any]:
    """A value by the names of its fields, and so every value in it; what is no value stays as it is."""
    return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return as_dict(value)
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return value
