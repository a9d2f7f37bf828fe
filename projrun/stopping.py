"""Being told to end: signals that come while no program runs."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from projrun.core.errors import ProjrunError


class Stopped(ProjrunError):
    """The same as an error, to be recorded and told."""

    kind = "stopped"

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}", hint="run it again")
        self.exit_code = 128 + number


class Interrupted(BaseException):
    """The runner was told to end by a signal while no program ran. Like KeyboardInterrupt, no error.

    ``run`` is the id of the run that was begun, None when none was.
    """

    def __init__(self, number: int, run: str | None = None) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        self.run = run

    def told(self) -> Stopped:
        """The error to tell of."""
        stopped = Stopped(self.number)
        stopped.run = self.run
        return stopped


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """TERM and HUP end the runner as Ctrl-C does: by an exception, so that the outcome is still written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number)

    # What the caller ignores stays ignored: nohup means it.
    heard = [
        number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN
    ]
    earlier = {number: signal.signal(number, stop) for number in heard}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            if handler is not None:  # None: installed by something that is not Python, which cannot be put back
                signal.signal(number, handler)
