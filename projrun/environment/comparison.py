"""What makes two environments two: the inputs of their keys that differ, and which lines of their locks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from projrun.core.errors import EnvironmentFailure
from projrun.core.values import Struct
from projrun.environment import locked
from projrun.environment.lock import LockLine


class Side(Struct, frozen=True):
    """One of two environments: the inputs of its key, and its lock where it has one and it is known."""

    key: str
    inputs: Mapping[str, Any]
    lock_text: str | None


class Change(Struct, frozen=True):
    """An input (``interpreter.version``), or a package of the lock (``lock: NAME``), before and after."""

    what: str
    before: str | None
    after: str | None


def changes(before: Side, after: Side) -> tuple[Change, ...]:
    """What differs, inputs first; nothing when the keys are equal."""
    first, second = _flat(before.inputs), _flat(after.inputs)
    found = [
        Change(name, first.get(name), second.get(name))
        for name in dict.fromkeys((*first, *second))
        if first.get(name) != second.get(name)
    ]
    if not any(change.what == "lock.sha256" for change in found):
        return tuple(found)
    if before.lock_text is None or after.lock_text is None:
        return tuple(found)
    return (*found, *_line_changes(before.lock_text, after.lock_text))


def _line_changes(before: str, after: str) -> Sequence[Change]:
    try:
        first, second = _packages(before), _packages(after)
    except EnvironmentFailure:  # not a lock that this version reads
        return ()
    found = []
    for name in sorted(first.keys() | second.keys()):
        old, new = first.get(name), second.get(name)
        if old == new:
            continue
        if old is not None and new is not None and old[0] == new[0]:
            count = f"{len(old[1])} hash{'es' * (len(old[1]) != 1)}"
            found.append(Change(f"lock: {name}", f"{old[0]}, {count}", f"{new[0]}, other hashes"))
        else:
            found.append(Change(f"lock: {name}", old and old[0], new and new[0]))
    if not found and before != after:
        found.append(Change("lock: the same packages", "other comments, order or spaces", "the same otherwise"))
    return found


def _packages(text: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Version with marker, and hashes, of each package."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for line in locked.every_line(text):
        version, hashes = _told(line)
        earlier = found.get(line.name)
        if earlier is not None:  # one line for each platform
            version, hashes = f"{earlier[0]} | {version}", earlier[1] | hashes
        found[line.name] = (version, hashes)
    return found


def _told(line: LockLine) -> tuple[str, frozenset[str]]:
    return f"{line.version}{f' ; {line.marker}' if line.marker else ''}", frozenset(line.hashes)


def _flat(inputs: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found = {}
    for name, value in inputs.items():
        if isinstance(value, Mapping):
            found.update(_flat(value, f"{prefix}{name}."))
        else:
            found[f"{prefix}{name}"] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return found
