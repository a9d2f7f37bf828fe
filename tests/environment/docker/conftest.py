"""A project whose environment is an image, and the engine for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from projrun.core.values import Struct, replace
from projrun.environment.build import ensure
from projrun.environment.faults import examine
from projrun.environment.model import Environment, EnvironmentPlan, Means
from projrun.environment.plan import plan
from projrun.spec.model import DockerSpec, EnvironmentSpec
from tests import images
from tests.engine import Engine
from tests.environment.conftest import Recorded

_ELSEWHERE = """
import sys
from pathlib import Path
from projrun.environment.build import ensure
from projrun.environment.model import Means
from projrun.environment.plan import plan
from projrun.spec.model import DockerSpec, EnvironmentSpec

class Told:
    def phase(self, name, text):
        print(text, flush=True)
    def write(self, stream, data):
        print(data.decode(), flush=True)

root, cache = map(Path, sys.argv[1:])
spec = EnvironmentSpec(docker=DockerSpec(file="Dockerfile"))
environment = ensure(plan(spec, root, Means(cache), Told()), Means(cache), Told())
print("reused" if environment.reused else "built")
"""


class Project(Struct, frozen=True):
    """A project whose image is planned and built as a run does it."""

    root: Path
    cache: Path
    engine: Engine
    spec: DockerSpec
    report: Recorded
    offline: bool = False

    @property
    def means(self) -> Means:
        return Means(self.cache, offline=self.offline)

    def write(self, text: str, name: str = "Dockerfile") -> None:
        (self.root / name).write_text(text)

    def having(self, **changes: object) -> Project:
        """The same project with another spec."""
        return replace(self, spec=replace(self.spec, **changes))

    def plan(self, *, resolve: bool = True) -> EnvironmentPlan:
        return plan(EnvironmentSpec(docker=self.spec), self.root, self.means, self.report, resolve=resolve)

    def ensure(self) -> Environment:
        return ensure(self.plan(), self.means, self.report)

    def flags(self) -> dict[str, str]:
        """What is wrong with it: mend by code."""
        _, flags = examine(EnvironmentSpec(docker=self.spec), self.root, self.means, self.report)
        return {flag.code: flag.mend for flag in flags}

    def ensure_elsewhere(self) -> subprocess.Popen[str]:
        """Another process that does the same; it prints what it is told, and how it ended."""
        return subprocess.Popen(
            [sys.executable, "-c", _ELSEWHERE, str(self.root), str(self.cache)], stdout=subprocess.PIPE, text=True
        )


@pytest.fixture
def project(tmp_path: Path, engine: Engine) -> Project:
    """A project with a Dockerfile to be written."""
    images.slim(engine)
    root = tmp_path / "project"
    root.mkdir()
    return Project(root, tmp_path / "cache", engine, DockerSpec(file="Dockerfile"), Recorded())
