"""Everything that is wrong with a project as it is declared, found without building or running anything."""

from __future__ import annotations

from pathlib import Path

from projrun.core.errors import Problem
from projrun.core.values import Struct, replace
from projrun.environment.check import check as check_environment
from projrun.spec.check import check as check_spec
from projrun.spec.place import find_project
from projrun.spec.text import shown_name


class Checked(Struct, frozen=True):
    """A specification that was checked, as it is shown, and all its problems by place.

    ``warnings`` are what was read all the same.
    """

    spec: str
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()


def check(start: Path, cache: Path) -> Checked:
    """Checks the project around ``start``. Raises SpecError when there is no ProjectSpec.yaml."""
    root = find_project(start)
    name = shown_name(root)
    examined = check_spec(root)
    if examined.declared is None:
        return Checked(name, examined.problems)  # what its environment is cannot be told
    environments = examined.declared.environments.values()
    found = dict.fromkeys(problem for one in environments for problem in check_environment(one, root, cache))
    shown = tuple(replace(problem, file=str(Path(name).parent / problem.file)) for problem in found)
    return Checked(name, (*examined.problems, *shown), examined.warnings)
