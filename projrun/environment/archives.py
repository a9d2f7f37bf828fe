"""Which archive each distribution of an environment came from, when the installer does not tell."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from projrun.environment.lock import LockLine, normalised

if TYPE_CHECKING:
    from packaging.tags import Tag

_SHA256 = "sha256:"


def sole(lines: Iterable[LockLine]) -> dict[str, str]:
    """The digests of the lines that leave no choice: name to SHA-256."""
    return {
        line.name: line.hashes[0].removeprefix(_SHA256)
        for line in lines
        if len(line.hashes) == 1 and line.hashes[0].startswith(_SHA256)
    }


def matched(lines: Iterable[LockLine], pylock: Mapping[str, Any], packages: Path) -> dict[str, str]:
    """The digests of the wheels that the distributions in ``packages`` were installed from, as far as one fits.

    ``pylock`` is a pylock.toml (PEP 751) with every wheel of the ``lines``. The one that was installed has the
    tags that its own WHEEL file tells.
    """
    installed = dict(_installed(packages))
    wheels = {normalised(entry["name"]): list(_wheels(entry)) for entry in pylock.get("packages", ())}
    found = {}
    for line in lines:
        tags = installed.get(line.name, frozenset())
        offered = wheels.get(line.name, [])
        fitting = {digest for its, digest in offered if its == tags} or {
            digest for its, digest in offered if its & tags
        }
        if len(fitting) == 1 and f"{_SHA256}{min(fitting)}" in line.hashes:
            found[line.name] = fitting.pop()
    return found


def _installed(packages: Path) -> Iterator[tuple[str, frozenset[Tag]]]:
    from packaging.tags import parse_tag

    for one in importlib.metadata.distributions(path=[str(packages)]):
        rows = (one.read_text("WHEEL") or "").splitlines()
        told = [row.partition(":")[2].strip() for row in rows if row.startswith("Tag:")]
        yield normalised(one.metadata["Name"] or ""), frozenset(tag for text in told for tag in parse_tag(text))


def _wheels(entry: Mapping[str, Any]) -> Iterator[tuple[frozenset[Tag], str]]:
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    for wheel in entry.get("wheels", ()):
        name = wheel.get("name") or (wheel.get("path") or wheel.get("url", "")).rpartition("/")[2]
        try:
            yield parse_wheel_filename(name)[3], wheel["hashes"].get("sha256", "")
        except InvalidWheelFilename:
            continue
