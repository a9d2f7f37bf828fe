"""Something that is done while we do something else: mostly waiting for another process, or for the disk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Aside(Generic[T]):
    """A function that is called at once, in a thread of its own."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._given: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._call, name="projrun-aside")
        self._thread.start()

    def result(self) -> T:
        """What it gave. Raises what it raised."""
        self.wait()
        if self._error is not None:
            raise self._error
        return self._given[0]

    def wait(self) -> None:
        """Nothing of it goes on afterwards."""
        self._thread.join()

    def _call(self) -> None:
        try:
            self._given.append(self._function())
        except BaseException as error:  # raised again where it is asked for
            self._error = error
