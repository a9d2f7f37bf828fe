"""What is wrong with a lock and requirements, or a Dockerfile, found without building and without the network."""

from __future__ import annotations

from pathlib import Path

from projrun.core.errors import EnvironmentFailure, Problem
from projrun.environment import interpreters, lock, locked, requirements
from projrun.environment.text import read_lock
from projrun.spec.model import EnvironmentSpec


def check(spec: EnvironmentSpec, root: Path, cache: Path) -> tuple[Problem, ...]:
    """Every problem of the declared lock and requirements, or of the Dockerfile, in place.

    A lock is judged for the interpreter that the spec asks for when this machine has it, else only for what
    holds on every machine. Files that are missing are the spec's own problems and are not told again.
    """
    if spec.docker is not None:
        from projrun.environment.docker.check import problems  # not needed elsewhere

        return tuple(problems(spec.docker, root))
    target = _target(spec, cache)
    markers = target and target.markers
    command = spec.compile_command
    found: tuple[Problem, ...] = ()
    lines: tuple[lock.LockLine, ...] | None = None
    try:
        if spec.lock is not None and (root / spec.lock).is_file():
            text = read_lock(spec, root)
            found = locked.problems(text, spec.lock, target, command)
            if not found:
                lines = _lines(text, spec.lock, target)
        if spec.asks and (spec.packages or (root / (spec.requirements or "")).is_file()):
            files = requirements.collect(root, spec)
            asked = requirements.lines_of(files, spec)
            found += requirements.unlockable(files, asked)
            if lines is not None:
                found += requirements.out_of_step(lines, spec.lock or "", asked, markers, command)
    except EnvironmentFailure as failure:
        file = spec.lock or spec.requirements or requirements.PACKAGES
        found += (Problem(file, 0, 0, f"{failure.what}: {failure.brief}", failure.hint),)
    return found


def _lines(text: str, file: str, target: locked.Target | None) -> tuple[lock.LockLine, ...] | None:
    """The lines of a sound lock; None when it takes an interpreter to tell them."""
    if target is not None:
        return locked.parse(text, file, target)
    return None if locked.is_pylock(file) else lock.parse(text, file)


def _target(spec: EnvironmentSpec, cache: Path) -> locked.Target | None:
    try:
        markers = interpreters.find(spec.python or "", cache).markers
    except EnvironmentFailure:
        return None
    return locked.target_for(spec, markers)
