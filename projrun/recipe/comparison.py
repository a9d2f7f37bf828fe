"""What makes two runs two, by their documents: layer by layer, only what differs.

A layer reads facts (name to JSON value) from each run's documents, and two mappings are compared. What a document
does not tell, because the run ended before it, or is damaged, is said and never raised.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from projrun.core.values import Struct
from projrun.recipe import facts
from projrun.recipe.facts import Documents, Facts

SAME, DIFFERS, UNKNOWN = "same", "differs", "unknown"


class Change(Struct, frozen=True):
    """One fact before and after, as JSON values; None: it is not there.

    ``absolute`` is how much a number grew, ``relative`` the same as a part of what it was: 0.5 is half as much
    again. They are None where there are no two numbers, or no such part.
    """

    what: str
    before: Any
    after: Any
    absolute: float | None = None
    relative: float | None = None

    @property
    def kind(self) -> str:
        """``added``, ``removed`` or ``changed``."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"


class Layer(Struct, frozen=True):
    """What differs in one layer. ``why`` says what keeps it from being compared."""

    name: str
    changes: tuple[Change, ...] = ()
    why: str | None = None

    @property
    def state(self) -> str:
        """``same``, ``differs`` or ``unknown``."""
        if self.why is not None:
            return UNKNOWN
        return DIFFERS if self.changes else SAME


class _Reading(Struct, frozen=True):
    """How a layer is read, and when two of its values are the same."""

    name: str
    document: str
    read: Callable[[Documents], Facts]
    same: Callable[[Any, Any], bool]


def _same_variable(before: Any, after: Any) -> bool:
    """Whether a program finds the same; who wanted it makes no difference to it. Of a secret nobody knows."""
    secret = "secret" in (before["from"], after["from"])
    return same_value(before, after) if secret else same_value(before["value"], after["value"])


def same_value(before: Any, after: Any) -> bool:
    """Whether two JSON values are the same: 1 and 1.0 are, 1 and true are not, NaN is itself."""
    if isinstance(before, bool) or isinstance(after, bool):
        return before is after
    if isinstance(before, (int, float)) and isinstance(after, (int, float)):
        return before == after or (before != before and after != after)  # noqa: PLR0124 - NaN
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return before.keys() == after.keys() and all(same_value(before[key], after[key]) for key in before)
    if isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)):
        return len(before) == len(after) and all(map(same_value, before, after))
    return bool(type(before) is type(after) and before == after)


def same_distribution(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether two distributions of one name are the same as far as both are known."""
    known = [key for key in ("archive", "sha256") if before[key] and after[key]]
    return before["version"] == after["version"] and all(before[key] == after[key] for key in known)


def _same_parameter(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """By what the text means to the declared type; how it was written is the command's to tell."""
    return bool(before["type"] == after["type"]) and same_value(before["value"], after["value"])


# In the order of the stages, as people ask: which project, what ran, in what, on what, what came of it.
_READINGS = (
    _Reading("project", "start", facts.project, same_value),
    _Reading("environment", "recipe", facts.environment, same_value),
    _Reading("interpreter", "recipe", facts.interpreter, same_value),
    _Reading("lock", "recipe", facts.lock, same_value),
    _Reading("packages", "recipe", facts.packages, same_distribution),
    _Reading("image", "recipe", facts.image, same_value),
    _Reading("system packages", "recipe", facts.system_packages, same_value),
    _Reading("parameters", "recipe", facts.parameters, _same_parameter),
    _Reading("seed", "recipe", facts.seed, same_value),
    _Reading("command", "recipe", facts.command, same_value),
    _Reading("variables", "recipe", facts.variables, _same_variable),
    _Reading("inputs", "recipe", facts.inputs, same_value),
    _Reading("host", "recipe", facts.host, same_value),
    _Reading("outputs", "outcome", facts.outputs, same_value),
    _Reading("metrics", "outcome", facts.metrics, same_value),
    _Reading("result", "result", facts.result, same_value),
)


def layers(before: Documents, after: Documents) -> tuple[Layer, ...]:
    """Every layer but the code, which takes more than the documents, in the order that they are told in."""
    return tuple(_layer(reading, before, after) for reading in _READINGS)


def took(before: Documents, after: Documents) -> Change | None:
    """How long the two took, in seconds; None when one has not ended. No two runs take equally long."""
    try:
        found = [float(one.outcome["duration"]) for one in (before, after) if one.outcome]
    except (LookupError, TypeError, ValueError, OverflowError):
        return None
    return change("duration", *found) if len(found) == 2 else None


def change(what: str, before: Any, after: Any) -> Change:
    """A change, of two numbers with how much it is."""
    return Change(what, before, after, *_growth(before, after))


def _growth(before: Any, after: Any) -> tuple[float | None, float | None]:
    numbers = [one for one in (before, after) if isinstance(one, (int, float)) and not isinstance(one, bool)]
    if len(numbers) < 2:
        return None, None
    try:
        absolute = numbers[1] - numbers[0]
        relative = absolute / abs(numbers[0]) if numbers[0] else None
        finite = math.isfinite(absolute)
    except OverflowError:  # whole numbers beyond any float
        return None, None
    if not finite:
        return None, None
    return absolute, relative if relative is not None and math.isfinite(relative) else None


def _layer(reading: _Reading, before: Documents, after: Documents) -> Layer:
    found, missing = [], []
    for one in (before, after):
        read = _facts(reading, one)
        if isinstance(read, str):
            missing.append(read)
        else:
            found.append(read)
    if missing:
        return Layer(reading.name, why="; ".join(dict.fromkeys(missing)))
    try:
        return Layer(reading.name, tuple(_changes(found[0], found[1], reading.same)))
    except RecursionError:
        return Layer(reading.name, why="a value is nested too deeply to be compared")


def _facts(reading: _Reading, documents: Documents) -> Facts | str:
    """What the documents of a run say of a layer, or why they say nothing."""
    why = documents.why_without(reading.document)
    if why:
        return why
    try:
        return {name: value for name, value in reading.read(documents).items() if value is not None}
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return f"the documents of run {documents.run} do not tell ({type(error).__name__}: {error})"


def _changes(before: Facts, after: Facts, same: Callable[[Any, Any], bool]) -> Iterator[Change]:
    for name in _in_order(list(before), list(after)):
        if name not in before or name not in after or not same(before[name], after[name]):
            yield change(name, before.get(name), after.get(name))


def _in_order(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """The names of both, those of the second where they would stand in the first."""
    known, last = set(before), ""
    behind: dict[str, list[str]] = {}
    for name in after:
        if name in known:
            last = name
        else:
            behind.setdefault(last, []).append(name)
    return [*behind.get("", ()), *(one for name in before for one in (name, *behind.get(name, ())))]
