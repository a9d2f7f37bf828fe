"""The look that each run takes at its environment, next to merely asking the system for each of its files.

In this process, and as processor time: on a machine with nothing else to do that is how long it takes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from projrun.environment import contents, damage, manifest
from tests.benchmarks.installed import Ground
from tests.benchmarks.results import Part, Row, rounded

FILES = 8_000
_SITE_PACKAGES = "lib/python3.11/site-packages"
_PER_PACKAGE = 40


def make(directory: Path, files: int) -> str:
    """An environment of that many small files, as deep as those of real packages; gives its digest."""
    (directory / "bin").mkdir(parents=True)
    for number in range(files):
        package, file = divmod(number, _PER_PACKAGE)
        below = "" if file < 8 else f"part{file % 4}/" if file < 24 else f"part{file % 4}/tests/"
        place = directory / _SITE_PACKAGES / f"package{package}" / f"{below}module{file}.py"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"VALUE = {number}\n")
    paths = manifest.scan(directory)
    return manifest.write(directory, contents.entries_of(directory, paths))


def measure(ground: Ground, files: int = FILES) -> Part:
    directory = ground.scratch / "environment"
    digest = make(directory, files)
    places = [f"{directory}/{path}" for path in manifest.read_paths(directory, digest) if path.endswith(".py")]

    def bare() -> None:
        for place in places:
            os.lstat(place)

    def look(*, thorough: bool) -> None:
        reason = damage.reason(directory, digest, directory / "lock", thorough=thorough)
        assert reason is None, reason

    ways: tuple[tuple[str, str, Callable[[], object]], ...] = (
        ("lstat", f"os.lstat of {files:,} files", bare),
        ("look", "the look of each run", lambda: look(thorough=False)),
        ("thorough", "the thorough look", lambda: look(thorough=True)),
    )
    return Part(tuple(Row(name, text, _taken(what, ground.rounds)) for name, text, what in ways))


def _taken(what: Callable[[], object], rounds: int) -> tuple[float, ...]:
    taken = []
    for _ in range(rounds + 1):
        begin = time.process_time()
        what()
        taken.append(time.process_time() - begin)
    return rounded(taken[1:])
