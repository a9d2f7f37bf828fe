"""How long a million metric points of one run take: to be read in at its end, and to be asked for.

    python -m tests.benchmarks.metric_points [POINTS] [NAMES]

Writes the lines that a program would append to $PROJRUN_METRICS, takes them in as the runner does, and asks for
the last value, the extremes and the series. Prints milliseconds of processor time, and the most memory held.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from projrun.execution.system import peak_memory
from projrun.store import metrics

_ROUNDS = 7


def write(run: Path, points: int, names: int) -> int:
    """The lines of a run, the names by turns; gives their size in bytes."""
    numbers = random.Random(1)
    path = run / metrics.LINES
    with path.open("w") as file:
        for number in range(points):
            step, name = divmod(number, names)
            line = {"name": f"loss{name}", "value": numbers.random(), "step": step}
            file.write(json.dumps(line) + "\n")
    return path.stat().st_size


def best(what: Callable[[], object], rounds: int = _ROUNDS) -> float:
    taken = []
    for _ in range(rounds):
        begin = time.process_time()
        what()
        taken.append(time.process_time() - begin)
    return min(taken) * 1000


def main(points: int, names: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "abcdefghjkmn"
        run.mkdir()
        size = write(run, points, names)
        taken = best(lambda: metrics.ingest(run), 1)
        peak = peak_memory(resource.getrusage(resource.RUSAGE_SELF)) / (1 << 20)
        print(f"{points:,} points of {names:,} metrics, {size / (1 << 20):.0f} MiB of lines")
        print(f"{'taken in':<32} {taken:8.1f} ms, at most {peak:.0f} MiB held")
        asked: tuple[tuple[str, Callable[[], object]], ...] = (
            ("last, min, max", lambda: metrics.summary(run, "loss0")),
            ("the series", lambda: metrics.series(run, "loss0")),
            ("the series as 500 points", lambda: metrics.series(run, "loss0", 500)),
            ("all summaries", lambda: metrics.summaries(run)),
        )
        for name, what in asked:
            print(f"{name:<32} {best(what):8.1f} ms")


if __name__ == "__main__":
    words = [int(word) for word in sys.argv[1:]]
    main(words[0] if words else 1_000_000, words[1] if len(words) > 1 else 1)
