"""What a run is refused for, before anything is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from projrun.choice import Choice, Options
from projrun.core.errors import DataError, EnvironmentFailure, ProjrunError, SourceError, StrictRefusal
from projrun.core.flags import OF_SOURCE, REASONS, Flag
from projrun.environment.model import REFUSED
from projrun.source.model import Source
from projrun.telling import source_flags

if TYPE_CHECKING:
    from projrun.examining import Examined

_NAMED = 50  # files that are not committed


def is_strict(options: Options, choice: Choice) -> bool:
    """Whether the run is one for the record, by the command line or by the project's rule."""
    return options.strict or choice.spec.strict


def is_judged(options: Options, choice: Choice) -> bool:
    """Whether the run can be refused at all."""
    return is_strict(options, choice) or bool(options.refused)


def reasons(options: Options, choice: Choice, source: Source, examined: Examined) -> tuple[Flag, ...]:
    """Everything that the run is refused for, in the order of the stages."""
    return tuple(flag for _, flag in _found(options, choice, source, examined))


def refuse(options: Options, choice: Choice, source: Source) -> None:
    """Raises StrictRefusal, which lists every reason, when there is one. Builds nothing and asks no network."""
    examined = None
    if is_strict(options, choice) or not options.refused.issubset(OF_SOURCE):
        from projrun.examining import examine  # the usual run meets its faults one by one

        examined = examine(choice, options.means)
    found = _found(options, choice, source, examined)
    if not found:
        return
    if options.strict:
        why, otherwise = "--strict was asked for", "run it without --strict, and it is flagged instead"
    elif choice.spec.strict:
        why, otherwise = "the project's rule is strict: true", "take strict: true out of ProjectSpec.yaml"
    else:
        asked = " ".join(f"--refuse {code}" for code in dict.fromkeys(flag.code for _, flag in found))
        why, otherwise = f"{asked} was asked for", f"run it without {asked}, and it is flagged instead"
    mended = f"{found[0][1].mend}; or " if len(found) == 1 and found[0][1].mend else ""
    raise StrictRefusal([flag for _, flag in found], found[0][0].exit_code, why=why, hint=mended + otherwise)


def _found(
    options: Options, choice: Choice, source: Source, examined: Examined | None
) -> list[tuple[type[ProjrunError], Flag]]:
    """The reasons, each with the kind of error that its stage raises."""
    strict = is_strict(options, choice)
    refused = {*REASONS, REFUSED, "input-refused"} if strict else set(options.refused)
    if strict and options.allow_unpushed:
        refused.remove("unpushed")
    flags: list[tuple[type[ProjrunError], Flag]] = [
        (SourceError, flag) for flag in source_flags(source, shown=_NAMED)
    ]
    if examined is not None:
        flags += [(EnvironmentFailure, flag) for flag in examined.environment_flags]
        flags += [(DataError, flag) for flag in examined.input_flags]
    return [(kind, flag) for kind, flag in flags if flag.code in refused]
