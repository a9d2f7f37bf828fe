"""Whether an environment's image still is what was written down of it, looked into once more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from projrun.core.engine.client import Engine, connect
from projrun.core.errors import EnvironmentFailure
from projrun.core.report import Reporter
from projrun.environment import built
from projrun.environment.docker import inside, marker
from projrun.environment.docker.marker import Marked
from projrun.environment.key import key_of
from projrun.environment.model import Means, Package
from projrun.environment.turns import turn
from projrun.environment.verification import Finding, distribution_findings, of_recipe

_WHEN = "when it was built"


def verify(directory: Path, means: Means, report: Reporter) -> tuple[Marked, tuple[Finding, ...]]:
    """What is written down of the environment in ``directory``, and what is not as it was.

    When anything is not, no run uses it from then on. Raises EnvironmentFailure when it cannot be looked at.
    """
    there, key = marker.told(directory), directory.name
    if there is None:
        raise EnvironmentFailure(
            f"the environment {key[:12]} cannot be verified",
            why="Its marker cannot be read.",
            hint="projrun env build makes it again",
        )
    lock, failed = built.lock_of(directory), "the image cannot be looked into"
    with turn(lock, report, doing="has this environment", failed=failed):
        report.phase("environment", f"looking into the image of {key[:12]}")
        found = tuple(_findings(directory, there, marker.tag_of(means.cache, key), connect()))
        if found:
            more = f", and {len(found) - 1} more" if found[1:] else ""
            marker.mark_damaged(directory, f"{found[0].message}{more}")
    return there, found


def _findings(directory: Path, there: Marked, tag: str, engine: Engine) -> Iterator[Finding]:
    reason = marker.look(directory, there.key, engine)
    if isinstance(reason, str):
        yield Finding("marker", "", f"the environment cannot be used: {reason}")
    if key_of(there.inputs) != there.key:
        yield Finding("marker", marker.MARKER, "what was written down of its key is not what the key was made of")
    named = engine.image(tag)
    if named is not None and named.id != there.image.id:
        yield Finding("image", "", f"{tag} is {named.id}, and was {there.image.id} {_WHEN}")
    image = engine.image(there.image.id)
    if image is None:
        return
    now = inside.look(image, engine, built.lock_of(directory))
    if now.python != there.python:
        found, before = now.python or "not there", there.python or "not there"
        yield Finding("image", "", f"its Python is {found}, and was {before} {_WHEN}")
    yield from distribution_findings(there.distributions, now.distributions, _WHEN)
    yield from package_findings(there.packages, now.packages, _WHEN)


def against_recipe(environment: Mapping[str, Any], there: Marked, run: str | None) -> Iterator[Finding]:
    """Where what is there is not what a run recorded in its recipe's ``environment``."""
    when = f"in run {run}"
    container = environment.get("container") or {}
    before = container.get("image", {}).get("id")
    if before and before != there.image.id:
        yield Finding("image", "", f"the image is {there.image.id}, and was {before} {when}")
    yield from distribution_findings(of_recipe(environment), there.distributions, when)
    packages = [Package(**one) for one in container.get("packages", ())]
    yield from package_findings(packages, there.packages, when)


def package_findings(then: Iterable[Package], now: Iterable[Package], when: str) -> Iterator[Finding]:
    """Where two sets of the system's packages differ. ``when`` says what the first is."""
    before, after = ({_name(one): one.version for one in found} for found in (then, now))
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None:
            yield Finding("package", "", f"{name} {new} is installed, and was not {when}")
        elif new is None:
            yield Finding("package", "", f"{name} {old} is not installed, and was {when}")
        elif old != new:
            yield Finding("package", "", f"{name} is installed as {new}, and was {old} {when}")


def _name(package: Package) -> str:
    return f"{package.name}:{package.architecture}" if package.architecture else package.name
