"""What is wrong with a project's lock and requirements, found without building and without the network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from projrun.core.errors import EnvironmentFailure, Problem
from projrun.environment import interpreters, lock, requirements
from projrun.environment.text import read_text
from projrun.spec.model import EnvironmentSpec


def check(spec: EnvironmentSpec, root: Path, cache: Path) -> tuple[Problem, ...]:
    """Every problem of the declared lock and requirements, in place.

    A lock is judged for the interpreter that the spec asks for when this machine has it, else only for what
    holds on every machine. Files that are missing are the spec's own problems and are not told again.
    """
    markers = _markers(spec, cache)
    found: tuple[Problem, ...] = ()
    lines: tuple[lock.LockLine, ...] | None = None
    try:
        if spec.lock is not None and (root / spec.lock).is_file():
            text = read_text(root, spec.lock, "lock")
            found = lock.problems(text, spec.lock, markers, spec.compile_command)
            lines = None if found else lock.parse(text, spec.lock)
        if spec.requirements is not None and (root / spec.requirements).is_file():
            files = requirements.collect(root, spec.requirements)
            found += requirements.unlockable(files)
            if lines is not None:
                found += requirements.out_of_step(lines, spec.lock or "", files, markers, spec.compile_command)
    except EnvironmentFailure as failure:
        file = spec.lock or spec.requirements or ""
        found += (Problem(file, 0, 0, f"{failure.what}: {failure.why}", failure.hint),)
    return found


def _markers(spec: EnvironmentSpec, cache: Path) -> Mapping[str, str] | None:
    try:
        return interpreters.find(spec.python or "", cache).markers
    except EnvironmentFailure:
        return None
