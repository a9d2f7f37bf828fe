"""Requirements without a lock: resolved once, and remembered for as long as the cache lasts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from projrun.core.errors import EnvironmentFailure
from projrun.core.files import write_atomic
from projrun.core.hashing import sha256_value
from projrun.core.locks import exclusive
from projrun.core.report import BUILD, Reporter
from projrun.environment import key, lock, requirements
from projrun.environment.model import Interpreter


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
    try:
        return _file(unlocked, cache).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


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
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(file.with_suffix(".lock"), holder=f"resolution of {name}"):
            earlier = remembered(unlocked, cache)
            if earlier is not None:
                return earlier
            text = _resolve(unlocked, file.parent, report)
            write_atomic(file, text.encode(), durable=False)
            return text
    except OSError as error:
        raise EnvironmentFailure(f"the lock for {name} cannot be kept in {cache}", why=str(error)) from error


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
            ),
            lambda data: report.write(BUILD, data),
        )
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _file(unlocked: Unlocked, cache: Path) -> Path:
    return cache / "resolutions" / f"{unlocked.digest}.txt"
