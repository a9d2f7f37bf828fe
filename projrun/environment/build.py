"""From a plan to a ready environment: look, lock, look again, and build only then."""

from __future__ import annotations

from pathlib import Path

from projrun.core.errors import EnvironmentFailure
from projrun.core.flags import Flag
from projrun.core.report import Reporter
from projrun.core.values import replace
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
    if plan.kind == "docker":
        from projrun.environment.docker import build as images  # an engine is not needed elsewhere

        return images.ensure(plan, means, report)
    if plan.directory is None:
        raise EnvironmentFailure(
            "the environment has no lock yet", why=plan.reason or "", hint="run without --dry-run"
        )
    # A plan that says it is ready has just looked at its files.
    ready = _ready(plan, plan.directory, "not" if plan.reason is None else built.depth(means))
    if ready is not None:
        return ready
    lock, doing = built.lock_of(plan.directory), "builds the same environment"
    with turn(lock, report, doing=doing, failed="the environment cannot be built"):
        again = _ready(plan, plan.directory, built.depth(means))
        return again or _built_now(plan, plan.directory, means, report)


def _built_now(plan: EnvironmentPlan, directory: Path, means: Means, report: Reporter) -> Environment:
    from projrun.environment import construction  # the warm path never comes here

    reason, was_whole = built.look(directory, plan.key, built.depth(means)), built.was_whole(directory)
    report.phase("environment", f"building {plan.key[:12]}: {reason}")
    construction.construct(plan, directory, means, report)
    ready = _ready(plan, directory, built.depth(means))
    if ready is None:
        raise EnvironmentFailure(
            "the environment was built and cannot be used",
            why=f"{built.look(directory, plan.key, built.depth(means))}",
            hint="run again; when it stays so, choose another folder: PROJRUN_CACHE=DIR",
        )
    return replace(ready, reused=False, flags=(*ready.flags, *([_rebuilt(f"{reason}")] if was_whole else ())))


def _rebuilt(reason: str) -> Flag:
    message = f"the environment was built again, and runs since it was built may have used another: {reason}"
    return Flag("environment-rebuilt", message, "find out what changes files there; nothing but projrun should")


def _ready(plan: EnvironmentPlan, directory: Path, depth: built.Depth) -> Environment | None:
    there = built.look(directory, plan.key, depth)
    if isinstance(there, str):
        return None
    return Environment(
        plan=replace(plan, python=replace(plan.interpreter, path=there.interpreter, library=there.library)),
        programs=directory / "bin",
        installed=there.installed,
        reused=True,
        settings={"VIRTUAL_ENV": str(directory)},
        in_process=there.in_process,
        flags=tuple(flag for flag in there.flags if flag not in plan.flags),
    )


def _system_environment(plan: EnvironmentPlan) -> Environment:
    assert plan.directory is not None
    python = system.python_of(plan.directory)
    version, installed = system.told_by(python)
    if version != plan.interpreter.version:
        raise EnvironmentFailure(
            f"{python} is not {plan.interpreter.version}, which it was found to be",
            why=f"Asked for its version in the environment it says: {version}",
            hint="run again; when it stays so, install Python again",
        )
    return Environment(plan, plan.directory, installed, reused=True, in_process=version)
