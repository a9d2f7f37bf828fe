"""What a run that is done again is held to, and with what it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from projrun.choice import Choice
from projrun.core.errors import DataError
from projrun.core.report import Reporter
from projrun.core.values import Struct, replace
from projrun.data.model import Fingerprint
from projrun.environment import interpreters, plan
from projrun.environment.model import Base, EnvironmentPlan, Interpreter, Means
from projrun.recipe.model import Reproduces
from projrun.spec.model import EnvironmentSpec


class RecordedLock(Struct, frozen=True):
    """A lock as a recipe has it, and what it was built with. ``python`` is the exact version."""

    text: str
    path: str | None
    origin: str
    python: str
    requirements: str | None
    builder: str
    source_distributions: tuple[str, ...]
    extras: tuple[str, ...] | None
    groups: tuple[str, ...] | None

    def applied(self, declared: EnvironmentSpec) -> EnvironmentSpec:
        """A declared environment, to be built with what was recorded."""
        return replace(
            declared,
            builder=self.builder,
            source_distributions=self.source_distributions,
            extras=self.extras,
            groups=self.groups,
        )


class Again(Struct, frozen=True):
    """What is recorded of the run done again. ``lock`` is None where it had none; ``inputs`` are by path.

    ``key`` is that of its environment, ``bases`` are the images that this was made from.
    """

    link: Reproduces
    lock: RecordedLock | None
    inputs: Mapping[str, str]
    key: str
    bases: tuple[Base, ...] = ()

    def check_inputs(self, found: Sequence[Fingerprint]) -> None:
        """Raises DataError when an input is not what it was, naming both digests."""
        changed = [one for one in found if one.sha256 != self.inputs.get(one.path, one.sha256)]
        if not changed:
            return
        names = ", ".join(repr(one.path) for one in changed)
        why = "\n".join(f"{one.path} has sha256 {one.sha256}, and had {self.inputs[one.path]}" for one in changed)
        raise DataError(
            f"{'input' if len(changed) == 1 else 'inputs'} {names} {'is' if len(changed) == 1 else 'are'} not"
            f" what run {self.link.run} read",
            why=why,
            hint="put back what it read; projrun show RUN lists all of it",
        )

    def planned(self, choice: Choice, means: Means, report: Reporter, *, resolve: bool = True) -> EnvironmentPlan:
        """The environment, from the recorded lock with the recorded interpreter, or the recorded image.

        ``resolve`` as :func:`projrun.environment.plan.plan` has it. Raises EnvironmentFailure.
        """
        if self.lock is None:
            now = plan.plan(choice.environment, choice.spec.root, means, report, resolve=resolve)
            return (self.bases and now.key != self.key and self._as_it_was(now, means)) or now
        interpreter = interpreter_of(self.lock.python, means, report)
        lock = plan.Lock(
            text=self.lock.text,
            path=self.lock.path,
            name=self.lock.path or "the recorded lock",
            origin=self.lock.origin,
            requirements_text=self.lock.requirements,
            flags=(),
        )
        return plan.lock_plan(choice.environment, means, interpreter, lock)

    def _as_it_was(self, now: EnvironmentPlan, means: Means) -> EnvironmentPlan | None:
        from projrun.environment.docker.plan import made_of  # an engine is not needed elsewhere

        return made_of(now, self.bases, means)


def again_of(recipe: Mapping[str, Any], link: Reproduces) -> Again:
    """What a recipe says of it."""
    environment = recipe["environment"]
    container = environment.get("container")
    return Again(
        link=link,
        lock=lock_of(environment),
        inputs={str(one["path"]): str(one["sha256"]) for one in recipe["inputs"]},
        key=environment["key"],
        bases=tuple(_base(one) for one in container["bases"]) if container else (),
    )


def _base(recorded: Mapping[str, Any]) -> Base:
    return Base(recorded["reference"], recorded["line"], recorded["digest"], recorded["pinned"])


def interpreter_of(version: str, means: Means, report: Reporter) -> Interpreter:
    """The interpreter of exactly that version. Raises EnvironmentFailure that says what to type."""
    try:
        return plan.interpreter_for(version, means, report)
    except interpreters.Missing as missing:
        raise missing.with_words(
            f"Python {version}, which the run had, is not on this machine",
            f"let uv download it: --allow-download, or install it: uv python install {version}",
        ) from missing


def lock_of(environment: Mapping[str, Any]) -> RecordedLock | None:
    """The lock in a recipe's ``environment``; None when there was none."""
    lock, interpreter = environment["lock"], environment["interpreter"]
    if environment["kind"] != "lock" or lock is None:
        return None
    sets = environment["inputs"]["lock"]
    return RecordedLock(
        text=lock["text"],
        path=lock["path"],
        origin=lock["origin"],
        python=interpreter["version"],
        requirements=environment["requirements"],
        builder=environment["builder"],
        source_distributions=tuple(environment["source_distributions"]),
        extras=_names(sets, "extras"),
        groups=_names(sets, "groups"),
    )


def _names(sets: Mapping[str, Any], kind: str) -> tuple[str, ...] | None:
    return tuple(sets[kind]) if kind in sets else None


def local_project(source: Mapping[str, Any]) -> Path | None:
    """The user's own directory that a recipe's ``source`` was, while it is there; None when it was an address."""
    directory = Path(source["directory"])
    return directory if not source.get("address") and directory.is_absolute() and directory.is_dir() else None
