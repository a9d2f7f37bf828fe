"""The flow of ``projrun reproduce --environment-matrix``: a recorded run in other environments than its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from projrun.choice import environment_named
from projrun.core.errors import ProjrunError, UsageError
from projrun.core.nearest import nearest
from projrun.core.report import Reporter
from projrun.core.values import Struct, replace
from projrun.environment.model import Means
from projrun.environment.plan import interpreter_for
from projrun.reconstructing import with_variables
from projrun.records import RECIPE, Record, find_record
from projrun.reproducing import Asked, Reproduced, reproduce
from projrun.settling import Settled

# A series or an exact version. The name of an environment begins with no digit.
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?((a|b|rc)\d+)?")


class Cell(Struct, frozen=True):
    """What came of it in one environment: the new run with its verdict, or why it could not be done."""

    name: str
    done: Reproduced | None = None
    error: ProjrunError | None = None

    @property
    def exit_code(self) -> int:
        """That of ``projrun reproduce``."""
        return self.done.exit_code if self.done else self.error.exit_code if self.error else 0

    @property
    def verdict(self) -> Mapping[str, Any] | None:
        """The document of the verdict; None when there is none."""
        return self.done.verdict if self.done else None


class Matrix(Struct, frozen=True):
    """One cell for each environment, in the order that was asked for. ``run`` is the one that was done again."""

    run: str
    cells: tuple[Cell, ...]

    @property
    def exit_code(self) -> int:
        """0 when it is reproduced in each of them, else the code of the first one in which it is not."""
        return next((cell.exit_code for cell in self.cells if cell.exit_code), 0)


def names_in(text: str) -> tuple[str, ...]:
    """The environments of ``3.10,3.12,gpu``, each once. Raises UsageError for none, and for what is no name."""
    names = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    wrong = [name for name in names if not _VERSION.fullmatch(name) and not re.fullmatch(r"[A-Za-z_][\w-]*", name)]
    if wrong:
        raise UsageError(
            f"--environment-matrix: {wrong[0]!r} is neither a Python nor the name of an environment",
            why="it takes versions of Python, and names of environments of the spec, with commas between",
            hint="--environment-matrix 3.10,3.12",
        )
    return names


def reproduce_matrix(asked: Asked, names: Sequence[str], means: Means, screen: Reporter) -> Matrix:
    """Does a recorded run again in each of the environments.

    Where it cannot be done is told in the cell. Raises UsageError for an environment that the spec does not have.
    """
    record = find_record(asked.run, asked.store)
    _check_names(record, names)
    if record.store is not None:  # the last run is soon another one
        asked = replace(asked, run=str(record.store.runs_directory / record.link.run / RECIPE))
    cells: list[Cell] = []
    for name in names:
        screen.phase("matrix", f"{name}, {len(cells) + 1} of {len(names)}")
        cells.append(_cell(asked, record, name, means, screen))
        done = cells[-1].done
        if done is not None and done.verdict is None:  # it was stopped
            break
    return Matrix(record.link.run, tuple(cells))


def _cell(asked: Asked, record: Record, name: str, means: Means, screen: Reporter) -> Cell:
    try:
        done = reproduce(asked, screen, lambda ready: _elsewhere(record, ready, name, means, screen))
    except UsageError:
        raise
    except ProjrunError as error:
        screen.phase("matrix", f"{name}: {error.what}")
        return Cell(name, error=error)
    return Cell(name, done)


def _elsewhere(record: Record, ready: Settled, name: str, means: Means, report: Reporter) -> Settled:
    """The run as it was, in another environment: the recorded lock for another Python, or another of the spec."""
    choice, again = ready.choice, ready.again
    assert again is not None
    if not _VERSION.fullmatch(name):
        declared = environment_named(name, choice.spec)
        recorded = {**record.recipe["variables"], "set": {}, "secrets": []}
        choice = replace(choice, environment=with_variables(declared, recorded))
        return replace(ready, choice=choice, again=replace(again, lock=None, bases=()))
    if again.lock is None:
        raise UsageError(
            f"--environment-matrix {name}: the run has no lock for another Python",
            why=f"it was in a {record.recipe['environment']['kind']} environment",
            hint="name environments of the spec",
        )
    python = interpreter_for(name, means, report).version
    environment = replace(choice.environment, python=name)
    lock = replace(again.lock, python=python)
    return replace(ready, choice=replace(choice, environment=environment), again=replace(again, lock=lock))


def _check_names(record: Record, names: Sequence[str]) -> None:
    """Raises UsageError for an environment that the recorded spec does not have, before anything is run."""
    from projrun.spec.check import examine  # brings all that reads YAML

    recorded = record.recipe["spec"]
    declared = examine(recorded["text"], Path(), recorded["file"]).declared
    known = declared.environments_by_name if declared else None
    for name in names:
        if known is not None and not _VERSION.fullmatch(name) and name not in known:
            raise UsageError(
                f"--environment-matrix: run {record.link.run} has no environment {name!r}",
                why=f"its spec declares {', '.join(known)}",
                hint=f"--environment-matrix {nearest(name, list(known)) or next(iter(known))}",
            )
