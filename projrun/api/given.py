"""What a program gives: parameters, labels, a seed, names, as the command line would have them, or UsageError."""

from __future__ import annotations

import json
import numbers
import operator
import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from projrun.core.errors import UsageError
from projrun.core.nearest import nearest

LARGEST_SEED = 2**32 - 1
_SHOWN = 20  # names in an error

PathLike = str | os.PathLike[str]
Value = TypeVar("Value")


def unfit(what: str, wanted: str, value: object, hint: str) -> UsageError:
    """The error for an argument of another type than it takes."""
    return UsageError(
        f"{what} has to be {wanted}", why=f"it is {value!r:.80}, of type {kind_of(value)}", hint=hint
    )


def kind_of(value: object) -> str:
    """The name of a value's type."""
    return type(value).__name__


def path_text(what: str, value: object) -> str:
    """A path as text. Raises UsageError for what is none."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str) and "\0" not in value:
        return value
    raise unfit(what, "a path: text, or a pathlib.Path", value, f'{what}="some/place", for example')


def text(what: str, value: object, example: str) -> str:
    """A text. Raises UsageError for what is none."""
    if isinstance(value, str):
        return value
    raise unfit(what, "text", value, example)


def text_or_none(what: str, value: object) -> str | None:
    """A text, or None. Raises UsageError for what is neither."""
    return None if value is None else text(what, value, f'{what}="name", or leave it out')


def texts(what: str, value: object, example: str) -> tuple[str, ...]:
    """Texts, of which one may stand alone. Raises UsageError for what are none."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Sequence | frozenset | set) and not isinstance(value, bytes | bytearray):
        return tuple(text(f"each of {what}", one, example) for one in value)
    raise unfit(what, "text, or a list of texts", value, example)


def truth(what: str, value: object) -> bool:
    """A truth value; any other would be taken for one in silence. Raises UsageError."""
    value = plain(value)
    if isinstance(value, bool):
        return value
    raise unfit(what, "True or False", value, f"{what}=True, for example")


def count_or_none(what: str, value: object) -> int | None:
    """A whole number of 0 or more, or None for all. Raises UsageError."""
    if value is None:
        return None
    number = _whole(value)
    if number is None:
        raise unfit(what, "a whole number", value, f"{what}=10, for example, or {what}=None for all of them")
    if number < 0:
        raise UsageError(f"{what} {number}: there are no fewer runs than 0", hint=f"{what}=None for all of them")
    return number


def mapping(what: str, value: object, example: str) -> Mapping[str, Any]:
    """A mapping of names; None is an empty one. Raises UsageError for what is none."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise unfit(what, "a mapping of names to values", value, example)
    for name in value:
        text(f"each name of {what}", name, example)
    return value


def plain(value: Any) -> Any:
    """Python's own for a number or array of numpy, or a column of pandas; other values as they are."""
    return value.tolist() if hasattr(value, "tolist") else value


def parameter_text(name: str, value: Any) -> str:
    """A parameter's value as the text after ``-P`` that means it. Raises UsageError for what no text means."""
    value = _native(value)
    if isinstance(value, str):
        return value
    if isinstance(value, float | Decimal):
        return str(value).lower().replace("infinity", "inf")
    try:
        return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False, default=_in_json)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"parameter {name!r} cannot be given as {kind_of(value)}",
            why=str(error),
            hint="give text, a number, a truth value, a path, or a list or mapping of those",
        ) from error


def _native(value: Any) -> Any:
    """A value as one that JSON has, where there is one that means the same."""
    value = plain(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, numbers.Integral) and not isinstance(value, int):
        return operator.index(value)
    if isinstance(value, numbers.Real) and not isinstance(value, int | float):
        return float(value)
    return value


def _in_json(value: Any) -> Any:
    """The same of a value within others. Raises TypeError for one that JSON has nothing for."""
    found = _native(value)
    if found is value:
        raise TypeError(f"JSON has nothing for {kind_of(value)}")
    return found


def label(what: str, value: object) -> str:
    """A text for the record. Raises UsageError for what no record could keep."""
    try:
        if isinstance(value, str):
            value.encode()
            return value
        why = f"it is {value!r:.80}"
    except UnicodeEncodeError as error:
        why = str(error)
    raise UsageError(f"{what} has to be text of valid Unicode", why=why, hint=f'{what}="draft", for example')


def label_or_none(what: str, value: object) -> str | None:
    """The same, or None."""
    return None if value is None else label(what, value)


def valid_tags(tags: object) -> dict[str, str]:
    """Tags for the record. Raises UsageError for one without a name."""
    found = mapping("tags", tags, 'tags={"draft": "", "paper": "one"}')
    if "" in found:
        raise UsageError("a tag needs a name", why="one of tags has an empty one", hint='tags={"draft": ""}')
    return {label("a tag", name): label("a tag", value) for name, value in found.items()}


def valid_seed(seed: object) -> int | None:
    """A seed, or None. Raises UsageError for what is none."""
    number = _whole(seed)
    if seed is None or (number is not None and 0 <= number <= LARGEST_SEED):
        return number
    raise UsageError(
        f"seed {seed!r:.80}: a seed is a whole number from 0 to {LARGEST_SEED}", hint="seed=7, for example"
    )


def _whole(value: Any) -> int | None:
    """A whole number of any kind as Python's own; None for what is none, truth values among them."""
    if isinstance(plain(value), bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


class Absent(KeyError):
    """What a run does not have. It is printed as it is, and not as a text in quotes."""

    def __str__(self) -> str:
        return str(self.args[0])


def absent(whose: str, what: str, name: object, names: Sequence[str]) -> Absent:
    """The error for a name that a run has nothing of: what was meant, and what there is."""
    near = nearest(name[:80], names) if isinstance(name, str) else None
    more = ", ..." * (len(names) > _SHOWN)
    known = f"it has {', '.join(names[:_SHOWN])}{more}" if names else "it has none"
    return Absent(f"{whose} has no {what} {name!r:.80}: {f'did you mean {near!r}? ' * bool(near)}{known}")


class ByName(dict[str, Value]):
    """What a run has by names. A name that it does not have is told with those that it has."""

    def __init__(self, values: Mapping[str, Value], *, whose: str, what: str) -> None:
        super().__init__(values)
        self._whose, self._what = whose, what

    def __missing__(self, name: object) -> Value:
        raise absent(self._whose, self._what, name, list(self))
