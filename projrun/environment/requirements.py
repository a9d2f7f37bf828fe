"""Requirements as a person writes them, and whether a lock still fits them. Nothing here asks the network."""

from __future__ import annotations

import re
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

# What requirements are called that are in the spec itself.
PACKAGES = "environment.packages"

_DEPTH_LIMIT = 20
_INCLUDES = {"-r": False, "--requirement": False, "-c": True, "--constraint": True}
_PRE = "--pre"
_VARIABLE = re.compile(r"\$\{[^}]*\}?")
# Why an option is refused and what to do instead; pip takes what an option's name begins with for the option.
_REFUSED = (
    (
        ("--only-binary", "--no-binary", "--prefer-binary"),
        "wheels or source distributions are chosen in ProjectSpec.yaml",
        "remove it; name packages to build under environment.source_distributions",
    ),
    (
        lock.INDEX_OPTIONS,
        "requirements name no package index: addresses belong to the machine",
        lock.CONFIGURE_INDEX,
    ),
    (
        ("-e", "--editable"),
        "an editable install does not name a released package, which is all that can be pinned and hashed",
        "name a package and the versions that will do",
    ),
    (
        ("--hash", "--require-hashes"),
        "hashes belong into the lock",
        "remove it; a file in which all is pinned and hashed is environment.lock itself",
    ),
)
_OTHERWISE = "a line is one requirement, -r FILE, -c FILE or --pre, and nothing more", "take it out of the line"


class RequirementsFile(NamedTuple):
    """A file of requirements with its text. ``path`` is relative to the project."""

    path: str
    text: str
    constraints: bool = False


class RequirementLine(NamedTuple):
    """One requirement in its place.

    ``constraint`` marks one that limits a package and does not ask for it. ``group`` is the dependency group of a
    pyproject.toml that it is from.
    """

    file: str
    line: int
    text: str
    constraint: bool
    group: str = ""


class _Statement(NamedTuple):
    """What a logical line says: a file that it includes, or ``--pre``, or a requirement.

    ``refused`` is why it cannot be locked, and what mends it.
    """

    requirement: str = ""
    include: str = ""
    constraints: bool = False
    pre: bool = False
    refused: tuple[str, str] | None = None


def collect(root: Path, spec: EnvironmentSpec) -> tuple[RequirementsFile, ...]:
    """The requirements of the spec: a file and all that it includes, by ``-r`` and by ``-c``, or its packages.

    Raises EnvironmentFailure.
    """
    if spec.packages:
        return (RequirementsFile(PACKAGES, "".join(f"{one}\n" for one in spec.packages)),)
    relative = spec.requirements or ""
    found: dict[tuple[str, bool], RequirementsFile] = {}
    _collect(root, RequirementsFile(relative, read_text(root, relative, "requirements")), found, 0)
    return tuple(found.values())


def lines_of(files: Iterable[RequirementsFile], spec: EnvironmentSpec) -> tuple[RequirementLine, ...]:
    """Every requirement of the files, without options; of a pyproject.toml with the spec's extras and groups.

    Raises EnvironmentFailure for a broken pyproject.toml, and for an extra or group that it does not have.
    """
    return tuple(line for file in files for line in _lines(file, spec.extras or (), spec.groups or ()))


def asks_for_pre_releases(files: Iterable[RequirementsFile]) -> bool:
    """Whether a line of the files is ``--pre``: then pre-releases of every package will do."""
    return any(
        _statement(content).pre
        for file in files
        if not _is_toml(file)
        for _, content in lock.logical_lines(file.text)
    )


def project_of(file: RequirementsFile) -> str:
    """The name of the project when the file is its pyproject.toml, else "". Raises EnvironmentFailure."""
    if not _is_toml(file):
        return ""
    from projrun.environment import pyproject

    return pyproject.name(file.text, file.path)


def unlockable(files: Iterable[RequirementsFile], asked: Iterable[RequirementLine]) -> tuple[Problem, ...]:
    """What no lock can come from: addresses, paths, every option but ``-r FILE``, ``-c FILE`` and ``--pre``.

    ``asked`` are the requirements of the ``files``.
    """
    found = [problem for file in files for problem in _refused(file)]
    told = {(problem.file, problem.line) for problem in found}
    for line in (line for line in asked if (line.file, line.line) not in told):
        requirement = lock.as_requirement(line.text)
        if requirement is None or requirement.url:
            text = without_userinfo(line.text)
            message = f"{text!r} does not name a released package, which is all that can be pinned and hashed"
            found.append(Problem(line.file, line.line, 1, message, "name a package and the versions that will do"))
    return tuple(dict.fromkeys(found))


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
    return tuple(dict.fromkeys(found))


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


