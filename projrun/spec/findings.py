"""What a schema cannot find: names that lead nowhere, parameters that reach nothing, paths that lead out."""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path

from projrun.core import json_schema
from projrun.core.files import read_regular
from projrun.core.nearest import did_you_mean, nearest_file
from projrun.core.paths import escape_reason, is_below
from projrun.core.patterns import is_pattern, matching
from projrun.spec import command as commands
from projrun.spec import parameters
from projrun.spec.declaration import NO_COMMAND, Declared
from projrun.spec.fault import Fault
from projrun.spec.fault import Path as Place
from projrun.spec.model import (
    BUILTIN_PLACEHOLDERS,
    DATA_PREFIX,
    DEFAULT_ENVIRONMENT,
    DataEntry,
    DockerSpec,
    EntryPoint,
    EnvironmentSpec,
    Parameter,
)

_LARGEST_SCHEMA = 10_000_000  # bytes


def all_of(declared: Declared, root: Path) -> Iterator[Fault]:
    """Every finding in a specification of the project ``root``."""
    for place, environment in declared.environments.items():
        yield from _overlapping_variables(place, environment)
    for entry_point in declared.entry_points.values():
        here = ("entry_points", entry_point.name)
        yield from _environment_reference(here, entry_point, declared)
        if not entry_point.command.format:
            yield from _reserved_names(here, entry_point)
        if entry_point.command != NO_COMMAND:
            yield from _placeholders(here, entry_point, declared)
        yield from _data_references(here, entry_point, declared.data)
        yield from _outputs(here, entry_point, declared.data)
    left = tuple(leaving(declared, root))
    yield from left
    yield from _missing_files(declared, root, {fault.path for fault in left})
    yield from _schemas(declared, root, {fault.path for fault in left})


def leaving(declared: Declared, root: Path) -> Iterator[Fault]:
    """Paths that are not inside the project. It depends on the links that are there, not on the text alone."""
    for place, path in _paths(declared):
        if reason := escape_reason(root, path):
            yield Fault(place, f"{path!r} is not a path inside the project: {reason}")


def _overlapping_variables(here: Place, environment: EnvironmentSpec) -> Iterator[Fault]:
    for key, names, others in (
        ("inherit", environment.inherit, {"variables": environment.variables}),
        ("secrets", environment.secrets, {"variables": environment.variables, "inherit": environment.inherit}),
    ):
        for index, name in enumerate(names):
            for other, taken in others.items():
                if name in taken:
                    message = f"{name} is under {other!r} too: it can have one value only"
                    yield Fault((*here, key, index), message)


def _environment_reference(here: Place, entry_point: EntryPoint, declared: Declared) -> Iterator[Fault]:
    known = declared.environments_by_name
    name = entry_point.environment
    if name is not None and name not in known:
        message = f"{name!r} is not declared under 'environments'"
        yield Fault((*here, "environment"), message, did_you_mean(name, known))
    elif name is None and len(known) > 1 and DEFAULT_ENVIRONMENT not in known:
        message = f"it runs in none of the environments: it names none, and none is called {DEFAULT_ENVIRONMENT!r}"
        yield Fault(here, message, f"environment: {next(iter(known))}", key=True)


def _reserved_names(here: Place, entry_point: EntryPoint) -> Iterator[Fault]:
    for name in entry_point.parameters:
        if name in BUILTIN_PLACEHOLDERS:
            message = f"{{{name}}} is filled by projrun, so no parameter can have this name"
            yield Fault((*here, "parameters", name), message, "choose another name", key=True)


def _placeholders(here: Place, entry_point: EntryPoint, declared: Declared) -> Iterator[Fault]:
    unread = {str(path[3]): Parameter(str(path[3]), "json") for path in declared.unread if path[:2] == here}
    declared_here = {**entry_point.parameters, **unread}
    for message in commands.problems(entry_point.command, declared_here):
        yield Fault((*here, "command"), message)
    for name in commands.unused(entry_point.command, declared_here):
        if name not in BUILTIN_PLACEHOLDERS and parameters.is_name(name):
            message = f"the command never uses {name!r}: the parameter never reaches the program"
            yield Fault(
                (*here, "parameters", name), message, f"put {{{name}}} or {{params}} in the command", key=True
            )


def _data_references(here: Place, entry_point: EntryPoint, data: Mapping[str, DataEntry]) -> Iterator[Fault]:
    references = [
        ((*here, "parameters", name, "default"), str(parameter.default.raw))
        for name, parameter in entry_point.parameters.items()
        if parameter.type == "path" and parameter.default
    ]
    references += [((*here, "inputs", index), text) for index, text in enumerate(entry_point.inputs)]
    for place, text in references:
        if text.startswith(DATA_PREFIX) and text[len(DATA_PREFIX) :] not in data:
            name = text[len(DATA_PREFIX) :]
            yield Fault(place, f"{name!r} is not declared under 'data'", did_you_mean(name, data))


