"""What is wrong with a Dockerfile and its build context, found without an engine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from projrun.core.errors import EnvironmentFailure, Problem
from projrun.environment.docker import context, dockerfile
from projrun.environment.docker.dockerfile import Build
from projrun.environment.docker.expansion import Fault
from projrun.environment.text import read_text
from projrun.spec.model import DockerSpec

_USUAL = "linux/amd64"  # for those that name no platform: what is wrong is so on each
_PLACE = re.compile(r"([^:]+):(\d+): (.*)", re.DOTALL)


def problems(spec: DockerSpec, root: Path) -> Iterator[Problem]:
    """Every problem of what an image is built from. What is missing altogether is a problem of the spec."""
    if spec.image is not None:
        return
    file = spec.file or "Dockerfile"
    if (root / file).is_file():
        try:
            text = read_text(root, file, "docker.file")
            build = Build(spec.target, dict(spec.args), spec.platform or _USUAL, _USUAL)
            yield from (_problem(fault, file) for fault in dockerfile.faults(text, file, build))
        except EnvironmentFailure as failure:
            yield _told(failure, file)
    if (root / spec.context).is_dir():
        try:
            context.patterns_of(root, file, context.directory_of(root, spec.context))
        except EnvironmentFailure as failure:
            yield _told(failure, context.IGNORE)


def _problem(fault: Fault, file: str) -> Problem:
    why = f" ({fault.why.rstrip('.')})" if fault.why else ""
    return Problem(file, fault.line, int(fault.line > 0), f"{fault.what}{why}", fault.hint or f"mend {file}")


def _told(failure: EnvironmentFailure, file: str) -> Problem:
    """The failure where it names a place itself, else for the whole of ``file``."""
    found = _PLACE.fullmatch(failure.what)
    name, line, what = (found[1], int(found[2]), found[3]) if found else (file, 0, failure.what)
    why = failure.why.rstrip(".")
    return Problem(name, line, int(line > 0), f"{what}: {why}" if why else what, failure.hint)
