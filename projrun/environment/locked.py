"""A project's lock for one interpreter, whatever its format: requirements lines, or pylock.toml by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from projrun.core.errors import Problem
from projrun.environment import lock
from projrun.environment.lock import LockLine
from projrun.environment.model import EnvironmentPlan
from projrun.spec.model import EnvironmentSpec

_PYLOCK = re.compile(r"(.*/)?pylock(\.[^./]+)?\.toml")
_PYLOCK_TEXT = re.compile(r"^lock-version\s*=", re.MULTILINE)


class Target(NamedTuple):
    """What a lock is read for: an interpreter's PEP 508 markers, and what is chosen where there is a choice.

    ``extras`` and ``groups`` None: nothing was said. ``here``: the packages are for this machine. ``settled``:
    they may have been chosen when the lock was compiled, so one without any extras or groups is right.
    """

    markers: Mapping[str, str]
    extras: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    source_distributions: tuple[str, ...] = ()
    here: bool = True
    settled: bool = True


def is_pylock(file: str) -> bool:
    """Whether a lock of that name is a pylock.toml (PEP 751)."""
    return _PYLOCK.fullmatch(file) is not None


def name_of(text: str) -> str:
    """A name that tells the format of a lock whose own name is not known."""
    return "pylock.toml" if _PYLOCK_TEXT.search(text) else "requirements.lock"


def target_for(spec: EnvironmentSpec, markers: Mapping[str, str]) -> Target:
    """What a project's lock is read for, for an interpreter with these markers."""
    settled = spec.asks
    return Target(markers, spec.extras, spec.groups, spec.source_distributions, settled=settled)


def target_of(plan: EnvironmentPlan) -> Target:
    """What the lock of a plan is read for."""
    return Target(plan.interpreter.markers, plan.extras, plan.groups, plan.source_distributions)


def problems(text: str, file: str, target: Target | None, command: str = lock.COMPILE) -> tuple[Problem, ...]:
    """Everything wrong with a lock; without a ``target`` only what is wrong for every one.

    ``command`` is what the user types to compile the lock.
    """
    if not is_pylock(file):
        return lock.problems(text, file, target and target.markers, command)
    from projrun.environment import pylock

    found = lock.credentials(text, file)
    return tuple(found) or pylock.read(text, file, target)[1]


def parse(text: str, file: str, target: Target, command: str = lock.COMPILE) -> tuple[LockLine, ...]:
    """The lines of a lock; of a pylock.toml those for the target alone. Raises EnvironmentFailure."""
    if not is_pylock(file):
        return lock.parse(text, file, command)
    from projrun.environment import pylock

    lines, found = pylock.read(text, file, target)
    lock.raise_for(found, f"{file} is not a lock that can be trusted")
    return lines


def pins(text: str, file: str, target: Target | None) -> tuple[LockLine, ...] | None:
    """What can be read of a lock, whether it is a good one or not; None when it is none, or needs a target."""
    if not is_pylock(file):
        return lock.pins(text)
    if target is None:
        return None
    from projrun.environment import pylock

    return pylock.read(text, file, target)[0]


def every_line(text: str) -> tuple[LockLine, ...]:
    """What a lock of any format pins, for whatever target, to be compared. Raises EnvironmentFailure."""
    if not is_pylock(name_of(text)):
        return lock.parse(text, "the lock")
    from projrun.environment import pylock

    return pylock.packages(text)


def requirements_text(text: str, file: str, lines: tuple[LockLine, ...]) -> str:
    """The lock as requirements lines, which is what a builder takes; ``lines`` are those read from it."""
    return lock.text_of(lines) if is_pylock(file) else text
