"""What the documents of a run are made of, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from projrun.core.errors import ProjrunError
from projrun.core.flags import Flag
from projrun.core.labels import Labels
from projrun.core.values import Struct, field
from projrun.data.model import ChangedInput, Fingerprint, Metric
from projrun.environment.model import Environment
from projrun.execution.model import Outcome, Request
from projrun.source.model import Source
from projrun.spec.model import EntryPoint, EnvironmentSpec, ProjectSpec


class StartParts(Struct, frozen=True):
    """A run that begins. ``created`` is in seconds since the epoch; ``entry_point`` None: not chosen yet.

    ``root`` is the project's directory, or the address it came from. ``secrets`` are the names of the caller's
    variables that are for the program alone.
    """

    run: str
    created: float
    project: str
    root: Path | str
    entry_point: str | None
    labels: Labels = field(default_factory=Labels)
    secrets: tuple[str, ...] = ()


class KeptFile(Struct, frozen=True):
    """A file that the store keeps as an object. ``size`` is in bytes."""

    sha256: str
    size: int


class Reproduces(Struct, frozen=True):
    """The run that is done again. ``sha256`` is that of its recipe.json."""

    run: str
    sha256: str


class RecipeParts(Struct, frozen=True):
    """All it takes to do the run again.

    ``declared`` is the environment as the spec has it, ``environment`` what it came to;
    ``parameters`` are the documents of :func:`projrun.spec.parameters.to_document`, in declared order;
    ``inputs`` the fingerprints of the declared inputs; ``host`` what :func:`projrun.recipe.host.host` gave;
    ``build_log`` what the builder of its image said; ``reproduces`` is there when it is done after another run.
    """

    run: str
    created: float
    spec: ProjectSpec
    entry_point: EntryPoint
    declared: EnvironmentSpec
    parameters: tuple[Mapping[str, Any], ...]
    seed: int
    request: Request
    source: Source
    environment: Environment
    inputs: tuple[Fingerprint, ...]
    host: Mapping[str, Any]
    flags: tuple[Flag, ...] = ()
    labels: Labels = field(default_factory=Labels)
    build_log: KeptFile | None = None
    reproduces: Reproduces | None = None


class Phase(Struct, frozen=True):
    """A finished phase: its name, when it began (seconds since the epoch) and how long it took (seconds)."""

    name: str
    started: float
    seconds: float


class OutcomeParts(Struct, frozen=True):
    """What happened. Times are seconds since the epoch and span the whole run, not only its process.

    ``status`` and ``exit_code`` are as in :class:`projrun.execution.model.Outcome`; ``process`` is that
    outcome, None when no process was started; ``phase`` is the one in which the run failed (``source``,
    ``data``, ``environment``, ``run``, ``finish``); ``error`` is what made projrun give up; ``inputs`` are those
    that are not what they were when the run began.
    """

    run: str
    status: str
    exit_code: int
    started: float
    ended: float
    process: Outcome | None = None
    phase: str | None = None
    phases: tuple[Phase, ...] = ()
    inputs: tuple[ChangedInput, ...] = ()
    outputs: tuple[Fingerprint, ...] = ()
    metrics: tuple[Metric, ...] = ()
    flags: tuple[Flag, ...] = ()
    error: ProjrunError | None = None
