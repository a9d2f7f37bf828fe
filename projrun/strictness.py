"""What a run is refused for, before anything is built."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from projrun.choice import Choice, Options
from projrun.core.errors import DataError, EnvironmentFailure, ProjrunError, SourceError, StrictRefusal
from projrun.core.flags import OF_SOURCE, REASONS, Flag
from projrun.core.report import Reporter
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


def reasons(
    options: Options, choice: Choice, source: Source, examined: Examined, report: Reporter
) -> tuple[Flag, ...]:
    """Everything that the run is refused for, in the order of the stages. Asks the remote that has the commit."""
    found = _found(
        options, choice, [*_of_source(source), *_unpublished(options, choice, source, report)], examined
    )
    return tuple(flag for _, flag in found)


def refuse(options: Options, choice: Choice, source: Source, report: Reporter, *, asked: bool = False) -> None:
    """Raises StrictRefusal, which lists every reason, when there is one. Builds nothing.

    The remote that is believed to have the commit is asked whether it has, unless it was ``asked`` before.
    """
    examined = None
    if is_strict(options, choice) or not options.refused.issubset(OF_SOURCE):
        from projrun.examining import examine  # the usual run meets its faults one by one

        examined = examine(choice, options.means, report)
    flags = [*_of_source(source), *(() if asked else _unpublished(options, choice, source, report))]
    found = _found(options, choice, flags, examined)
    if not found:
        return
    if options.strict:
        why, otherwise = "--strict was asked for", "run it without --strict, and it is flagged instead"
    elif choice.spec.strict:
        why, otherwise = "the project's rule is strict: true", "take strict: true out of ProjectSpec.yaml"
    else:
        codes = " ".join(f"--refuse {code}" for code in dict.fromkeys(flag.code for _, flag in found))
        why, otherwise = f"{codes} was asked for", f"run it without {codes}, and it is flagged instead"
    mended = f"{found[0][1].mend}; or " if len(found) == 1 and found[0][1].mend else ""
    raise StrictRefusal([flag for _, flag in found], found[0][0].exit_code, why=why, hint=mended + otherwise)


def _found(
    options: Options, choice: Choice, of_source: Iterable[Flag], examined: Examined | None
) -> list[tuple[type[ProjrunError], Flag]]:
    """The reasons, each with the kind of error that its stage raises."""
    refused = _refused(options, choice)
    flags: list[tuple[type[ProjrunError], Flag]] = [(SourceError, flag) for flag in of_source]
    if examined is not None:
        flags += [(EnvironmentFailure, flag) for flag in examined.environment_flags]
        flags += [(DataError, flag) for flag in examined.input_flags]
    return [(kind, flag) for kind, flag in flags if flag.code in refused]


def _refused(options: Options, choice: Choice) -> frozenset[str]:
    """The codes of the flags that this run is refused for."""
    if not is_strict(options, choice):
        return options.refused
    allowed = {"unpushed"} if options.allow_unpushed else set()
    return frozenset({*REASONS, REFUSED, "input-refused"} - allowed)


def _of_source(source: Source) -> tuple[Flag, ...]:
    return source_flags(source, shown=_NAMED)


def _unpublished(options: Options, choice: Choice, source: Source, report: Reporter) -> tuple[Flag, ...]:
    """That the remote no longer has the commit, which the repository believes to be there, or cannot be asked."""
    believed = source.commit is not None and source.remote_branch is not None
    if not believed or options.offline or "unpushed" not in _refused(options, choice):
        return ()
    from projrun.source import address, publication  # only a run that is judged asks

    fetched = source.origin is not None and source.origin.address is not None
    given = address.parse(options.source, options.subdirectory) if fetched else None
    found = publication.published(source, report, cache=options.cache, address=given)
    commit = f"commit {(source.commit or '')[:10]}"
    if found.held is None:
        message = f"whether {commit} is still on {found.where} cannot be told: {found.why}"
        return (Flag("unpushed", message, "--offline goes by what was known when the remote was last asked"),)
    if not found.held:
        return (Flag("unpushed", f"{commit} is no longer on {found.where}: {found.why}", "git push"),)
    return ()
