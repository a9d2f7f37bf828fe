"""From a plan to an image that is there: look, lock, look again, build or pull only then, marker last."""

from __future__ import annotations

import shlex

from projrun.core.engine.client import connect
from projrun.core.engine.model import Image
from projrun.core.errors import EnvironmentFailure
from projrun.core.flags import Flag
from projrun.core.report import Reporter
from projrun.core.values import replace
from projrun.environment.docker import marker
from projrun.environment.docker.plan import refuse_remote
from projrun.environment.docker.task import Task
from projrun.environment.model import Environment, EnvironmentPlan, ImagePlan, Means
from projrun.environment.turns import turn


def ensure(plan: EnvironmentPlan, means: Means, report: Reporter) -> Environment:
    """The image of ``plan``: the one that is there, or one that is built or pulled now.

    Two processes that want the same one build it once; who waits is told for whom. Raises EnvironmentFailure, and
    then leaves nothing that is taken for an environment later.
    """
    assert plan.image is not None
    if plan.directory is None:
        raise EnvironmentFailure(
            "the environment's image cannot be built or pulled",
            why=plan.reason or "",
            hint=f"run without --offline and --dry-run, or pull first: {_pulls(plan.image)}",
        )
    engine = connect()
    refuse_remote(engine)
    task = Task(plan, plan.image, plan.directory, engine, means, report)
    ready = _ready(task)
    if ready is not None:
        return ready
    with turn(task.lock, report, doing="builds the same environment", failed="the environment cannot be built"):
        return _ready(task) or _built_now(task)


def _pulls(image: ImagePlan) -> str:
    """The commands that get the images which are not here."""
    missing = dict.fromkeys(base.reference for base in image.bases if not base.digest)
    return "; ".join(shlex.join(("docker", "pull", reference)) for reference in missing)


def _ready(task: Task) -> Environment | None:
    there = marker.look(task.directory, task.plan.key, task.engine)
    if isinstance(there, str):
        return None
    return Environment(
        plan=task.plan,
        programs=None,
        installed=there.distributions,
        reused=True,
        in_process=there.python,
        image=there.image_in(task.directory),
    )


def _built_now(task: Task) -> Environment:
    from projrun.environment.docker import making  # the warm path never comes here

    key = task.plan.key
    reason, before = marker.look(task.directory, key, task.engine), marker.told(task.directory)
    doing = "building" if task.image.reference is None else "getting the image of"
    task.report.phase("environment", f"{doing} {key[:12]}: {reason}")
    making.construct(task)
    ready = _ready(task)
    if ready is None or ready.image is None:
        raise EnvironmentFailure(
            "the environment was built and cannot be used",
            why=f"{marker.look(task.directory, key, task.engine)}",
            hint="run again; when it stays so, choose another folder: PROJRUN_CACHE=DIR",
        )
    flags = _rebuilt(before, ready.image.image, f"{reason}") if before else ()
    return replace(ready, reused=False, flags=flags)


def _rebuilt(before: marker.Marked, now: Image, reason: str) -> tuple[Flag, ...]:
    """That runs before may have had another image; with the same id it is the same one, bit for bit."""
    if before.image.id == now.id:
        return ()
    message = (
        f"the image was built again, and runs since it was built may have used another ({reason}):"
        f" it was {before.image.id}, and is {now.id}"
    )
    return (Flag("environment-rebuilt", message, "let nobody remove images that are called projrun"),)
