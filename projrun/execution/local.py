"""Executes a request on this machine: start, watch, stream, stop."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import time
from collections.abc import Callable, Mapping, Sequence

from projrun.core.locks import Held
from projrun.core.values import Struct, replace
from projrun.execution import ending, program, signals, system
from projrun.execution.channels import Channels
from projrun.execution.ending import Child, Ending
from projrun.execution.ladder import Graces, Ladder
from projrun.execution.model import Outcome, Request, Usage

_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_PASSED_ON = (signal.SIGUSR1, signal.SIGUSR2)  # what schedulers announce a limit with

# How often to look whether descendants without our pipes have gone; nothing announces that.
_GROUP_POLL_SECONDS = 0.02

# A program that has ended by then is told of once, as one that has ended.
_LASTING_SECONDS = 0.5

# What is read of a stream that nobody may ever close: more than any pipe or terminal of ours holds.
_LAST_BYTES = 1 << 20

_EXIT_TIMEOUT = 124

Write = Callable[[str, bytes], None]


class _Running(Struct, frozen=True):
    """The child's process id, and when it was started by the monotonic clock."""

    pid: int
    started: float


def execute(
    request: Request,
    write: Write,
    *,
    started: Callable[[], None] | None = None,
    lasting: Callable[[], None] | None = None,
    graces: Graces | None = None,
    kept: Sequence[Held] = (),
) -> Outcome:
    """Runs one process to its end and gives what came of it; never leaves its group running.

    Should we be killed, a process of its own ends the group; until then the locks ``kept`` stay held.
    ``write(stream, data)`` gets all output as it comes; ``started`` is called once the process runs, and
    ``lasting`` when it has done so for half a second. Stop signals that reach us go to the process group (only in
    the main thread; see :class:`Graces` for what follows). When one of the three raises, the child is stopped and
    the error raised again.
    """
    ladder = Ladder(graces or Graces(), signal.SIGSTOP if request.container is None else signal.SIGTSTP)
    with Channels(request.terminals) as channels, signals.caught(_reactions(ladder, channels)) as wake:
        sink = _Sink(write, ladder)
        began, clock = time.time(), time.monotonic()
        try:
            child = _start(request, channels, kept)
        except program.CannotStartError as problem:
            return _not_started(problem, began, ladder)
        try:
            channels.handed_over()
            ladder.attach(child.process.pid, request.timeout)
            if started is not None:
                sink.call(started)
            end = _watch(_Running(child.process.pid, clock), channels, ladder, sink, wake, _Later(lasting, clock))
        except BaseException:
            ladder.end_group()
            child.process.wait()
            child.abandoned()
            raise
        # Collected by pid, or past collecting: Popen need not warn.
        child.process.returncode = 0
        try:
            end = child.ended(end)
        except program.CannotStartError as problem:
            return _not_started(problem, began, ladder)
    if sink.error is not None:
        raise sink.error
    return _outcome(request, end, ladder, began)


def _start(request: Request, channels: Channels, kept: Sequence[Held]) -> Child:
    if request.container is None:
        return program.start(request, channels, kept)
    from projrun.execution import contained

    return contained.start(request, request.container, channels, kept)


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


class _Later:
    """What is called when the program has run for a while, should it do so. ``clock`` is when it was started."""

    def __init__(self, function: Callable[[], None] | None, clock: float) -> None:
        self._function = function
        self._due = clock + _LASTING_SECONDS

    def pause(self, wait: float | None) -> float | None:
        """How long to wait, in place of ``wait``: not longer than until then."""
        if self._function is None:
            return wait
        left = max(0.0, self._due - time.monotonic())
        return left if wait is None else min(wait, left)

    def check(self, sink: _Sink) -> None:
        if self._function is not None and time.monotonic() >= self._due:
            function, self._function = self._function, None
            sink.call(function)


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


def _watch(
    child: _Running, channels: Channels, ladder: Ladder, sink: _Sink, wake: int | None, later: _Later
) -> Ending:
    """Passes output on until the child has ended and let go of everything, or is given up."""
    end: Ending | None = None
    with system.ExitWatch(child.pid) as watch, selectors.DefaultSelector() as selector:
        for stream, descriptor in channels.open.items():
            selector.register(descriptor, selectors.EVENT_READ, stream)
        selector.register(watch.descriptor, selectors.EVENT_READ)
        if wake is not None:
            selector.register(wake, selectors.EVENT_READ)
        while not ladder.given_up:
            for key, _ in selector.select(later.pause(_pause(ladder, end, channels))):
                if key.fd == wake:
                    signals.forget(key.fd)
                elif key.fd == watch.descriptor:
                    selector.unregister(key.fd)
                    end = _collect(watch, child, ladder)
                elif data := channels.read(key.data):
                    sink.write(key.data, data)
                else:
                    selector.unregister(key.fd)
                    channels.close(key.data)
            if end is not None and not channels.open and not system.group_lives(child.pid):
                break
            ladder.check()
            later.check(sink)
    left = _drain(channels, sink)
    if end is None:
        usage = Usage(wall=time.monotonic() - child.started, user=0.0, system=0.0, peak_memory=0)
        return ending.unkillable(usage, ladder.cause)
    return replace(end, stragglers=left or ladder.stragglers)


def _drain(channels: Channels, sink: _Sink) -> bool:
    """Passes on what a stream still holds. Tells whether somebody could yet write to one."""
    for stream, descriptor in tuple(channels.open.items()):
        os.set_blocking(descriptor, False)
        room = _LAST_BYTES
        with contextlib.suppress(BlockingIOError):
            while room > 0 and (data := channels.read(stream)):
                sink.write(stream, data)
                room -= len(data)
            if room > 0:
                channels.close(stream)
    return bool(channels.open)


def _pause(ladder: Ladder, end: Ending | None, channels: Channels) -> float | None:
    wait = ladder.wait()
    if end is None or channels.open or wait is None:
        return wait
    return min(wait, _GROUP_POLL_SECONDS)


def _collect(watch: system.ExitWatch, child: _Running, ladder: Ladder) -> Ending:
    status, used = watch.collect()
    cause = ladder.cause
    ladder.exited()
    usage = Usage(
        wall=time.monotonic() - child.started,
        user=used.ru_utime,
        system=used.ru_stime,
        peak_memory=system.peak_memory(used),
    )
    return ending.of_status(status, usage, cause)


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


def _outcome(request: Request, end: Ending, ladder: Ladder, began: float) -> Outcome:
    code = end.code
    if end.cause == "timeout":
        status, code = "timeout", _EXIT_TIMEOUT
        reason = f"it had not finished after {request.timeout:g} s; {end.text}"
    elif end.cause == "interrupted":
        status, reason = (
            "interrupted",
            f"projrun was told to stop by {ending.signal_name(ladder.received)}; {end.text}",
        )
    else:
        status, reason = ("failed", end.text) if code else ("finished", "")
    return Outcome(
        status=status,
        exit_code=code,
        started=began,
        ended=time.time(),
        usage=end.usage,
        signal=end.signal,
        received=ladder.received,
        reason=reason,
        stragglers=end.stragglers,
    )
