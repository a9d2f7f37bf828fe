"""The one door to the YAML library: the events of a text, and nothing of what it would make of them.

Its loaders guess types by the rules of YAML 1.1 and build whatever aliases multiply; what is written for them is
read by :func:`nodes`, which keeps count.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

_MOST_NODES = 20_000
_PLAIN = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


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
    with _told():
        yield from yaml.parse(text, Loader=loader)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Makes a NotYaml of what the library says in the block."""
    import yaml

    try:
        yield
    except yaml.MarkedYAMLError as error:
        found = error.problem_mark or error.context_mark
        assert found is not None, error
        said = ", ".join(part for part in (error.problem, error.context) if part)
        raise NotYaml(said, found.index, found.line + 1, found.column + 1) from None
    except yaml.YAMLError as error:
        raise NotYaml(str(error).splitlines()[0]) from None


class Node(NamedTuple):
    """A value as YAML 1.1 has it, with its line and column from 1.

    ``value`` is a Python value of a ``scalar``, a tuple of nodes of a ``sequence``, and one of pairs of nodes of a
    ``mapping``, with what ``<<`` merges in front of its own; ``written`` are its own alone.
    """

    kind: str
    value: Any
    line: int
    column: int
    written: tuple[Node, ...] = ()

    def plain(self) -> Any:
        """The value as Python's own values; of a key that is there twice the last one counts."""
        if self.kind == "mapping":
            return {key.value: below.plain() for key, below in self.value}
        return [below.plain() for below in self.value] if self.kind == "sequence" else self.value


def nodes(text: str) -> Node | None:
    """The values of a text as the library's safe loader reads them, YAML 1.1 and all; None of an empty text.

    Raises NotYaml, also for tags, for more than one document, and for what aliases make too large.
    """
    import yaml  # slow to import

    with _told():
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        return None if root is None else _Walk(loader).node(root)


class _Walk:
    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._count = 0
        self._around: set[int] = set()

    def node(self, node: Any) -> Node:
        self._count += 1
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        if self._count > _MOST_NODES or id(node) in self._around:
            raise NotYaml("its aliases multiply what it says without end", None, line, column)
        if node.id == "scalar":
            try:
                return Node("scalar", self._loader.construct_object(node, deep=True), line, column)
            except ValueError as error:  # a date that is none, a number of too many digits
                raise NotYaml(str(error), None, line, column) from None
        if node.tag not in _PLAIN:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            raise NotYaml(f"the tag {tag} is not read", None, line, column)
        self._around.add(id(node))
        try:
            if node.id == "sequence":
                return Node("sequence", tuple(self.node(below) for below in node.value), line, column)
            return self._mapping(node, line, column)
        finally:
            self._around.discard(id(node))

    def _mapping(self, node: Any, line: int, column: int) -> Node:
        own = {id(key) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"}
        self._loader.flatten_mapping(node)
        pairs = tuple((self.node(key), self.node(below)) for key, below in node.value)
        for key, _ in pairs:
            if key.kind != "scalar":
                raise NotYaml("a key is a list or a mapping", None, key.line, key.column)
        both = zip(pairs, node.value, strict=True)
        return Node("mapping", pairs, line, column, tuple(key for (key, _), (one, _) in both if id(one) in own))