def _collect(
    root: Path, file: RequirementsFile, found: dict[tuple[str, bool], RequirementsFile], depth: int
) -> None:
    if (file.path, file.constraints) in found:
        return
    if depth > _DEPTH_LIMIT:
        raise EnvironmentFailure(
            f"{file.path}: requirements include each other too deeply",
            why=f"They may do so {_DEPTH_LIMIT} times.",
            hint="write them into fewer files",
        )
    found[file.path, file.constraints] = file
    if _is_toml(file):
        return
    for number, content in lock.logical_lines(file.text):
        statement = _statement(content)
        if not statement.include:
            continue
        if "://" in statement.include:
            raise EnvironmentFailure(
                f"{file.path}:{number}: {without_userinfo(content)} is not a file of the project",
                why="What is there can be another text tomorrow.",
                hint="copy it into the project",
            )
        path = str(PurePosixPath(file.path).parent / statement.include)
        constraints = file.constraints or statement.constraints
        _collect(
            root, RequirementsFile(path, read_text(root, path, "requirements"), constraints), found, depth + 1
        )


def _lines(file: RequirementsFile, extras: Collection[str], groups: Collection[str]) -> Iterator[RequirementLine]:
    if _is_toml(file):
        from projrun.environment import pyproject

        for one in pyproject.dependencies(file.text, file.path, extras, groups):
            yield RequirementLine(file.path, one.line, one.text, file.constraints, one.group)
        return
    for number, content in lock.logical_lines(file.text):
        statement = _statement(content)
        if statement.requirement:
            yield RequirementLine(file.path, number, statement.requirement, file.constraints)


def _refused(file: RequirementsFile) -> Iterator[Problem]:
    if _is_toml(file):
        from projrun.environment import pyproject

        if pyproject.is_dynamic(file.text, file.path):
            message = "the dependencies are dynamic: only building the project would tell them"
            yield Problem(file.path, 0, 0, message, "write them down under [project] dependencies")
        return
    for number, content in lock.logical_lines(file.text):
        refused = _statement(content).refused
        if refused:
            yield Problem(file.path, number, 1, *refused)


def _statement(content: str) -> _Statement:
    """What a logical line says. All of it counts: pip reads any number of options on one line."""
    variable = _VARIABLE.search(content)
    if variable:
        message = f"{variable[0]}: requirements are the same on every machine, and take none of its variables"
        return _Statement(refused=(message, "write out what it stands for"))
    if not content.startswith("-"):
        option = next((word for word in content.split() if word.startswith("-")), "")
        requirement = content.partition(option)[0].strip() if option else content
        return _Statement(requirement, refused=_why_refused(option) if option else None)
    try:
        words = _words(content)
    except ValueError as error:
        return _Statement(refused=(f"{without_userinfo(content)}: {error}", "close the quotation"))
    option, value, rest = _option(words)
    if option == _PRE and not value and not rest:
        return _Statement(pre=True)
    if option in _INCLUDES and value and not rest:
        return _Statement(include=value, constraints=_INCLUDES[option])
    more = next((word for word in rest if word.startswith("-")), "")
    return _Statement(refused=_why_refused(more if option in (*_INCLUDES, _PRE) and more else option))


def _words(content: str) -> list[str]:
    """The words of a line as pip cuts it. Raises ValueError for a quotation that does not end."""
    if not any(mark in content for mark in "\"'\\"):
        return content.split()
    import shlex

    return shlex.split(content)


def _option(words: list[str]) -> tuple[str, str, list[str]]:
    """The option that begins a line, its value, and the words after it."""
    first, rest = words[0], words[1:]
    if first.startswith("--"):
        option, equals, value = first.partition("=")
    else:
        option, equals, value = first[:2], first[2:], first[2:]
    if option in _INCLUDES and not equals and rest:
        value, rest = rest[0], rest[1:]
    return option, value, rest


def _why_refused(option: str) -> tuple[str, str]:
    """Why a line with this option is refused, and what mends it."""
    name = without_userinfo(option.partition("=")[0])
    name = name if name.startswith("--") else name[:2]
    if len(name) > 2 and name not in (*_INCLUDES, _PRE):
        known = (row for row in _REFUSED if any(one.startswith(name) for one in row[0]))
    else:
        known = (row for row in _REFUSED if name in row[0])
    _, message, mend = next(known, ((), *_OTHERWISE))
    return f"{name}: {message}", mend


def _is_toml(file: RequirementsFile) -> bool:
    return file.path.endswith(".toml")
