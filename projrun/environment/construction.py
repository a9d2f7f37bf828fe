"""Building an environment aside, checking it, and moving it in. Its lock is held by the caller."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import replace
from pathlib import Path

from projrun.core import locks, process
from projrun.core.errors import EnvironmentFailure
from projrun.core.flags import Flag
from projrun.core.report import BUILD, Reporter
from projrun.environment import built, installed, lock, locked
from projrun.environment.builder import BuildRequest, Made
from projrun.environment.builders import builder_named
from projrun.environment.model import EnvironmentPlan, Means

_ASIDE = ".building-"
_TIME_LIMIT = 60.0  # seconds for the new interpreter to tell its version
_VERSION = "import platform; print(platform.python_version())"


def construct(plan: EnvironmentPlan, directory: Path, means: Means, report: Reporter) -> None:
    """Builds the environment of ``plan`` into ``directory``, marker last. Raises EnvironmentFailure or OSError."""
    lock_file = plan.lock_path or "the resolved lock"
    lines = locked.parse(plan.lock_text or "", lock_file, locked.target_of(plan), plan.compile_command)
    builder = builder_named(plan.builder or "")
    _remove_leftovers(directory.parent, plan.key)
    aside = directory.parent / f"{_ASIDE}{plan.key}-{secrets.token_hex(4)}"
    aside.mkdir()
    try:
        version = builder.version()
        report.phase("environment", f"installing {lock_file} with {builder.name} {version}")
        made = builder.create(
            BuildRequest(
                folder=aside,
                interpreter=plan.interpreter,
                lock_text=locked.requirements_text(plan.lock_text or "", lock_file, lines),
                lock_file=lock_file,
                lines=lines,
                source_distributions=plan.source_distributions,
                compile_command=plan.compile_command,
                offline=means.offline,
            ),
            lambda data: report.write(BUILD, data),
        )
        report.phase("environment", f"checking {plan.key[:12]}")
        marker = _checked(plan, made, lines, version)
        if directory.exists():
            directory.rename(aside / "replaced")
        made.directory.rename(directory)
        built.write_marker(directory, marker)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _checked(plan: EnvironmentPlan, made: Made, lines: tuple[lock.LockLine, ...], version: str) -> built.Built:
    """The marker of what was made. Raises EnvironmentFailure when it is not what the lock and the plan say."""
    interpreter = plan.interpreter
    says = _version_of(made.directory / "bin" / "python")
    if says != interpreter.version:
        raise EnvironmentFailure(
            f"the environment's python is not {interpreter.version}",
            why=f"Asked for its version it says: {says}",
            hint=f"try {interpreter.path} -m venv DIR; when that is wrong too, install Python again",
        )
    folders = [installed.site_packages(made.directory, interpreter.version)]
    distributions = tuple(replace(one, archive=made.archives.get(one.name, "")) for one in installed.read(folders))
    applying = [line for line in lines if line.applies(interpreter.markers)]
    differences = installed.differences(distributions, applying)
    if differences:
        raise EnvironmentFailure(
            "what was installed is not what the lock names",
            why="\n".join(differences),
            hint=f"compile the lock again: {plan.compile_command}",
        )
    lock_file, command = plan.lock_path or "the resolved lock", plan.compile_command
    unfit = installed.unfit(folders, interpreter.version)
    for line in applying:
        if line.name in unfit:
            raise EnvironmentFailure(
                f"{lock_file}:{line.line}: {line.name}=={line.version} is not for Python {interpreter.version}",
                why=f"It is for Python {unfit[line.name]}.",
                hint=f"compile the lock again ({command}), or change environment.python",
            )
    return built.Built(
        key=plan.key,
        inputs=plan.inputs,
        interpreter=interpreter.path,
        builder=plan.builder or "",
        builder_version=version,
        installed=distributions,
        flags=tuple(
            Flag("dependency-missing", f"{lock_file}: {text}", f"compile the lock with all of them: {command}")
            for text in installed.unmet(folders, interpreter.markers)
        ),
    )


def _version_of(python: Path) -> str:
    try:
        told = process.run([python, "-I", "-S", "-c", _VERSION], timeout=_TIME_LIMIT)
    except process.TimeoutExpired:
        return f"nothing for {_TIME_LIMIT:.0f} seconds"
    return told.text.strip() if told.ok else told.error_text


def _remove_leftovers(environments: Path, own_key: str) -> None:
    """Removes what builders left that were killed. A folder is made under its key's lock, so the lock tells."""
    for folder in environments.glob(f"{_ASIDE}*"):
        key = folder.name.removeprefix(_ASIDE).rpartition("-")[0]
        if key == own_key or not locks.is_held(environments / ".locks" / key):
            shutil.rmtree(folder, ignore_errors=True)
