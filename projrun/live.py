"""A run under way: what was asked, what that came to, and where it is recorded."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from projrun.choice import Choice
from projrun.concealing import Secret, values
from projrun.core.labels import Labels
from projrun.core.locks import Held
from projrun.core.values import Struct, field, replace
from projrun.environment.model import Means
from projrun.options import Options
from projrun.recipe import document
from projrun.recipe.model import OutcomeParts
from projrun.recording import Recording
from projrun.settling import Settled
from projrun.store.run import RunDirectory
from projrun.store.store import Store
from projrun.strictness import is_strict

if TYPE_CHECKING:
    from projrun.store.scratch import Scratch


def _ticks() -> float:
    """Seconds that passed, those in which the machine slept too. macOS counts them by its monotonic clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def scratch_for(options: Options, secrets: Iterable[Secret]) -> Scratch | None:
    """Where a program that knows secrets has in clear what may not be in the store, not even for a while.

    Raises StoreError.
    """
    if not any(values(secrets)):
        return None
    from projrun.store import scratch  # most runs have no secret

    return scratch.make(scratch.folder_in(options.cache))


class Live(Struct, frozen=True):
    """A run that has a directory and has not ended. ``created`` is in seconds since the epoch.

    ``secrets`` are what must not be kept.
    """

    options: Options
    settled: Settled
    store: Store
    directory: RunDirectory
    recording: Recording
    created: float
    secrets: tuple[Secret, ...]
    began: float = field(default_factory=_ticks)

    @property
    def choice(self) -> Choice:
        return self.settled.choice

    @property
    def project(self) -> str:
        """What the project is known by: its directory, or the address it came from."""
        source = self.settled.place.source
        return source.origin.project if source and source.origin else str(self.choice.spec.root)

    @property
    def means(self) -> Means:
        """What may be used to have the environment; a run for the record looks at every file of it."""
        return replace(self.options.means, thorough=is_strict(self.options, self.choice))

    @property
    def labels(self) -> Labels:
        return Labels(self.options.name, self.options.tags, self.options.note)

    @property
    def held(self) -> tuple[Held, ...]:
        """What stays locked until the program is gone, should we be killed."""
        scratch = self.directory.scratch
        return (*self.settled.place.held, *((scratch.lock,) if scratch else ()))

    def now(self) -> float:
        """The time by the clock as it was when the run began: one that is set meanwhile makes no run last days."""
        return self.created + _ticks() - self.began

    def index(self) -> None:
        """Has the run listed as it is now, and tells what there is to tell of the index: once, when it is made."""
        self.store.index.record(self.directory.path, durable=False)
        for notice in self.store.index.notices:
            self.recording.phase("run", notice)

    def reporting(self) -> contextlib.AbstractContextManager[None]:
        """While the program runs: copies what it measures to where it is kept, where that may hold secrets."""
        if self.directory.scratch is None:
            return contextlib.nullcontext()
        from projrun.reporting import copied

        return copied(self.directory.reported, self.directory.metrics, values(self.secrets))

    def begun(self) -> None:
        """The program runs: whoever lists the runs of a store without an index finds one."""
        if not self.store.index.is_ready():
            self.index()

    def write_outcome(self, parts: OutcomeParts) -> dict[str, Any]:
        """Writes what happened, without secrets, and gives the document. Raises StoreError."""
        outcome: dict[str, Any] = self.recording.document(document.outcome_document(parts))
        self.directory.write_outcome(outcome)
        return outcome
