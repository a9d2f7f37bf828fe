"""How long a run looks at its environment, next to what merely asking the system for each file costs.

    python -m tests.benchmarks.environment_check [FILES]

Makes an environment of 8,000 files, reads it once so that it is in memory, and prints medians in milliseconds of
processor time: on a machine with nothing else to do that is how long it takes.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from projrun.environment import contents, damage, manifest

_SITE_PACKAGES = "lib/python3.11/site-packages"
_PER_PACKAGE = 40
_ROUNDS = 25


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


def median(what: Callable[[], object]) -> float:
    taken = []
    for _ in range(_ROUNDS):
        begin = time.process_time()
        what()
        taken.append(time.process_time() - begin)
    return statistics.median(taken) * 1000


def main(files: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "environment"
        digest = make(directory, files)
        paths = manifest.read_paths(directory, digest)
        places = [f"{directory}/{path}" for path in paths if path.endswith(".py")]

        def bare() -> None:
            for place in places:
                os.lstat(place)

        def look(*, thorough: bool) -> None:
            reason = damage.reason(directory, digest, directory / "lock", thorough=thorough)
            assert reason is None, reason

        stat = median(bare)
        for name, taken in (
            (f"os.lstat of {files:,} files", stat),
            ("the look of each run", median(lambda: look(thorough=False))),
            ("the thorough look", median(lambda: look(thorough=True))),
        ):
            print(f"{name:<24} {taken:6.1f} ms  {taken / stat:5.2f} x os.lstat of all")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
