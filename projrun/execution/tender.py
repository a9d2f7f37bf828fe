"""Tends one container: a small process of its own that makes, starts, hears, stops and removes it.

The first line on stdin is the :class:`Order`. Then stdin stays open for as long as somebody wants the container:
its end means that the executor is gone, however it went. The container's streams become ours. Signals that reach
us reach the program inside. How it all ended goes to the descriptor that the order names.

It starts without ``site`` and imports little: every run waits for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import time
from pathlib import Path
from typing import Any

from projrun.core import locks
from projrun.core.engine import http
from projrun.execution.consumption import Files, Reading, told
from projrun.execution.demultiplexing import Streams
from projrun.execution.tended import Order, Report

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
PAUSES = (signal.SIGTSTP, signal.SIGCONT)

_ENGINE_FAILED = 125
_PATIENCE_SECONDS = 120.0
# After the executor's end the program has so long to answer TERM.
_GRACE_SECONDS = 3.0
# The engine may take so long to end what was killed, and to pass on the last of the output.
_LAST_SECONDS = 10.0
_NEVER = float("inf")
# How often to look at what is used: often at first, as short programs have little time, and then so.
_FIRST_USAGE_SECONDS, _USAGE_SECONDS = 0.005, 0.1
_READ_BYTES = 256 * 1024
_NOT_FOUND, _CONFLICT = 404, 409
# Makes tini, which docker-init is, pass signals on to the program's group, as they go to one on this machine.
_WHOLE_GROUP = ("TINI_KILL_PROCESS_GROUP=1",)
# What an init process ends with when it cannot become the program: tini has 1 for reasons it does not know.
_NOTHING_RAN = (1, 126, 127)


def main() -> None:
    """Reads the order, carries it out, and reports."""
    wake, told_by = os.pipe()
    for descriptor in (wake, told_by):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(told_by, warn_on_full_buffer=False)
    for number in (*PASSED_ON, *PAUSES):
        signal.signal(number, _note)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # what came since our start is delivered now
    line = _line()
    if not line:
        return
    order = Order(**json.loads(line))
    report = Tender(order, wake).run()
    with contextlib.suppress(BrokenPipeError), open(order.report, "w") as file:
        json.dump(report._asdict(), file)


def _note(number: int, frame: Any) -> None:
    """The wakeup descriptor has it."""


def _line() -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        piece = os.read(0, _READ_BYTES)
        if not piece:
            return b""
        data += piece
    return data


class Tender:
    """One container from its making to its removal."""

    def __init__(self, order: Order, wake: int) -> None:
        self._order = order
        self._place = http.Place(*order.place)
        self._path = f"/containers/{order.name}"
        self._wake = wake
        self._streams = Streams()
        self._selector = selectors.DefaultSelector()
        self._reading = Reading()
        self._files: Files | None = None
        self._sent: set[int] = set()
        self._deadline = self._next_look = _NEVER
        self._answered = self._exists = self._heard = False
        self._stopped = 0
        self._interval = _FIRST_USAGE_SECONDS
        self._ended: dict[str, Any] | None = None
        self._waited = b""
        self._stats = b""

    def run(self) -> Report:
        """Everything. The container is gone afterwards, or the report says that it is not."""
        lock = Path(self._order.lock)
        lock.parent.mkdir(parents=True, exist_ok=True)
        held = locks.take(lock)
        report = self._carried_out()
        report = report._replace(left=not self._removed())
        if not report.left:
            with contextlib.suppress(OSError):
                lock.unlink()
        held.close()
        return report

    def _carried_out(self) -> Report:
        try:
            container = self._started(init=True)
        except (http.Refused, OSError) as error:
            return self._not_started(error)
        if not container:
            number = self._stopped
            return Report(code=128 + number, signal=number)
        try:
            self._begin(container)
            self._watch()
            return self._report()
        except (http.Refused, OSError) as error:
            self._streams.finish()
            return Report(failure=self._explained(error), **self._used())

    # -- making it

    def _started(self, *, init: bool) -> str:
        """Makes and starts the container and gives its id; an empty one when we were told to stop meanwhile."""
        try:
            container = self._made(init=init)
        except http.Refused as error:  # Podman tells it here, Docker at the start
            from projrun.execution import unstarted

            if not init or not unstarted.lacks_init(str(error)):
                raise
            return self._started(init=False)
        output, begun = http.attach(
            self._place, f"{self._path}/attach?stream=1&stdout=1&stderr=1", timeout=_PATIENCE_SECONDS
        )
        self._stopped = next((number for number in self._signals() if number in PASSED_ON), 0)
        if self._stopped:
            output.close()
            return ""
        try:
            self._ask("POST", f"{self._path}/start")
        except http.Refused as error:
            output.close()
            from projrun.execution import unstarted

            if not init or not unstarted.lacks_init(str(error)):
                raise
            self._removed()
            return self._started(init=False)
        self._streams.feed(begun)
        self._selector.register(output, selectors.EVENT_READ, self._hear)
        return container

    def _made(self, *, init: bool) -> str:
        secrets = [f"{name}={os.environ[name]}" for name in self._order.secrets if name in os.environ]
        variables = [*self._order.document["Env"], *secrets, *(_WHOLE_GROUP if init else ())]
        document = {**self._order.document, "Env": variables}
        document["HostConfig"] = {**document["HostConfig"], "Init": init}
        path = f"/containers/create?name={self._order.name}{self._order.query}"
        with http.begin(self._place, "POST", path, document, timeout=_PATIENCE_SECONDS) as connection:
            self._exists = True  # even if the answer gets lost
            try:
                made = http.heard(connection)
            except http.Refused:
                self._exists = False  # one of that name would be another's
                raise
        self._answered = True
        return str(made["Id"])

    def _not_started(self, error: Exception) -> Report:
        if isinstance(error, http.Refused) and (found := self._fault(str(error))):
            return Report(refused=found[0], failure=found[1])
        return Report(refused=_ENGINE_FAILED, failure=self._explained(error))

    def _fault(self, message: str) -> tuple[int, str] | None:
        """The program's own fault, if its not being started is one."""
        from projrun.execution import unstarted

        settings = self._ask("GET", f"{self._path}/json")["Config"] if self._exists else self._order.document
        path = next((one[5:] for one in settings.get("Env") or () if one.startswith("PATH=")), os.defpath)
        inside = unstarted.Inside(
            words=[*(settings.get("Entrypoint") or ()), *(settings.get("Cmd") or ())],
            directory=settings.get("WorkingDir") or "/",
            path=path,
            mode=lambda file: unstarted.mode(self._place, self._order.name, file),
        )
        return unstarted.reason(message, inside)

    # -- watching it

    def _begin(self, container: str) -> None:
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

    def _watch(self) -> None:
        """Passes on output and signals until the container has ended and was heard to its end."""
        while self._ended is None or not self._heard:
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
        if self._ended is None:
            if signal.SIGKILL in self._sent:
                raise TimeoutError("it cannot end the container")
            self._signal(signal.SIGKILL)
        elif self._streams.waiting is None:
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
        self._streams.feed(data)
        if self._ended is not None:
            self._deadline = time.monotonic() + _LAST_SECONDS
        if self._streams.waiting is not None:
            self._selector.unregister(output)
            self._wait_to_write(output)

    def _wait_to_write(self, output: Any) -> None:
        """Hears nothing more until all is written: so the program waits for our reader, as with a pipe."""
        waiting = self._streams.waiting
        if waiting is None:
            self._selector.register(output, selectors.EVENT_READ, self._hear)
            return

        def write(descriptor: Any) -> None:
            self._streams.write()
            if self._streams.waiting != descriptor:
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
        self._ended = http.answer(self._waited)
        if not self._ended:
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
            self._reading = self._reading.later(told(line))

    def _read_usage(self) -> None:
        if self._files:
            self._reading = self._reading.later(self._files.read())

    # -- signals

    def _signals(self) -> bytes:
        try:
            return os.read(self._wake, 4096)
        except BlockingIOError:
            return b""

    def _pass_on(self, _wake: Any) -> None:
        for number in self._signals():
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
        self._sent.add(number)
        self._tell(f"kill?signal={signal.Signals(number).name}")

    def _tell(self, what: str) -> None:
        with contextlib.suppress(http.Refused):  # it has ended, or is not paused
            self._ask("POST", f"{self._path}/{what}")

    # -- how it ended

    def _report(self) -> Report:
        assert self._ended is not None
        code = int(self._ended["StatusCode"])
        complaint = self._streams.complaint()
        if complaint and code in _NOTHING_RAN and (found := self._fault(complaint)):
            return Report(refused=found[0], failure=found[1])
        self._streams.finish()
        state = self._ask("GET", f"{self._path}/json")["State"]
        killed = bool(state.get("OOMKilled")) or self._reading.killed > 0
        number = max(0, code - 128)
        known = number in self._sent or (killed and number == signal.SIGKILL)
        return Report(code=code, signal=number if known else None, killed=killed, **self._used())

    def _used(self) -> dict[str, Any]:
        used = self._reading
        return {"user": used.user, "system": used.system, "peak_memory": used.peak_memory}

    def _removed(self) -> bool:
        if not self._exists:
            return True
        try:
            self._ask("DELETE", f"{self._path}?force=1&v=1")
        except http.Refused as error:
            return error.status in (_NOT_FOUND, _CONFLICT)
        except OSError:
            return False
        return True

    def _explained(self, error: Exception) -> str:
        from projrun.execution import unstarted

        return unstarted.engine_failure(error, answered=self._answered, what="running the container")

    def _ask(self, method: str, path: str, document: Any = None) -> Any:
        answer = http.ask(self._place, method, path, document, timeout=_PATIENCE_SECONDS)
        self._answered = True
        return answer
