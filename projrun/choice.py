"""What the user asked for, and what it comes to: the spec, the entry point, its parameters, its inputs."""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Iterable, Mapping
from pathlib import Path

from projrun.core.errors import SpecError, UsageError
from projrun.core.nearest import nearest
from projrun.core.paths import escape_reason, is_below
from projrun.core.values import Struct, replace
from projrun.options import Options
from projrun.recipe.redaction import Redactor
from projrun.spec import command, load, parameters
from projrun.spec.model import (
    DATA_PREFIX,
    DEFAULT_ENVIRONMENT,
    BoundParameter,
    DataEntry,
    EntryPoint,
    EnvironmentSpec,
    ProjectSpec,
)
from projrun.spec.place import find_project
from projrun.store.run import PARAMETERS

# Names an input that no data entry declares, but a path parameter points at.
FROM_PARAMETER = "parameter:"

# What runs a file that is no declared entry point, by the end of its name.
_PROGRAMS = {".py": "python", ".sh": "bash"}


class Choice(Struct, frozen=True):
    """What the options come to: the spec, the entry point, its environment, its parameters and the seed."""

    spec: ProjectSpec
    entry_point: EntryPoint
    environment: EnvironmentSpec
    parameters: Mapping[str, BoundParameter]
    seed: int


def choose(options: Options, start: Path) -> Choice:
    """Reads the spec of the project around ``start``, finds the entry point and binds its parameters.

    Writes nothing. Raises SpecError, and UsageError for an unknown entry point or environment or a bad parameter.
    """
    root = _project(options, start)
    spec = load.load(root, options.cache)
    entry_point = _entry_point(spec, options.entry_point)
    declared = environment_named(options.environment or entry_point.environment, spec)
    environment = _of_python(built_as_asked(declared, options.builder), options.python)
    try:
        bound = parameters.bind(
            entry_point, options.given, options.params_file, spec.data, root, origin=options.given_by
        )
    except UsageError as error:
        hide = Redactor(os.environ.get(name, "") for name in environment.secrets).text
        raise UsageError(hide(error.what), why=hide(error.why), hint=hide(error.hint)) from None
    seed = int.from_bytes(os.urandom(4), "big") % 2**31 if options.seed is None else options.seed
    return Choice(spec, entry_point, environment, bound, seed)


def choose_again(options: Options, start: Path, bound: Mapping[str, BoundParameter]) -> Choice:
    """As :func:`choose`, with parameters that were bound before, whatever their defaults and bounds are."""
    assert options.seed is not None
    spec = load.load(_project(options, start), options.cache)
    entry_point = _entry_point(spec, options.entry_point)
    declared = environment_named(options.environment or entry_point.environment, spec)
    return Choice(spec, entry_point, built_as_asked(declared, options.builder), bound, options.seed)


def _project(options: Options, start: Path) -> Path:
    """Where the specification is. Raises UsageError when an entry point was given in place of a directory."""
    try:
        return find_project(start)
    except SpecError:
        name = options.source
        with contextlib.suppress(SpecError):
            root = find_project(Path())
            if name in load.load(root, options.cache).entry_points:
                raise UsageError(
                    f"{name!r} is an entry point; SOURCE is a directory or an address",
                    hint=f"projrun run -e {name}",
                ) from None
        raise


def built_as_asked(declared: EnvironmentSpec, builder: str | None) -> EnvironmentSpec:
    """The environment with the builder of the command line. Raises UsageError when nothing is built."""
    if builder is None or builder == declared.builder:
        return declared
    if declared.system or declared.docker is not None:
        kind = "the system" if declared.system else "a docker"
        raise UsageError(
            "--builder: nothing is built from a lock here",
            why=f"the project declares {kind} environment",
            hint="leave --builder out",
        )
    return replace(declared, builder=builder)


def _of_python(declared: EnvironmentSpec, python: str | None) -> EnvironmentSpec:
    """The environment with the Python of the command line. Raises UsageError where it has none to choose."""
    if python is None or python == declared.python:
        return declared
    if declared.system or declared.docker is not None:
        raise UsageError(
            "--python: the environment has no Python to choose",
            why="it is an image" if declared.docker is not None else "it is the caller's own interpreter",
            hint="leave --python out",
        )
    return replace(declared, python=python)


