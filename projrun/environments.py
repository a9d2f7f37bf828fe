"""The flows of ``projrun env``: which environment is meant, and what is done with it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from projrun.choice import built_as_asked, environment_named
from projrun.core import process
from projrun.core.errors import EnvironmentFailure, UsageError
from projrun.core.nearest import nearest
from projrun.core.report import Reporter, Silent
from projrun.core.values import Struct, replace
from projrun.environment import build, built, comparison, inventory, manifest, verification
from projrun.environment.model import Environment, EnvironmentPlan, Means
from projrun.environment.plan import plan
from projrun.environment.turns import turn
from projrun.environment.verification import Finding
from projrun.options import means_with
from projrun.spec import load
from projrun.spec.model import EnvironmentSpec
from projrun.spec.place import find_project, project_around
from projrun.store.store import Store

_LAST = re.compile(r"last(~\d+)?")
_SHOWN = 8
SHORT = 12  # characters of a key that people see


class Places(Struct, frozen=True):
    """Where environments, runs and the project around the user are found; which of its environments is meant."""

    cache: Path
    store: Path
    start: Path = Path()
    environment: str | None = None


class Meant(Struct, frozen=True):
    """The environment that a word stands for. ``recipe`` is that of the run, ``plan`` that of the project now."""

    key: str
    recipe: Mapping[str, Any] | None = None
    run: str | None = None
    plan: EnvironmentPlan | None = None

    @property
    def is_the_systems(self) -> bool:
        """Whether it is no environment of ours, but the caller's own interpreter."""
        if self.recipe is not None:
            return bool(self.recipe["environment"]["kind"] == "system")
        return self.plan is not None and self.plan.kind == "system"


class Verified(Struct, frozen=True):
    """What came of looking at every file of an environment. ``unusable``: the next run builds it again.

    Of an image not files are looked at, but ``packages``: Python's distributions and those of its system.
    """

    key: str
    run: str | None
    findings: tuple[Finding, ...]
    files: int
    unusable: bool = False
    packages: int | None = None


class Listed(Struct, frozen=True):
    """An environment with the number of runs of the store that used it."""

    kept: inventory.Kept
    runs: int


class Wanted(Struct, frozen=True):
    """An environment to be built: that of the project around ``directory``, of that name, with that builder."""

    directory: Path
    environment: str | None = None
    builder: str | None = None


def planned(directory: Path, name: str | None, means: Means) -> EnvironmentPlan:
    """What the project around ``directory`` runs in, as things are now. Raises SpecError, EnvironmentFailure."""
    root = find_project(directory)
    spec = environment_named(name, load.load(root, means.cache))
    return plan(_without_mounts(spec), root, means, Silent(), resolve=False)


def built_now(wanted: Wanted, means: Means, report: Reporter) -> tuple[str, Environment]:
    """The name of an environment and the environment, built unless it is there.

    Raises what a run would raise of it.
    """
    root = find_project(wanted.directory)
    declared = environment_named(wanted.environment, load.load(root, means.cache))
    spec = built_as_asked(declared, wanted.builder)
    with process.withholding(spec.secrets):
        return spec.name, build.ensure(plan(_without_mounts(spec), root, means, report), means, report)


def _without_mounts(spec: EnvironmentSpec) -> EnvironmentSpec:
    """The environment where nothing is run in it: what a run mounts need not be there."""
    return spec if spec.docker is None else replace(spec, docker=replace(spec.docker, mounts=()))


