"""The flow of ``projrun export-lock``: whose lock, what of it applies, in which format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from projrun.choice import environment_named
from projrun.core.errors import EnvironmentFailure
from projrun.core.hashing import sha256_bytes
from projrun.core.report import Reporter
from projrun.core.values import Struct, replace
from projrun.environment import built, exported, installed, locked, plan, platforms, verification
from projrun.environment.exported import Contents
from projrun.environment.locked import Target
from projrun.environment.model import EnvironmentPlan, Interpreter, Means
from projrun.spec.load import load
from projrun.spec.place import find_project, project_around
from projrun.store.store import Store

FORMATS = ("requirements", "pylock", "cyclonedx", "dockerfile")

_Told = TypeVar("_Told")


class ExportOptions(Struct, frozen=True):
    """What the user asked for. ``run`` None: the lock of the project around ``start``, of its ``environment``."""

    start: Path
    store: Path
    means: Means
    run: str | None = None
    format: str = FORMATS[0]
    environment: str | None = None


def export_lock(options: ExportOptions, report: Reporter) -> str:
    """The lock of a project, or what a run executed in, in one of the :data:`FORMATS`.

    Raises EnvironmentFailure when there is no lock, or when what a run recorded does not fit together.
    """
    recipe = None if options.run is None else _recipe_of(options, options.run)
    if recipe is not None and options.format == "cyclonedx" and _told_of(recipe, _is_of_image):
        return _told_of(recipe, _bill_of_image)
    executed_in = partial(_executed_in, cache=options.means.cache)
    contents = _of_project(options, report) if recipe is None else _told_of(recipe, executed_in)
    if options.format == "requirements":
        return exported.requirements(contents)
    if options.format == "dockerfile":
        return exported.dockerfile(contents)
    if options.format == "pylock":
        from projrun.environment.pylock_export import pylock

        return pylock(contents, options.means, report)
    from projrun.environment.bill import cyclonedx

    return cyclonedx(contents)


def _of_project(options: ExportOptions, report: Reporter) -> Contents:
    root = find_project(options.start)
    spec = load(root, options.means.cache)
    chosen = environment_named(options.environment, spec)
    if chosen.docker is not None:
        raise _of_image(f"{spec.name} runs in an image, which has no lock", "projrun env show --json")
    planned = plan.plan(chosen, root, options.means, report)
    if planned.lock_text is None:
        raise _unlocked(f"{spec.name} runs on the caller's own Python, which has no lock")
    file = planned.lock_path or "the resolved lock"
    target = locked.target_of(planned)
    if options.format == "dockerfile" and locked.is_pylock(file):
        target = target._replace(markers=_in_an_image(planned), here=False)
    return Contents(
        project=spec.name,
        lines=locked.parse(planned.lock_text, file, target, planned.compile_command),
        interpreter=planned.interpreter,
        source_distributions=planned.source_distributions,
        key=planned.key,
        directory=_directory(options.means.cache, planned.key),
    )


def _in_an_image(planned: EnvironmentPlan) -> Mapping[str, str]:
    """The markers of the project's interpreter in an image for this machine."""
    own = planned.interpreter.markers
    arm = own["platform_machine"].lower() in ("aarch64", "arm64")
    return platforms.markers("linux-aarch64" if arm else "linux-x86_64", own)


def _recipe_of(options: ExportOptions, run: str) -> Mapping[str, Any]:
    store = Store(options.store)
    record = store.read(store.resolve(run, project_around(options.start)))
    if record.recipe is None:
        raise EnvironmentFailure(
            f"run {record.id} has no recipe",
            why=record.why_no_recipe,
            hint="projrun show RUN tells what is known of it",
        )
    return record.recipe


def _told_of(recipe: Mapping[str, Any], tell: Callable[[Mapping[str, Any]], _Told]) -> _Told:
    """What ``tell`` makes of a recipe, which may be damaged."""
    try:
        return tell(recipe)
    except (LookupError, TypeError, ValueError) as error:
        raise EnvironmentFailure(
            f"the recipe of run {recipe.get('run')} is damaged",
            why=f"it does not say what its environment was ({type(error).__name__}: {error})",
            hint="projrun show RUN tells what is known of it",
        ) from error


def _is_of_image(recipe: Mapping[str, Any]) -> bool:
    return bool(recipe["environment"]["kind"] == "docker")


def _bill_of_image(recipe: Mapping[str, Any]) -> str:
    from projrun.environment.bill import cyclonedx_of_image

    return cyclonedx_of_image(recipe)


def _executed_in(recipe: Mapping[str, Any], cache: Path) -> Contents:
    """What a run executed in: of its lock the lines that applied, when they are what was installed."""
    run, environment = str(recipe["run"]), recipe["environment"]
    kept = environment["lock"]
    if _is_of_image(recipe):
        raise _of_image(f"run {run} executed in an image, which has no lock", f"projrun env show {run} --json")
    if kept is None:
        raise _unlocked(f"run {run} executed in a {environment['kind']} environment, which has no lock")
    text, name = kept["text"], kept["path"] or "the resolved lock"
    if sha256_bytes(text.encode(errors="surrogateescape")) != kept["sha256"]:
        raise ValueError("its lock is not the one whose digest it has")
    interpreter = _interpreter(environment["interpreter"])
    sets = environment["inputs"]["lock"]
    names = tuple(environment["source_distributions"])
    target = Target(interpreter.markers, _names(sets, "extras"), _names(sets, "groups"), names, here=False)
    contents = Contents(
        project=recipe["spec"]["project"],
        lines=locked.parse(text, name, target),
        interpreter=interpreter,
        source_distributions=names,
        key=environment["key"],
        directory=_directory(cache, environment["key"]),
        run=run,
        version=recipe["source"]["commit"],
        created=recipe["created"],
    )
    differences = installed.differences(verification.of_recipe(environment), contents.applying)
    if differences:
        raise EnvironmentFailure(
            f"run {run} did not execute in what its lock names",
            why="\n".join(differences),
            hint=f"projrun show {run} lists what was installed; run it again for a lock that fits",
        )
    return replace(contents, lines=contents.applying)


def _interpreter(recorded: Mapping[str, Any]) -> Interpreter:
    return Interpreter(
        path=Path(recorded["path"]),
        version=recorded["version"],
        implementation=recorded["implementation"],
        soabi=recorded["soabi"],
        platform=recorded["platform"],
        markers=recorded["markers"],
    )


def _names(sets: Mapping[str, Any], kind: str) -> tuple[str, ...] | None:
    return tuple(sets[kind]) if kind in sets else None


def _directory(cache: Path, key: str) -> Path | None:
    """The built environment of that key, when it is here and whole."""
    directory = built.directory_of(cache, key)
    return None if isinstance(built.look(directory, key, "quick"), str) else directory


def _unlocked(what: str) -> EnvironmentFailure:
    return EnvironmentFailure(
        what,
        why="Names and versions without hashes would not pin it.",
        hint='declare environment: {python: "3.11", requirements: requirements.in} in ProjectSpec.yaml, then:'
        " projrun lock",
    )


def _of_image(what: str, show: str) -> EnvironmentFailure:
    return EnvironmentFailure(
        what,
        why="It has what its Dockerfile installed, which nothing pins but the image's id.",
        hint=f"{show}    (lists all that is inside; of a run also: projrun export-lock RUN --format cyclonedx)",
    )
