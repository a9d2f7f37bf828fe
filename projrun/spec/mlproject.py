"""MLproject, the file of MLflow projects, read as the specification that says the same.

The format: https://mlflow.org/docs/latest/ml/projects/ . What MLflow accepts is accepted, with a warning where it
cannot be what was meant; what it refuses is refused. Only what the file names is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from projrun.core.errors import Problem
from projrun.core.regex import regex
from projrun.core.values import Struct
from projrun.core.yaml_events import Node, NotYaml, nodes
from projrun.spec import mlproject_environment
from projrun.spec.fault import Mark, Path
from projrun.spec.mlproject_entry_points import EntryPoints
from projrun.spec.mlproject_notes import Notes, Unreadable

_KEYS = ("name", "description", "entry_points", *mlproject_environment.KEYS)
_SPARK_JOB = "databricks_spark_job"
_LONGEST_NAME = 100
_UNPRINTABLE = regex(r"[\x00-\x20\x7f]+")


class Translated(Struct, frozen=True):
    """What an MLproject file says, as the values of a specification (None: nothing that can be used).

    ``refused`` are the entry points that cannot be run, and why. ``refusing`` are the problems that make every run
    meaningless, ``broken`` those of these entry points, ``warnings`` what was read all the same. ``files`` are the
    digests of the other files that were read, by their paths from the project (None: there is none), and ``marks``
    the places by the paths of the values.
    """

    value: dict[str, Any] | None
    refused: Mapping[str, str]
    refusing: tuple[Problem, ...]
    broken: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    files: Mapping[str, str | None]
    marks: Mapping[Path, Mark]

    def mark(self, path: Path) -> Mark:
        """The place of a value, or of the nearest one around it that has a place."""
        while path and path not in self.marks:
            path = path[:-1]
        return self.marks.get(path, (1, 1))


def translate(text: str, notes: Notes) -> Translated:
    """The specification that an MLproject file stands for; ``notes`` know the project and are filled."""
    entry_points = EntryPoints(notes)
    try:
        value = _value(_root(text, notes), entry_points, notes)
    except Unreadable:
        value = None
    return Translated(
        value,
        entry_points.refused,
        tuple(notes.refusing),
        tuple(notes.broken),
        tuple(notes.warnings),
        notes.files,
        {("environment",): (1, 1), **entry_points.marks},
    )


def _root(text: str, notes: Notes) -> Node:
    try:
        root = nodes(text)
    except NotYaml as error:
        notes.refuse((error.line, error.column), f"this is not YAML: {error}", "mend that line")
        raise Unreadable from None
    if root is None or root.kind != "mapping":
        notes.refuse((1, 1), "it does not map names to values", "entry_points: {main: {command: python main.py}}")
        raise Unreadable
    return root


def _value(root: Node, entry_points: EntryPoints, notes: Notes) -> dict[str, Any]:
    keys = notes.entries(root, (*_KEYS, _SPARK_JOB), "an MLproject file")
    if _SPARK_JOB in keys:
        notes.refuse(keys[_SPARK_JOB][0], "a job of Databricks runs nowhere else", f"take {_SPARK_JOB} out")
    if "entry_points" in keys:
        entry_points.read(keys["entry_points"][1])
    commands = [one["command"] for one in entry_points.value.values()]
    return {
        "version": 1,
        "name": _name(keys),
        "scripts": True,
        "environment": mlproject_environment.read(keys, commands, notes),
        "entry_points": entry_points.value,
    }


def _name(keys: Mapping[str, tuple[Node, Node]]) -> str:
    given = keys["name"][1].plain() if "name" in keys else None
    name = _UNPRINTABLE.sub(" ", str(given if given is not None else "")).strip()
    return name[:_LONGEST_NAME].strip() or "unnamed"  # a private checkout has no directory that tells one
