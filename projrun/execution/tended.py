"""What passes between the executor and the process that tends a container: an order, then a report. Plain data."""

from __future__ import annotations

from typing import Any, NamedTuple


class Order(NamedTuple):
    """What is to be run.

    ``place`` is the engine's (:class:`projrun.core.engine.http.Place`). ``document`` makes the container, but for
    the values of ``secrets``, which are names; ``query`` goes with it. ``lock`` is held while the container is
    there. The report goes to the descriptor ``report``. ``scratch`` is a directory to be removed at the end when
    the executor is gone by then, or empty.
    """

    place: list[Any]
    name: str
    query: str
    document: dict[str, Any]
    secrets: list[str]
    lock: str
    report: int
    scratch: str = ""


class Report(NamedTuple):
    """What came of it.

    ``code`` is the exit code as the engine tells it, None when there is none: the reason is in ``failure`` then.
    ``refused`` is the exit code for a container that was not started (125, 126, 127). ``signal`` is the one that
    ended the program, when that can be known. ``killed`` tells whether a process died for want of memory.
    ``left``: the container could not be removed. Seconds, and bytes.
    """

    code: int | None = None
    signal: int | None = None
    refused: int | None = None
    failure: str = ""
    killed: bool = False
    left: bool = False
    user: float = 0.0
    system: float = 0.0
    peak_memory: int = 0
