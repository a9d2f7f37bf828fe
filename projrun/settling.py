"""What will run and where, before anything is recorded: the place, the choice, and whether it is refused."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from projrun.choice import Choice, Options, choose
from projrun.core.report import Reporter
from projrun.placing import Place
from projrun.source import inspect
from projrun.source.address import is_address
from projrun.strictness import is_judged, is_strict, refuse


@dataclass(frozen=True)
class Settled:
    """``carried`` are the inputs that came to a private checkout from the user's own directory."""

    choice: Choice
    place: Place
    carried: tuple[str, ...] = ()


@contextlib.contextmanager
def settled(options: Options, report: Reporter) -> Iterator[Settled]:
    """What the options come to, nothing of it refused. A private checkout lasts as long as the block.

    Raises what the user got wrong: UsageError, SpecError, SourceError, StrictRefusal, ...
    """
    with placed(options, report) as place:
        first = settle(options, place)
        if not is_judged(options, first.choice):
            yield first
            return
        source = place.source or inspect.inspect(first.choice.spec.root)
        refuse(options, first.choice, source, report)
        if place.checkout is not None or not is_strict(options, first.choice):
            yield first
            return
        from projrun.checkouts import checked_out_head

        with checked_out_head(options, source, report) as head:
            again = settle(options, head)
            # What will run is judged, not only what was looked at: HEAD may have moved, a lock may be ignored.
            refuse(options, again.choice, head.source or source, report, asked=True)
            # A seed is drawn once.
            yield replace(again, choice=replace(again.choice, seed=first.choice.seed))


@contextlib.contextmanager
def placed(options: Options, report: Reporter) -> Iterator[Place]:
    """The place that SOURCE comes to: an address, or a version of a directory, is a private checkout."""
    if not is_address(options.source) and options.version is None and options.subdirectory is None:
        start = Path(options.source)
        yield Place(start, start)
        return
    from projrun.checkouts import checked_out  # the usual run does without all that fetches

    with checked_out(options, report) as place:
        yield place


def settle(options: Options, place: Place) -> Settled:
    """What the options come to at a place, whether it would be refused or not."""
    choice = choose(options, place.start)
    if place.checkout is None:
        return Settled(choice, place)
    from projrun.carrying import carry_in

    return Settled(choice, place, carry_in(choice, place))
