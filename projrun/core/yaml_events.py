"""The one door to the YAML library: the events of a text, and nothing of what it would make of them.

Its loaders guess types by the rules of YAML 1.1 and build whatever aliases multiply.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class NotYaml(Exception):
    """Where a text breaks off being YAML: its ``index`` (None: unknown), ``line`` and ``column`` from 1."""

    def __init__(self, message: str, index: int | None = None, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.index = index
        self.line = line
        self.column = column


def events(text: str, *, pure: bool = False) -> Iterator[Any]:
    """The library's events, lazily; what they are is told by the names of their classes.

    ``pure`` does without the compiled reader, which is not everywhere and counts places otherwise. Raises NotYaml.
    """
    import yaml  # slow to import

    compiled = getattr(yaml, "CSafeLoader", None)
    loader = yaml.SafeLoader if pure or compiled is None else compiled
    try:
        yield from yaml.parse(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        found = error.problem_mark or error.context_mark
        assert found is not None, error
        said = ", ".join(part for part in (error.problem, error.context) if part)
        raise NotYaml(said, found.index, found.line + 1, found.column + 1) from None
    except yaml.YAMLError as error:
        raise NotYaml(str(error).splitlines()[0]) from None