def _outputs(here: Place, entry_point: EntryPoint, data: Mapping[str, DataEntry]) -> Iterator[Fault]:
    pinned = {posixpath.normpath(data[name].path) for name in _data_used(entry_point, data) if data[name].sha256}
    for key, paths in (("outputs", entry_point.outputs), ("metrics", entry_point.metrics)):
        seen = set()
        for index, path in enumerate(paths):
            plain = posixpath.normpath(path)
            if plain == ".":
                yield Fault((*here, key, index), f"{path!r} is the project itself", "name what the program writes")
            elif plain in pinned:
                message = f"{path!r} is an input with a pinned hash too: writing it would break the pin"
                yield Fault((*here, key, index), message)
            elif plain in seen:
                yield Fault((*here, key, index), f"{path!r} is in the list twice")
            seen.add(plain)


def _data_used(entry_point: EntryPoint, data: Mapping[str, DataEntry]) -> Iterator[str]:
    texts = [*entry_point.inputs]
    for parameter in entry_point.parameters.values():
        if parameter.type == "path" and parameter.default:
            texts.append(str(parameter.default.raw))
    yield from (name for name in data if DATA_PREFIX + name in texts)


def _missing_files(declared: Declared, root: Path, left: set[Place]) -> Iterator[Fault]:
    # os.path and not pathlib, whose questions raise for a name that is too long or a directory that is closed.
    for here, environment in declared.environments.items():
        for place, path in _environment_paths(here, environment):
            is_file = place[-1] != "context"
            if is_file and place not in left and not os.path.isfile(root / path):  # noqa: PTH113 - see above
                hints = (nearest_file(root, path), environment.how_to_lock if place[-1] == "lock" else "")
                yield Fault(place, f"there is no file {path!r}", " else: ".join(filter(None, hints)), missing=True)
            if not is_file and place not in left and not os.path.isdir(root / path):  # noqa: PTH112 - see above
                yield Fault(place, f"there is no directory {path!r}", nearest_file(root, path), missing=True)
    written = [path for entry_point in declared.entry_points.values() for path in entry_point.products]
    for place, path in _read_paths(declared):
        made = is_below(path, written) or (
            place[0] == "data" and place[2:] == ("path",) and _is_fetched(declared, place)
        )
        if place not in left and not made and not _is_there(root, path):
            is_name = place[0] == "entry_points" and path in declared.data
            hint = f"did you mean 'data:{path}'?" if is_name else nearest_file(root, path)
            yield Fault(place, f"there is no {path!r}, and no entry point has it as an output", hint, missing=True)


def _is_fetched(declared: Declared, place: Place) -> bool:
    return declared.data[str(place[1])].url is not None


def _is_there(root: Path, path: str) -> bool:
    if is_pattern(root, path):
        return bool(matching(root, path))
    return os.path.exists(root / path)  # noqa: PTH110 - pathlib's raises for a name that is too long


def _schemas(declared: Declared, root: Path, left: set[Place]) -> Iterator[Fault]:
    """Schemas of data that cannot be used."""
    for name, entry in declared.data.items():
        place: Place = ("data", name, "schema")
        if entry.schema is None or place in left or not os.path.exists(root / entry.schema):  # noqa: PTH110
            continue  # that was told
        try:
            json_schema.Validator(json.loads(read_regular(root / entry.schema, _LARGEST_SCHEMA)))
        except (OSError, ValueError, RecursionError, json_schema.BadSchema) as error:
            yield Fault(place, f"{entry.schema!r} is no JSON Schema: {error}", missing=True)


def _read_paths(declared: Declared) -> Iterator[tuple[Place, str]]:
    for name, entry in declared.data.items():
        yield ("data", name, "path"), entry.path
        if entry.schema is not None:
            yield ("data", name, "schema"), entry.schema
    for name, entry_point in declared.entry_points.items():
        for index, path in enumerate(entry_point.inputs):
            if not path.startswith(DATA_PREFIX):
                yield ("entry_points", name, "inputs", index), path


def _environment_paths(here: Place, environment: EnvironmentSpec) -> Iterator[tuple[Place, str]]:
    docker = environment.docker or DockerSpec()
    named = {
        ("lock",): environment.lock,
        ("requirements",): environment.requirements,
        ("docker", "file"): docker.file,
        ("docker", "context"): docker.context if environment.docker else None,
    }
    yield from (((*here, *keys), path) for keys, path in named.items() if path)


def _paths(declared: Declared) -> Iterator[tuple[Place, str]]:
    for here, environment in declared.environments.items():
        yield from _environment_paths(here, environment)
    yield from _read_paths(declared)
    for name, entry_point in declared.entry_points.items():
        here = ("entry_points", name)
        for key, paths in (("outputs", entry_point.outputs), ("metrics", entry_point.metrics)):
            yield from (((*here, key, index), path) for index, path in enumerate(paths))
        for key, parameter in entry_point.parameters.items():
            yield from (((*here, "parameters", key, "default"), path) for path in _default_paths(parameter))


def _default_paths(parameter: Parameter) -> tuple[str, ...]:
    if parameter.default is None or "path" not in (parameter.type, parameter.items) or parameter.absolute:
        return ()
    raw = parameter.default.raw
    if parameter.type == "list":
        return raw if isinstance(raw, tuple) else ()
    return (str(raw),) if parameter.type == "path" and not str(raw).startswith(DATA_PREFIX) else ()
