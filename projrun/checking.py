"""Everything that is wrong with a project as it is declared, found without building or running anything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from projrun.core.errors import EnvironmentFailure, Problem, SpecError
from projrun.environment import lock, requirements
from projrun.spec.check import check as check_spec
from projrun.spec.check import shown_name
from projrun.spec.load import find_project, load
from projrun.spec.model import EnvironmentSpec


@dataclass(frozen=True)
class Checked:
    """A specification that was checked, as it is shown, and all its problems by place."""

    spec: str
    problems: tuple[Problem, ...]


def check(start: Path) -> Checked:
    """Checks the project around ``start``. Raises SpecError when there is no ProjectSpec.yaml."""
    root = find_project(start)
    problems = check_spec(root)
    try:
        environment = load(root).environment
    except SpecError:
        return Checked(shown_name(root), problems)  # what its environment is cannot be told
    return Checked(shown_name(root), (*problems, *_lock_problems(environment, root)))


def _lock_problems(environment: EnvironmentSpec, root: Path) -> tuple[Problem, ...]:
    """Lines of the lock that are refused, and requirements that it does not fulfil, for any interpreter."""
    found: list[Problem] = []
    shown = Path(shown_name(root)).parent
    lines: tuple[lock.LockLine, ...] | None = None
    if environment.lock and (root / environment.lock).is_file():
        try:
            text = requirements.read_text(root, environment.lock, "lock")
            found += lock.problems(text, environment.lock)
            lines = None if found else lock.parse(text, environment.lock)
        except EnvironmentFailure as error:
            found.append(Problem(environment.lock, 0, 0, f"{error.what}: {error.why}", error.hint))
    if environment.requirements and (root / environment.requirements).is_file():
        try:
            files = requirements.collect(root, environment.requirements)
            found += requirements.unlockable(files)
            if lines is not None:
                found += requirements.out_of_step(lines, environment.lock or "", files, None)
        except EnvironmentFailure as error:
            found.append(Problem(environment.requirements, 0, 0, f"{error.what}: {error.why}", error.hint))
    return tuple(replace(problem, file=str(shown / problem.file)) for problem in found)
