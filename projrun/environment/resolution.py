"""Requirements without a lock: resolved once, and remembered for as long as the cache lasts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from projrun.core.cache import keep, recall
from projrun.core.hashing import sha256_value
from projrun.core.report import BUILD, Reporter
from projrun.core.values import Struct
from projrun.environment import key, lock, requirements
from projrun.environment.asked import Asked
from projrun.environment.model import Interpreter, Means
from projrun.environment.turns import aside, left_behind, turn
from projrun.spec.model import EnvironmentSpec

_FOLDER = "resolutions"  # of the cache
_ASIDE = ".resolving-"


class Unlocked(Struct, frozen=True):
    """Requirements to be resolved for an interpreter. ``files`` begins with the one the ``spec`` names."""

    root: Path
    files: tuple[requirements.RequirementsFile, ...]
    interpreter: Interpreter
    spec: EnvironmentSpec

    @property
    def name(self) -> str:
        """What the user calls the requirements."""
        return self.files[0].path

    @property
    def asked(self) -> tuple[requirements.RequirementLine, ...]:
        """All that is asked for. Raises EnvironmentFailure for a broken pyproject.toml."""
        return requirements.lines_of(self.files, self.spec)

    def as_asked(self) -> Asked:
        """What a tool gets of it. Raises EnvironmentFailure as ``asked`` does."""
        pre = requirements.asks_for_pre_releases(self.files)
        return Asked(self.name, self.asked, requirements.project_of(self.files[0]), pre)

    @property
    def digest(self) -> str:
        """The same for the same requirements and an interpreter of the same kind."""
        spec, texts = self.spec, [[file.path, file.text] for file in self.files]
        inputs = key.inputs_of_lock(
            self.interpreter,
            "",
            spec.builder,
            spec.source_distributions,
            extras=spec.extras,
            groups=spec.groups,
        )
        return sha256_value([texts, inputs])


class Wishes(NamedTuple):
    """What a resolution that makes a lock is asked beside the requirements; the fields of a ResolutionRequest."""

    previous: str = ""
    upgrade_all: bool = False
    upgrade: tuple[str, ...] = ()
    universal: bool = False
    platforms: tuple[str, ...] = ()
    annotate: bool = False
    python: str = ""


def remembered(unlocked: Unlocked, cache: Path) -> str | None:
    """The lock that these requirements were resolved to earlier, or None."""
    lock_text: str | None = recall(_file(unlocked, cache), lambda kept: kept["lock"])
    return lock_text


def resolve(unlocked: Unlocked, means: Means, report: Reporter) -> str:
    """The lock these requirements resolve to, asking the package index only the first time.

    Raises EnvironmentFailure when they cannot be resolved, or hold what cannot be pinned.
    """
    earlier = remembered(unlocked, means.cache)
    if earlier is not None:
        return earlier
    name = unlocked.name
    raise_for_unlockable(unlocked)
    with our_turn(unlocked, means, report):
        earlier = remembered(unlocked, means.cache)
        if earlier is None:
            report.phase("environment", f"resolving {name}, which has no lock")
            earlier = resolve_now(unlocked, Wishes(), means, report)
            keep(_file(unlocked, means.cache), {"lock": earlier})
        return earlier


def our_turn(unlocked: Unlocked, means: Means, report: Reporter) -> contextlib.AbstractContextManager[None]:
    """The block alone resolves these requirements. Raises EnvironmentFailure when the cache cannot be written."""
    lock_file = _lock_file(means.cache, unlocked.digest)
    failed = f"the requirements in {unlocked.name} cannot be resolved"
    return turn(lock_file, report, doing="resolves the same requirements", failed=failed)


def leftovers(cache: Path, own: str | None = None) -> Iterator[Path]:
    """What killed resolutions left. Those of the digest ``own`` wait for the caller."""
    return left_behind(cache / _FOLDER, _ASIDE, lambda digest: _lock_file(cache, digest), own)


def raise_for_unlockable(unlocked: Unlocked) -> None:
    """Raises EnvironmentFailure that lists what of the requirements cannot be locked."""
    found = requirements.unlockable(unlocked.files, unlocked.asked)
    lock.raise_for(found, f"{unlocked.name} cannot be locked")


def resolve_now(unlocked: Unlocked, wishes: Wishes, means: Means, report: Reporter) -> str:
    """The lock these requirements resolve to now, when it is :func:`our_turn`.

    Raises EnvironmentFailure, and OSError of the cache.
    """
    import shutil

    from projrun.environment.builder import ResolutionRequest
    from projrun.environment.builders import builder_named

    spec = unlocked.spec
    for left in list(leftovers(means.cache, unlocked.digest)):
        shutil.rmtree(left, ignore_errors=True)
    with aside(means.cache / _FOLDER, _ASIDE, unlocked.digest) as folder:
        return builder_named(spec.builder).resolve(
            ResolutionRequest(
                folder=folder,
                interpreter=unlocked.interpreter,
                asked=unlocked.as_asked(),
                source_distributions=spec.source_distributions,
                offline=means.offline,
                **wishes._asdict(),
            ),
            lambda data: report.write(BUILD, data),
        )


def _file(unlocked: Unlocked, cache: Path) -> Path:
    return cache / _FOLDER / f"{unlocked.digest}.json"


def _lock_file(cache: Path, digest: str) -> Path:
    return cache / _FOLDER / f"{digest}.lock"
