"""Commands that are format strings of Python (PEP 3101), as MLproject files have them; bash runs what they become.

A value is quoted by itself, and put in wherever its placeholder stands: what the quotes around it make of that is
the author's affair, as it is with MLflow.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from string import Formatter

from projrun.core.regex import regex

_END_OF_NAME = regex(r"[.\[]")
_DEEPEST = 2  # a format within a format, which has no further one in it


def names(text: str) -> tuple[str, ...]:
    """The names of its placeholders, each once. Raises ValueError where it is no format string, or has no name."""
    return tuple(dict.fromkeys(_names(text, _DEEPEST)))


def filled(text: str, values: Mapping[str, str], appended: Iterable[tuple[str, str]]) -> str:
    """The text for the shell, with every value in its place, and after it those that have none.

    Raises ValueError for a placeholder that wants of its value what a text does not have.
    """
    try:
        command = text.format(**{name: shlex.quote(value) for name, value in values.items()})
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise ValueError(f"it cannot be filled in: {error}") from None
    return " ".join([command, *(f"--{name} {shlex.quote(value)}" for name, value in appended)])


def _names(text: str, deep: int) -> Iterator[str]:
    for _, field, layout, _ in Formatter().parse(text):
        if field is None:
            continue
        if deep < 1:
            raise ValueError(f"{{{field}}} stands in a format of a format")
        name = _END_OF_NAME.split(field, maxsplit=1)[0]
        if not name or name.isdigit():
            raise ValueError(f"{{{field}}} names no parameter: braces for the shell are written {{{{ and }}}}")
        yield name
        yield from _names(layout or "", deep - 1)
