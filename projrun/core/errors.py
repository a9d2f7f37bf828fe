"""Every error projrun raises on purpose. The exit code belongs to the class; the command line prints them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import ClassVar

from projrun.core.flags import Flag
from projrun.core.values import Struct


class Problem(Struct, frozen=True):
    """One thing that is wrong in a file the user wrote.

    ``file`` is as the user would name it; ``line`` and ``column`` count from 1 and are 0 when the problem
    has no place in the file (a file that is missing, say).
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    @property
    def place(self) -> str:
        """``file:line:column``, shortened by what is not known."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class ProjrunError(Exception):
    """A failure with three lines: ``what`` happened, ``why``, and what to type next (``hint``).

    ``run`` is the id of the run that recorded it, None when it came before there was one.
    """

    exit_code: int = 125
    kind: ClassVar[str] = "internal"

    def __init__(self, what: str, *, why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint
        self.run: str | None = None
        self._note(why, f"try: {hint}" if hint else "")

    def _note(self, *texts: str) -> None:
        """Adds what a traceback shows below the message, which is what whoever calls us as a library sees."""
        if sys.version_info >= (3, 11):
            for text in filter(None, texts):
                self.add_note(text)

    @property
    def brief(self) -> str:
        """Why, in one line."""
        return "; ".join(line.strip() for line in self.why.splitlines() if line.strip())


def system_reason(error: OSError, place: object) -> str:
    """What the system says of a failure, with the file that it speaks of, else ``place``."""
    return f"{os.fsdecode(error.filename) if error.filename else place}: {error.strerror or error}"


def as_flag(code: str, error: ProjrunError) -> Flag:
    """An error as something that is told and not raised."""
    return Flag(code, f"{error.what}: {error.brief}" if error.brief else error.what, error.hint)


class UsageError(ProjrunError):
    """The command line, a parameter value or a run's name is wrong."""

    exit_code = 2
    kind = "usage"


class SpecError(ProjrunError):
    """ProjectSpec.yaml is missing or wrong; ``problems`` lists every place."""

    exit_code = 111
    kind = "spec"

    def __init__(self, what: str, *, why: str = "", hint: str = "", problems: Sequence[Problem] = ()) -> None:
        super().__init__(what, why=why, hint=hint)
        self.problems = tuple(problems)
        self._note(*(f"{problem.place}: {problem.message}" for problem in self.problems))


class SourceError(ProjrunError):
    """The code cannot be found, read or captured."""

    exit_code = 112
    kind = "source"


class StrictRefusal(ProjrunError):
    """A run that could not be had again by itself; ``reasons`` lists everything that keeps it from that.

    The exit code is that of the stage of the first reason.
    """

    exit_code = 112
    kind = "strict"

    def __init__(self, reasons: Sequence[Flag], exit_code: int, *, why: str, hint: str) -> None:
        count = "this keeps" if len(reasons) == 1 else f"{len(reasons)} things keep"
        super().__init__(f"the run is refused: {count} it from being reproducible by itself", why=why, hint=hint)
        self.reasons = tuple(reasons)
        self.exit_code = exit_code


class EnvironmentFailure(ProjrunError):
    """The environment cannot be resolved, built or trusted."""

    exit_code = 113
    kind = "environment"


class EngineFailure(EnvironmentFailure):
    """The container engine is not there, cannot be used, or could not do what it was asked for."""


class DataError(ProjrunError):
    """A declared input is missing, unreadable or not what its pin says."""

    exit_code = 114
    kind = "data"


class StoreError(ProjrunError):
    """The run store cannot be read or written."""

    exit_code = 125
    kind = "store"
