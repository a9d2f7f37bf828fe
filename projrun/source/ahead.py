"""A look at the source that begins before it is asked for: git works while we do something else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Ahead(Generic[_T]):
    """What a function gives, which is called at once and in a thread of its own."""

    def __init__(self, function: Callable[[], _T]) -> None:
        self._function = function
        self._found: list[_T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._call, name="projrun-ahead")
        self._thread.start()

    def result(self) -> _T:
        """What it gave, when it has. Raises what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._found[0]

    def _call(self) -> None:
        try:
            self._found.append(self._function())
        except BaseException as error:  # raised again where it is asked for
            self._error = error
