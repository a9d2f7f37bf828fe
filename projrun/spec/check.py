"""Finds everything that is wrong with a specification: as a document, by the schema, and beyond both."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from projrun.core.errors import Problem, SpecError
from projrun.core.values import Struct, field, replace
from projrun.spec import document, findings, schema, validate
from projrun.spec.declaration import Declared, declare
from projrun.spec.fault import Path as Place
from projrun.spec.model import SPEC_NAME
from projrun.spec.text import read_text, shown_name, specification_in

# What is referred to by name, and what stands for one that cannot be read.
_REFERRED: Mapping[Any, Any] = {"data": ".", "environments": {}}


class Examined(Struct, frozen=True):
    """A specification that was looked through.

    ``problems`` are in the order of their places; ``refusing`` are those that make every run meaningless (all
    but a missing file). ``value`` and ``texts`` are the document, with source texts where text is wanted, and
    ``declared`` is what it declares, None when it cannot be read at all.

    Of an MLproject file ``value`` is what a ProjectSpec.yaml would say. ``warnings`` are what was read all the
    same, ``refused`` the entry points that cannot be run, and why; ``files`` the digests of what else was read.
    """

    problems: tuple[Problem, ...]
    refusing: tuple[Problem, ...]
    declared: Declared | None = None
    value: Any = None
    texts: Mapping[Place, str] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str | None] = field(default_factory=dict)


def check(root: Path) -> Examined:
    """Looks through the specification in ``root``. Raises SpecError when there is none."""
    try:
        text = read_text(root)
    except SpecError as error:
        if not error.problems:
            raise
        return Examined(error.problems, error.problems)
    return examine(text, root, specification_in(root) or SPEC_NAME)


def examine(text: str, root: Path, file: str = SPEC_NAME) -> Examined:
    """Looks through the text of a specification that is in ``file``; ``root`` is the project its paths are in."""
    if file != SPEC_NAME:
        return _examine_mlproject(text, root)
    read, unreadable = document.examine(text, shown_name(root))
    if read is None:
        return Examined(unreadable, unreadable)
    definition = schema.definition()
    value = schema.with_texts(read, definition)
    wrong = validate.faults(value, definition)
    unsound = [*(fault.path for fault in wrong), *read.refused]
    declared = declare(_sound(value, unsound), read.texts)
    left_out = {path[:4] for path in unsound if path[2:3] == ("parameters",) and len(path) > 3}
    declared = replace(declared, unread=declared.unread | left_out)
    found = (*wrong, *declared.faults, *findings.all_of(declared, root))
    told = [fault for fault in found if not _inside(fault.path, read.refused)]
    problems = [*unreadable, *(read.problem(fault) for fault in told)]
    refusing = [*unreadable, *(read.problem(fault) for fault in told if not fault.missing)]
    return Examined(_in_order(problems), _in_order(refusing), declared, value, read.texts)


def _examine_mlproject(text: str, root: Path) -> Examined:
    from projrun.spec import mlproject  # few projects have one
    from projrun.spec.mlproject_notes import Notes

    name = shown_name(root)
    read = mlproject.translate(text, Notes(root, name))
    if read.value is None:
        return Examined(_in_order(read.refusing), _in_order(read.refusing), files=read.files)
    declared = declare(read.value, {})
    found = (*declared.faults, *findings.all_of(declared, root))
    told = [Problem(name, *read.mark(one.path), one.message, one.hint) for one in found]
    refusing = [problem for problem, fault in zip(told, found, strict=True) if not fault.missing]
    return Examined(
        _in_order([*read.refusing, *read.broken, *told]),
        _in_order([*read.refusing, *refusing]),
        declared,
        read.value,
        warnings=_in_order(read.warnings),
        refused=read.refused,
        files=read.files,
    )


def _in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda one: (one.file, one.line, one.column, one.message)))


def _inside(path: Place, places: Iterable[Place]) -> bool:
    return any(path[: len(place)] == place for place in places)


def _sound(value: Any, wrong: Iterable[Place]) -> dict[str, Any]:
    """The value without the parts that something is wrong in, so that the rest can be looked at still."""
    if not isinstance(value, dict):
        return {}
    sound = copy.deepcopy(value)
    for path in wrong:
        if len(path) == 2 and path[0] in _REFERRED and isinstance(sound.get(path[0]), dict):
            sound[path[0]][path[1]] = _REFERRED[path[0]]  # what refers to the name is not wrong
        else:
            _remove(sound, path[: _depth(path)])
        if path[2:] == ("parameters",):
            _remove(sound, (*path[:2], "command"))  # nothing is known of its placeholders
    return sound


def _depth(path: Place) -> int:
    """How much of a path names a part that can be left out: a parameter, or a key of something else."""
    if path[:1] == ("environment",):
        return 2
    return 4 if path[2:3] == ("parameters",) else 3


def _remove(value: dict[str, Any], path: Place) -> None:
    """Takes out what is at ``path``, or the whole of the last thing on the way there that is no mapping."""
    for depth, step in enumerate(path, 1):
        below = value.get(str(step))
        if depth == len(path) or not isinstance(below, dict):
            value.pop(str(step), None)
            return
        value = below
