"""Work that waits for another process in between, written as a generator that yields where it would.

What it yields tells whether there is anything left to wait for. Whoever has nothing else to do waits at once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Generic, TypeVar

T = TypeVar("T")
Ready = Callable[[], bool]
Steps = Generator[Ready, None, T]


def finished(steps: Steps[T]) -> T:
    """What it comes to, waited for. Raises what it raises."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: T = end.value
            return value


class Begun(Generic[T]):
    """Work that has taken its first step. What it raises is raised where its result is asked for."""

    def __init__(self, steps: Steps[T]) -> None:
        self._steps = steps
        self._given: list[T] = []
        self._error: Exception | None = None
        self._ready: Ready = lambda: True
        self.go_on()

    def go_on(self) -> None:
        """Takes the next step, if nothing has to be waited for."""
        if self._ready():
            self._step()

    def _step(self) -> None:
        if self._given or self._error is not None:
            return
        try:
            self._ready = next(self._steps)
        except StopIteration as end:
            self._given.append(end.value)
        except Exception as error:
            self._error = error

    def result(self) -> T:
        """What it comes to, waited for."""
        while not self._given and self._error is None:
            self._step()
        if self._error is not None:
            raise self._error
        return self._given[0]

    def close(self) -> None:
        """Ends what still goes on."""
        self._steps.close()
