"""Everything that is wrong with a project as it is declared, found without building or running anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from projrun.core.errors import Problem
from projrun.core.values import Struct, replace
from projrun.environment.check import check as check_environment
from projrun.spec.check import check as check_spec
from projrun.spec.declaration import Declared
from projrun.spec.model import SPEC_NAME
from projrun.spec.place import find_project
from projrun.spec.text import shown_name, specification_in


class Checked(Struct, frozen=True):
    """A specification that was checked, as it is shown, and all its problems by place.

    ``warnings`` are what was read all the same. ``read_as`` tells in lines what a file that is no ProjectSpec.yaml
    was read as.
    """

    spec: str
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()
    read_as: tuple[str, ...] = ()


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
    read_as = () if specification_in(root) == SPEC_NAME else tuple(_told(examined.declared))
    return Checked(name, (*examined.problems, *shown), examined.warnings, read_as)


def _told(declared: Declared) -> Iterator[str]:
    for one in declared.environments_by_name.values():
        if one.docker is not None:
            yield f"environment: the image {one.docker.image}"
        elif one.system:
            yield "environment: the caller's own Python"
        else:
            yield f"environment: Python {one.python} with {', '.join(one.packages)}"
    for name, entry_point in declared.entry_points.items():
        parameters = (f"{key} ({one.type})" for key, one in entry_point.parameters.items())
        yield f"entry point {name}: {', '.join(parameters) or 'no parameters'}"
    yield "all of it: projrun init --from-mlproject --print"
