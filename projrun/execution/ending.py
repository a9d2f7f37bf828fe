"""How a child ended, in whatever place it ran."""

from __future__ import annotations

import os
import signal
from typing import Protocol

from projrun.core import process
from projrun.core.values import Struct
from projrun.execution.model import Usage


class Ending(Struct, frozen=True):
    """How a child ended, and why we had begun to stop it, if we had (``cause``).

    ``code`` is the exit code as a shell has it, ``text`` what to say of it in a sentence.
    """

    code: int
    signal: int | None
    text: str
    usage: Usage
    cause: str | None = None
    stragglers: bool = False


class Child(Protocol):
    """A process that was started for a request; it leads a group of its own."""

    @property
    def process(self) -> process.Popen[bytes]: ...

    def ended(self, ending: Ending) -> Ending:
        """What its end means. Raises CannotStartError when nothing was ever run."""

    def abandoned(self) -> None:
        """Cleans up after a child that was killed on a way out that nobody planned."""


def of_status(status: int, usage: Usage, cause: str | None) -> Ending:
    """The ending of a process with a status as wait4 gives it."""
    if not os.WIFSIGNALED(status):
        code = os.waitstatus_to_exitcode(status)
        return Ending(code, None, code_text(code), usage, cause)
    number = os.WTERMSIG(status)
    text = signal_text(number)
    if os.WCOREDUMP(status):
        text = f"{text}, and left a memory dump"
    return Ending(128 + number, number, text, usage, cause)


def unkillable(usage: Usage, cause: str | None) -> Ending:
    """That of a child that withstood a kill, whose exit code it gets."""
    return Ending(128 + signal.SIGKILL, None, "it could not be killed, and may still run", usage, cause)


def code_text(code: int) -> str:
    """What to say of an exit code."""
    return f"it ended with exit code {code}"


def signal_text(number: int) -> str:
    """What to say of a signal that ended something."""
    return f"it was ended by {signal_name(number)} ({signal.strsignal(number) or 'no name'})"


def signal_name(number: int | None) -> str:
    """``SIGTERM``, say, or a number for those without a name."""
    try:
        return signal.Signals(number or 0).name
    except ValueError:
        return f"signal {number}"