def _entry_point(spec: ProjectSpec, name: str | None) -> EntryPoint:
    """The one that is asked for; without a name ``main``, or the only one."""
    known = spec.entry_points
    asked = name or "main"
    if asked in spec.refused:
        raise SpecError(
            f"the entry point {asked!r} cannot be run",
            why=spec.refused[asked],
            hint=f"mend it in {spec.file}, or choose another one: -e",
        )
    if name is not None and name not in known and spec.scripts and (script := _script(spec, name)) is not None:
        return script
    if name is None:
        if "main" in known or (len(known) == 1 and not spec.refused):
            return known.get("main") or next(iter(known.values()))
        raise UsageError(
            "which entry point?",
            why=f"{spec.name} declares {', '.join(known) or 'none'}, and none is called main",
            hint=f"projrun run -e {next(iter(known), 'FILE.py')}",
        )
    if name not in known:
        raise _unknown("entry point", "projrun run -e", name, known)
    return known[name]


def _script(spec: ProjectSpec, name: str) -> EntryPoint | None:
    """The entry point that a file of the project is by itself; None when it is none. Raises SpecError."""
    program = _PROGRAMS.get(posixpath.splitext(name)[1])
    if program is None:
        return None
    if (reason := escape_reason(spec.root, name)) or not (spec.root / name).is_file():
        raise SpecError(
            f"there is no file {name!r} to run",
            why=reason or f"{spec.root} does not have it",
            hint=f"-e {next(iter(spec.entry_points), 'FILE.py')}",
        )
    import shlex  # few runs have one

    text = f"{program} {shlex.quote(name)}".replace("{", "{{").replace("}", "}}")
    return EntryPoint(name, command.parse_format(text), appends=True)


def environment_named(name: str | None, spec: ProjectSpec) -> EnvironmentSpec:
    """The one that is asked for; without a name the default one, or the only one. Raises UsageError."""
    known = spec.environments
    if name is None and DEFAULT_ENVIRONMENT not in known and len(known) > 1:
        raise UsageError(
            "which environment?",
            why=f"the project declares {', '.join(known)}, and none is called {DEFAULT_ENVIRONMENT}",
            hint=f"--environment {next(iter(known))}",
        )
    if name is None:
        return known.get(DEFAULT_ENVIRONMENT) or next(iter(known.values()))
    if name not in known:
        raise _unknown("environment", "--environment", name, known)
    return known[name]


def _unknown(kind: str, typed: str, name: str, known: Iterable[str]) -> UsageError:
    names = list(known)
    return UsageError(
        f"there is no {kind} {name!r}",
        why=f"the project declares {', '.join(names)}",
        hint=f"{typed} {nearest(name, names) or next(iter(names), 'FILE.py')}",
    )


def declared_inputs(choice: Choice, elsewhere: Path | None = None) -> tuple[DataEntry, ...]:
    """The data its parameters refer to and what it lists as inputs.

    When it does neither: all the data but what the project's own entry points make. A path parameter that
    points at something which is there, in the project or in the directory ``elsewhere``, and is no output, is
    an input as well.
    """
    entry_point, data = choice.entry_point, choice.spec.data
    by_path = {entry.path: entry for entry in data.values()}
    referred = [data[bound.data] for bound in choice.parameters.values() if bound.data]
    listed = [_listed(text, data, by_path) for text in entry_point.inputs]
    made = [path for one in choice.spec.entry_points.values() for path in one.products]
    roots = (choice.spec.root, *([elsewhere] if elsewhere else []))
    given = [entry for entry in data.values() if not is_below(entry.path, made)]
    declared = dict.fromkeys([*referred, *listed] or given)
    known = {posixpath.normpath(entry.path) for entry in declared}
    pointed_at = [
        by_path.get(path) or DataEntry(f"{FROM_PARAMETER}{name}", path)
        for name, bound in choice.parameters.items()
        if bound.parameter.type == "path" and isinstance(path := bound.value.raw, str)
        if not posixpath.isabs(path)  # that is outside, and flagged
        if posixpath.normpath(path) not in known and not is_below(path, entry_point.products)
        if any(os.path.exists(root / path) for root in roots)  # noqa: PTH110 - pathlib's raises for a long name
    ]
    return (*declared, *pointed_at)


def _listed(text: str, data: Mapping[str, DataEntry], by_path: Mapping[str, DataEntry]) -> DataEntry:
    """What one of an entry point's ``inputs`` means: ``data:NAME``, or a path."""
    if text.startswith(DATA_PREFIX):
        return data[text.removeprefix(DATA_PREFIX)]
    return by_path.get(text) or DataEntry(text, text)


def builtins(
    choice: Choice, run_dir: Path, parameters_in: Path | None = None, project: Path | None = None
) -> command.Builtins:
    """``run_dir``, the folder of the parameters' file (default: that very one) and the project (default: where it
    is) as the program sees them.
    """
    seen = choice.spec.root if project is None else project
    file = (parameters_in or run_dir) / PARAMETERS
    return command.Builtins(str(choice.seed), str(file), str(run_dir), str(seen))
