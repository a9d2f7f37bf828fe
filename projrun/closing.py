"""What came of a run: what the program left behind, or why projrun gave up."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from projrun.concealing import seen_flags, without_secrets, written_to
from projrun.core.errors import ProjrunError
from projrun.core.flags import OUTPUTS_UNKNOWN, Flag
from projrun.core.paths import is_below
from projrun.core.steps import Begun
from projrun.core.values import Struct, replace
from projrun.data import fingerprint
from projrun.data.model import ChangedInput, Fingerprint, Metric
from projrun.execution.model import Outcome
from projrun.live import Live
from projrun.recipe.model import OutcomeParts
from projrun.source import inspect
from projrun.source.model import Source
from projrun.stopping import Interrupted, Stopped
from projrun.store.run import OURS
from projrun.telling import changed_input_flag, changed_meanwhile, describe_process, was_seeded

if TYPE_CHECKING:
    from projrun.measuring import Measured


class _Found(Struct, frozen=True):
    """What a run left behind."""

    inputs: tuple[ChangedInput, ...] = ()
    outputs: tuple[Fingerprint, ...] = ()
    metrics: tuple[Metric, ...] = ()
    flags: tuple[Flag, ...] = ()


def closed(
    live: Live,
    source: Source,
    inputs: tuple[Fingerprint, ...],
    process: Outcome,
    before: Mapping[str, str | None],
) -> OutcomeParts:
    """What came of it. The program has run: whatever goes wrong from here on is told beside that.

    ``before`` is what the products looked like before the program ran.
    """
    found = _Found()
    try:
        live.recording.flush()
        live.recording.phase("finish", describe_process(process))
        with contextlib.closing(Begun(inspect.looking_again(source))) as again:
            found = _look_back(live, process, before)
            changed = _changed_inputs(live, inputs)
            of_tree = changed_meanwhile(source, again, _expected(live, inputs, changed))
        flags = (*found.flags, *of_tree, *map(changed_input_flag, changed), *_seeded(live, process))
        found = replace(found, inputs=changed, flags=flags)
    except (ProjrunError, OSError, KeyboardInterrupt, Interrupted) as error:
        message = f"what the program wrote is not known: {told(error).what}"
        found = _Found(flags=(Flag(OUTPUTS_UNKNOWN, message, "run it again"), *_without_secrets(live)))
    return OutcomeParts(
        run=live.directory.id,
        status=process.status,
        exit_code=process.exit_code,
        started=live.created,
        ended=live.now(),
        process=process,
        phase=None if process.status == "finished" else "run",
        phases=live.recording.phases(),
        inputs=found.inputs,
        outputs=found.outputs,
        metrics=found.metrics,
        flags=(*found.flags, *seen_flags(live.recording.seen(), live.directory.id)),
    )


def gave_up(live: Live, error: ProjrunError) -> OutcomeParts:
    """The outcome of a run that projrun could not bring to an end."""
    phase = live.recording.current
    began = phase in ("run", "finish")
    status = "interrupted" if isinstance(error, Stopped) else "failed" if began else "not-started"
    told = _measured(live, None) if began else None
    return OutcomeParts(
        run=live.directory.id,
        status=status,
        exit_code=error.exit_code,
        started=live.created,
        ended=live.now(),
        phase=phase,
        phases=live.recording.phases(),
        metrics=told.metrics if told else (),
        flags=(*(told.flags if told else ()), *seen_flags(live.recording.seen(), live.directory.id)),
        error=error,
    )


def told(error: BaseException) -> ProjrunError:
    """What made projrun give up, as it is recorded."""
    if isinstance(error, ProjrunError):
        return error
    if isinstance(error, Interrupted):
        return error.told()
    if isinstance(error, KeyboardInterrupt):
        return Stopped(signal.SIGINT)
    return ProjrunError(
        f"{type(error).__name__}: {error}", why="this is a defect of projrun", hint="report it with the log"
    )


def _changed_inputs(live: Live, inputs: tuple[Fingerprint, ...]) -> tuple[ChangedInput, ...]:
    """The inputs that are not what they were when they were hashed; what is an output too is left out."""
    products, root = live.choice.entry_point.products, live.choice.spec.root
    others = tuple(one for one in inputs if not is_below(one.path, products))
    return fingerprint.changed_inputs(others, root, live.means.cache, live.recording)


def _expected(live: Live, inputs: tuple[Fingerprint, ...], changed: tuple[ChangedInput, ...]) -> tuple[str, ...]:
    """The paths of the tree that were expected to change, or are told of as inputs."""
    paths = (path for one in changed for path in one.before.members or (one.before.path,))
    fetched = (one.path for one in inputs if one.url)
    return (*live.choice.entry_point.products, *live.settled.carried, *paths, *fetched)


def _seeded(live: Live, process: Outcome) -> tuple[Flag, ...]:
    """Whether what was to be seeded was, as far as a program that ended of itself can tell."""
    ended = process.status in ("finished", "failed")
    return was_seeded(live.choice, live.directory.start_up) if ended else ()


def _measured(live: Live, before: Mapping[str, str | None] | None) -> Measured | None:
    """The metrics; without ``before`` those alone that the program told while it ran."""
    declared = before is not None and live.choice.entry_point.metrics
    if not (declared or live.directory.has_metrics):
        return None
    from projrun import measuring  # a run that reports nothing does without

    return measuring.measured_lines(live) if before is None else measuring.measured(live, before)


def _without_secrets(live: Live) -> tuple[Flag, ...]:
    """What is to be done in any case: no secret stays where the program wrote its metrics."""
    if not live.directory.has_metrics:
        return ()
    from projrun import measuring

    return measuring.without_secrets(live)


def _look_back(live: Live, process: Outcome, before: Mapping[str, str | None]) -> _Found:
    """Outputs and metrics."""
    entry_point, root, place = live.choice.entry_point, live.choice.spec.root, live.settled.place
    finished = process.status == "finished"
    found = _measured(live, before)
    outputs, output_flags = fingerprint.outputs(
        entry_point.products, root, before, live.means.cache, live.recording
    )
    metrics = found.metrics if found else ()
    # That a program which failed did not write everything is no news, and would hide what is.
    withheld, secret_flags = without_secrets(outputs, root, live.secrets)
    kept_whole = tuple(one for one in outputs if one.path not in withheld)
    flags = (*output_flags, *(found.file_flags if found else ())) if finished else ()
    flags += (*(found.flags if found else ()), *secret_flags)
    flags += written_to(live.directory.path, OURS, live.secrets)
    if place.checkout is None:
        from projrun.keeping import keep_outputs

        in_store, limit_flags = keep_outputs(kept_whole, root, live.store.objects, live.options.keep_outputs)
        return _Found((), _in_order(outputs, in_store), metrics, (*flags, *limit_flags))
    from projrun import carrying  # a run in place leaves everything where it is

    # Brought before they are kept: what cannot be kept is moved.
    brought: list[Flag] = []
    if live.options.bring_outputs and place.local is not None:
        brought = carrying.bring(outputs, root, place.local) if finished else carrying.not_brought(outputs)
    kept, keep_flags = carrying.keep(kept_whole, root, live.store.objects, live.directory.path)
    return _Found((), _in_order(outputs, kept), metrics, (*flags, *keep_flags, *brought))


def _in_order(outputs: Sequence[Fingerprint], kept: Sequence[Fingerprint]) -> tuple[Fingerprint, ...]:
    """All the outputs in their order, those that were kept as they are now."""
    known = {one.path: one for one in kept}
    return tuple(known.get(one.path, one) for one in outputs)
