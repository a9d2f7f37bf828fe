"""Building an environment aside, checking it, and moving it in. Its lock is held by the caller."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from projrun.core import process
from projrun.core.errors import EnvironmentFailure
from projrun.core.flags import Flag
from projrun.core.report import BUILD, Reporter
from projrun.core.values import Struct, replace
from projrun.environment import built, contents, damage, installed, lock, locked, manifest, records, uses
from projrun.environment.builder import BuildRequest, Made
from projrun.environment.builders import builder_named
from projrun.environment.manifest import Entry
from projrun.environment.model import EnvironmentPlan, Means
from projrun.environment.turns import aside, left_behind

_ASIDE, _DAMAGED = ".building-", ".damaged-"
_TIME_LIMIT = 60.0  # seconds for the new interpreter to tell its version
_VERSION = "import platform; print(platform.python_version())"
_MAKE_ROOM = "make room in {}, or choose another folder: PROJRUN_CACHE=DIR"
# What a builder says among many words when the machine is to blame, and what to do then.
_TROUBLES = (
    (("No space left on device", "Disk quota exceeded"), _MAKE_ROOM),
    (("No locks available",), "uv's own cache is where flock does not work: UV_CACHE_DIR=DIR, on a local disk"),
)
_PYTHON = re.compile(r"python(3(\.\d+)?)?")  # python3-config and its like may be anybody's
_SHOWN = 10  # files named in an error


class Checked(Struct, frozen=True):
    """An environment that was made and checked, in ``directory``, with all of its marker but the list of files.

    ``entries`` are those files.
    """

    directory: Path
    marker: built.Built
    site_packages: str
    entries: tuple[Entry, ...]


class _Seen(Struct, frozen=True):
    """What there is in an environment that was made."""

    version: str
    archives: Mapping[str, str]
    metadata: tuple[installed.Metadata, ...]
    entries: tuple[Entry, ...]


def construct(plan: EnvironmentPlan, directory: Path, means: Means, report: Reporter) -> None:
    """Builds the environment of ``plan`` into ``directory``, marker last. Raises EnvironmentFailure or OSError.

    What was there before is moved away, and removed unless a live run uses it: then by a later build.
    """
    environments = directory.parent
    remove_leftovers(environments, plan.key)
    with made_aside(plan, environments, means, report) as made:
        marker = replace(made.marker, files=_listed(made))
        if directory.exists():
            move_away(directory)
        made.directory.rename(directory)
        built.write_marker(directory, marker)
    remove_leftovers(environments, plan.key)


@contextlib.contextmanager
def made_aside(
    plan: EnvironmentPlan, environments: Path, means: Means, report: Reporter, *, fresh: bool = False
) -> Iterator[Checked]:
    """The environment of ``plan`` in a folder of its own, checked, for the block.

    With ``fresh`` the builder takes nothing that it unpacked before. Raises EnvironmentFailure or OSError.
    """
    lock_file = plan.lock_path or "the resolved lock"
    lines = locked.parse(plan.lock_text or "", lock_file, locked.target_of(plan), plan.compile_command)
    builder = builder_named(plan.builder or "")
    with aside(environments, _ASIDE, plan.key) as folder:
        version = builder.version()
        report.phase("environment", f"installing {lock_file} with {builder.name} {version}")
        request = BuildRequest(
            folder=folder,
            interpreter=plan.interpreter,
            lock_text=locked.requirements_text(plan.lock_text or "", lock_file, lines),
            lock_file=lock_file,
            lines=lines,
            source_distributions=plan.source_distributions,
            compile_command=plan.compile_command,
            offline=means.offline,
            fresh=fresh,
        )
        with _machine_blamed(environments):
            made = builder.create(request, lambda data: report.write(BUILD, data))
        report.phase("environment", f"checking {plan.key[:12]}")
        (made.directory / built.LOCK).write_bytes((plan.lock_text or "").encode())  # its line ends are hashed too
        yield _checked(plan, made, lines, version, fresh=fresh)


@contextlib.contextmanager
def _machine_blamed(environments: Path) -> Iterator[None]:
    """Puts what mends the machine in the place of the builder's own hint, when it failed for that."""
    try:
        yield
    except EnvironmentFailure as failure:
        said = " ".join(failure.why.split())  # it may be wrapped anywhere
        for words, hint in _TROUBLES:
            if any(word in said for word in words):
                failure.hint = hint.format(environments)
        raise


