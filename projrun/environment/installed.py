"""What is installed in an environment, read from its metadata (PEP 376, PEP 627)."""

from __future__ import annotations

import csv
import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from projrun.core.errors import EnvironmentFailure
from projrun.core.hashing import sha256_bytes, sha256_value
from projrun.core.values import Struct
from projrun.environment.lock import LockLine, as_requirement, normalised
from projrun.environment.model import Distribution

# Written by the installer, not by the wheel: they differ between installers, places and times.
_INSTALLERS = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json", "uv_build.json")

_READ = ("METADATA", "PKG-INFO", "RECORD", "requires.txt")


class Metadata(Struct, frozen=True):
    """What an installed distribution says of itself; ``name`` is normalised, ``record`` the text of its RECORD."""

    name: str
    version: str
    requires: tuple[str, ...]
    requires_python: tuple[str, ...]
    record: str


def site_packages(directory: Path, version: str) -> Path:
    """Where a virtual environment of this Python version keeps its distributions."""
    series = ".".join(version.split(".")[:2])
    return directory / "lib" / f"python{series}" / "site-packages"


def metadata(folders: Sequence[Path]) -> tuple[Metadata, ...]:
    """The metadata of what is installed in ``folders``, in the order in which it is imported.

    Raises EnvironmentFailure when some is not in UTF-8, as it has to be.
    """
    try:
        return tuple(
            found
            for one in importlib.metadata.distributions(path=[str(folder) for folder in folders])
            if (found := _metadata(one)) is not None
        )
    except UnicodeDecodeError as error:
        raise EnvironmentFailure(
            f"the metadata of {_undecodable(folders)} cannot be read",
            why=f"It is not UTF-8: {error.reason} at byte {error.start}.",
            hint="the wheel is defective: lock another version",
        ) from error


def distributions(found: Iterable[Metadata]) -> tuple[Distribution, ...]:
    """The distributions, sorted by name; of one that is there twice, the one that is imported."""
    first: dict[str, Distribution] = {}
    for one in found:
        if one.name not in first:
            first[one.name] = Distribution(one.name, one.version, record_digest(one.record))
    return tuple(sorted(first.values(), key=lambda distribution: distribution.name))


def read(folders: Sequence[Path]) -> tuple[Distribution, ...]:
    """The :func:`distributions` in ``folders``."""
    return distributions(metadata(folders))


def record_digest(record: str) -> str:
    """The digest of a RECORD's paths and hashes without what the installer added; "" when nothing is left.

    Of one that is no table, that of its text.
    """
    try:
        rows = [row[:2] for row in csv.reader(record.splitlines()) if len(row) >= 2 and not is_installers(row[0])]
    except csv.Error:
        return sha256_bytes(record.encode())
    return sha256_value(sorted(rows)) if rows else ""


def differences(installed: Iterable[Distribution], lines: Iterable[LockLine]) -> tuple[str, ...]:
    """Where the installed distributions are not those that the applying lines of a lock name."""
    from packaging.version import Version

    there = {distribution.name: distribution.version for distribution in installed}
    wanted = {line.name: line.version for line in lines}
    found = [f"{name} is installed and not in the lock" for name in sorted(there.keys() - wanted.keys())]
    for name, version in sorted(wanted.items()):
        if name not in there:
            found.append(f"{name}=={version} is not installed")
        elif Version(there[name]) != Version(version):
            found.append(f"{name} is installed as {there[name]}, not as {version}")
    return tuple(found)


def unmet(installed: Sequence[Metadata], markers: Mapping[str, str]) -> tuple[str, ...]:
    """What the installed distributions need and do not have, one sentence each."""
    present = {one.name: one.version for one in installed}
    found = []
    for one in installed:
        for requirement in map(as_requirement, one.requires):
            if requirement is None:  # metadata from before PEP 508
                continue
            if requirement.marker and not requirement.marker.evaluate({**markers, "extra": ""}):
                continue
            version = present.get(normalised(requirement.name))
            if version is None:
                found.append(f"{one.name} {one.version} needs {requirement.name}, which is not there")
            elif not requirement.specifier.contains(version, prereleases=True):
                found.append(
                    f"{one.name} {one.version} needs {requirement.name}{requirement.specifier}, not {version}"
                )
    return tuple(sorted(found))


def unfit(installed: Iterable[Metadata], version: str) -> dict[str, str]:
    """The distributions that declare they are not for this Python version, with the versions they are for."""
    return {
        one.name: wanted for one in installed for wanted in one.requires_python if not _contains(wanted, version)
    }


def _contains(specifiers: str, version: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(specifiers).contains(version, prereleases=True)
    except InvalidSpecifier:  # metadata from before PEP 440, which installers pass over too
        return True


def _undecodable(folders: Iterable[Path]) -> str:
    """The distribution, by the name of its folder, whose metadata is not in UTF-8."""
    for folder in folders:
        for place in sorted((*folder.glob("*.dist-info/*"), *folder.glob("*.egg-info/*"))):
            try:
                if place.name in _READ:
                    place.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                return place.parent.name.rpartition(".")[0].replace("-", " ", 1)
            except OSError:
                continue
    return "a distribution"


def _metadata(one: importlib.metadata.Distribution) -> Metadata | None:
    """None for what was half removed: that leaves a folder without metadata."""
    if not (one.read_text("METADATA") or one.read_text("PKG-INFO") or one.read_text("")):
        return None
    told = one.metadata
    if "Name" not in told or "Version" not in told:
        return None
    return Metadata(
        name=normalised(told["Name"]),
        version=told["Version"],
        # Not Distribution.requires, which parses the metadata once more, but where there is no METADATA.
        requires=tuple(told.get_all("Requires-Dist") or one.requires or ()),
        requires_python=tuple(told.get_all("Requires-Python") or ()),
        record=one.read_text("RECORD") or "",
    )


def is_installers(path: str) -> bool:
    """Whether the installer, and not the wheel, wrote this line of a RECORD."""
    parts = Path(path).parts
    in_scripts = parts[:1] == ("..",) and "bin" in parts
    in_metadata = len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1] in _INSTALLERS
    return in_scripts or in_metadata or "__pycache__" in parts
