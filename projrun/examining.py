"""What a choice would meet, each thing looked at by itself: a fault in one hides nothing of the others."""

from __future__ import annotations

from projrun.choice import Choice, declared_inputs
from projrun.core.errors import DataError, as_flag
from projrun.core.flags import Flag
from projrun.core.report import Reporter
from projrun.core.values import Struct
from projrun.data import declared
from projrun.data.model import Fingerprint
from projrun.environment import faults
from projrun.environment.model import EnvironmentPlan, Means
from projrun.telling import input_flags


class Examined(Struct, frozen=True):
    """What was found. ``environment`` is None when it cannot be had; an input that cannot be is not among them."""

    environment: EnvironmentPlan | None
    environment_flags: tuple[Flag, ...]
    inputs: tuple[Fingerprint, ...]
    input_flags: tuple[Flag, ...]


def examine(choice: Choice, means: Means, report: Reporter) -> Examined:
    """Looks at the environment and at each input. Builds nothing; fetches no more than an allowed interpreter."""
    root = choice.spec.root
    environment, environment_flags = faults.examine(choice.environment, root, means, report)
    found: list[Fingerprint] = []
    flags: list[Flag] = []
    for entry in declared_inputs(choice):
        try:
            one = declared.expected(entry, root, means.cache, report, offline=means.offline)
        except DataError as error:
            flags.append(as_flag("input-refused", error))
        else:
            found.append(one)
            flags += input_flags((one,), choice.spec.data)
    return Examined(environment, environment_flags, tuple(found), tuple(flags))