def _listed(made: Checked) -> str:
    """Writes the list of the files and gives its digest. Raises EnvironmentFailure when RECORD says otherwise."""
    directory, entries = made.directory, made.entries
    by_path = {entry.path: entry for entry in entries}
    odd = [path for path in by_path if "\n" in path]
    faults = [
        f"{fault.distribution}: {damage.shown(fault.path)} {fault.text}"
        for fault in records.faults(directory, made.site_packages, by_path)
    ]
    if faults or odd:
        more = len(faults) - _SHOWN
        told = [*faults[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        raise EnvironmentFailure(
            "what was installed is not what its packages say of their files",
            why="\n".join(told or [f"{odd[0]!r} has a line break in its name"]),
            hint="empty the builder's own cache (uv cache clean, pip cache purge) and run again; when it stays so,"
            " the wheel is defective: lock another version",
        )
    return manifest.write(directory, entries)


def _checked(
    plan: EnvironmentPlan, made: Made, lines: tuple[lock.LockLine, ...], version: str, *, fresh: bool
) -> Checked:
    """The marker of what was made. Raises EnvironmentFailure when it is not what the lock and the plan say."""
    interpreter = plan.interpreter
    site_packages = installed.site_packages(made.directory, interpreter.version)
    folder = site_packages.relative_to(made.directory).as_posix()
    _refuse_replaced(made.directory, folder, interpreter.path)
    seen = _looked_at(made, site_packages, broken=fresh)
    says, there = seen.version, seen.metadata
    if says != interpreter.version:
        raise EnvironmentFailure(
            f"the environment's python is not {interpreter.version}",
            why=f"Asked for its version it says: {says}",
            hint=f"{interpreter.path} -m venv DIR; when that is wrong too, install Python again",
        )
    found = installed.distributions(there)
    distributions = tuple(replace(one, archive=seen.archives.get(one.name, "")) for one in found)
    applying = [line for line in lines if line.applies(interpreter.markers)]
    differences = installed.differences(distributions, applying)
    if differences:
        raise EnvironmentFailure(
            "what was installed is not what the lock names",
            why="\n".join(differences),
            hint=f"compile the lock again: {plan.compile_command}",
        )
    _refuse_unfit(plan, applying, installed.unfit(there, interpreter.version))
    lock_file, command = plan.lock_path or "the resolved lock", plan.compile_command
    marker = built.Built(
        key=plan.key,
        inputs=plan.inputs,
        interpreter=interpreter.path,
        library=interpreter.library,
        in_process=says,
        builder=plan.builder or "",
        builder_version=version,
        installed=distributions,
        files="",
        flags=tuple(
            Flag("dependency-missing", f"{lock_file}: {text}", f"compile the lock with all of them: {command}")
            for text in installed.unmet(there, interpreter.markers)
        ),
    )
    return Checked(made.directory, marker, folder, seen.entries)


def _looked_at(made: Made, site_packages: Path, *, broken: bool) -> _Seen:
    """All that is to be known of what was made, at the same time: the tools take longer than we do."""
    from concurrent.futures import ThreadPoolExecutor  # slow to import

    with ThreadPoolExecutor(max_workers=3) as beside:
        version = beside.submit(_version_of, made.directory / "bin" / "python")
        archives = beside.submit(made.archives)
        paths = sorted(manifest.scan(made.directory))
        entries = beside.submit(contents.entries_of, made.directory, paths, broken=broken)
        metadata = installed.metadata([site_packages])
    return _Seen(version.result(), archives.result(), metadata, entries.result())


def _refuse_replaced(directory: Path, folder: str, interpreter: Path) -> None:
    """Raises EnvironmentFailure when a package put a program of its own in the place of python. Runs nothing."""
    for python in sorted((directory / "bin").glob("python*")):
        path = f"bin/{python.name}"
        if not _PYTHON.fullmatch(python.name) or os.path.realpath(python) == str(interpreter):
            continue
        whose = records.owners(directory, folder, path)
        raise EnvironmentFailure(
            f"{' and '.join(whose) or 'a package'} put a program in the place of the environment's {python.name}",
            why=f"{path} does not lead to {interpreter}.",
            hint="the wheel is defective: lock another version, or do without it",
        )


def _refuse_unfit(plan: EnvironmentPlan, applying: list[lock.LockLine], unfit: dict[str, str]) -> None:
    lock_file, version = plan.lock_path or "the resolved lock", plan.interpreter.version
    for line in applying:
        if line.name in unfit:
            raise EnvironmentFailure(
                f"{lock_file}:{line.line}: {line.name}=={line.version} is not for Python {version}",
                why=f"It is for Python {unfit[line.name]}.",
                hint=f"compile the lock again ({plan.compile_command}), or change environment.python",
            )


def _version_of(python: Path) -> str:
    try:
        told = process.run([python, "-I", "-S", "-c", _VERSION], timeout=_TIME_LIMIT)
    except process.TimeoutExpired:
        return f"nothing for {_TIME_LIMIT:.0f} seconds"
    return told.text.strip() if told.ok else told.error_text


def move_away(directory: Path) -> Path:
    """Renames an environment to what no run looks for and :func:`leftovers` finds. Raises OSError."""
    return directory.rename(directory.with_name(f"{_DAMAGED}{directory.name}-{secrets.token_hex(4)}"))


def leftovers(environments: Path, own_key: str | None = None) -> Iterator[Path]:
    """What killed builders left, and damaged environments that no run uses any more.

    The lock of ``own_key`` is held by the caller.
    """
    yield from left_behind(environments, _ASIDE, lambda key: built.lock_of(environments / key), own_key)
    for folder in environments.glob(f"{_DAMAGED}*"):
        if not uses.is_used(environments / folder.name.removeprefix(_DAMAGED).rpartition("-")[0]):
            yield folder


def remove_leftovers(environments: Path, own_key: str | None = None) -> None:
    """Removes :func:`leftovers`."""
    for folder in list(leftovers(environments, own_key)):
        shutil.rmtree(folder, ignore_errors=True)
