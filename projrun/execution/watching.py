"""Watches a container that runs: its output, its end, what it uses, and the signals that it is to have."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import time
from typing import Any

from projrun.core.engine import http
from projrun.execution.consumption import Files, Reading, told
from projrun.execution.demultiplexing import Streams

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
PAUSES = (signal.SIGTSTP, signal.SIGCONT)
PATIENCE_SECONDS = 120.0

# After the executor's end the program has so long to answer TERM.
_GRACE_SECONDS = 3.0
# The engine may take so long to end what was killed, and to pass on the last of the output.
_LAST_SECONDS = 10.0
_NEVER = float("inf")
# How often to look at what is used: often at first, as short programs have little time, and then so.
_FIRST_USAGE_SECONDS, _USAGE_SECONDS = 0.005, 0.1
_READ_BYTES = 256 * 1024


class Watch:
    """One container that is about to run, which the engine has at ``path``.

    ``wake`` is the descriptor with the numbers of signals. ``reading`` is what was used as far as is known,
    ``sent`` are the signals that were passed on, and ``ended`` is what the engine says of the end, None before it.
    First :meth:`started`, then :meth:`begin`, then :meth:`run`. These raise Refused, and OSError when the engine
    goes away.
    """

    def __init__(self, place: http.Place, path: str, wake: int) -> None:
        self.streams = Streams()
        self.reading = Reading()
        self.sent: set[int] = set()
        self.ended: dict[str, Any] | None = None
        self._place = place
        self._path = path
        self._wake = wake
        self._selector = selectors.DefaultSelector()
        self._files: Files | None = None
        self._deadline = self._next_look = _NEVER
        self._interval = _FIRST_USAGE_SECONDS
        self._heard = False
        self._waited = b""
        self._stats = b""

    def started(self, output: Any, begun: bytes) -> None:
        """It has started; ``begun`` was already read of its output."""
        self.streams.feed(begun)
        self._selector.register(output, selectors.EVENT_READ, self._hear)

    def begin(self, container: str) -> None:
        """Registers whatever is to be heard of. Usage comes from files, if these are of this very system."""
        ended = http.begin(self._place, "POST", f"{self._path}/wait")
        self._selector.register(ended, selectors.EVENT_READ, self._end)
        self._selector.register(0, selectors.EVENT_READ, self._abandon)
        self._selector.register(self._wake, selectors.EVENT_READ, self._pass_on)
        state = self._ask("GET", f"{self._path}/json")["State"]
        self._files = Files(int(state.get("Pid") or 0), container)
        if self._files:
            self._next_look = time.monotonic()
            if self._files.exit is not None:
                self._selector.register(self._files.exit, selectors.EVENT_READ, self._gone)
        elif state.get("Running"):
            stats = http.begin(self._place, "GET", f"{self._path}/stats?stream=1")
            self._selector.register(stats, selectors.EVENT_READ, self._count)

    def run(self) -> None:
        """Passes on output and signals until the container has ended and was heard to its end."""
        while self.ended is None or not self._heard:
            due = min(self._deadline, self._next_look) - time.monotonic()
            for key, _ in self._selector.select(max(0.0, due) if due != _NEVER else None):
                key.data(key.fileobj)
            self._look()

    def _look(self) -> None:
        """Does what is due."""
        now = time.monotonic()
        if now >= self._next_look:
            self._read_usage()
            self._next_look = now + self._interval
            self._interval = min(_USAGE_SECONDS, self._interval * 1.5)
        if now < self._deadline:
            return
        self._deadline = now + _LAST_SECONDS
        if self.ended is None:
            if signal.SIGKILL in self.sent:
                raise TimeoutError("it cannot end the container")
            self._signal(signal.SIGKILL)
        elif self.streams.waiting is None:
            self._heard = True  # nobody says why the rest does not come

    def _gone(self, exit_: Any) -> None:
        """The program has just ended, and its control groups are yet there."""
        self._selector.unregister(exit_)
        self._read_usage()
        self._next_look = _NEVER

    def _hear(self, output: Any) -> None:
        data = output.recv(_READ_BYTES)
        if not data:
            self._heard = True
            self._selector.unregister(output)
            output.close()
            self._read_usage()
            return
        self.streams.feed(data)
        if self.ended is not None:
            self._deadline = time.monotonic() + _LAST_SECONDS
        if self.streams.waiting is not None:
            self._selector.unregister(output)
            self._wait_to_write(output)

    def _wait_to_write(self, output: Any) -> None:
        """Hears nothing more until all is written: so the program waits for our reader, as with a pipe."""
        waiting = self.streams.waiting
        if waiting is None:
            self._selector.register(output, selectors.EVENT_READ, self._hear)
            return

        def write(descriptor: Any) -> None:
            self.streams.write()
            if self.streams.waiting != descriptor:
                self._selector.unregister(descriptor)
                self._wait_to_write(output)

        self._selector.register(waiting, selectors.EVENT_WRITE, write)

    def _end(self, ended: Any) -> None:
        data = ended.recv(_READ_BYTES)
        self._waited += data
        if data:
            return
        self._selector.unregister(ended)
        ended.close()
        self.ended = http.answer(self._waited)
        if not self.ended:
            raise ConnectionError("it no longer tells how the container ends")
        self._deadline = time.monotonic() + _LAST_SECONDS

    def _count(self, stats: Any) -> None:
        data = stats.recv(_READ_BYTES)
        if not data:
            self._selector.unregister(stats)
            stats.close()
            return
        *lines, self._stats = (self._stats + data).split(b"\n")
        for line in lines:
            self.reading = self.reading.later(told(line))

    def _read_usage(self) -> None:
        if self._files:
            self.reading = self.reading.later(self._files.read())

    # -- signals

    def signals(self) -> bytes:
        """The numbers of those that came since the last look."""
        try:
            return os.read(self._wake, 4096)
        except BlockingIOError:
            return b""

    def _pass_on(self, _wake: Any) -> None:
        for number in self.signals():
            if number == signal.SIGTSTP:
                self._tell("pause")
            elif number == signal.SIGCONT:
                self._tell("unpause")
            elif number in PASSED_ON:
                self._signal(number)

    def _abandon(self, stdin: Any) -> None:
        """Nobody wants the container any more."""
        if os.read(0, 4096):
            return
        self._selector.unregister(stdin)
        self._tell("unpause")
        self._deadline = time.monotonic() + _GRACE_SECONDS
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        self.sent.add(number)
        self._tell(f"kill?signal={signal.Signals(number).name}")

    def _tell(self, what: str) -> None:
        with contextlib.suppress(http.Refused):  # it has ended, or is not paused
            self._ask("POST", f"{self._path}/{what}")

    def _ask(self, method: str, path: str) -> Any:
        return http.ask(self._place, method, path, timeout=PATIENCE_SECONDS)
