"""From the plain values of a specification to the frozen ones: every short form is written out here."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from projrun.core.regex import regex
from projrun.core.values import Struct, replace
from projrun.spec import command as commands
from projrun.spec import container, parameters
from projrun.spec.fault import Fault, Path
from projrun.spec.model import (
    DEFAULT_ENVIRONMENT,
    Command,
    DataEntry,
    EntryPoint,
    EnvironmentSpec,
    Parameter,
    Tolerance,
    Value,
)

_CONSTRAINTS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
)
_BOUNDS = (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"))
_KINDS = {bool: "bool", int: "int", float: "float", str: "str"}
_DURATION = regex(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")

NO_COMMAND = Command((), "")


class Declared(Struct, frozen=True):
    """What a specification declares, as far as it can be read; ``faults`` are what could not.

    ``environments`` are by their place in the file. ``unread`` are the paths of parameters that are declared and
    could not be read. An entry point whose command could not be read has :data:`NO_COMMAND`.
    """

    environments: Mapping[Path, EnvironmentSpec]
    data: Mapping[str, DataEntry]
    entry_points: Mapping[str, EntryPoint]
    faults: tuple[Fault, ...]
    unread: frozenset[Path]

    @property
    def environments_by_name(self) -> Mapping[str, EnvironmentSpec]:
        return {environment.name: environment for environment in self.environments.values()}


def declare(value: Mapping[str, Any], texts: Mapping[Path, str]) -> Declared:
    """The declarations of a specification that the schema finds right, or of those parts of it that are.

    ``texts`` holds the source text of plain scalars by path.
    """
    reader = _Reader(texts, tuple(value.get("seeding", ())))
    entry_points = {name: reader.entry_point(name, node) for name, node in value.get("entry_points", {}).items()}
    products = dict.fromkeys(path for entry_point in entry_points.values() for path in entry_point.products)
    environments = _environments(value)
    for place, one in environments.items():
        if one.docker is not None:
            reader.faults += container.faults(one.docker, (*place, "docker"))
    return Declared(
        {place: _with_products(one, tuple(products)) for place, one in environments.items()},
        {name: _data(name, node) for name, node in value.get("data", {}).items()},
        entry_points,
        tuple(reader.faults),
        frozenset(reader.unread),
    )


def seconds(node: float | str) -> float:
    """A timeout in seconds. Raises ValueError when it is no time that can pass."""
    if isinstance(node, str):
        found = _DURATION.fullmatch(node)
        days, hours, minutes, rest = (int(part or 0) for part in (found.groups() if found else ()))
        node = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    try:
        time = float(node)
    except OverflowError:
        time = math.inf
    if not 0 < time < math.inf:
        raise ValueError("a timeout is a number of seconds above 0, or as in 90s, 30m, 2h, 1d, 1h30m")
    return time


def _environments(value: Mapping[str, Any]) -> dict[Path, EnvironmentSpec]:
    several = value.get("environments")
    if several is None:
        return {("environment",): _environment(DEFAULT_ENVIRONMENT, value.get("environment", {}))}
    return {("environments", name): _environment(name, node) for name, node in several.items()}


def _environment(name: str, node: Mapping[str, Any]) -> EnvironmentSpec:
    """An environment, with defaults for what is left out."""
    lists = ("packages", "extras", "groups", "source_distributions", "inherit", "secrets")
    keys: dict[str, Any] = {key: tuple(value) if key in lists else value for key, value in node.items()}
    if "docker" in keys:
        keys["docker"] = container.read(keys["docker"])
    return EnvironmentSpec(name, **keys)


def _with_products(environment: EnvironmentSpec, products: tuple[str, ...]) -> EnvironmentSpec:
    if environment.docker is None:
        return environment
    return replace(environment, docker=replace(environment.docker, products=products))


def _data(name: str, node: Any) -> DataEntry:
    if isinstance(node, str):
        return DataEntry(name, node)
    pin = node.get("sha256")
    keys = {key: node[key] for key in ("keep", "schema", "url") if key in node}
    return DataEntry(name, node.get("path", "."), pin.lower() if pin else None, **keys)


def _paths(node: Any) -> tuple[str, ...]:
    return (node,) if isinstance(node, str) else tuple(node)


def _tolerance(node: Any) -> Tolerance:
    keys = node if isinstance(node, dict) else {"absolute": node}
    try:
        found = Tolerance(**{key: float(value) for key, value in keys.items()})
    except OverflowError:
        found = Tolerance(math.inf)
    if not (math.isfinite(found.absolute) and math.isfinite(found.relative)):
        raise ValueError("a tolerance is a finite number: leave a metric out that need not be compared")
    return found


class _Reader:
    def __init__(self, texts: Mapping[Path, str], seeding: tuple[str, ...]) -> None:
        self.texts = texts
        self.seeding = seeding
        self.faults: list[Fault] = []
        self.unread: set[Path] = set()

    def below(self, path: Path) -> Mapping[Path, str]:
        """The source texts from ``path`` on, by their path from there."""
        depth = len(path)
        return {place[depth:]: text for place, text in self.texts.items() if place[:depth] == path}

    def attempt(self, path: Path, read: Callable[[], Any], otherwise: Any) -> Any:
        """What ``read`` gives; its ValueError becomes a fault at ``path``."""
        try:
            return read()
        except ValueError as error:
            self.faults.append(Fault(path, str(error)))
            return otherwise

    def entry_point(self, name: str, node: Any) -> EntryPoint:
        here: Path = ("entry_points", name)
        if not isinstance(node, dict):
            return EntryPoint(name, self.command(here, node, shell=False), seeding=self.seeding)
        declared = {}
        for key, below in node.get("parameters", {}).items():
            place = (*here, "parameters", key)
            found = len(self.faults)
            parameter = self.parameter(place, key, below)
            if len(self.faults) == found:
                declared[key] = parameter
            else:
                self.unread.add(place)
        command = NO_COMMAND
        if "command" in node:
            command = self.command((*here, "command"), node["command"], shell=node.get("shell", False))
        timeout = None
        if "timeout" in node:
            timeout = self.attempt((*here, "timeout"), lambda: seconds(node["timeout"]), None)
        return EntryPoint(
            name,
            command,
            help=node.get("help", ""),
            parameters=declared,
            inputs=_paths(node.get("inputs", ())),
            outputs=_paths(node.get("outputs", ())),
            metrics=_paths(node.get("metrics", ())),
            timeout=timeout,
            environment=node.get("environment"),
            tolerance=self.tolerances((*here, "tolerance"), node.get("tolerance", {})),
            seeding=tuple(node.get("seeding", self.seeding)),
            appends=node.get("undeclared") == "append",
        )

    def tolerances(self, path: Path, node: Mapping[str, Any]) -> dict[str, Tolerance]:
        return {
            name: self.attempt((*path, name), partial(_tolerance, below), Tolerance())
            for name, below in node.items()
        }

    def command(self, path: Path, node: str | Sequence[str], *, shell: bool | str) -> Command:
        read: Command = self.attempt(path, lambda: commands.parse(node, shell=shell), NO_COMMAND)
        return read

    def parameter(self, path: Path, name: str, node: Any) -> Parameter:
        if isinstance(node, dict):
            return self.long_parameter(path, name, node)
        if isinstance(node, str):
            return Parameter(name, node)
        if isinstance(node, list):
            items = self.attempt(path, lambda: _items_of(node), "str")
            parameter = Parameter(name, "list", items=items)
        else:
            parameter = Parameter(name, _KINDS[type(node)])
        return replace(parameter, default=self.value(path, parameter, node))

    def long_parameter(self, path: Path, name: str, node: Mapping[str, Any]) -> Parameter:
        kind, items = node["type"], node.get("items", "str")
        constraints = {word: node[word] for word in _CONSTRAINTS if word in node}
        for word, limit in constraints.items():
            self.attempt((*path, word), partial(_check_constraint, word, limit), None)
        for low, high in _BOUNDS:
            if low in node and high in node and node[low] > node[high]:
                self.faults.append(Fault((*path, low), f"{low} {node[low]} is above {high} {node[high]}"))
        word = "choices" if "choices" in node else "enum"
        if word in node:
            one = Parameter(name, items if kind == "list" else kind)
            read = [self.value((*path, word, index), one, choice) for index, choice in enumerate(node[word])]
            constraints["enum"] = [value.value for value in read if value]
        parameter = Parameter(
            name,
            kind,
            items=items,
            flag=node.get("flag"),
            help=node.get("help", ""),
            constraints=constraints,
            secret=node.get("secret", False),
            checked=node.get("check", True),
            absolute=node.get("absolute", False),
        )
        if "default" not in node:
            return parameter
        return replace(parameter, default=self.value((*path, "default"), parameter, node["default"]))

    def value(self, path: Path, parameter: Parameter, node: Any) -> Value | None:
        if node is None and parameter.type != "json":
            hint = 'leave it out to make the parameter required, or write ""'
            self.faults.append(Fault(path, f"nothing (null) is not a value of type {parameter.type}", hint))
            return None
        read: Value | None = self.attempt(
            path, lambda: parameters.read_native(parameter, node, self.below(path)), None
        )
        return read


def _items_of(node: Sequence[Any]) -> str:
    kinds = {_KINDS[type(item)] for item in node}
    if kinds == {"int", "float"}:
        return "float"
    if len(kinds) > 1:
        raise ValueError(
            f"the items are of the types {' and '.join(sorted(kinds))}:"
            " write {type: list, items: TYPE, default: [...]}"
        )
    return kinds.pop()


def _check_constraint(word: str, limit: Any) -> None:
    if isinstance(limit, float) and not math.isfinite(limit):
        raise ValueError(f"{word} is not a finite number")
    if word == "pattern":
        try:
            re.compile(limit)
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"{limit!r} is not a regular expression: {error}") from None
