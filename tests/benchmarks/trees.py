"""Repositories of many files: what it takes to say that nothing has changed, against ``git status``."""

from __future__ import annotations

import json
from pathlib import Path

from tests.benchmarks import projects
from tests.benchmarks.inprocess import WITHIN
from tests.benchmarks.installed import Ground
from tests.benchmarks.results import Part, Row, rounded
from tests.benchmarks.timing import Contestant, interleaved, run, settle
from tests.repositories import Repository

SIZES = (1_000, 10_000, 100_000)
_PER_FOLDER = 100


def measure(ground: Ground, sizes: tuple[int, ...] = SIZES) -> Part:
    locked = projects.lock(ground, projects.REQUIREMENT)
    variables = ground.variables()
    argv = [ground.projrun(), "run"]
    small = projects.make(ground, "projrun", "small", locked)
    contestants = [Contestant("run-small", "projrun run among three files", argv, small, variables)]
    roots = {size: make(ground, size, locked) for size in sizes}
    for size, root in roots.items():
        contestants += [
            Contestant(f"git-{size}", f"git status among {size:,} files", ["git", "status"], root, variables),
            Contestant(f"run-{size}", f"projrun run among {size:,} files", argv, root, variables),
        ]
    settle()
    part = interleaved(contestants, ground.rounds)
    return Part((*part.rows, *(_source(ground, size, root) for size, root in roots.items())), part.left_out)


def make(ground: Ground, size: int, locked: str) -> Path:
    """The tiny project among that many small files, a hundred in a folder, all in one commit."""
    root = projects.make(ground, "projrun", f"files-{size}", locked)
    for number in range(size):
        folder, name = divmod(number, _PER_FOLDER)
        place = root / "src" / f"part{folder // 100}" / f"folder{folder}"
        if not name:
            place.mkdir(parents=True)
        (place / f"module{name}.py").write_text(f"VALUE = {number}\n")
    repository = Repository(root)
    repository.commit()
    repository.git("push", "-q")
    return root


def _source(ground: Ground, size: int, root: Path) -> Row:
    """The source stage by itself; the rounds are one after the other, for it is within one process."""
    python = ground.installed.program("projrun", "python")
    words = [python, "-I", WITHIN, "source", str(root), str(ground.rounds)]
    taken = json.loads(run(words, root, ground.variables()).output)
    return Row(f"source-{size}", f"the source stage among {size:,} files", rounded(taken["source"]))
