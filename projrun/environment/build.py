"""From a plan to a ready environment: look, lock, look again, and build only then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from projrun.core.errors import EnvironmentFailure
from projrun.core.report import Reporter
from projrun.environment import built, system
from projrun.environment.model import Environment, EnvironmentPlan, Means
from projrun.environment.turns import turn


def ensure(plan: EnvironmentPlan, means: Means, report: Reporter) -> Environment:
    """The environment of ``plan``: the one that is there, or one that is built now.

    Two processes that want the same one build it once; who waits is told for whom. Raises EnvironmentFailure, and
    then leaves nothing that is taken for an environment later.
    """
    if plan.kind == "system":
        return _system_environment(plan)
    if plan.directory is None:
        raise EnvironmentFailure(
            "the environment has no lock yet", why=plan.reason or "", hint="run without --dry-run"
        )
    ready = _ready(plan, plan.directory, reused=True)
    if ready is not None:
        return ready
    lock, doing = plan.directory.parent / ".locks" / plan.key, "builds the same environment"
    with turn(lock, report, doing=doing, failed="the environment cannot be built"):
        return _ready(plan, plan.directory, reused=True) or _built_now(plan, plan.directory, means, report)


def _built_now(plan: EnvironmentPlan, directory: Path, means: Means, report: Reporter) -> Environment:
    from projrun.environment import construction  # the warm path never comes here

    report.phase("environment", f"building {plan.key[:12]}: {built.look(directory, plan.key)}")
    construction.construct(plan, directory, means, report)
    ready = _ready(plan, directory, reused=False)
    if ready is None:
        raise EnvironmentFailure(
            "the environment was built and cannot be used",
            why=f"{built.look(directory, plan.key)}",
            hint="run again; when it stays so, choose another folder: PROJRUN_CACHE=DIR",
        )
    return ready


def _ready(plan: EnvironmentPlan, directory: Path, *, reused: bool) -> Environment | None:
    there = built.look(directory, plan.key)
    if isinstance(there, str):
        return None
    return Environment(
        plan=replace(plan, interpreter=replace(plan.interpreter, path=there.interpreter)),
        bin=directory / "bin",
        installed=there.installed,
        reused=reused,
        settings={"VIRTUAL_ENV": str(directory)},
        flags=tuple(flag for flag in there.flags if flag not in plan.flags),
    )


def _system_environment(plan: EnvironmentPlan) -> Environment:
    assert plan.directory is not None
    python = system.python_of(plan.directory)
    return Environment(plan, plan.directory, system.installed_distributions(python), reused=True)
