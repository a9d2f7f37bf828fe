"""What will run and where, before anything is recorded: the place, the choice, and whether it is refused."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from projrun.choice import Choice, choose
from projrun.core.flags import Flag
from projrun.core.report import Reporter
from projrun.core.values import Struct, replace
from projrun.options import Options
from projrun.placing import Place
from projrun.source import inspect
from projrun.source.address import is_address
from projrun.source.model import Source
from projrun.strictness import (
    Reason,
    asks_remotes,
    is_judged,
    is_strict,
    minds_more_than_source,
    reasons,
    refusal,
)

if TYPE_CHECKING:
    from projrun.again import Again
    from projrun.confirming import Confirmed
    from projrun.examining import Examined
    from projrun.looking import Ahead


class Settled(Struct, frozen=True):
    """``carried`` are the inputs that came to a private checkout from the user's own directory; ``flags`` tell
    what was not found out beforehand. ``again`` is what a run that is done after another one is held to.
    """

    choice: Choice
    place: Place
    carried: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()
    again: Again | None = None


class Judged(Struct, frozen=True):
    """What the options come to, and what the run is refused for. ``examined`` is None when nobody looked."""

    settled: Settled
    reasons: tuple[Reason, ...] = ()
    examined: Examined | None = None


@contextlib.contextmanager
def settled(options: Options, report: Reporter, ahead: Ahead | None = None) -> Iterator[Settled]:
    """What the options come to, nothing of it refused. A private checkout lasts as long as the block.

    Raises what the user got wrong: UsageError, SpecError, SourceError, StrictRefusal, ...
    """
    with judged(options, report, ahead) as found:
        if found.reasons:
            raise refusal(options, found.settled.choice, found.reasons)
        yield found.settled


@contextlib.contextmanager
def judged(options: Options, report: Reporter, ahead: Ahead | None = None) -> Iterator[Judged]:
    """What the options come to, where the run would run, and everything that it would be refused for."""
    with placed(options, report, ahead) as place:
        first = settle(options, place)
        if not is_judged(options, first.choice):
            yield Judged(first)
            return
        believed, confirmed = _asked_about(options, first, report)
        here = _judged(options, first, believed, confirmed, report)
        if here.reasons or place.checkout is not None or not is_strict(options, first.choice):
            yield here
            return
        from projrun.checkouts import checked_out_head

        with checked_out_head(options, believed, report) as head:
            again = settle(options, head)
            # A seed is drawn once.
            again = replace(again, choice=replace(again.choice, seed=first.choice.seed))
            # What will run is judged, not only what was looked at: a lock may be ignored.
            yield _judged(options, again, head.source or believed, confirmed, report)


def _asked_about(options: Options, first: Settled, report: Reporter) -> tuple[Source, Confirmed | None]:
    """The source as its repository believes it to be, and what its remotes say, None when it does not matter."""
    place, root = first.place, first.choice.spec.root
    source = place.look(root)
    if not asks_remotes(options, first.choice):
        return source, None
    from projrun.confirming import confirm

    confirmed = confirm(options, source, report)
    # One's own directory may have changed meanwhile.
    return place.source or inspect.inspect(root), confirmed


def _judged(
    options: Options, ready: Settled, believed: Source, confirmed: Confirmed | None, report: Reporter
) -> Judged:
    examined = None
    if minds_more_than_source(options, ready.choice):
        from projrun.examining import examine  # the usual run meets its faults one by one

        examined = examine(ready.choice, options.means, report)
    found = reasons(options, ready.choice, believed, confirmed, examined)
    known = confirmed.known_of(believed) if confirmed else believed
    place = replace(ready.place, source=known)
    return Judged(replace(ready, place=place, flags=confirmed.unasked if confirmed else ()), found, examined)


@contextlib.contextmanager
def placed(options: Options, report: Reporter, ahead: Ahead | None = None) -> Iterator[Place]:
    """The place that SOURCE comes to: an address, or a version of a directory, is a private checkout."""
    if not is_address(options.source) and options.version is None and options.subdirectory is None:
        start = Path(options.source)
        yield Place(start, start, ahead=ahead)
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
