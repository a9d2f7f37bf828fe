"""Requirements as a person writes them, and whether a lock still fits them. Nothing here asks the network."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from projrun.core.errors import EnvironmentFailure, Problem
from projrun.core.userinfo import without_userinfo
from projrun.environment import lock
from projrun.environment.text import read_text
from projrun.spec.model import EnvironmentSpec

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_DEPTH_LIMIT = 20
_CHOOSES_ARCHIVES = ("--only-binary", "--no-binary", "--prefer-binary")
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


def lines_of(files: Iterable[RequirementsFile], spec: EnvironmentSpec) -> tuple[RequirementLine, ...]:
    """Every requirement of the files, options left out; of a pyproject.toml with the spec's extras and groups.

    Raises EnvironmentFailure for a broken pyproject.toml, and for an extra or group that it does not have.
    """
    return tuple(line for file in files for line in _lines(file, spec.extras or (), spec.groups or ()))


def unlockable(files: Iterable[RequirementsFile], asked: Iterable[RequirementLine]) -> tuple[Problem, ...]:
    """What no lock can come from: addresses, paths, editable installs; options that are the machine's business.

    ``asked`` are the requirements of the ``files``.
    """
    found = [problem for file in files for problem in _refused(file)]
    for line in asked:
        requirement = lock.as_requirement(line.text)
        if requirement is None or requirement.url:
            text = without_userinfo(line.text)
            message = f"{text!r} does not name a released package, which is all that can be pinned and hashed"
            found.append(Problem(line.file, line.line, 1, message, "name a package and the versions that will do"))
    return tuple(found)


def out_of_step(
    lock_lines: tuple[lock.LockLine, ...],
    lock_file: str,
    asked: Iterable[RequirementLine],
    markers: Mapping[str, str] | None,
    command: str,
) -> tuple[Problem, ...]:
    """Requirements that the lock does not fulfil: their package is missing, or its version is another one.

    ``command`` is what the user types to compile the lock. Without the ``markers`` of an interpreter only what
    holds for every interpreter is found.
    """
    pinned = {line.name: line for line in lock_lines if markers is None or line.applies(markers)}
    found = []
    for line in asked:
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
    for number, content in lock.logical_lines(file.text):
        option, value = lock.option_of(content)
        if option in _INCLUDES and value:
            if "://" in value:
                raise EnvironmentFailure(
                    f"{file.path}:{number}: {option} {without_userinfo(value)} is not a file of the project",
                    why="What is there can be another text tomorrow.",
                    hint="copy it into the project",
                )
            path = str(PurePosixPath(file.path).parent / value)
            text = read_text(root, path, "requirements")
            _collect(root, RequirementsFile(path, text, file.constraints or _INCLUDES[option]), found, depth + 1)


def _lines(file: RequirementsFile, extras: Collection[str], groups: Collection[str]) -> Iterator[RequirementLine]:
    if _is_toml(file):
        from projrun.environment import pyproject

        for place, text in pyproject.dependencies(file.text, file.path, extras, groups):
            yield RequirementLine(file.path, place, text, constraint=False)
        return
    for number, content in lock.logical_lines(file.text):
        option, value = lock.option_of(content)
        text = value if option in ("-e", "--editable") else content
        if not option or option in ("-e", "--editable"):
            yield RequirementLine(file.path, number, text.split(" --")[0].strip(), file.constraints)


def _refused(file: RequirementsFile) -> Iterator[Problem]:
    if _is_toml(file):
        from projrun.environment import pyproject

        if pyproject.is_dynamic(file.text, file.path):
            message = "the dependencies are dynamic: only building the project would tell them"
            yield Problem(file.path, 0, 0, message, "write them down under [project] dependencies")
        return
    for number, content in lock.logical_lines(file.text):
        option, _ = lock.option_of(content)
        if option in lock.INDEX_OPTIONS:
            message = f"{option}: requirements name no package index: addresses belong to the machine"
            yield Problem(file.path, number, 1, message, lock.CONFIGURE_INDEX)
        elif option in _CHOOSES_ARCHIVES:
            message = f"{option}: wheels or source distributions are chosen in ProjectSpec.yaml"
            mend = "remove the line; name packages to build under environment.source_distributions"
            yield Problem(file.path, number, 1, message, mend)


def _is_toml(file: RequirementsFile) -> bool:
    return file.path.endswith(".toml")
