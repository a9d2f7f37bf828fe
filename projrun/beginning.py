"""Writes the specification of a project that has one in another form."""

from __future__ import annotations

from pathlib import Path

from projrun.core.errors import Problem, SpecError, UsageError, system_reason
from projrun.core.files import write_atomic
from projrun.core.values import Struct
from projrun.spec import mlproject
from projrun.spec.check import examine
from projrun.spec.mlproject_comments import comments
from projrun.spec.mlproject_notes import Notes
from projrun.spec.model import MLPROJECT_NAME, SPEC_NAME
from projrun.spec.place import find_project
from projrun.spec.text import read_text, shown_name, specification_in
from projrun.spec.writing import as_yaml


class Draft(Struct, frozen=True):
    """A specification to be written: its place, its text, and what was read all the same or left out."""

    place: Path
    text: str
    warnings: tuple[Problem, ...]


def of_mlproject(start: Path) -> Draft:
    """The ProjectSpec.yaml that says what the MLproject file of the project around ``start`` says.

    Raises UsageError when there is a ProjectSpec.yaml, and SpecError when the file cannot be read, or has names
    that no ProjectSpec.yaml can have.
    """
    root = find_project(start)
    file = specification_in(root)
    if file is None or file == SPEC_NAME:
        raise UsageError(
            f"{root} has a {SPEC_NAME} already", why="it goes before any other file", hint=f"projrun check {start}"
        )
    shown = shown_name(root)
    text = read_text(root)
    read = mlproject.translate(text, Notes(root, shown))
    if read.refusing or read.value is None:
        raise SpecError(f"{shown} cannot be read", problems=read.refusing)
    told = comments(text, read.marks)
    told.setdefault(("entry_points",), []).extend(
        f"# {name} cannot be run, and is left out: {reason}" for name, reason in read.refused.items()
    )
    made = as_yaml(read.value, told)
    found = examine(made, root).refusing
    if found:
        problems = tuple(Problem(shown, 0, 0, one.message, one.hint) for one in found)
        raise SpecError(f"{shown} says what no {SPEC_NAME} can", problems=problems)
    return Draft(root / SPEC_NAME, made, (*read.broken, *read.warnings))


def write(draft: Draft) -> None:
    """Writes it. Raises SpecError when it cannot be."""
    try:
        write_atomic(draft.place, draft.text.encode())
    except OSError as error:
        raise SpecError(
            f"{SPEC_NAME} cannot be written",
            why=system_reason(error, draft.place),
            hint=f"print it, and put it beside {MLPROJECT_NAME}: projrun init --from-mlproject --print",
        ) from error
