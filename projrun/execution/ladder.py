"""How a process group is brought to its end: a signal it can answer, then TERM, then KILL, each with a time."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time

from projrun.core.values import Struct
from projrun.execution import system

# One stop may reach us twice (to us, and to our group: coreutils timeout does so). Nobody types that fast.
_SAME_SIGNAL_SECONDS = 0.1


class Graces(Struct, frozen=True):
    """The seconds a process group is given.

    ``first``: after the first signal (the one we got; INT for a timeout). ``term``: after TERM. ``kill``:
    after KILL, before we stop waiting for what the system cannot end. ``drain``: after the child's end, for
    descendants that still run or hold its output.
    """

    first: float = 10.0
    term: float = 5.0
    kill: float = 5.0
    drain: float = 2.0


class Ladder:
    """The steps for one child and its group.

    Its methods are called by signal handlers too, which may interrupt one another: the worst that comes of
    that is a milder signal sent after a stronger one.

    ``cause`` is why the child is being stopped: ``interrupted``, ``timeout``, ``failure`` (of our own), or
    None. ``received`` is the first signal that told us to stop. ``stragglers`` tells whether processes
    of the group had to be ended after the child. ``given_up``: nothing is left to be done or waited for.
    ``pause`` is the signal that pauses the group; by itself the system ignores TSTP in one without a terminal.
    """

    def __init__(self, graces: Graces, pause: int = signal.SIGSTOP) -> None:
        self.cause: str | None = None
        self.received: int | None = None
        self.stragglers = False
        self.given_up = False
        self._graces = graces
        self._pause = pause
        self._group: int | None = None
        self._steps: list[tuple[int, float]] = []
        self._deadline = math.inf
        self._exited = False
        self._last = (0, -math.inf)
        self._suspended: float | None = None

    def attach(self, group: int, timeout: float | None) -> None:
        """The child runs and leads ``group``. A stop that came before it did goes out now."""
        self._group = group
        if timeout is not None:
            self._deadline = time.monotonic() + timeout
        if self.cause is not None:
            self._next()

    def interrupt(self, number: int) -> None:
        """A signal tells us to stop: it goes to the group once; the next one takes the next step at once."""
        now = time.monotonic()
        repeated = self._last[0] == number and now - self._last[1] < _SAME_SIGNAL_SECONDS
        self._last = (number, now)
        if self.received is None:
            self.received = number
        if self.cause is None and not self._exited:
            self._begin("interrupted", number)
        elif self._steps and not repeated:
            self._next()

    def fail(self) -> None:
        """We cannot go on ourselves: the child is stopped."""
        if self.cause is None and not self._exited:
            self._begin("failure", signal.SIGTERM)

    def suspend(self, _number: int) -> None:
        """We were asked to pause (Ctrl-Z): the group pauses, then we do."""
        self._suspended = time.monotonic()
        self.pass_on(self._pause)
        os.kill(os.getpid(), signal.SIGSTOP)

    def resume(self, _number: int) -> None:
        """We go on, and so does the group. The pause does not count against any deadline."""
        if self._suspended is not None:
            self._deadline += time.monotonic() - self._suspended
            self._suspended = None
        self.pass_on(signal.SIGCONT)

    def pass_on(self, number: int) -> None:
        """Sends a signal to the group, if there is one."""
        if self._group is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._group, number)

    def exited(self) -> None:
        """The child has ended: from now on it is about what it left behind."""
        self._exited = True
        self._steps = [(signal.SIGTERM, self._graces.term), (signal.SIGKILL, self._graces.kill)]
        self._deadline = time.monotonic() + self._graces.drain

    def wait(self) -> float | None:
        """Seconds until something is due; None when nothing is."""
        return None if self._deadline == math.inf else max(0.0, self._deadline - time.monotonic())

    def check(self) -> None:
        """Does what is due."""
        if time.monotonic() < self._deadline:
            return
        if self.cause is None and not self._exited:
            self._begin("timeout", signal.SIGINT)
        else:
            self._next()

    def end_group(self) -> None:
        """Kills whatever is left of the group, for a way out that nobody planned."""
        self.pass_on(signal.SIGKILL)

    def _begin(self, cause: str, first: int) -> None:
        self.cause = cause
        self._steps = [(first, self._graces.first)]
        if first != signal.SIGTERM:
            self._steps.append((signal.SIGTERM, self._graces.term))
        self._steps.append((signal.SIGKILL, self._graces.kill))
        self._next()

    def _next(self) -> None:
        if self._group is None:
            return
        if not self._steps or (self._exited and not system.group_lives(self._group)):
            self.given_up = True
            return
        self.stragglers = self._exited
        number, grace = self._steps.pop(0)
        self._deadline = time.monotonic() + grace
        self.pass_on(number)
