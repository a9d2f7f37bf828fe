"""What a run would do, found out without building, recording or running anything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from projrun.choice import Choice, builtins
from projrun.concealing import secrets_of, wanted
from projrun.core.errors import EnvironmentFailure, SourceError, as_flag
from projrun.core.flags import Flag
from projrun.core.report import Reporter
from projrun.core.values import Struct, replace
from projrun.environment import variables
from projrun.examining import Examined, examine
from projrun.options import Options
from projrun.settling import judged
from projrun.source import disclosure, snapshot
from projrun.source.model import Source
from projrun.spec import command
from projrun.store.store import Store
from projrun.telling import choice_flags, source_flags


class Plan(Struct, frozen=True):
    """What a run would do; ``reasons`` are those it would be refused for. ``project`` is what it is known by."""

    project: str
    choice: Choice
    source: Source
    examined: Examined
    argv: tuple[str, ...]
    seed: int | None
    flags: tuple[Flag, ...]
    reasons: tuple[Flag, ...] = ()


@contextlib.contextmanager
def planned(options: Options, report: Reporter) -> Iterator[Plan]:
    """What a run would do, and what would stop it. An address is fetched, unless ``offline``; nothing else is.

    What a strict run would be refused for is found out as that run does, in a private checkout too.

    Raises what a run would raise before it is recorded, except for the reasons it would be refused for.
    """
    options = replace(options, allow_download=False)
    with judged(options, report) as found:
        choice, place = found.settled.choice, found.settled.place
        spec = choice.spec
        source = place.look(spec.root)
        examined = found.examined or examine(choice, options.means, report)
        given = builtins(choice, Path("<run_dir>"))
        if options.seed is None:
            given = replace(given, seed="<seed>")
        argv = command.render(choice.entry_point.command, choice.parameters, given)
        flags = (
            *choice_flags(choice),
            *found.settled.flags,
            *source_flags(source, choice.entry_point.products),
            *_snapshot_fault(options, source, choice),
            *examined.input_flags,
            *examined.environment_flags,
            *_secret_faults(choice),
        )
        project = source.origin.project if source.origin else str(spec.root)
        named = tuple(map(place.naming.flag, flags))
        refused = tuple(place.naming.flag(reason.flag) for reason in found.reasons)
        yield Plan(project, choice, source, examined, argv, options.seed, named, refused)


def _snapshot_fault(options: Options, source: Source, choice: Choice) -> tuple[Flag, ...]:
    try:
        if source.needs_snapshot:
            sources = Store(options.store).sources
            snapshot.check_limit(source, sources, limit=options.snapshot_limit)
            disclosure.check(source, sources, wanted(secrets_of(choice, options.source)))
    except SourceError as error:
        return (as_flag("snapshot-refused", error),)
    return ()


def _secret_faults(choice: Choice) -> tuple[Flag, ...]:
    try:
        variables.require_secrets(choice.environment)
    except EnvironmentFailure as error:
        return (Flag("secret-missing", error.what, error.hint),)
    return ()
