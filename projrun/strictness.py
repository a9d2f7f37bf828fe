"""What a run is refused for, before anything is built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from projrun.choice import Choice
from projrun.core.errors import DataError, EnvironmentFailure, ProjrunError, SourceError, StrictRefusal
from projrun.core.flags import OF_SOURCE, REASONS, Flag
from projrun.core.values import Struct
from projrun.environment.model import REFUSED
from projrun.options import Options
from projrun.source.model import Source
from projrun.telling import source_flags

if TYPE_CHECKING:
    from projrun.confirming import Confirmed
    from projrun.examining import Examined

_NAMED = 50  # files that are not committed


class Reason(Struct, frozen=True):
    """What a run is refused for, and the kind of error that its stage raises."""

    kind: type[ProjrunError]
    flag: Flag


def is_strict(options: Options, choice: Choice) -> bool:
    """Whether the run is one for the record, by the command line or by the project's rule."""
    return options.strict or choice.spec.strict


def is_judged(options: Options, choice: Choice) -> bool:
    """Whether the run can be refused at all."""
    return is_strict(options, choice) or bool(options.refused)


def reasons(
    options: Options, choice: Choice, source: Source, confirmed: Confirmed | None, examined: Examined | None
) -> tuple[Reason, ...]:
    """Everything that the run is refused for, in the order of the stages.

    ``confirmed`` is what the remotes said, None when nobody was asked; ``examined`` what was found of the
    environment and the inputs, None when they do not matter.
    """
    refused = _refused(options, choice)
    of_source = (
        *(confirmed.flags if confirmed else ()),
        *source_flags(source, choice.entry_point.products, shown=_NAMED),
    )
    found = [Reason(SourceError, flag) for flag in of_source]
    if examined is not None:
        found += [Reason(EnvironmentFailure, flag) for flag in examined.environment_flags]
        found += [Reason(DataError, flag) for flag in examined.input_flags]
    return tuple(reason for reason in found if reason.flag.code in refused)


def asks_remotes(options: Options, choice: Choice) -> bool:
    """Whether it matters what the remotes have; a commit that may be on none is kept when it is."""
    return is_strict(options, choice) or "unpushed" in options.refused


def minds_more_than_source(options: Options, choice: Choice) -> bool:
    """Whether the environment and the inputs are judged too."""
    return is_strict(options, choice) or not options.refused.issubset(OF_SOURCE)


def refusal(options: Options, choice: Choice, found: Sequence[Reason]) -> StrictRefusal:
    """The error that lists every reason; there is one at least."""
    if options.strict:
        why, otherwise = "--strict was asked for", "run it without --strict, and it is flagged instead"
    elif choice.spec.strict:
        why, otherwise = "the project's rule is strict: true", "take strict: true out of ProjectSpec.yaml"
    else:
        codes = " ".join(f"--refuse {code}" for code in dict.fromkeys(reason.flag.code for reason in found))
        why, otherwise = f"{codes} was asked for", f"run it without {codes}, and it is flagged instead"
    mended = "mend them from the last to the first" if len(found) > 1 else found[0].flag.mend
    hint = f"{mended}; or {otherwise}" if mended else otherwise
    return StrictRefusal([reason.flag for reason in found], found[0].kind.exit_code, why=why, hint=hint)


def _refused(options: Options, choice: Choice) -> frozenset[str]:
    """The codes of the flags that this run is refused for."""
    if not is_strict(options, choice):
        return options.refused
    allowed = {"unpushed"} if options.allow_unpushed else set()
    return frozenset({*REASONS, REFUSED, "input-refused"} - allowed)
