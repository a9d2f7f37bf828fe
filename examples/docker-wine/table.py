"""Reads a table of wines: measurements, and the cultivar that each wine is from."""

import csv
from pathlib import Path


def read(path: Path, features: list[str]) -> tuple[list[list[float]], list[int]]:
    """The chosen columns of every wine, and its cultivar."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    unknown = [name for name in features if name not in rows[0]]
    if unknown:
        raise SystemExit(f"{path} has no column {', '.join(unknown)}; it has {', '.join(rows[0])}")
    return [[float(row[name]) for name in features] for row in rows], [int(row["cultivar"]) for row in rows]
