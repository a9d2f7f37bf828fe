"""The flow of ``projrun lock``: read what is asked for, resolve it, compare, write."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from projrun.choice import built_as_asked, environment_named
from projrun.core import process
from projrun.core.errors import EnvironmentFailure, Problem, UsageError
from projrun.core.files import write_atomic
from projrun.core.nearest import did_you_mean
from projrun.core.report import Reporter, Silent
from projrun.core.values import Struct, replace
from projrun.environment import compiled, interpreters, lock, locked, platforms, requirements, resolution
from projrun.environment.compiled import Change
from projrun.environment.lock import LockLine
from projrun.environment.locked import Target
from projrun.environment.model import Means
from projrun.environment.plan import interpreter_for
from projrun.environment.resolution import Unlocked, Wishes
from projrun.environment.text import read_text
from projrun.spec.load import load
from projrun.spec.model import DEFAULT_ENVIRONMENT, EnvironmentSpec
from projrun.spec.place import find_project
from projrun.spec.text import shown_name

_OF_ITS_OWN = 'in ProjectSpec.yaml: environment: {python: "3.11", requirements: requirements.in}'
# For the Python of an image, which is none of this machine's.
_FOR_AN_IMAGE = (
    "uv pip compile --universal --python-version 3.11 --generate-hashes -o requirements.lock requirements.in"
    "    (a lock that the Dockerfile installs; with the image's version of Python)"
)
_DEFAULT = "requirements.lock"  # of the default environment; that of another is called as it is


class LockOptions(Struct, frozen=True):
    """What the user asked for.

    ``start`` is a directory in the project, ``environment`` the name of one of its environments.
    ``check``: compare and write nothing. ``upgrade`` are packages whose versions need not be kept, as ``NAME`` or
    ``NAME==V``. ``platforms``: the names of those the lock is for; none: those it was for. ``builder``: another
    one than the spec's.
    """

    start: Path
    means: Means
    environment: str | None = None
    check: bool = False
    upgrade_all: bool = False
    upgrade: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    builder: str | None = None


class Compiled(Struct, frozen=True):
    """What came of it. ``file`` is the lock as the user would name it from here.

    ``problems``: where a lock that was only checked is out of step. ``to_add``: the line that the spec does not
    have yet. ``untold``: why not all could be compared.
    """

    file: str
    changes: tuple[Change, ...] = ()
    written: bool = False
    problems: tuple[Problem, ...] = ()
    to_add: str = ""
    untold: str = ""


class _Task(Struct, frozen=True):
    """A lock to be compiled: from what, into what, and what is there now (None: nothing)."""

    unlocked: Unlocked
    file: str
    text: str | None
    pins: tuple[LockLine, ...]
    wishes: Wishes

    @property
    def spec(self) -> EnvironmentSpec:
        return self.unlocked.spec

    @property
    def is_pylock(self) -> bool:
        return locked.is_pylock(self.file)

    @property
    def target(self) -> Target:
        return locked.target_for(self.spec, self.unlocked.interpreter.markers)

    @property
    def header(self) -> str:
        return compiled.header(self.spec, self.unlocked.interpreter, self.wishes)

    @property
    def shown(self) -> str:
        return _shown(self.unlocked.root, self.file)

    def compared(self, lines: tuple[LockLine, ...]) -> tuple[LockLine, ...]:
        """The lines that count: all of a lock for several platforms, of another those that apply here."""
        if not self.is_pylock and (self.wishes.universal or self.wishes.platforms):
            return lines
        markers = self.unlocked.interpreter.markers
        return tuple(line._replace(marker="") for line in lines if line.applies(markers))

    def with_places(self, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
        """The problems with their files as the user would name them from here."""
        return tuple(replace(one, file=_shown(self.unlocked.root, one.file)) for one in problems)


def compile_lock(options: LockOptions, report: Reporter) -> Compiled:
    """Compiles the project's lock, or finds where it is out of step with what it is compiled from.

    Raises EnvironmentFailure when the requirements cannot be resolved or the lock cannot be written, SpecError,
    and UsageError for an unknown platform or package.
    """
    task = _task(options, report)
    if options.check:
        return _checked(task, options.means, report)
    if task.is_pylock:
        _require_own(task)
    lines, text = _resolved(task, options.means, report)
    for wish in options.upgrade:
        _require_known(wish, lines)
    if task.is_pylock:
        text = _as_pylock(task, lines, options.means, report)
    written = text != task.text
    if written:
        _write(task.unlocked.root / task.file, text)
    return Compiled(
        task.shown,
        compiled.changes(task.pins, lines),
        written,
        to_add="" if task.spec.lock else f"lock: {task.file}",
    )


def _task(options: LockOptions, report: Reporter) -> _Task:
    root = find_project(options.start)
    declared = environment_named(options.environment, load(root, options.means.cache))
    _require_requirements(declared)
    spec = built_as_asked(declared, options.builder)
    interpreter = interpreter_for(spec.python or "", options.means, report)
    files = requirements.collect(root, spec)
    unlocked = Unlocked(root, files, interpreter, spec)
    resolution.raise_for_unlockable(unlocked)
    file = spec.lock or (_DEFAULT if spec.name == DEFAULT_ENVIRONMENT else f"{spec.name}.lock")
    text = read_text(root, file, "lock") if os.path.lexists(root / file) else None
    wishes = _wishes(options, spec, text or "")
    task = _Task(unlocked, file, text, (), wishes)
    pins = _pins(task)
    return replace(task, pins=pins, wishes=wishes._replace(previous=lock.text_of(pins)))


def _pins(task: _Task) -> tuple[LockLine, ...]:
    """What can be read of the lock that is there, whether it is a good one or not."""
    pins = locked.pins(task.text, task.file, task.target) if task.text else ()
    if pins is None:
        aside = shlex.join(["mv", task.shown, f"{task.shown}.old"])
        raise EnvironmentFailure(
            f"{task.shown} is no lock, and would be overwritten",
            why="It pins nothing, or most of its lines are no requirements.",
            hint=f"{aside} && {task.spec.compile_command}; or name another file as environment.lock",
        )
    return pins


def _require_requirements(spec: EnvironmentSpec) -> None:
    """Raises EnvironmentFailure when there is nothing to compile, or what it would become is not ours to write."""
    if spec.system or spec.docker is not None:
        kind = "system: true" if spec.system else "docker"
        raise EnvironmentFailure(
            f"there is nothing to lock: the environment is {kind}",
            why="A lock is for an environment of its own.",
            hint=_FOR_AN_IMAGE if spec.docker is not None else _OF_ITS_OWN,
        )
    if not spec.asks:
        raise EnvironmentFailure(
            "nothing says what the lock is compiled from",
            why="environment.requirements names a file of requirements, or pyproject.toml; or there are packages.",
            hint=spec.how_to_lock,
        )


def _require_own(task: _Task) -> None:
    """Raises EnvironmentFailure for a pylock.toml of another tool, or for more than we write into one."""
    if task.wishes.universal or task.wishes.platforms:
        raise EnvironmentFailure(
            f"{task.shown} is compiled for one platform and one series of Python",
            why="Markers for several are kept in requirements lines.",
            hint=f"lock: {_DEFAULT} in ProjectSpec.yaml",
        )
    if task.text and 'created-by = "projrun"' not in task.text:
        raise EnvironmentFailure(
            f"{task.shown} was made by another tool, and what it holds beside this environment would be lost",
            why="projrun writes what one environment needs, without extras and groups to choose from.",
            hint=f"compile it with that tool, or remove {task.shown} first",
        )


def _as_pylock(task: _Task, lines: tuple[LockLine, ...], means: Means, report: Reporter) -> str:
    from projrun.environment.exported import Contents
    from projrun.environment.pylock_export import pylock

    contents = Contents(
        project=task.unlocked.name,
        lines=lines,
        interpreter=task.unlocked.interpreter,
        source_distributions=task.spec.source_distributions,
        key="",
    )
    return task.header + pylock(contents, means, report)


def _wishes(options: LockOptions, spec: EnvironmentSpec, text: str) -> Wishes:
    for wish in options.upgrade:
        requirement = lock.as_requirement(wish)
        if requirement is None or requirement.url or requirement.marker:
            raise UsageError(f"--upgrade-package {wish}: not a package", hint="--upgrade-package NAME or NAME==V")
    names = tuple(platforms.known(name) for name in options.platforms)
    is_range = interpreters.Wanted(spec.python or "").is_range
    return Wishes(
        upgrade_all=options.upgrade_all,
        upgrade=options.upgrade,
        universal=is_range,
        platforms=tuple(dict.fromkeys(names)) or compiled.platforms_of(text),
        annotate=True,
        python=compiled.lowest(spec.python or "") if is_range else "",
    )


def _resolved(task: _Task, means: Means, report: Reporter) -> tuple[tuple[LockLine, ...], str]:
    """The lines of the lock as they would be now, and its text."""
    unlocked = task.unlocked
    report.phase("lock", f"resolving {unlocked.name}")
    with resolution.our_turn(unlocked, means, report), process.withholding(task.spec.secrets):
        text = resolution.resolve_now(unlocked, task.wishes, means, report)
    text = task.header + text
    return lock.parse(text, task.file), text


def _checked(task: _Task, means: Means, report: Reporter) -> Compiled:
    """Where the lock is out of step: first what the files tell by themselves, then what a resolution does."""
    if task.text is None:
        raise EnvironmentFailure(
            f"{task.shown} is not there", why="No lock was compiled yet.", hint=task.spec.compile_command
        )
    markers, command = task.unlocked.interpreter.markers, task.spec.compile_command
    found = locked.problems(task.text, task.file, task.target, command)
    if not found:
        asked = task.unlocked.asked
        found = requirements.out_of_step(task.pins, task.file, asked, markers, command)
    untold = ""
    if not found:
        try:
            found = _by_resolution(task, means, report)
        except EnvironmentFailure as failure:
            if not means.offline:
                raise
            untold = f"whether the lock has what nothing asks for any more cannot be told offline: {failure.what}"
    return Compiled(task.shown, problems=task.with_places(found), untold=untold)


def _by_resolution(task: _Task, means: Means, report: Reporter) -> tuple[Problem, ...]:
    """Where the lock is not what it would be. The index tells the hashes: the lock's own prove nothing."""
    versions = tuple(line._replace(hashes=()) for line in task.pins)
    unhashed = replace(task, wishes=task.wishes._replace(previous=lock.text_of(versions)))
    after, _ = _resolved(unhashed, means, Silent() if means.offline else report)
    before, after = task.compared(task.pins), task.compared(after)
    return compiled.out_of_step(before, after, task.file, task.unlocked.name, task.spec.compile_command)


def _require_known(wish: str, lines: tuple[LockLine, ...]) -> None:
    requirement = lock.as_requirement(wish)
    names = {line.name for line in lines}
    name = lock.normalised(requirement.name) if requirement else wish
    if name not in names:
        raise UsageError(
            f"--upgrade-package {wish}: the lock does not hold {name}",
            why="Nothing that is asked for needs it.",
            hint=did_you_mean(name, names) or "projrun lock --upgrade upgrades all",
        )


def _write(path: Path, text: str) -> None:
    path = Path(os.path.realpath(path))  # a link stays one; that it leads nowhere else was seen when it was read
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        write_atomic(path, text.encode(), mode=mode)
    except OSError as error:
        raise EnvironmentFailure(
            f"{path} cannot be written",
            why=error.strerror or str(error),
            hint="make room there, or get the right to write",
        ) from error


def _shown(root: Path, file: str) -> str:
    """A file of the project as the user would name it from here."""
    return str(Path(shown_name(root)).parent / file)