def meant(word: str | None, places: Places) -> Meant:
    """The environment that a word stands for: a key or run or the beginning of one, ``last~N``, or a directory.

    None stands for the project around. Raises UsageError, and whatever is wrong with the project.
    """
    if word is None or word == "." or os.sep in word:
        found = planned(places.start / (word or "."), places.environment, means_with(places.cache))
        if not found.key:
            raise EnvironmentFailure(
                "the project's environment is not known yet", why=found.reason or "", hint="projrun env build"
            )
        return Meant(found.key, plan=found)
    store, text = Store(places.store), word.strip().lower()
    if _LAST.fullmatch(text):
        return _of_run(store, store.resolve(text, project_around(places.start)))
    keys = [key for key in inventory.keys(places.cache) if text and key.startswith(text)]
    runs = store.index.ids(text) if text else ()
    if len(keys) + len(runs) != 1:
        raise _unclear(word, keys, runs, places.cache)
    return Meant(keys[0]) if keys else _of_run(store, runs[0])


def one_key(word: str, cache: Path) -> str:
    """The key of the environment in the cache that begins so. Raises UsageError."""
    found = [key for key in inventory.keys(cache) if word and key.startswith(word.strip().lower())]
    if len(found) != 1:
        raise _unclear(word, found, (), cache)
    return found[0]


def verify(target: Meant, means: Means, report: Reporter, *, archives: bool = False) -> Verified:
    """Looks at every file of an environment; of a run, also whether it is still what the run ran in.

    With ``archives`` those of its lock are fetched and installed anew, and compared. No run uses what is found
    damaged from then on. Raises EnvironmentFailure when there is none, or the archives cannot be installed.
    """
    if (_directory(target, means.cache) / built.IMAGE_MARKER).exists():
        return _image_verified(target, means, report, archives=archives)
    directory, there = _told(target, means.cache)
    marker = (directory / built.MARKER).read_bytes()
    report.phase("environment", f"reading every file of {target.key[:SHORT]}")
    found = tuple(verification.verify(directory, there))
    try:
        if archives and verification.is_of_its_key(there):
            found += _unlike_archives(target, means, report)
    finally:  # whether the archives can be had or not
        unusable = bool(found) and _made_unusable(directory, marker, found, report)
    if target.recipe is not None:
        recorded = verification.of_recipe(target.recipe["environment"])
        found += tuple(verification.distribution_findings(recorded, there.installed, f"in run {target.run}"))
    return Verified(target.key, target.run, found, sum(1 for _ in manifest.scan(directory)), unusable)


def _image_verified(target: Meant, means: Means, report: Reporter, *, archives: bool) -> Verified:
    from projrun.environment.docker import verification as images

    if archives:
        raise EnvironmentFailure(
            f"the environment {target.key[:SHORT]} has no archives",
            why="It is an image, and was installed from none.",
            hint="leave --archives out",
        )
    there, found = images.verify(_directory(target, means.cache), means, report)
    unusable = bool(found)
    if target.recipe is not None:
        found += tuple(images.against_recipe(target.recipe["environment"], there, target.run))
    count = len(there.distributions) + len(there.packages)
    return Verified(target.key, target.run, found, 0, unusable, packages=count)


def _unlike_archives(target: Meant, means: Means, report: Reporter) -> tuple[Finding, ...]:
    directory, there = _told(target, means.cache)
    doing, failed = "has this environment", "the archives cannot be installed"
    with turn(built.lock_of(directory), report, doing=doing, failed=failed):
        report.phase("environment", f"installing the lock of {target.key[:SHORT]} anew, aside")
        return tuple(verification.verify_archives(directory, there, means, report))


def _made_unusable(directory: Path, marker: bytes, damage: Sequence[Finding], report: Reporter) -> bool:
    """Whether no run uses the environment any more; it was that before, or the first finding is the reason now."""
    reason = built.look(directory, directory.name, "not")
    if isinstance(reason, str):
        return True
    more = f", and {len(damage) - 1} more" if damage[1:] else ""
    failed = "that the environment is damaged cannot be written down"
    try:
        with turn(built.lock_of(directory), report, doing="has this environment", failed=failed):
            built.mark_damaged(directory, marker, f"{damage[0].message}{more}")
    except EnvironmentFailure as failure:  # what was found is told all the same
        report.phase("environment", f"{failure.what}: {failure.why}")
        return False
    return True


