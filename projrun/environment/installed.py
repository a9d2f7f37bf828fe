"""What is installed in an environment, read from its metadata (PEP 376, PEP 627)."""

from __future__ import annotations

import csv
import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from projrun.core.hashing import sha256_value
from projrun.environment.lock import LockLine, as_requirement, normalised
from projrun.environment.model import Distribution

# Written by the installer, not by the wheel: they differ between installers, places and times.
_INSTALLERS = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json", "uv_build.json")


def site_packages(directory: Path, version: str) -> Path:
    """Where a virtual environment of this Python version keeps its distributions."""
    series = ".".join(version.split(".")[:2])
    return directory / "lib" / f"python{series}" / "site-packages"


def read(folders: Sequence[Path]) -> tuple[Distribution, ...]:
    """The distributions in ``folders``, sorted by name; of one that is there twice, the one that is imported."""
    found: dict[str, Distribution] = {}
    for name, one in _distributions(folders):
        found.setdefault(name, Distribution(name, one.version, record_digest(one.read_text("RECORD") or "")))
    return tuple(sorted(found.values(), key=lambda distribution: distribution.name))


def record_digest(record: str) -> str:
    """The digest of a RECORD's paths and hashes without what the installer added; "" when nothing is left."""
    rows = [row[:2] for row in csv.reader(record.splitlines()) if len(row) >= 2 and not _is_installers(row[0])]
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


def unmet(folders: Sequence[Path], markers: Mapping[str, str]) -> tuple[str, ...]:
    """What the installed distributions need and do not have, one sentence each."""
    present = {name: one.version for name, one in _distributions(folders)}
    found = []
    for name, one in _distributions(folders):
        for requirement in map(as_requirement, one.requires or []):
            if requirement is None:  # metadata from before PEP 508
                continue
            if requirement.marker and not requirement.marker.evaluate({**markers, "extra": ""}):
                continue
            version = present.get(normalised(requirement.name))
            if version is None:
                found.append(f"{name} {one.version} needs {requirement.name}, which is not there")
            elif not requirement.specifier.contains(version, prereleases=True):
                found.append(
                    f"{name} {one.version} needs {requirement.name}{requirement.specifier}, not {version}"
                )
    return tuple(sorted(found))


def unfit(folders: Sequence[Path], version: str) -> dict[str, str]:
    """The distributions that declare they are not for this Python version, with the versions they are for."""
    found = {}
    for name, one in _distributions(folders):
        for wanted in one.metadata.get_all("Requires-Python") or ():
            if not _contains(wanted, version):
                found[name] = wanted
    return found


def _contains(specifiers: str, version: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(specifiers).contains(version, prereleases=True)
    except InvalidSpecifier:  # metadata from before PEP 440, which installers pass over too
        return True


def _distributions(folders: Sequence[Path]) -> list[tuple[str, importlib.metadata.Distribution]]:
    found = importlib.metadata.distributions(path=[str(folder) for folder in folders])
    return [(normalised(one.metadata["Name"]), one) for one in found if _is_whole(one)]


def _is_whole(one: importlib.metadata.Distribution) -> bool:
    """Whether it has metadata at all; what was half removed leaves a folder without."""
    text = one.read_text("METADATA") or one.read_text("PKG-INFO") or one.read_text("")
    return bool(text) and "Name" in one.metadata and "Version" in one.metadata


def _is_installers(path: str) -> bool:
    parts = Path(path).parts
    in_scripts = parts[:1] == ("..",) and "bin" in parts
    in_metadata = len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1] in _INSTALLERS
    return in_scripts or in_metadata or "__pycache__" in parts
