"""Requirements without a lock: resolved once, and remembered for as long as the cache lasts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from projrun.core.cache import keep, recall
from projrun.core.errors import EnvironmentFailure
from projrun.core.hashing import sha256_value
from projrun.core.locks import exclusive
from projrun.core.report import BUILD, Reporter
from projrun.environment import key, lock, requirements
from projrun.environment.model import Interpreter


@dataclass(frozen=True)
class Unlocked:
    """Requirements to be resolved for an interpreter. ``files`` begins with the one the spec names.

    ``offline``: to what was downloaded before.
    """

    root: Path
    files: tuple[requirements.RequirementsFile, ...]
    interpreter: Interpreter
    builder: str
    source_distributions: tuple[str, ...]
    offline: bool = False

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


def resolve(unlocked: Unlocked, cache: Path, report: Reporter) -> str:
    """The lock these requirements resolve to, asking the package index only the first time.

    Raises EnvironmentFailure when they cannot be resolved, or hold what cannot be pinned.
    """
    earlier = remembered(unlocked, cache)
    if earlier is not None:
        return earlier
    name = unlocked.files[0].path
    lock.raise_for(requirements.unlockable(unlocked.files), f"{name} cannot be locked")
    file = _file(unlocked, cache)

    def waiting(holder: str) -> None:
        report.phase("environment", f"waiting for {holder}, which resolves the same requirements")

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(file.with_suffix(".lock"), holder=f"process {os.getpid()}", waiting=waiting):
            earlier = remembered(unlocked, cache)
            if earlier is not None:
                return earlier
            text = _resolve(unlocked, file.parent, report)
            keep(file, {"lock": text})
            return text
    except OSError as error:
        raise EnvironmentFailure(
            f"the requirements in {name} cannot be resolved in {cache}",
            why=str(error),
            hint="choose another folder: PROJRUN_CACHE=DIR",
        ) from error


def _resolve(unlocked: Unlocked, folder: Path, report: Reporter) -> str:
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
                offline=unlocked.offline,
            ),
            lambda data: report.write(BUILD, data),
        )
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _file(unlocked: Unlocked, cache: Path) -> Path:
    return cache / "resolutions" / f"{unlocked.digest}.json"