def listed(places: Places) -> tuple[Listed, ...]:
    """All that are kept, the one that was used last first."""
    counts = Store(places.store).index.environments()
    found = [Listed(one, counts.get(one.key, 0)) for one in inventory.all_kept(places.cache)]
    return tuple(sorted(found, key=lambda one: (-(one.kept.last_used or 0.0), one.kept.key)))


def shown(target: Meant, places: Places) -> Listed:
    """One of them. Raises EnvironmentFailure when it is not built."""
    _directory(target, places.cache)
    return Listed(
        inventory.kept(places.cache, target.key), Store(places.store).index.environments().get(target.key, 0)
    )


def explained(before: Meant, after: Meant, cache: Path) -> tuple[comparison.Change, ...]:
    """Which inputs of the key differ, and which lines of the lock. Raises EnvironmentFailure."""
    return comparison.changes(_side(before, cache), _side(after, cache))


def _of_run(store: Store, run: str) -> Meant:
    record = store.read(run)
    recipe = record.recipe
    if recipe is None:
        raise EnvironmentFailure(
            f"run {record.id} has no recipe",
            why=record.why_no_recipe,
            hint=f"projrun show {record.id}",
        )
    return Meant(recipe["environment"]["key"], recipe, record.id)


def _unclear(word: str, keys: Sequence[str], runs: Sequence[str], cache: Path) -> UsageError:
    if keys or runs:
        told = [*(f"environment {key[:SHORT]}" for key in keys), *(f"run {run}" for run in runs)]
        more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
        return UsageError(
            f"{word!r} is the beginning of {len(told)} names",
            why=f"they are {', '.join(told[:_SHOWN])}{more}",
            hint="give more characters of the one you mean",
        )
    close = nearest(word.strip().lower(), [key[: max(SHORT, len(word))] for key in inventory.keys(cache)])
    return UsageError(
        f"there is no environment and no run {word!r}",
        why=f"looked at the environments in {cache}",
        hint=f"did you mean {close!r}? List them with: projrun env list" if close else "projrun env list",
    )


def _directory(target: Meant, cache: Path) -> Path:
    directory = built.directory_of(cache, target.key)
    if target.is_the_systems:
        raise EnvironmentFailure(
            "the caller's own Python is no environment that projrun built",
            why="Nothing was written down of its files.",
            hint='declare environment: {python: "3.11", lock: requirements.lock} in ProjectSpec.yaml',
        )
    if not directory.is_dir():
        whose = f"of run {target.run}" if target.run else target.key[:SHORT]
        raise EnvironmentFailure(
            f"the environment {whose} is not built here", why=f"There is no {directory}.", hint="projrun env build"
        )
    return directory


def _told(target: Meant, cache: Path) -> tuple[Path, built.Built]:
    directory = _directory(target, cache)
    there = built.told(directory)
    if there is None or there.key != target.key:
        raise EnvironmentFailure(
            f"the environment {target.key[:SHORT]} cannot be verified",
            why=f"{built.look(directory, target.key, 'not')}",
            hint="projrun env build makes it again",
        )
    return directory, there


def _side(target: Meant, cache: Path) -> comparison.Side:
    if target.recipe is not None:
        environment = target.recipe["environment"]
        lock = environment.get("lock")
        return comparison.Side(target.key, environment["inputs"], lock and lock["text"])
    if target.plan is not None:
        return comparison.Side(target.key, target.plan.inputs, target.plan.lock_text)
    directory = _directory(target, cache)
    if (directory / built.IMAGE_MARKER).exists():
        from projrun.environment.docker import marker

        image = marker.told(directory)
        if image is not None:
            return comparison.Side(target.key, image.inputs, None)
    directory, there = _told(target, cache)
    return comparison.Side(target.key, there.inputs, verification.lock_text(directory))
