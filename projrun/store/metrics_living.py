"""What a run that goes on has measured so far, and what comes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from projrun.core.metrics.lines import Point, Step, Unfit, blocks, open_regular, points_of
from projrun.core.metrics.numbers import Value
from projrun.store.metrics import telling
from projrun.store.metrics_ingest import MAX_NAMES
from projrun.store.metrics_making import LINES
from projrun.store.run import RUNNING, read_run

_RECENT = 256 * 1024  # bytes
_POLL_SECONDS = 0.2


def recent(run: Path) -> dict[str, Value]:
    """The last values that a living run wrote, from the end of its lines: those of the last 256 KiB."""
    found: dict[str, Value] = {}
    with contextlib.suppress(OSError), open_regular(run / LINES) as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _RECENT))
        for block in blocks(file, end=size, ended=False):
            lines = block.lines[1:] if block.first == 1 and size > _RECENT else block.lines
            for line in lines:
                with contextlib.suppress(Unfit):
                    found |= {point.name: point.value for point in points_of(line)}
    return dict(list(found.items())[:MAX_NAMES])


def follow(run: Path) -> Iterator[Point]:
    """The points of a run so far and those that come, until it ends. Raises StoreError."""
    steps: dict[str, Step] = {}
    at, first = 0, 1
    while True:
        living = read_run(run).status == RUNNING
        with telling(run), contextlib.suppress(FileNotFoundError), open_regular(run / LINES) as file:
            size = file.seek(0, 2)
            file.seek(min(at, size))
            for block in blocks(file, end=size, first=first, ended=not living):
                at, first = block.end, block.first + len(block.lines)
                for line in block.lines:
                    yield from _counted(line, steps)
        if not living:
            return
        time.sleep(_POLL_SECONDS)


def _counted(line: str, steps: dict[str, Step]) -> Iterator[Point]:
    """The points of a line, those without a step counted."""
    with contextlib.suppress(Unfit):
        for point in points_of(line):
            step = point.step
            if step is None:
                step = steps.get(point.name, -1) + 1
            if point.name in steps or len(steps) < MAX_NAMES:
                steps[point.name] = step
            yield point._replace(step=step)
