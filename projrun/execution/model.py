"""What is to be executed, and what came of it. Both are plain data that can be written down."""

from __future__ import annotations

from collections.abc import Mapping

from projrun.core.values import Struct, field
from projrun.environment.model import Container


class Request(Struct, frozen=True):
    """One process to run.

    ``variables`` is its whole environment but for ``secrets``: names whose values the executor takes from
    its own environment at the last moment, so that a request can be stored. ``timeout`` is in seconds.
    ``terminals`` names the streams (``stdout``, ``stderr``) that the child should find to be terminals. With a
    ``container`` it runs in there: ``cwd``, ``argv`` and ``variables`` are as it sees them inside. ``scratch`` is
    a directory that whoever ends the program in our place, when we are killed, removes after it.
    """

    argv: tuple[str, ...]
    cwd: str
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    timeout: float | None = None
    terminals: tuple[str, ...] = ()
    container: Container | None = None
    scratch: str = ""


class Usage(Struct, frozen=True):
    """What the process and its waited-for descendants used. Seconds and bytes.

    ``peak_memory`` is the largest resident set of any one of them (getrusage's ru_maxrss).

    In a container they are those of all its processes together, and of the files that they hold in memory, as
    its control groups count. These are read every 0.1 s (every 5 ms at first) and when the program ends; what an
    engine tells where they cannot be seen comes every second. The last reading counts: what came after it is
    missed, and so is all of a program of a few milliseconds. ``wall`` has the container's making and removal.
    """

    wall: float
    user: float
    system: float
    peak_memory: int


class Outcome(Struct, frozen=True):
    """How it ended.

    ``status``: ``finished`` (exit code 0), ``failed`` (any other end of its own, or a signal not ours),
    ``timeout``, ``interrupted`` (we were told to stop), ``not-started``. ``exit_code`` is the one projrun
    exits with: the child's own, 128+n for signal n, 124, 126 or 127. ``signal`` is what ended the child;
    ``received`` what ended us. ``reason`` is one line for people, empty when it finished. ``stragglers``
    tells whether processes outlived it: those of its group were ended, one that had left the group lost its
    output. Times are seconds since the epoch.
    """

    status: str
    exit_code: int
    started: float
    ended: float
    usage: Usage
    signal: int | None = None
    received: int | None = None
    reason: str = ""
    stragglers: bool = False
