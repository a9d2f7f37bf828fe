"""Counts what was compared and remembers the largest difference, and the first thing that is not alike."""

from __future__ import annotations

from collections.abc import Callable

from projrun.verdict.distance import Apart, apart, as_number, same
from projrun.verdict.model import Compared


class Incomparable(Exception):
    """Why two contents are not compared. The text is for people."""


class Tally:
    """What a comparison has found so far. A place is made into text only when it is told."""

    def __init__(self) -> None:
        self.values = 0
        self.differing = 0
        self.shape = ""
        self._largest: Apart | None = None
        self._relative: float | None = None
        self._where = ""

    def count(self, values: int) -> None:
        """Notes values that are equal."""
        self.values += values

    def pair(self, before: object, after: object, place: Callable[[], str]) -> None:
        """Compares two values, as numbers when both are."""
        self.values += 1
        if before == after and type(before) is type(after):
            return
        first, second = as_number(before), as_number(after)
        if first is None or second is None:
            self.other(place)
        elif not same(first, second):
            self.numbers(apart(first, second), place)

    def numbers(self, found: Apart | None, place: Callable[[], str]) -> None:
        """Notes two numbers that differ; None: one of them is NaN."""
        if found is None:
            self.other(place)
            return
        self.differing += 1
        self._relative = max(found.relative, self._relative or 0.0)
        if self._largest is None or found.absolute > self._largest.absolute:
            self._largest, self._where = found, place()

    def other(self, place: Callable[[], str]) -> None:
        """Notes two values that differ and are no numbers."""
        self.differing += 1
        self._where = self._where or place()

    def unlike(self, message: str) -> None:
        """Notes that the two are not made alike; the first reason is kept."""
        self.shape = self.shape or message

    def result(self, name: str) -> Compared:
        return Compared(
            format=name,
            values=self.values,
            differing=self.differing,
            largest_absolute=self._largest.absolute if self._largest else None,
            largest_relative=self._relative,
            where=self._where,
            shape=self.shape,
        )
