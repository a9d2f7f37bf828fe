"""An environment that is not there yet, made from a lock whose packages were downloaded before."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import projects
from tests.benchmarks.installed import Ground
from tests.benchmarks.results import Part
from tests.benchmarks.timing import Contestant, interleaved


def measure(ground: Ground) -> Part:
    locked = projects.lock(ground, *projects.LARGE)
    root = projects.make(ground, "projrun", "large", locked)
    environment = ground.scratch / "environment"
    lock = root / "requirements.lock"
    variables = ground.variables()
    uv = str(ground.installed.uv)
    python = environment / "bin/python"
    made = f"{uv} venv -q --python {projects.python()} {environment}"
    synced = f"{uv} pip sync -q --require-hashes --link-mode copy --python {python} {lock}"
    base = shutil.which(f"python{'.'.join(projects.python().split('.')[:2])}") or "python3"
    pip = f"{base} -m venv {environment} && {python} -m pip install -q --require-hashes -r {lock}"

    def shell(name: str, text: str, line: str, every: int = 1) -> Contestant:
        return Contestant(name, text, ["sh", "-c", line], root, variables, removed(environment), every)

    cache = ground.scratch / "home" / "cache"
    build = [ground.projrun(), "env", "build"]
    return interleaved(
        [
            shell("uv", "uv venv, uv pip sync --link-mode copy", f"{made} && {synced}"),
            Contestant("projrun", "projrun env build", build, root, variables, removed(cache)),
            Contestant(
                "run", "projrun run, the first", [ground.projrun(), "run"], root, variables, removed(cache), 2
            ),
            shell("uv-compiled", "uv, with --compile-bytecode", f"{made} && {synced} --compile-bytecode", 2),
            shell("pip", "python -m venv, pip install", pip, every=ground.rounds),
        ],
        ground.rounds,
    )


def removed(directory: Path) -> Callable[[], None]:
    """Removes a directory that may be there."""
    return lambda: shutil.rmtree(directory, ignore_errors=True)
