"""What a pyproject.toml asks for: dependencies, extras and dependency groups.

Their formats: https://packaging.python.org/en/latest/specifications/pyproject-toml/ and PEP 735.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from projrun.core.errors import EnvironmentFailure
from projrun.core.nearest import did_you_mean
from projrun.environment.lock import as_requirement, normalised
from projrun.environment.text import parse_toml


class Dependency(NamedTuple):
    """A requirement with its line (0: not found), and the dependency group that it is from ("": none)."""

    line: int
    text: str
    group: str = ""


def dependencies(text: str, file: str, extras: Collection[str], groups: Collection[str]) -> Iterator[Dependency]:
    """The requirements of a pyproject.toml.

    Raises EnvironmentFailure when it is broken, or has no extra or group of a name.
    """
    document = _document(text, file)
    project = document.get("project")
    project = project if isinstance(project, dict) else {}
    found = [(str(one), "") for one in _list(project.get("dependencies"))]
    seen: set[str] = set()
    for extra in extras:
        found += [(one, "") for one in _extra(project, normalised(extra), file, seen)]
    found += _of_groups(document, groups, file)
    rows = text.splitlines()
    yield from (Dependency(_place(rows, one), one, group) for one, group in dict.fromkeys(found))


def name(text: str, file: str) -> str:
    """The project's name, normalised; "" when it has none. Raises EnvironmentFailure for broken TOML."""
    project = _document(text, file).get("project")
    return normalised(str(project.get("name", ""))) if isinstance(project, dict) else ""


def is_dynamic(text: str, file: str) -> bool:
    """Whether what the project depends on is only known when it is built. Raises EnvironmentFailure."""
    project = _document(text, file).get("project")
    return isinstance(project, dict) and "dependencies" in _list(project.get("dynamic"))


def _extra(project: Mapping[str, Any], name: str, file: str, seen: set[str]) -> Iterator[str]:
    """The requirements of an extra; one that names the project itself stands for that one's extras."""
    declared = project.get("optional-dependencies")
    known = {normalised(key): value for key, value in (declared if isinstance(declared, dict) else {}).items()}
    if name not in known:
        raise EnvironmentFailure(
            f"{file} has no extra {name!r}",
            why=f"It has {', '.join(known) or 'none'}.",
            hint=did_you_mean(name, known) or "change environment.extras in ProjectSpec.yaml",
        )
    if name in seen:
        return
    seen.add(name)
    for text in map(str, _list(known[name])):
        requirement = as_requirement(text)
        if requirement and normalised(requirement.name) == normalised(str(project.get("name", ""))):
            for other in sorted(requirement.extras):
                yield from _extra(project, normalised(other), file, seen)
        else:
            yield text


def _of_groups(document: Mapping[str, Any], groups: Collection[str], file: str) -> list[tuple[str, str]]:
    if not groups:
        return []
    from packaging.dependency_groups import DependencyGroupResolver
    from packaging.errors import ExceptionGroup

    declared = document.get("dependency-groups")
    declared = declared if isinstance(declared, dict) else {}
    known = {normalised(name): name for name in declared}
    for name in groups:
        if normalised(name) not in known:
            raise EnvironmentFailure(
                f"{file} has no dependency group {name!r}",
                why=f"It has {', '.join(known) or 'none'}.",
                hint=did_you_mean(name, known) or "change environment.groups in ProjectSpec.yaml",
            )
    try:
        resolver = DependencyGroupResolver(declared)
        return [(str(one), name) for name in groups for one in resolver.resolve(name)]
    except ExceptionGroup as error:
        reasons = "\n".join(str(one) for one in error.exceptions)
    except (ValueError, TypeError, LookupError) as error:
        reasons = str(error)
    raise EnvironmentFailure(f"{file}: [dependency-groups] is broken", why=reasons, hint="see PEP 735")


def _place(rows: list[str], text: str) -> int:
    """The line of a requirement: where its text is, else where its name begins a text."""
    named = re.match(r"[\w.-]+", text)
    begins = re.compile(rf"[\"']{re.escape(named[0])}(?![\w.-])") if named else None
    whole = (number for number, row in enumerate(rows, 1) if text in row)
    part = (number for number, row in enumerate(rows, 1) if begins and begins.search(row))
    return next(whole, next(part, 0))


def _document(text: str, file: str) -> dict[str, Any]:
    try:
        return parse_toml(text)
    except ValueError as error:
        raise EnvironmentFailure(f"{file} is not TOML", why=str(error), hint="mend that line") from error


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
