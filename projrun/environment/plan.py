"""What environment a project needs, and whether it is there. Builds nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from projrun.core.cache import keep, recall
from projrun.core.errors import EnvironmentFailure, Problem
from projrun.core.flags import Flag
from projrun.core.hashing import sha256_value
from projrun.core.report import Reporter
from projrun.core.values import Struct, asdict, replace
from projrun.environment import built, interpreters, key
from projrun.environment.model import EnvironmentPlan, Interpreter, Means
from projrun.environment.system import callers_python
from projrun.environment.text import read_lock
from projrun.spec.model import EnvironmentSpec

if TYPE_CHECKING:
    from projrun.environment.requirements import RequirementsFile

UNUSABLE_LOCK = "{} cannot be used as a lock"
_CHECK_FORMAT = 2  # counts up when what counts as a fault of a lock changes


class Lock(Struct, frozen=True):
    """A lock and where it came from. ``path`` is None when it was resolved; text None: not resolved yet."""

    text: str | None
    path: str | None
    name: str
    origin: str
    requirements_text: str | None
    flags: tuple[Flag, ...]


def plan(
    spec: EnvironmentSpec,
    root: Path,
    means: Means,
    report: Reporter,
    *,
    resolve: bool = True,
) -> EnvironmentPlan:
    """The environment that ``spec`` asks for, its key, and why it must be built (``reason`` None: it is ready).

    With ``resolve`` False nothing asks the network: requirements that were never resolved give a plan with an
    empty key. A Python that is missing is downloaded if ``means`` allow it. Raises EnvironmentFailure.
    """
    cache = means.cache
    if spec.docker is not None:
        from projrun.environment.docker import plan as images  # an engine is not needed elsewhere

        asked = images.Asked(pull=resolve and not means.offline)
        return images.plan(spec.docker, root, means, report, asked)
    if spec.system:
        return _system_plan(root, cache)
    if not (spec.python and (spec.lock or spec.asks)):
        raise EnvironmentFailure(
            "the project does not say what it needs",
            why="An environment takes a Python version and a lock (or requirements), or is the system's.",
            hint='in ProjectSpec.yaml: environment: {python: "3.11", lock: requirements.lock}',
        )
    interpreter = interpreter_for(spec.python, means, report)
    if spec.lock:
        return lock_plan(spec, means, interpreter, _locked(spec, root, cache, interpreter))
    from projrun.environment import requirements, resolution

    files = requirements.collect(root, spec)
    unlocked = resolution.Unlocked(root, files, interpreter, spec)
    answer = resolution.resolve(unlocked, means, report) if resolve else resolution.remembered(unlocked, cache)
    return lock_plan(spec, means, interpreter, _resolved(answer, files[0], spec))


def interpreter_for(python: str, means: Means, report: Reporter) -> Interpreter:
    """The interpreter that is asked for, downloaded if need be and ``means`` allow. Raises EnvironmentFailure."""
    try:
        return interpreters.find(python, means.cache)
    except interpreters.Missing:
        if not means.allow_download or means.offline:
            raise
        from projrun.environment import downloading

        wanted = interpreters.Wanted(python.strip()).preferred or python
        return downloading.downloaded(wanted, means.cache, report)


def lock_plan(spec: EnvironmentSpec, means: Means, interpreter: Interpreter, found: Lock) -> EnvironmentPlan:
    """The environment of a lock for an interpreter, whatever the spec says of them. Raises EnvironmentFailure."""
    unfinished = EnvironmentPlan(
        kind="lock",
        key="",
        inputs={},
        python=interpreter,
        directory=None,
        builder=spec.builder,
        lock_text=found.text,
        lock_path=found.path,
        lock_origin=found.origin,
        requirements_text=found.requirements_text,
        source_distributions=spec.source_distributions,
        reason="its lock is not resolved yet",
        flags=(*python_flags(spec, interpreter), *found.flags, *_source_flags(spec)),
        compile_command=spec.compile_command,
        extras=spec.extras,
        groups=spec.groups,
        declared=spec.python,
    )
    if found.text is None:
        return unfinished
    inputs = key.inputs_of_lock(
        interpreter,
        found.text,
        spec.builder,
        spec.source_distributions,
        extras=spec.extras,
        groups=spec.groups,
    )
    digest = key.key_of(inputs)
    directory = built.directory_of(means.cache, digest)
    known = replace(unfinished, key=digest, inputs=inputs, directory=directory)
    there = built.look(directory, digest, built.depth(means))
    if isinstance(there, str):
        _check_lock(found, known)
        return replace(known, reason=there)
    # Another installation of the same version may have been found now: tell the one that will run.
    interpreter = replace(interpreter, path=there.interpreter, library=there.library)
    return replace(known, python=interpreter, reason=None, flags=(*known.flags, *there.flags))


def _check_lock(found: Lock, known: EnvironmentPlan) -> None:
    from projrun.environment import lock, locked  # a ready environment was checked when it was built

    target = locked.target_of(known)._replace(settled=found.requirements_text is not None)
    faults = locked.problems(found.text or "", found.name, target, known.compile_command)
    lock.raise_for(faults, UNUSABLE_LOCK.format(found.name))


def _locked(spec: EnvironmentSpec, root: Path, cache: Path, interpreter: Interpreter) -> Lock:
    name = spec.lock or ""
    text = read_lock(spec, root)
    if not spec.asks:
        return Lock(text, name, name, "file", None, ())
    from projrun.environment import requirements

    files = requirements.collect(root, spec)
    problems = _drift(text, spec, files, interpreter, cache)
    return Lock(text, name, name, "file", files[0].text, drift_flags(problems))


def drift_flags(problems: tuple[Problem, ...]) -> tuple[Flag, ...]:
    """Where a lock is out of step with its requirements."""
    return tuple(Flag("lock-out-of-step", f"{one.place}: {one.message}", one.hint) for one in problems)


def _resolved(text: str | None, file: RequirementsFile, spec: EnvironmentSpec) -> Lock:
    flag = lock_missing(spec, file.path, resolved=text is not None)
    return Lock(text, None, "the resolved lock", "resolved", file.text, (flag,))


def lock_missing(spec: EnvironmentSpec, requirements_path: str, *, resolved: bool) -> Flag:
    """That requirements have no lock, whether they were resolved before or will be."""
    when = (
        "was resolved to what the package index had when it was first run here"
        if resolved
        else "will be resolved to what the package index has then"
    )
    mend = f"{spec.compile_command}, and name it as environment.lock"
    return Flag("lock-missing", f"{requirements_path} has no lock: it {when}", mend)


def _drift(
    text: str,
    spec: EnvironmentSpec,
    files: tuple[RequirementsFile, ...],
    interpreter: Interpreter,
    cache: Path,
) -> tuple[Problem, ...]:
    """Where the lock is out of step, remembered by the content of all that was compared."""
    name, command, markers = spec.lock or "", spec.compile_command, dict(interpreter.markers)
    chosen = spec.extras, spec.groups, spec.source_distributions
    texts = [[one.path, one.text] for one in files]
    question = [_CHECK_FORMAT, text, name, texts, markers, command, chosen]
    file = cache / "locks" / f"{sha256_value(question)}.json"
    known = recall(file, lambda entries: tuple(Problem(**entry) for entry in entries))
    if known is not None:
        return known
    from projrun.environment import locked, requirements

    lines = locked.parse(text, name, locked.target_for(spec, markers), command)
    asked = requirements.lines_of(files, spec)
    found = requirements.out_of_step(lines, name, asked, markers, command)
    keep(file, [asdict(problem) for problem in found])
    return found


def _system_plan(root: Path, cache: Path) -> EnvironmentPlan:
    interpreter, folder = callers_python(root, cache)
    inputs = key.inputs_of_system(interpreter)
    flag = Flag(
        "system-environment",
        f"runs on the caller's Python {interpreter.version}, whose packages nothing pins",
        'declare environment: {python: "3.11", lock: requirements.lock} in ProjectSpec.yaml',
    )
    return EnvironmentPlan("system", key.key_of(inputs), inputs, interpreter, folder, flags=(flag,))


def python_flags(spec: EnvironmentSpec, interpreter: Interpreter | None) -> tuple[Flag, ...]:
    """That the interpreter is named loosely; ``interpreter`` is the one that fits, None when none does here."""
    wanted = interpreters.Wanted(spec.python or "")
    if wanted.preferred is not None and interpreter is not None and interpreter.version != wanted.preferred:
        message = f"Python {wanted.preferred} is asked for, and {interpreter.version} is the nearest one here"
        mend = f"install it (`uv python install {wanted.preferred}`), or run with --allow-download"
        return (Flag("interpreter-nearest", message, mend),)
    if not wanted.is_range:
        return ()
    here = interpreter.version if interpreter else "none of them"
    message = f"environment.python is a range ({spec.python}): this machine has {here}, others may not"
    series = ".".join(here.split(".")[:2]) if interpreter else "3.11"
    return (Flag("interpreter-range", message, f'python: "{series}" in ProjectSpec.yaml'),)


def _source_flags(spec: EnvironmentSpec) -> tuple[Flag, ...]:
    if not spec.source_distributions:
        return ()
    names = ", ".join(spec.source_distributions)
    message = f"may be built from source, with a compiler and build requirements that nothing pins: {names}"
    return (Flag("source-distributions", message, "use wheels where the package index has them"),)
