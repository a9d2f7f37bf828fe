"""Many runs: looked at by several processes when there are very many, for most of it is parsing JSON."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

from projrun.store.row import RunRow, row_of
from projrun.store.run import read_run

Found = TypeVar("Found")

BATCH = 500
_MANY = 4000  # runs from which on it pays
_MOST = 4  # processes: more have to wait for the one that writes the index


def rows_of(runs: Path, ids: Sequence[str]) -> Generator[list[RunRow], None, None]:
    """The rows of runs in a directory, some at a time, in order."""
    return batches_of(runs, ids, _row)


def each_of(runs: Path, ids: Sequence[str], look: Callable[[Path], Found]) -> Iterator[Found]:
    """What ``look`` finds in each run of a directory, in order. It may be called in another process."""
    with contextlib.closing(batches_of(runs, ids, look)) as batches:
        for batch in batches:
            yield from batch


def batches_of(
    runs: Path, ids: Sequence[str], look: Callable[[Path], Found]
) -> Generator[list[Found], None, None]:
    """The same, some at a time."""
    batches = [ids[begin : begin + BATCH] for begin in range(0, len(ids), BATCH)]
    count = min(len(os.sched_getaffinity(0)), _MOST) if len(ids) >= _MANY and _may_fork() else 0
    readers: list[_Reader[Found]] = []
    try:
        with contextlib.suppress(OSError):  # no more processes may be made: their shares are read here
            for place in range(count):
                readers.append(_Reader(_Task(runs, look), batches[place::count], readers))
        for place, batch in enumerate(batches):
            mine = not count or place % count >= len(readers)
            found = None if mine else readers[place % count].batch()
            yield _Task(runs, look).do(batch) if found is None else found
    finally:
        for reader in readers:
            reader.end()


class _Task(Generic[Found]):
    def __init__(self, runs: Path, look: Callable[[Path], Found]) -> None:
        self._runs, self._look = runs, look

    def do(self, batch: Sequence[str]) -> list[Found]:
        return [self._look(self._runs / run) for run in batch]


class _Reader(Generic[Found]):
    """A process that looks at runs and sends what it finds. It ends by itself when nobody takes that any more."""

    def __init__(
        self, task: _Task[Found], batches: Sequence[Sequence[str]], others: Sequence[_Reader[Found]]
    ) -> None:
        receiver, sender = os.pipe()
        self._file: BinaryIO = open(receiver, "rb")  # noqa: SIM115 - closed by end
        self._process = os.fork()
        if not self._process:
            _send(task, batches, sender, [self, *others])
        os.close(sender)

    def batch(self) -> list[Found] | None:
        """The next ones; None when the process came to grief."""
        import pickle

        try:
            found: list[Found] = pickle.load(self._file)  # noqa: S301 - our own process wrote it
        except (EOFError, OSError, pickle.UnpicklingError):
            return None
        return found

    def close(self) -> None:
        self._file.close()

    def end(self) -> None:
        """Waits for its end."""
        self.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._process, 0)


def _send(
    task: _Task[Found], batches: Sequence[Sequence[str]], sender: int, readers: Sequence[_Reader[Found]]
) -> None:
    """What the process does. It never returns, and touches nothing that the other one has open."""
    try:
        import pickle
        import signal

        # The terminal's Ctrl-C is for the one that takes what is found.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for reader in readers:
            reader.close()
        with open(sender, "wb") as file:
            for batch in batches:
                pickle.dump(task.do(batch), file, pickle.HIGHEST_PROTOCOL)
                file.flush()
    finally:
        os._exit(0)


def _row(run: Path) -> RunRow:
    return row_of(read_run(run))


def _may_fork() -> bool:
    """Whether nothing else goes on in this process: a copy of a thread's locks would never be let go."""
    try:
        return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 - macOS has none, and is not for forking
    except OSError:
        return False
