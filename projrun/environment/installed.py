"""What is installed in an environment, read from its metadata (PEP 376, PEP 627)."""

from __future__ import annotations

import csv
import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from projrun.core.hashing import sha256_value
from projrun.environment.lock import LockLine
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
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    present = {name: one.version for name, one in _distributions(folders)}
    found = []
    for name, one in _distributions(folders):
        for requirement in map(Requirement, one.requires or []):
            if requirement.marker and not requirement.marker.evaluate({**markers, "extra": ""}):
                continue
            version = present.get(canonicalize_name(requirement.name))
            if version is None:
                found.append(f"{name} {one.version} needs {requirement.name}, which is not there")
            elif not requirement.specifier.contains(version, prereleases=True):
                found.append(
                    f"{name} {one.version} needs {requirement.name}{requirement.specifier}, not {version}"
                )
    return tuple(sorted(found))


def unfit(folders: Sequence[Path], version: str) -> dict[str, str]:
    """The distributions that declare they are not for this Python version, with the versions they are for."""
    from packaging.specifiers import SpecifierSet

    declared = {name: one.metadata["Requires-Python"] for name, one in _distributions(folders)}
    return {
        name: wanted
        for name, wanted in declared.items()
        if wanted and not SpecifierSet(wanted).contains(version, prereleases=True)
    }


def _distributions(folders: Sequence[Path]) -> list[tuple[str, importlib.metadata.Distribution]]:
    from packaging.utils import canonicalize_name

    found = importlib.metadata.distributions(path=[str(folder) for folder in folders])
    # A distribution that was half removed has a folder and no name.
    return [(str(canonicalize_name(one.metadata["Name"])), one) for one in found if one.metadata["Name"]]


def _is_installers(path: str) -> bool:
    parts = Path(path).parts
    in_scripts = parts[:1] == ("..",) and "bin" in parts
    in_metadata = len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1] in _INSTALLERS
    return in_scripts or in_metadata or "__pycache__" in parts
