"""Requirements as a person writes them, and whether a lock still fits them. Nothing here asks the network."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from projrun.core.errors import EnvironmentFailure, Problem
from projrun.environment import lock
from projrun.environment.text import read_text

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_DEPTH_LIMIT = 20
_INCLUDES = {"-r": False, "--requirement": False, "-c": True, "--constraint": True}


class RequirementsFile(NamedTuple):
    """A file of requirements with its text. ``path`` is relative to the project."""

    path: str
    text: str
    constraints: bool = False


class RequirementLine(NamedTuple):
    """One requirement in its place. ``constraint`` marks one that limits a package and does not ask for it."""

    file: str
    line: int
    text: str
    constraint: bool


def collect(root: Path, relative: str) -> tuple[RequirementsFile, ...]:
    """A requirements file and all that it includes (``-r``, ``-c``), each once. Raises EnvironmentFailure."""
    found: dict[str, RequirementsFile] = {}
    _collect(root, RequirementsFile(relative, read_text(root, relative, "requirements")), found, 0)
    return tuple(found.values())


def lines_of(files: tuple[RequirementsFile, ...]) -> tuple[RequirementLine, ...]:
    """Every requirement of the files, options left out. Raises EnvironmentFailure for a broken pyproject.toml."""
    return tuple(line for file in files for line in _lines(file))


def unlockable(files: tuple[RequirementsFile, ...]) -> tuple[Problem, ...]:
    """Requirements that no lock can pin: addresses, paths, editable installs."""
    found = []
    for line in lines_of(files):
        requirement = lock.as_requirement(line.text)
        if requirement is None or requirement.url:
            message = f"{line.text!r} does not name a released package, which is all that can be pinned and hashed"
            found.append(Problem(line.file, line.line, 1, message, "name a package and the versions that will do"))
    return tuple(found)


def out_of_step(
    lock_lines: tuple[lock.LockLine, ...],
    lock_file: str,
    files: tuple[RequirementsFile, ...],
    markers: Mapping[str, str] | None,
    command: str,
) -> tuple[Problem, ...]:
    """Requirements that the lock does not fulfil: their package is missing, or its version is another one.

    ``command`` is what the user types to compile the lock. Without the ``markers`` of an interpreter only what
    holds for every interpreter is found.
    """
    pinned = {line.name: line for line in lock_lines if markers is None or line.applies(markers)}
    found = []
    for line in lines_of(files):
        requirement = lock.as_requirement(line.text)
        if requirement is None or not _applies(requirement, markers):
            continue
        message = _unfulfilled(requirement, line, pinned, lock_file)
        if message:
            found.append(Problem(line.file, line.line, 1, message, command))
    return tuple(found)


def _unfulfilled(
    requirement: Requirement, line: RequirementLine, pinned: Mapping[str, lock.LockLine], lock_file: str
) -> str:
    pin = pinned.get(lock.normalised(requirement.name))
    if pin is None:
        return "" if line.constraint else f"{requirement.name} is not in {lock_file}"
    if requirement.specifier.contains(pin.version, prereleases=True):
        return ""
    return f"{line.text} is asked for, but {lock_file}:{pin.line} pins {pin.version}"


def _applies(requirement: Requirement, markers: Mapping[str, str] | None) -> bool:
    if requirement.marker is None:
        return True
    return markers is not None and requirement.marker.evaluate({**markers, "extra": ""})


def _collect(root: Path, file: RequirementsFile, found: dict[str, RequirementsFile], depth: int) -> None:
    if file.path in found:
        return
    if depth > _DEPTH_LIMIT:
        raise EnvironmentFailure(
            f"{file.path}: requirements include each other too deeply",
            why=f"They may do so {_DEPTH_LIMIT} times.",
            hint="write them into fewer files",
        )
    found[file.path] = file
    if _is_toml(file):
        return
    for _, content in lock.logical_lines(file.text):
        option, value = lock.option_of(content)
        if option in _INCLUDES and value:
            path = str(PurePosixPath(file.path).parent / value)
            text = read_text(root, path, "requirements")
            _collect(root, RequirementsFile(path, text, file.constraints or _INCLUDES[option]), found, depth + 1)


def _lines(file: RequirementsFile) -> Iterator[RequirementLine]:
    if _is_toml(file):
        yield from _project_dependencies(file)
        return
    for number, content in lock.logical_lines(file.text):
        option, value = lock.option_of(content)
        text = value if option in ("-e", "--editable") else content
        if not option or option in ("-e", "--editable"):
            yield RequirementLine(file.path, number, text.split(" --")[0].strip(), file.constraints)


def _project_dependencies(file: RequirementsFile) -> Iterator[RequirementLine]:
    project = _toml(file).get("project")
    dependencies = project.get("dependencies", []) if isinstance(project, dict) else []
    rows = file.text.splitlines()
    for text in dependencies if isinstance(dependencies, list) else []:
        place = next((number for number, row in enumerate(rows, 1) if str(text) in row), 0)
        yield RequirementLine(file.path, place, str(text), constraint=False)


def _toml(file: RequirementsFile) -> dict[str, Any]:
    # By name, because the module that exists depends on the version that runs.
    reader = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        document: dict[str, Any] = reader.loads(file.text)
    except ValueError as error:
        raise EnvironmentFailure(f"{file.path} is not TOML", why=str(error), hint="mend that line") from error
    return document


def _is_toml(file: RequirementsFile) -> bool:
    return file.path.endswith(".toml")
