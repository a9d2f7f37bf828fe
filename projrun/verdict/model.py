"""A verdict as frozen values: layer by layer, what was verified, what differs and what could not be checked."""

from __future__ import annotations

from collections.abc import Mapping

from projrun.core.values import Struct
from projrun.spec.model import Tolerance

VERIFIED, DIFFERS, UNCHECKED = "verified", "differs", "unchecked"

# What a verdict can be.
REPRODUCED, DIFFERENT, NOT_DETERMINISTIC, UNVERIFIED = "reproduced", "differs", "not deterministic", "unverified"

# The layers that a result is made from, in the order of the stages; of those that differ it may come.
CAUSES = ("code", "environment", "data", "parameters", "host")
RESULTS = ("exit code", "outputs", "metrics")


class Finding(Struct, frozen=True):
    """One thing that was compared.

    ``message`` says how it differs, or why it cannot be checked, or what is the same. ``before`` is of the run
    that was done again, ``after`` of the new one.
    """

    what: str
    state: str
    message: str = ""
    before: str | None = None
    after: str | None = None


class Layer(Struct, frozen=True):
    """What was compared of one layer. ``summary`` says in a line what all of it is.

    ``declared``: there was something to compare by the spec.
    """

    name: str
    findings: tuple[Finding, ...]
    summary: str
    declared: bool = True

    @property
    def state(self) -> str:
        """``differs`` when anything does, else ``unchecked`` when anything could not be checked."""
        states = {finding.state for finding in self.findings}
        return next((state for state in (DIFFERS, UNCHECKED) if state in states), VERIFIED)

    @property
    def told(self) -> tuple[str, ...]:
        """What is not verified, or in a line what is."""
        found = tuple(f"{one.what}: {one.message}" for one in self.findings if one.state == self.state)
        return (self.summary,) if self.state == VERIFIED else found


class Compared(Struct, frozen=True):
    """Two contents of one format, value by value.

    ``values`` were compared and ``differing`` of them are not equal. The largest differences are None where no
    two numbers differ; ``where`` is the place of the largest, or of what else differs first. ``shape`` says how
    the two are not even made alike (other columns, lengths, keys), empty when they are.
    """

    format: str
    values: int
    differing: int
    largest_absolute: float | None = None
    largest_relative: float | None = None
    where: str = ""
    shape: str = ""

    @property
    def equal(self) -> bool:
        return not self.differing and not self.shape


class OutputFinding(Struct, frozen=True):
    """One declared output, or one file of a directory that is one.

    ``how`` it was compared: ``sha256``, ``content``, ``metrics`` (as those) or None when it was not. ``compared``
    is there when the content was.
    """

    path: str
    state: str
    how: str | None
    message: str
    before: str | None = None
    after: str | None = None
    compared: Compared | None = None


class MetricFinding(Struct, frozen=True):
    """One metric. The differences are None when the two are no numbers; ``tolerance`` None: it must be equal."""

    name: str
    state: str
    message: str
    before: bool | float | str | None = None
    after: bool | float | str | None = None
    absolute: float | None = None
    relative: float | None = None
    tolerance: Tolerance | None = None


class Verdict(Struct, frozen=True):
    """What a reproduction found.

    ``layers`` has all of them, outputs and metrics too. ``candidates`` are the layers that a difference may come
    from.
    """

    verdict: str
    summary: str
    layers: tuple[Layer, ...]
    outputs: tuple[OutputFinding, ...]
    metrics: tuple[MetricFinding, ...]
    candidates: tuple[str, ...] = ()

    @property
    def by_name(self) -> Mapping[str, Layer]:
        return {layer.name: layer for layer in self.layers}
