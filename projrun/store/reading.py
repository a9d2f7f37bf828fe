"""Rows of many runs: read by several processes when there are very many, for most of it is parsing JSON."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import BinaryIO

from projrun.store.row import RunRow, row_of
from projrun.store.run import read_run

BATCH = 500
_MANY = 4000  # runs from which on it pays
_MOST = 4  # processes: more have to wait for the one that writes the index


def rows_of(runs: Path, ids: Sequence[str]) -> Generator[list[RunRow], None, None]:
    """The rows of runs in a directory, some at a time, in order."""
    batches = [ids[begin : begin + BATCH] for begin in range(0, len(ids), BATCH)]
    count = min(len(os.sched_getaffinity(0)), _MOST) if len(ids) >= _MANY and _may_fork() else 0
    readers: list[_Reader] = []
    try:
        with contextlib.suppress(OSError):  # no more processes may be made: their shares are read here
            for place in range(count):
                readers.append(_Reader(runs, batches[place::count], readers))
        for place, batch in enumerate(batches):
            mine = not count or place % count >= len(readers)
            rows = None if mine else readers[place % count].rows()
            yield _read(runs, batch) if rows is None else rows
    finally:
        for reader in readers:
            reader.end()


class _Reader:
    """A process that reads runs and sends their rows. It ends by itself when nobody takes them any more."""

    def __init__(self, runs: Path, batches: Sequence[Sequence[str]], others: Sequence[_Reader]) -> None:
        receiver, sender = os.pipe()
        self._file: BinaryIO = open(receiver, "rb")  # noqa: SIM115 - closed by end
        self._process = os.fork()
        if not self._process:
            _send(runs, batches, sender, [self, *others])
        os.close(sender)

    def rows(self) -> list[RunRow] | None:
        """The next rows; None when the process came to grief."""
        import pickle

        try:
            rows: list[RunRow] = pickle.load(self._file)  # noqa: S301 - our own process wrote it
        except (EOFError, OSError, pickle.UnpicklingError):
            return None
        return rows

    def close(self) -> None:
        self._file.close()

    def end(self) -> None:
        """Waits for its end."""
        self.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._process, 0)


def _send(runs: Path, batches: Sequence[Sequence[str]], sender: int, readers: Sequence[_Reader]) -> None:
    """What the process does. It never returns, and touches nothing that the other one has open."""
    try:
        import pickle
        import signal

        # The terminal's Ctrl-C is for the one that takes the rows.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for reader in readers:
            reader.close()
        with open(sender, "wb") as file:
            for batch in batches:
                pickle.dump(_read(runs, batch), file, pickle.HIGHEST_PROTOCOL)
                file.flush()
    finally:
        os._exit(0)


def _read(runs: Path, batch: Sequence[str]) -> list[RunRow]:
    return [row_of(read_run(runs / run)) for run in batch]


def _may_fork() -> bool:
    """Whether nothing else goes on in this process: a copy of a thread's locks would never be let go."""
    try:
        return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 - macOS has none, and is not for forking
    except OSError:
        return False
