"""Signals that reach us, for as long as a child is watched."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType


@contextlib.contextmanager
def caught(reactions: Mapping[int, Callable[[int], None]]) -> Iterator[int | None]:
    """Calls the reaction to each signal that arrives during the block, and puts the old handlers back.

    Gives a descriptor that becomes readable with each signal, so that none is lost between looking and
    waiting. A reaction is called at once, even while a write to the screen blocks. A signal that is ignored
    stays so (``nohup``). Outside the main thread no handler can be set: gives None and does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield None
        return
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        with _handlers(reactions):
            yield reader
    finally:
        signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)


def forget(reader: int) -> None:
    """Empties the descriptor of :func:`caught`."""
    with contextlib.suppress(BlockingIOError):
        while os.read(reader, 4096):
            pass


@contextlib.contextmanager
def _handlers(reactions: Mapping[int, Callable[[int], None]]) -> Iterator[None]:
    def receive(number: int, _frame: FrameType | None) -> None:
        reactions[number](number)

    previous = {}
    try:
        for number in reactions:
            if signal.getsignal(number) is not signal.SIG_IGN:
                previous[number] = signal.signal(number, receive)
        # A caller that ignores SIGCHLD makes the system throw exit codes away.
        if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        yield
    finally:
        for number, handler in previous.items():
            if handler is not None:  # None: set by something other than Python, which cannot be put back
                signal.signal(number, handler)
