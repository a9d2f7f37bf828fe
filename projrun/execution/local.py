"""Executes a request on this machine: start, watch, stream, stop."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from projrun.execution import program, signals, system
from projrun.execution.channels import Channels
from projrun.execution.ladder import Graces, Ladder
from projrun.execution.model import Outcome, Request, Usage

if TYPE_CHECKING:
    import resource

_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_PASSED_ON = (signal.SIGUSR1, signal.SIGUSR2)  # what schedulers announce a limit with

# How often to look whether descendants without our pipes have gone; nothing announces that.
_GROUP_POLL_SECONDS = 0.1

# Reads of a stream that nobody may close: more than any pipe or terminal of ours holds.
_LAST_READS = 16

_EXIT_TIMEOUT = 124

Write = Callable[[str, bytes], None]


@dataclass(frozen=True)
class _End:
    """How the child ended. ``cause`` is why we had begun to stop it, if we had."""

    status: int
    usage: Usage
    cause: str | None
    stragglers: bool = False


def execute(
    request: Request,
    write: Write,
    *,
    started: Callable[[], None] | None = None,
    graces: Graces | None = None,
) -> Outcome:
    """Runs one process to its end and gives what came of it; never leaves its group running.

    ``write(stream, data)`` gets all output as it comes; ``started`` is called once the process runs. Stop
    signals that reach us go to the process group (only in the main thread; see :class:`Graces` for what
    follows). When ``write`` or ``started`` raises, the child is stopped and the error raised again.
    """
    ladder = Ladder(graces or Graces())
    with Channels(request.terminals) as channels, signals.caught(_reactions(ladder, channels)) as wake:
        sink = _Sink(write, ladder)
        began = time.time()
        try:
            child = program.start(request, channels)
        except program.CannotStartError as problem:
            return _not_started(problem, began, ladder)
        try:
            channels.handed_over()
            ladder.attach(child.pid, request.timeout)
            if started is not None:
                sink.call(started)
            end = _watch(child.pid, channels, ladder, sink, wake)
        except BaseException:
            ladder.end_group()
            child.wait()
            raise
        # Collected by pid, or past collecting: Popen need not warn.
        child.returncode = 0
    if sink.error is not None:
        raise sink.error
    return _outcome(request, end, ladder, began)


class _Sink:
    """The caller's functions. The first error of one ends the run; what comes after it is dropped."""

    def __init__(self, write: Write, ladder: Ladder) -> None:
        self.error: BaseException | None = None
        self._write = write
        self._ladder = ladder

    def write(self, stream: str, data: bytes) -> None:
        self.call(lambda: self._write(stream, data))

    def call(self, function: Callable[[], None]) -> None:
        if self.error is not None:
            return
        try:
            function()
        except BaseException as error:  # raised again by execute, when the child has ended
            self.error = error
            self._ladder.fail()


def _reactions(ladder: Ladder, channels: Channels) -> Mapping[int, Callable[[int], None]]:
    def resize(number: int) -> None:
        channels.resize()
        ladder.pass_on(number)

    return {
        **dict.fromkeys(_STOP, ladder.interrupt),
        **dict.fromkeys(_PASSED_ON, ladder.pass_on),
        signal.SIGTSTP: ladder.suspend,
        signal.SIGCONT: ladder.resume,
        signal.SIGWINCH: resize,
    }


def _watch(pid: int, channels: Channels, ladder: Ladder, sink: _Sink, wake: int | None) -> _End | None:
    """Passes output on until the child has ended and let go of everything. None: it could not be ended."""
    began = time.monotonic()
    end: _End | None = None
    with system.ExitWatch(pid) as watch, selectors.DefaultSelector() as selector:
        for stream, descriptor in channels.open.items():
            selector.register(descriptor, selectors.EVENT_READ, stream)
        selector.register(watch.descriptor, selectors.EVENT_READ)
        if wake is not None:
            selector.register(wake, selectors.EVENT_READ)
        while not ladder.given_up:
            for key, _ in selector.select(_pause(ladder, end, channels)):
                if key.fd == wake:
                    signals.forget(key.fd)
                elif key.fd == watch.descriptor:
                    selector.unregister(key.fd)
                    end = _collect(watch, began, ladder)
                elif data := channels.read(key.data):
                    sink.write(key.data, data)
                else:
                    selector.unregister(key.fd)
                    channels.close(key.data)
            if end is not None and not channels.open and not system.group_lives(pid):
                break
            ladder.check()
    left = _drain(channels, sink)
    return None if end is None else replace(end, stragglers=left or ladder.stragglers)


def _drain(channels: Channels, sink: _Sink) -> bool:
    """Passes on what a stream still holds. Tells whether somebody could yet write to one."""
    for stream, descriptor in tuple(channels.open.items()):
        os.set_blocking(descriptor, False)
        for _ in range(_LAST_READS):
            try:
                data = channels.read(stream)
            except BlockingIOError:
                break
            if not data:
                channels.close(stream)
                break
            sink.write(stream, data)
    return bool(channels.open)


def _pause(ladder: Ladder, end: _End | None, channels: Channels) -> float | None:
    wait = ladder.wait()
    if end is None or channels.open or wait is None:
        return wait
    return min(wait, _GROUP_POLL_SECONDS)


def _collect(watch: system.ExitWatch, began: float, ladder: Ladder) -> _End:
    status, used = watch.collect()
    end = _End(status, _usage(used, time.monotonic() - began), ladder.cause)
    ladder.exited()
    return end


def _usage(used: resource.struct_rusage, wall: float) -> Usage:
    return Usage(wall=wall, user=used.ru_utime, system=used.ru_stime, peak_memory=system.peak_memory(used))


def _not_started(problem: program.CannotStartError, began: float, ladder: Ladder) -> Outcome:
    return Outcome(
        status="not-started",
        exit_code=problem.exit_code,
        started=began,
        ended=time.time(),
        usage=Usage(wall=0.0, user=0.0, system=0.0, peak_memory=0),
        received=ladder.received,
        reason=problem.reason,
    )


def _outcome(request: Request, end: _End | None, ladder: Ladder, began: float) -> Outcome:
    ended = time.time()
    if end is None:
        end = _End(signal.SIGKILL, Usage(ended - began, 0.0, 0.0, 0), ladder.cause)
        how = "it could not be killed, and may still run"
    else:
        how = _how(end.status)
    by = os.WTERMSIG(end.status) if os.WIFSIGNALED(end.status) else None
    code = os.waitstatus_to_exitcode(end.status) if by is None else 128 + by
    if end.cause == "timeout":
        status, code = "timeout", _EXIT_TIMEOUT
        reason = f"it had not finished after {request.timeout:g} s; {how}"
    elif end.cause == "interrupted":
        status, reason = "interrupted", f"projrun was told to stop by {_name(ladder.received)}; {how}"
    else:
        status, reason = ("failed", how) if code else ("finished", "")
    return Outcome(
        status=status,
        exit_code=code,
        started=began,
        ended=ended,
        usage=end.usage,
        signal=by,
        received=ladder.received,
        reason=reason,
        stragglers=end.stragglers,
    )


def _how(status: int) -> str:
    if not os.WIFSIGNALED(status):
        return f"it ended with exit code {os.waitstatus_to_exitcode(status)}"
    number = os.WTERMSIG(status)
    text = f"it was ended by {_name(number)} ({signal.strsignal(number) or 'no name'})"
    return f"{text}, and left a memory dump" if os.WCOREDUMP(status) else text


def _name(number: int | None) -> str:
    try:
        return signal.Signals(number or 0).name
    except ValueError:
        return f"signal {number}"
