"""What was measured, as numbers: rows of parts, and the file that keeps them."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

VERSION = 1


@dataclass(frozen=True)
class Row:
    """One thing that was measured: its values, one a round, in ``unit`` (``s``, ``MB/s``, ``MB``, ``us``)."""

    name: str
    text: str
    values: tuple[float, ...]
    unit: str = "s"

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def least(self) -> float:
        return min(self.values)


@dataclass(frozen=True)
class Part:
    """The rows of one part, what could not be measured and why, and when and where it was."""

    rows: tuple[Row, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    measured: str = ""
    machine: Mapping[str, str] = field(default_factory=dict)

    def row(self, name: str) -> Row | None:
        return next((row for row in self.rows if row.name == name), None)

    def median(self, name: str) -> float | None:
        """The median of a row, or None when it was left out."""
        row = self.row(name)
        return row.median if row else None


Parts = Mapping[str, Part]


def read(path: Path) -> dict[str, Part]:
    """The parts in a file; none when it is not there."""
    if not path.exists():
        return {}
    document = json.loads(path.read_text(encoding="utf-8"))
    return {name: _part(part) for name, part in document["parts"].items()}


def write(path: Path, parts: Parts) -> None:
    """The parts as a file, with one row in a line."""
    document = {"version": VERSION, "parts": {name: asdict(part) for name, part in parts.items()}}
    lines = json.dumps(document, indent=1, sort_keys=False, default=list)
    path.write_text(_short(lines) + "\n", encoding="utf-8")


def machine() -> dict[str, str]:
    """What numbers depend on: processor, cores, memory, kernel, file system, Python and git."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "git": git,
    }


def rounded(values: Sequence[float]) -> tuple[float, ...]:
    """As many digits as mean something."""
    return tuple(float(f"{value:.5g}") for value in values)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _part(document: Mapping[str, Any]) -> Part:
    rows = tuple(Row(**(row | {"values": tuple(row["values"])})) for row in document["rows"])
    return Part(**{**document, "rows": rows})


def _short(text: str) -> str:
    """The lists of numbers in one line each: a value in a line of its own makes a long file of a short one."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        stripped = line.strip()
        if inside:
            lines[-1] += stripped + (" " if stripped.endswith(",") and not stripped.startswith("]") else "")
        else:
            lines.append(line)
        inside = line.endswith('"values": [') or (inside and not stripped.startswith("]"))
    return "\n".join(lines)
