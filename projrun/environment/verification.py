"""A built environment, read to the last byte: against what was written down, and against its archives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from projrun.core.errors import EnvironmentFailure
from projrun.core.hashing import sha256_bytes
from projrun.core.report import Reporter
from projrun.environment import built, bytecode, contents, installed, locked, manifest, records
from projrun.environment.damage import shown
from projrun.environment.manifest import Entry
from projrun.environment.model import Distribution, EnvironmentPlan, Means
from projrun.environment.probe import Descriptions


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was. ``path`` is relative to the environment, empty when it is no file.

    ``kind``: altered, missing, extra, record (it does not fit its RECORD), distribution, bytecode, archive, marker
    (what was written down about it does not hold).
    """

    kind: str
    path: str
    message: str


def verify(directory: Path, there: built.Built) -> Iterator[Finding]:
    """Everything in ``directory`` that is not what was built there, file by file."""
    reason = built.look(directory, there.key, "not")
    if isinstance(reason, str):
        yield Finding("marker", "", f"the environment cannot be used: {reason}")
    now = entries_now(directory)
    yield from _against_list(directory, there, now)
    site_packages = _site_packages(directory, there)
    folder = site_packages.relative_to(directory).as_posix()
    for row, fault in records.faults(directory, records.rows(directory, folder), now):
        yield Finding("record", row.path, f"{shown(row.path)} {fault}")
    yield from distribution_findings(there.installed, installed.read([site_packages]), "when it was built")
    yield from _lock_findings(directory, there)
    interpreter = built.interpreter_of(
        directory
    )  # without it the first finding is that the environment is unusable
    for path in bytecode.altered(directory, interpreter) if interpreter else ():
        yield Finding("bytecode", path, f"{shown(path)} is not what its source compiles to")


def verify_archives(directory: Path, there: built.Built, means: Means, report: Reporter) -> Iterator[Finding]:
    """What differs from the archives of the same lock, fetched anew and installed aside. The key's lock is held.

    Raises EnvironmentFailure when that cannot be done.
    """
    from projrun.environment import construction

    described = Descriptions(means.cache).of(there.interpreter)
    if described is None:
        raise EnvironmentFailure(
            f"the interpreter {there.interpreter} does not run", hint=f"projrun env remove {there.key[:12]}"
        )
    text = lock_text(directory)
    plan = EnvironmentPlan(
        kind="lock",
        key=there.key,
        inputs=there.inputs,
        interpreter=described.interpreter,
        directory=directory,
        builder=there.builder,
        lock_text=text,
        lock_path=locked.name_of(text),
        extras=_chosen(there, "extras"),
        groups=_chosen(there, "groups"),
        source_distributions=tuple(there.inputs["options"]["source_distributions"]),
    )
    now = entries_now(directory)
    with construction.made_aside(plan, directory.parent, means, report, fresh=True) as made:
        for row in records.rows(made.directory, made.site_packages):
            name = row.path.removeprefix(f"{made.site_packages}/")
            if installed.is_installers(name) or row.path.startswith(("bin/", "../")):
                continue  # by the installer, in its own manner
            if row.path not in now:
                yield Finding("archive", row.path, f"{name} is in the archive and not here")
            elif not contents.is_same(contents.entry_of(made.directory, row.path), now[row.path]):
                yield Finding("archive", row.path, f"{name} is not what the archive has")


def _chosen(there: built.Built, kind: str) -> tuple[str, ...] | None:
    """The extras or groups that went into the key."""
    names = there.inputs["lock"].get(kind)
    return None if names is None else tuple(names)


def distribution_findings(
    then: Iterable[Distribution], now: Iterable[Distribution], when: str
) -> Iterator[Finding]:
    """Where two installed sets differ. ``when`` says what the first is."""
    before, after = ({one.name: one for one in found} for found in (then, now))
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None and new is not None:
            text = f"{name} {new.version} is installed, and was not {when}"
        elif new is None and old is not None:
            text = f"{name} {old.version} is not installed, and was {when}"
        elif old and new and (old.version, old.sha256) != (new.version, new.sha256):
            differs = f"{old.version}" if old.version != new.version else "with another RECORD"
            text = f"{name} is installed as {new.version}, and was {differs} {when}"
        else:
            continue
        yield Finding("distribution", "", text)


def entries_now(directory: Path) -> Mapping[str, Entry]:
    """Every file, link and directory that is to be listed, by path. What cannot be read has no digest."""
    return {entry.path: entry for entry in contents.entries_of(directory, manifest.scan(directory), broken=True)}


def lock_text(directory: Path) -> str:
    """The lock that the environment was built from. Raises EnvironmentFailure when it was not kept."""
    try:
        return (directory / built.LOCK).read_bytes().decode()
    except (OSError, ValueError) as error:
        raise EnvironmentFailure(
            f"the lock of the environment cannot be read: {directory / built.LOCK}",
            why=str(error),
            hint=f"projrun env remove {directory.name[:12]}, and run again",
        ) from error


def _against_list(directory: Path, there: built.Built, now: Mapping[str, Entry]) -> Iterator[Finding]:
    try:
        listed = manifest.read(directory, there.files)
    except (OSError, ValueError) as error:
        yield Finding("marker", manifest.FILES, f"the list of its files cannot be used: {error}")
        return
    then = {entry.path: entry for entry in listed}
    for path, entry in then.items():
        if path not in now:
            yield Finding("missing", path, f"{shown(path)} is missing")
        elif not entry.is_directory and not contents.is_same(entry, now[path]):
            yield Finding("altered", path, f"{shown(path)} was altered")
    for path in sorted(now.keys() - then.keys()):
        inside = now[path].is_directory and manifest.names(directory, path)
        if not inside:  # else what is in it is told
            yield Finding("extra", path, f"{shown(path)} was added")


def _lock_findings(directory: Path, there: built.Built) -> Iterator[Finding]:
    try:
        text = lock_text(directory)
    except EnvironmentFailure as failure:
        yield Finding("marker", built.LOCK, failure.what)
        return
    if sha256_bytes(text.encode()) != there.inputs["lock"]["sha256"]:
        yield Finding("marker", built.LOCK, f"{built.LOCK} is not the lock that the key was made of")


def _site_packages(directory: Path, there: built.Built) -> Path:
    return installed.site_packages(directory, there.in_process)


def of_recipe(environment: Mapping[str, Any]) -> Sequence[Distribution]:
    """The installed set that a recipe's ``environment`` recorded."""
    return [Distribution(one["name"], one["version"], one["sha256"]) for one in environment["installed"]]
