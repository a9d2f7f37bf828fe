"""A run under way: what was asked, what that came to, and where it is recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from projrun.choice import Choice, Options
from projrun.concealing import Secret, secrets_of
from projrun.core.labels import Labels
from projrun.environment.model import Means
from projrun.recipe import document, redaction
from projrun.recipe.model import OutcomeParts
from projrun.recording import Recording
from projrun.settling import Settled
from projrun.store.run import RunDirectory
from projrun.store.store import Store
from projrun.strictness import is_strict


@dataclass(frozen=True)
class Live:
    """A run that has a directory and has not ended. ``created`` is in seconds since the epoch."""

    options: Options
    settled: Settled
    store: Store
    directory: RunDirectory
    recording: Recording
    created: float

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
    def secrets(self) -> tuple[Secret, ...]:
        """What must not be kept."""
        return secrets_of(self.choice, self.options.source)

    @property
    def labels(self) -> Labels:
        return Labels(self.options.name, self.options.tags, self.options.note)

    def write_outcome(self, parts: OutcomeParts) -> dict[str, Any]:
        """Writes what happened, without secrets, and gives the document. Raises StoreError."""
        outcome: dict[str, Any] = redaction.redacted(document.outcome_document(parts), self.recording.text)
        self.directory.write_outcome(outcome)
        return outcome
