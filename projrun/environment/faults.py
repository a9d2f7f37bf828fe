"""Everything that is wrong with an environment at once, where planning it stops at the first."""

from __future__ import annotations

from pathlib import Path

from projrun.core.errors import EnvironmentFailure, as_flag
from projrun.core.flags import Flag
from projrun.core.report import Reporter
from projrun.environment import interpreters, lock, locked, plan, requirements
from projrun.environment.model import REFUSED, EnvironmentPlan, Interpreter, Means
from projrun.environment.text import read_lock
from projrun.spec.model import DockerSpec, EnvironmentSpec


def examine(
    spec: EnvironmentSpec, root: Path, means: Means, report: Reporter
) -> tuple[EnvironmentPlan | None, tuple[Flag, ...]]:
    """The plan of an environment, None when it cannot be had, and all that is wrong with it. Builds nothing."""
    try:
        planned = _planned(spec, root, means, report)
    except EnvironmentFailure as error:
        found = _apart(spec, root, means)
        if not any(flag.code == REFUSED for flag in found):
            found.insert(0, as_flag(REFUSED, error))
        # First what no run could go on with.
        return None, tuple(sorted(found, key=lambda flag: flag.code != REFUSED))
    return planned, planned.flags


def _planned(spec: EnvironmentSpec, root: Path, means: Means, report: Reporter) -> EnvironmentPlan:
    if spec.docker is None:
        return plan.plan(spec, root, means, report, resolve=False)
    from projrun.environment.docker import plan as images  # an engine is not needed elsewhere

    return images.examined(spec.docker, root, means)


def _of_image(spec: DockerSpec, root: Path, means: Means) -> list[Flag]:
    from projrun.environment.docker import plan as images

    try:
        return list(images.flags_apart(spec, root, means))
    except EnvironmentFailure as error:
        return [as_flag(REFUSED, error)]


def _apart(spec: EnvironmentSpec, root: Path, means: Means) -> list[Flag]:
    """What is wrong with the interpreter, the lock and the requirements, each looked at by itself."""
    if spec.docker is not None:
        return _of_image(spec.docker, root, means)
    if not spec.python:
        return []
    found: list[Flag] = []
    interpreter = None
    try:
        interpreter = interpreters.find(spec.python, means.cache)
    except EnvironmentFailure as error:
        found.append(as_flag(REFUSED, error))
    found += plan.python_flags(spec, interpreter)
    try:
        found += _of_lock(spec, root, interpreter)
    except EnvironmentFailure as error:
        found.append(as_flag(REFUSED, error))
    return found


def _of_lock(spec: EnvironmentSpec, root: Path, interpreter: Interpreter | None) -> list[Flag]:
    name, command = spec.lock, spec.compile_command
    if name is None:
        return [plan.lock_missing(spec, spec.requirements or requirements.PACKAGES, resolved=False)]
    found = []
    text = read_lock(spec, root)
    target = None if interpreter is None else locked.target_for(spec, interpreter.markers)
    try:
        lock.raise_for(locked.problems(text, name, target, command), plan.UNUSABLE_LOCK.format(name))
    except EnvironmentFailure as error:
        found.append(as_flag(REFUSED, error))
    if spec.asks and (pins := locked.pins(text, name, target)) is not None:
        files = requirements.collect(root, spec)
        asked = requirements.lines_of(files, spec)
        drift = requirements.out_of_step(pins, name, asked, target and target.markers, command)
        found += plan.drift_flags(drift)
    return found
