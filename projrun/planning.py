"""What a run would do, found out without building, recording or running anything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from projrun.choice import Choice, Options, builtins, declared_inputs
from projrun.core.errors import DataError, EnvironmentFailure, SourceError
from projrun.core.flags import Flag
from projrun.core.report import Reporter, Silent
from projrun.data import fingerprint
from projrun.data.model import Fingerprint
from projrun.environment import plan, variables
from projrun.environment.model import EnvironmentPlan
from projrun.settling import placed, settle
from projrun.source import inspect, snapshot
from projrun.source.model import Source
from projrun.spec import command
from projrun.store.store import Store
from projrun.strictness import reasons
from projrun.telling import choice_flags, input_flags, source_flags


@dataclass(frozen=True)
class Plan:
    """What a run would do; ``reasons`` are those it would be refused for. ``project`` is what it is known by."""

    project: str
    choice: Choice
    source: Source
    inputs: tuple[Fingerprint, ...]
    environment: EnvironmentPlan | None
    argv: tuple[str, ...]
    seed: int | None
    flags: tuple[Flag, ...]
    reasons: tuple[Flag, ...] = ()


@contextlib.contextmanager
def planned(options: Options, report: Reporter) -> Iterator[Plan]:
    """What a run would do, and what would stop it. An address is fetched, unless ``offline``; nothing else is.

    Raises what a run would raise before it is recorded, except for the reasons it would be refused for.
    """
    options = replace(options, allow_download=False)
    with placed(options, report) as place:
        choice = settle(options, place).choice
        spec = choice.spec
        source = place.source or inspect.inspect(spec.root)
        inputs, input_faults = _inputs_as_they_are(choice)
        environment, environment_faults = _environment_as_it_is(options, choice)
        given = builtins(choice, Path("<run_dir>"))
        if options.seed is None:
            given = replace(given, seed="<seed>")
        argv = command.render(choice.entry_point.command, choice.parameters, given)
        flags = (
            *choice_flags(choice),
            *source_flags(source),
            *_snapshot_fault(options, source),
            *input_flags(inputs),
            *input_faults,
            *environment_faults,
            *_secret_faults(choice),
        )
        project = source.origin.project if source.origin else str(spec.root)
        refused = reasons(options, choice, source)
        yield Plan(project, choice, source, inputs, environment, argv, options.seed, flags, refused)


def _inputs_as_they_are(choice: Choice) -> tuple[tuple[Fingerprint, ...], tuple[Flag, ...]]:
    """The inputs, and what is wrong with them as a flag instead of an error."""
    entries, root = declared_inputs(choice), choice.spec.root
    try:
        return fingerprint.inputs(entries, root), ()
    except DataError as error:
        return (), (Flag("input-refused", f"{error.what}: {error.why}", error.hint),)


def _environment_as_it_is(options: Options, choice: Choice) -> tuple[EnvironmentPlan | None, tuple[Flag, ...]]:
    spec = choice.spec
    try:
        planned = plan.plan(spec.environment, spec.root, options.means, Silent(), resolve=False)
    except EnvironmentFailure as error:
        return None, (Flag("environment-refused", f"{error.what}: {error.why}", error.hint),)
    return planned, planned.flags


def _snapshot_fault(options: Options, source: Source) -> tuple[Flag, ...]:
    try:
        if source.needs_snapshot:
            snapshot.check_limit(source, Store(options.store).sources, limit=options.snapshot_limit)
    except SourceError as error:
        return (Flag("snapshot-refused", f"{error.what}: {error.why}", error.hint),)
    return ()


def _secret_faults(choice: Choice) -> tuple[Flag, ...]:
    try:
        variables.require_secrets(choice.spec.environment)
    except EnvironmentFailure as error:
        return (Flag("secret-missing", error.what, error.hint),)
    return ()
