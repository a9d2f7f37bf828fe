"""What a run is refused for, before anything is built."""

from __future__ import annotations

from projrun.choice import Choice, Options, declared_inputs
from projrun.core.errors import DataError, EnvironmentFailure, ProjrunError, SourceError, StrictRefusal
from projrun.core.flags import Flag
from projrun.core.report import Reporter, Silent
from projrun.data import fingerprint
from projrun.environment import plan
from projrun.source.model import Source
from projrun.telling import input_flags, source_flags

# Of the flags of an environment: that packages may be built from source is nothing the project can always mend.
_ENVIRONMENT = ("lock-missing", "lock-out-of-step", "interpreter-range", "system-environment")
_NAMED = 50  # files that are not committed


def is_strict(options: Options, choice: Choice) -> bool:
    """Whether the run is one for the record, by the command line or by the project's rule."""
    return options.strict or choice.spec.strict


def is_judged(options: Options, choice: Choice) -> bool:
    """Whether the run can be refused at all."""
    return is_strict(options, choice) or options.dirty == "refuse"


def reasons(options: Options, choice: Choice, source: Source) -> tuple[Flag, ...]:
    """Everything that the run is refused for, in the order of the stages. Builds nothing and asks no network."""
    return tuple(flag for _, flag in _found(options, choice, source, Silent()))


def refuse(options: Options, choice: Choice, source: Source, report: Reporter) -> None:
    """Raises StrictRefusal, which lists every reason, when there is one."""
    found = _found(options, choice, source, report)
    if not found:
        return
    if options.strict:
        why, otherwise = "--strict was asked for", "run it without --strict, and it is flagged instead"
    elif choice.spec.strict:
        why, otherwise = "the project's rule is strict: true", "take strict: true out of ProjectSpec.yaml"
    else:
        why, otherwise = "--dirty refuse was asked for", "run it with --dirty flag"
    mended = f"{found[0][1].mend}; or " if len(found) == 1 and found[0][1].mend else ""
    raise StrictRefusal([flag for _, flag in found], found[0][0].exit_code, why=why, hint=mended + otherwise)


def _found(
    options: Options, choice: Choice, source: Source, report: Reporter
) -> list[tuple[type[ProjrunError], Flag]]:
    """The reasons, each with the kind of error that its stage raises."""
    if not is_judged(options, choice):
        return []
    if not is_strict(options, choice):
        flags = source_flags(source, shown=_NAMED)
        return [(SourceError, flag) for flag in flags if flag.code == "dirty"]
    return [
        *((SourceError, flag) for flag in _of_source(options, source)),
        *((EnvironmentFailure, flag) for flag in _of_environment(options, choice, report)),
        *((DataError, flag) for flag in _of_data(choice)),
    ]


def _of_source(options: Options, source: Source) -> list[Flag]:
    flags = source_flags(source, shown=_NAMED)
    return [flag for flag in flags if flag.code != "unpushed" or not options.allow_unpushed]


def _of_environment(options: Options, choice: Choice, report: Reporter) -> list[Flag]:
    spec = choice.spec
    try:
        planned = plan.plan(spec.environment, spec.root, options.means, report, resolve=False)
    except EnvironmentFailure as error:
        return [_as_flag("environment-refused", error)]
    return [flag for flag in planned.flags if flag.code in _ENVIRONMENT]


def _of_data(choice: Choice) -> list[Flag]:
    flags: list[Flag] = []
    for entry in declared_inputs(choice):
        try:
            flags += input_flags(fingerprint.inputs((entry,), choice.spec.root))
        except DataError as error:
            flags.append(_as_flag("input-refused", error))
    return flags


def _as_flag(code: str, error: ProjrunError) -> Flag:
    reason = "; ".join(line.strip() for line in error.why.splitlines() if line.strip())
    return Flag(code, f"{error.what}: {reason}" if reason else error.what, error.hint)
