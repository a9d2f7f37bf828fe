"""Requirements without a lock: resolved once, and remembered for as long as the cache lasts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from projrun.core.cache import keep, recall
from projrun.core.hashing import sha256_value
from projrun.core.report import BUILD, Reporter
from projrun.environment import key, lock, requirements
from projrun.environment.model import Interpreter, Means
from projrun.environment.turns import turn


@dataclass(frozen=True)
class Unlocked:
    """Requirements to be resolved for an interpreter. ``files`` begins with the one the spec names."""

    root: Path
    files: tuple[requirements.RequirementsFile, ...]
    interpreter: Interpreter
    builder: str
    source_distributions: tuple[str, ...]

    @property
    def digest(self) -> str:
        """The same for the same requirements and an interpreter of the same kind."""
        texts = [[file.path, file.text] for file in self.files]
        return sha256_value(
            [texts, key.inputs_of_lock(self.interpreter, "", self.builder, self.source_distributions)]
        )


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
    name = unlocked.files[0].path
    lock.raise_for(requirements.unlockable(unlocked.files), f"{name} cannot be locked")
    file = _file(unlocked, means.cache)
    lock_file, failed = file.with_suffix(".lock"), f"the requirements in {name} cannot be resolved"
    with turn(lock_file, report, doing="resolves the same requirements", failed=failed):
        earlier = remembered(unlocked, means.cache)
        if earlier is None:
            earlier = _resolve(unlocked, file.parent, means, report)
            keep(file, {"lock": earlier})
        return earlier


def _resolve(unlocked: Unlocked, folder: Path, means: Means, report: Reporter) -> str:
    import shutil
    import tempfile

    from projrun.environment.builder import ResolutionRequest
    from projrun.environment.builders import builder_named

    name = unlocked.files[0].path
    report.phase("environment", f"resolving {name}, which has no lock")
    aside = Path(tempfile.mkdtemp(prefix=".resolving-", dir=folder))
    try:
        return builder_named(unlocked.builder).resolve(
            ResolutionRequest(
                folder=aside,
                interpreter=unlocked.interpreter,
                requirements=unlocked.root.absolute() / name,
                file=name,
                source_distributions=unlocked.source_distributions,
                offline=means.offline,
            ),
            lambda data: report.write(BUILD, data),
        )
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _file(unlocked: Unlocked, cache: Path) -> Path:
    return cache / "resolutions" / f"{unlocked.digest}.json"
