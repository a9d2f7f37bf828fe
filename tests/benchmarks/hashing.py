"""Declared data: read for the first time, and looked at again, against sha256sum and DVC."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.benchmarks.installed import Ground
from tests.benchmarks.projects import python
from tests.benchmarks.results import Part
from tests.benchmarks.timing import Contestant, LeftOut, interleaved, run, settle, tell
from tests.repositories import Repository

SIZE = 1_000_000_000
FILES = 10_000
_PER_FOLDER = 500
_SPEC = """\
version: 1
name: data
environment: {{python: "{python}", lock: requirements.lock}}
data:
  large: {{path: data/large.bin}}
  many: {{path: data/many}}
entry_points:
  main: {{command: [cat, /dev/null]}}
"""


def measure(ground: Ground, size: int = SIZE, files: int = FILES) -> Part:
    root = make(ground, size, files)
    variables = ground.variables()
    read = "find data -type f -print0 | xargs -0 sha256sum"
    status = [ground.projrun(), "data", "status"]
    again = ground.scratch / "again"
    shutil.copytree(root, again, symlinks=True)
    contestants = [
        Contestant("sha256sum", "sha256sum of every file", ["sh", "-c", read], root, variables),
        Contestant(
            "first",
            "projrun data status, the first time",
            status,
            root,
            {**variables, "PROJRUN_CACHE": str(ground.scratch / "forgotten")},
            _removed(ground.scratch / "forgotten"),
        ),
        Contestant("again", "projrun data status, again", status, again, variables),
    ]
    left_out: dict[str, str] = {}
    try:
        contestants += _dvc(ground, root)
    except LeftOut as error:
        left_out["dvc"] = str(error)
        tell(f"left out: {error}")
    settle()
    part = interleaved(contestants, ground.rounds)
    return Part(part.rows, {**left_out, **part.left_out})


def make(ground: Ground, size: int, files: int) -> Path:
    """A project with one file of that size and many of a few bytes, which git does not have."""
    root = ground.scratch / "data"
    repository = Repository.create(root)
    repository.write("ProjectSpec.yaml", _SPEC.format(python=python()))
    repository.write("requirements.lock", "")
    repository.write(".gitignore", "/data\n")
    repository.commit()
    (root / "data").mkdir()
    with (root / "data/large.bin").open("wb") as file:
        for _ in range(0, size, 1 << 24):
            file.write(os.urandom(min(size, 1 << 24)))
    for number in range(files):
        folder, name = divmod(number, _PER_FOLDER)
        place = root / "data/many" / f"{folder:04}"
        if not name:
            place.mkdir(parents=True)
        (place / f"{name:03}.txt").write_bytes(b"%d\n" % number)
    return root


def _dvc(ground: Ground, root: Path) -> Iterator[Contestant]:
    """``dvc add`` puts a copy of the data aside as well, unless the file system can share it."""
    dvc = ground.installed.program("dvc", "dvc")
    variables = ground.variables("dvc")
    for name in ("first", "again"):
        place = ground.scratch / f"dvc-{name}"
        shutil.copytree(root, place, symlinks=True)
        (place / ".gitignore").unlink()
        run([dvc, "init", "-q"], place, variables)
        add = [dvc, "add", "-q", "data/large.bin", "data/many"]
        before = _forgotten(ground, place) if name == "first" else None
        text = "dvc add, the first time" if before else "dvc add, again"
        yield Contestant(f"dvc-{name}", text, add, place, variables, before)


def _forgotten(ground: Ground, place: Path) -> Callable[[], None]:
    """Makes DVC forget what it has: its cache and what it remembers of files, in the project and elsewhere."""

    def forget() -> None:
        for path in (place / ".dvc/cache", place / ".dvc/tmp", ground.scratch / "home/.cache/dvc"):
            shutil.rmtree(path, ignore_errors=True)
        for path in (place / "data").glob("*.dvc"):
            path.unlink()

    return forget


def _removed(directory: Path) -> Callable[[], None]:
    return lambda: shutil.rmtree(directory, ignore_errors=True)
