"""A built environment, read to the last byte: against what was written down, and against its archives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from projrun.core.errors import EnvironmentFailure
from projrun.core.hashing import sha256_bytes
from projrun.core.report import Reporter
from projrun.core.values import Struct
from projrun.environment import built, bytecode, contents, installed, locked, manifest, records
from projrun.environment.damage import shown
from projrun.environment.key import key_of
from projrun.environment.manifest import Entry
from projrun.environment.model import Distribution, EnvironmentPlan, Means
from projrun.environment.probe import Descriptions

_SETTINGS = "pyvenv.cfg"
_Tree = tuple[Path, Mapping[str, Entry]]  # a directory with what is in it


class Finding(Struct, frozen=True):
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
    for fault in records.faults(directory, folder, now):
        yield Finding("record", fault.path, f"{shown(fault.path)} {fault.text}")
    try:
        yield from distribution_findings(there.installed, installed.read([site_packages]), "when it was built")
    except EnvironmentFailure as failure:
        yield Finding("distribution", "", f"{failure.what}: {failure.why}")
    yield from _lock_findings(directory, there)
    interpreter = built.interpreter_of(
        directory
    )  # without it the first finding is that the environment is unusable
    for path in bytecode.altered(directory, interpreter) if interpreter else ():
        yield Finding("bytecode", path, f"{shown(path)} is not what its source compiles to")


def verify_archives(directory: Path, there: built.Built, means: Means, report: Reporter) -> Iterator[Finding]:
    """What differs from the archives of the same lock, fetched anew and installed aside. The key's lock is held.

    Raises EnvironmentFailure when that cannot be done. ``there`` is of its key.
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
        python=described.interpreter,
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
        others = made.marker.builder_version != there.builder_version
        if others:
            versions = f"{there.builder} {there.builder_version}, and {made.marker.builder_version} is here"
            report.phase("environment", f"built with {versions}: programs and links in bin are not compared")
        fresh = {entry.path: entry for entry in made.entries}
        for path in sorted(now.keys() | fresh.keys()):
            fault = _against_fresh(path, (directory, now), (made.directory, fresh))
            if fault and not (others and _in_own_manner(path, made.site_packages)):
                yield Finding("archive", path, f"{shown(path)} {fault}")


def _against_fresh(path: str, here: _Tree, fresh: _Tree) -> str | None:
    """What is wrong with a file, link or directory; one that has something in it is told by that."""
    for one, other, fault in ((fresh, here, "is in the archive and not here"), (here, fresh, "is in no archive")):
        if path not in other[1]:
            directory, entries = one
            return None if entries[path].is_directory and manifest.names(directory, path) else fault
    then, now = fresh[1][path], here[1][path]
    same = (then.is_directory and now.is_directory) or contents.is_same(then, now)
    if path == _SETTINGS and then.is_file and now.is_file:
        same = _settings(fresh[0]) == _settings(here[0])
    return None if same else "is not what the archive has"


def _settings(directory: Path) -> list[bytes]:
    """The lines of pyvenv.cfg but for the one in which virtualenv tells where it made it, which nothing reads."""
    try:
        lines = (directory / _SETTINGS).read_bytes().splitlines()
    except OSError:
        return []
    return [line for line in lines if line.partition(b"=")[0].strip() != b"command"]


def _in_own_manner(path: str, site_packages: str) -> bool:
    """Whether it is what one version of a builder may write in another way than the next."""
    name = path.removeprefix(f"{site_packages}/")
    own = "/" not in path or path.startswith("bin/") or name.startswith("_virtualenv.")
    return own or installed.is_installers(name)


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


def is_of_its_key(there: built.Built) -> bool:
    """Whether what was written down of the key's inputs is what the key was made of."""
    return key_of(there.inputs) == there.key


def _lock_findings(directory: Path, there: built.Built) -> Iterator[Finding]:
    if not is_of_its_key(there):
        yield Finding("marker", built.MARKER, "what was written down of its key is not what the key was made of")
        return
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
