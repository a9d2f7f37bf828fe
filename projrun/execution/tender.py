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
import signal
from pathlib import Path
from typing import Any

from projrun.core import locks
from projrun.core.engine import http
from projrun.execution.tended import Order, Report
from projrun.execution.watching import PASSED_ON, PATIENCE_SECONDS, PAUSES, Watch

_ENGINE_FAILED = 125
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
    if order.scratch and _is_left():
        import shutil

        shutil.rmtree(order.scratch, ignore_errors=True)


def _note(number: int, frame: Any) -> None:
    """The wakeup descriptor has it."""


def _is_left() -> bool:
    """Whether the executor is gone: else it holds the other end of what we read."""
    os.set_blocking(0, False)
    try:
        return not os.read(0, 1)
    except BlockingIOError:
        return False


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
        self._watch = Watch(self._place, self._path, wake)
        self._host: dict[str, Any] = {**order.document["HostConfig"], "Init": True}
        self._answered = self._exists = False
        self._stopped = 0

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
            container = self._started_somehow()
        except (http.Refused, OSError) as error:
            return self._not_started(error)
        if not container:
            number = self._stopped
            return Report(code=128 + number, signal=number)
        try:
            self._watch.begin(container)
            self._watch.run()
            return self._report()
        except (http.Refused, OSError) as error:
            self._watch.streams.finish()
            return Report(failure=self._explained(error), **self._used())

    # -- making it

    def _started_somehow(self) -> str:
        """As ordered, or without what the engine says that it cannot do and a program can do without."""
        while True:
            try:
                return self._started()
            except http.Refused as error:
                from projrun.execution import unstarted

                simpler = unstarted.simpler(str(error), self._host)
                if simpler is None:
                    raise
                self._host = simpler
            self._removed()

    def _started(self) -> str:
        """Makes and starts the container and gives its id; an empty one when we were told to stop meanwhile."""
        container = self._made()
        output, begun = http.attach(
            self._place, f"{self._path}/attach?stream=1&stdout=1&stderr=1", timeout=PATIENCE_SECONDS
        )
        self._stopped = next((number for number in self._watch.signals() if number in PASSED_ON), 0)
        if self._stopped:
            output.close()
            return ""
        try:
            self._ask("POST", f"{self._path}/start")
        except (http.Refused, OSError):
            output.close()
            raise
        self._watch.started(output, begun)
        return container

    def _made(self) -> str:
        secrets = [f"{name}={os.environ[name]}" for name in self._order.secrets if name in os.environ]
        variables = [*self._order.document["Env"], *secrets, *(_WHOLE_GROUP if self._host["Init"] else ())]
        document = {**self._order.document, "Env": variables, "HostConfig": self._host}
        path = f"/containers/create?name={self._order.name}{self._order.query}"
        with http.begin(self._place, "POST", path, document, timeout=PATIENCE_SECONDS) as connection:
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

    # -- how it ended

    def _report(self) -> Report:
        assert self._watch.ended is not None
        code = int(self._watch.ended["StatusCode"])
        complaint = self._watch.streams.complaint()
        if complaint and code in _NOTHING_RAN and (found := self._fault(complaint)):
            return Report(refused=found[0], failure=found[1])
        self._watch.streams.finish()
        state = self._ask("GET", f"{self._path}/json")["State"]
        killed = bool(state.get("OOMKilled")) or self._watch.reading.killed > 0
        number = max(0, code - 128)
        known = number in self._watch.sent or (killed and number == signal.SIGKILL)
        return Report(code=code, signal=number if known else None, killed=killed, **self._used())

    def _used(self) -> dict[str, Any]:
        used = self._watch.reading
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
        answer = http.ask(self._place, method, path, document, timeout=PATIENCE_SECONDS)
        self._answered = True
        return answer
