"""How long a store of many runs takes: to be listed, to be indexed, and to note one more run.

    python -m tests.benchmarks.store_queries [--store DIR] [--runs N] [--no-rebuild]

Makes the store (see store_generator) unless DIR is one already, and prints medians: elapsed time, and processor
time, which is nearer to the truth on a machine that has other things to do.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from projrun.store.store import Store
from tests.benchmarks.store_generator import generate

_ROUNDS = 11
_FILTER = 'metrics.rmse < 1 and params.model = "tree" and not tag.draft and started > "90 days ago"'
_WIDE = "metrics.rmse < 3 and params.depth > 0 and not tag.draft"
_LISTINGS = {
    "projrun --version": ["--version"],
    "runs": ["runs"],
    "runs, a filter": ["runs", _FILTER],
    "runs, a filter, sorted": ["runs", _FILTER, "--sort", "-metrics.rmse,started"],
    "runs, nearly all, two sorts": ["runs", _WIDE, "--sort", "params.model,-metrics.rmse"],
}


def timed(what: Callable[[], object], whose: int) -> tuple[float, float]:
    """Elapsed and processor time in milliseconds; of this process, or of its children."""
    before, begin = resource.getrusage(whose), time.perf_counter()
    what()
    elapsed, after = time.perf_counter() - begin, resource.getrusage(whose)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return elapsed * 1000, spent * 1000


def row(name: str, times: list[tuple[float, float]], more: str = "") -> None:
    elapsed, spent = (statistics.median(column) for column in zip(*times, strict=True))
    sys.stdout.write(f"{name:<30} {elapsed:>10,.1f} ms {spent:>10,.1f} ms  {more}\n")
    sys.stdout.flush()


def measure(directory: Path, *, rebuild: bool) -> None:
    store = Store(directory)
    row("first listing", [timed(store.index.count, resource.RUSAGE_SELF)], f"{store.index.count():,} runs")
    if rebuild:
        row("store rebuild", [timed(store.rebuild, resource.RUSAGE_SELF)])
    old = time.time() - 3600
    os.utime(store.runs_directory, (old, old))  # as it is when the last run is some seconds ago
    store.index.count()
    with os.scandir(store.runs_directory) as entries:
        some = [Path(entry.path) for entry in itertools.islice(entries, 50)]
    row("noting one run", [timed(lambda: store.index.record(run), resource.RUSAGE_SELF) for run in some])  # noqa: B023
    for name, words in _LISTINGS.items():
        rest = ["--store", str(directory), "--all"] if words[0] == "runs" else []
        command = [sys.executable, "-m", "projrun", *words, *rest]

        def listed() -> None:
            subprocess.run(command, check=True, capture_output=True)  # noqa: B023 - called before the next

        listed()
        row(name, [timed(listed, resource.RUSAGE_CHILDREN) for _ in range(_ROUNDS)])
    size = (directory / "index.sqlite").stat().st_size
    sys.stdout.write(f"{'index.sqlite':<30} {size / 1e6:>10,.1f} MB\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.store_queries")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--no-rebuild", dest="rebuild", action="store_false")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        directory = options.store or Path(folder) / "store"
        if not (directory / "store.json").is_file():
            row("making the store", [timed(lambda: generate(directory, options.runs), resource.RUSAGE_SELF)])
        measure(directory, rebuild=options.rebuild)


if __name__ == "__main__":
    main()
