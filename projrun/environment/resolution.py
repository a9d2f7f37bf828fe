"""Requirements without a lock: resolved once, and remembered for as long as the cache lasts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from projrun.core.cache import keep, recall
from projrun.core.hashing import sha256_value
from projrun.core.report import BUILD, Reporter
from projrun.environment import key, lock, requirements
from projrun.environment.model import Interpreter, Means
from projrun.environment.turns import turn
from projrun.spec.model import EnvironmentSpec


@dataclass(frozen=True)
class Unlocked:
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
        return requirements.lines_of(self.files, self.spec.extras or (), self.spec.groups or ())

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
    file = _file(unlocked, means.cache)
    lock_file, failed = file.with_suffix(".lock"), f"the requirements in {name} cannot be resolved"
    with turn(lock_file, report, doing="resolves the same requirements", failed=failed):
        earlier = remembered(unlocked, means.cache)
        if earlier is None:
            report.phase("environment", f"resolving {name}, which has no lock")
            earlier = resolve_now(unlocked, Wishes(), means, report)
            keep(file, {"lock": earlier})
        return earlier


def raise_for_unlockable(unlocked: Unlocked) -> None:
    """Raises EnvironmentFailure that lists what of the requirements cannot be locked."""
    found = requirements.unlockable(unlocked.files, unlocked.asked)
    lock.raise_for(found, f"{unlocked.name} cannot be locked")


def resolve_now(unlocked: Unlocked, wishes: Wishes, means: Means, report: Reporter) -> str:
    """The lock these requirements resolve to now. Raises EnvironmentFailure, and OSError of the cache."""
    import shutil
    import tempfile

    from projrun.environment.builder import ResolutionRequest
    from projrun.environment.builders import builder_named

    spec, name = unlocked.spec, unlocked.name
    root = unlocked.root.absolute()
    folder = means.cache / "resolutions"
    folder.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".resolving-", dir=folder))
    try:
        text = builder_named(spec.builder).resolve(
            ResolutionRequest(
                folder=aside,
                interpreter=unlocked.interpreter,
                requirements=root / name,
                file=name,
                source_distributions=spec.source_distributions,
                offline=means.offline,
                extras=(spec.extras or ()) if name.endswith(".toml") else (),
                groups=(spec.groups or ()) if name.endswith(".toml") else (),
                **wishes._asdict(),
            ),
            lambda data: report.write(BUILD, data),
        )
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return text.replace(f"{root}/", "")  # comments name the files as the project does


def _file(unlocked: Unlocked, cache: Path) -> Path:
    return cache / "resolutions" / f"{unlocked.digest}.json"
