"""Locks as ``projrun lock`` writes them: their header, and how one differs from another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from projrun.core.errors import Problem
from projrun.environment import platforms
from projrun.environment.lock import LockLine
from projrun.environment.model import Interpreter
from projrun.environment.resolution import Wishes
from projrun.spec.model import EnvironmentSpec

_COMMAND = re.compile(r"# projrun lock((?: --platform [\w-]+)*)\n")
_LOWEST = re.compile(r"(?:>=|~=|==|>)\s*(\d+(?:\.\d+)*)")

_MORE_FILES = "more files"
_OTHER_FILES = "other files"
_FIRST_HASHES = "hashes, where there were none"
_OTHER_MARKERS = "other markers"


class Change(NamedTuple):
    """What became of a package: its versions before and after, none when it was not there.

    ``detail`` says what else is different when the versions are not.
    """

    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    detail: str = ""


def lowest(python: str) -> str:
    """Where a range of Python versions begins; empty when it does not say."""
    found = _LOWEST.search(python)
    return found[1] if found else ""


def header(spec: EnvironmentSpec, interpreter: Interpreter, wishes: Wishes) -> str:
    """What made the lock, in two comments. The same wishes give the same ones on every machine of a platform."""
    words = ["# projrun lock", *(f"--platform {name}" for name in wishes.platforms)]
    if wishes.platforms:
        where = f"platforms {' '.join(wishes.platforms)}"
    else:
        where = "every platform" if wishes.universal else f"platform {platforms.name_of(interpreter.markers)}"
    facts = [f"python {spec.python}", where, f"builder {spec.builder}"]
    facts += [f"{kind} {' '.join(sorted(names))}" for kind, names in _sets(spec).items() if names]
    return f"{' '.join(words)}\n# {', '.join(facts)}\n"


def platforms_of(text: str) -> tuple[str, ...]:
    """The platforms that the lock was compiled for by name."""
    found = _COMMAND.match(text)
    names = found[1].split()[1::2] if found else []
    return tuple(name for name in names if name in platforms.PLATFORMS)


def changes(before: Iterable[LockLine], after: Iterable[LockLine]) -> tuple[Change, ...]:
    """What is different, by name."""
    old, new = _by_name(before), _by_name(after)
    found = []
    for name in sorted(old.keys() | new.keys()):
        was, became = old.get(name, ()), new.get(name, ())
        versions = (
            tuple(dict.fromkeys(one.version for one in was)),
            tuple(dict.fromkeys(o.version for o in became)),
        )
        detail = "" if set(versions[0]) != set(versions[1]) else _detail(was, became)
        if detail or set(versions[0]) != set(versions[1]):
            found.append(Change(name, *versions, detail))
    return tuple(found)


def out_of_step(
    before: tuple[LockLine, ...], after: tuple[LockLine, ...], lock_file: str, requirements: str, command: str
) -> tuple[Problem, ...]:
    """The lines of a lock that are not those it would be compiled to, with what would be.

    More files of the same version are no difference: a release gets wheels later on, too. A hash that is in the
    lock and of no file of the index is one: somebody put it there, or the file is gone.
    """
    places = {line.name: line.line for line in reversed(before)}
    found = []
    for change in changes(before, after):
        was, becomes = " and ".join(change.before), " and ".join(change.after)
        if not change.before:
            message = f"{change.name} {becomes} is needed, and is not in {lock_file}"
            found.append(Problem(requirements, 0, 0, message, command))
            continue
        if not change.after:
            message = f"{change.name} {was} is needed by nothing that is asked for"
        elif change.before != change.after:
            message = f"{change.name} {was} would be {becomes}"
        else:
            message = f"{change.name} {was} would have {change.detail}"
        if change.detail != _MORE_FILES:
            found.append(Problem(lock_file, places[change.name], 1, message, command))
    return tuple(sorted(found, key=lambda one: (one.file, one.line)))


def _detail(was: tuple[LockLine, ...], became: tuple[LockLine, ...]) -> str:
    """What is different about the lines of the same versions of a package."""
    if {(one.version, one.marker) for one in was} != {(one.version, one.marker) for one in became}:
        return _OTHER_MARKERS
    old, new = ({value for one in lines for value in one.hashes} for lines in (was, became))
    if old == new:
        return ""
    if not old:
        return _FIRST_HASHES
    if old < new:
        return _MORE_FILES
    return _OTHER_FILES


def _by_name(lines: Iterable[LockLine]) -> Mapping[str, tuple[LockLine, ...]]:
    found: dict[str, tuple[LockLine, ...]] = {}
    for line in lines:
        found[line.name] = (*found.get(line.name, ()), line)
    return found


def _sets(spec: EnvironmentSpec) -> Mapping[str, tuple[str, ...]]:
    return {"extras": spec.extras or (), "groups": spec.groups or ()}
