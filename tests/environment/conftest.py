"""A project with hand-made wheels on an index of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from projrun.core.values import Struct, field, replace
from projrun.environment.build import ensure
from projrun.environment.builder import Builder
from projrun.environment.builders import builder_named
from projrun.environment.model import Environment, EnvironmentPlan, Means
from projrun.environment.plan import plan
from projrun.spec.model import EnvironmentSpec
from tests.index_server import Index, serving
from tests.wheels import lock_of

THIS_PYTHON = ".".join(map(str, sys.version_info[:3]))


class Recorded(Struct):
    """A reporter that keeps what it is told."""

    phases: list[str] = field(default_factory=list)
    output: bytes = b""

    def phase(self, name: str, text: str) -> None:
        self.phases.append(text)

    def write(self, stream: str, data: bytes) -> None:
        self.output += data


class Project(Struct, frozen=True):
    """A project whose environment is planned and built as a run does it."""

    root: Path
    cache: Path
    index: Index
    spec: EnvironmentSpec
    report: Recorded

    @property
    def means(self) -> Means:
        return Means(self.cache)

    @property
    def archives(self) -> Path:
        return self.index.folder

    def lock(self, *archives: Path, text: str = "") -> None:
        """Writes the lock: one line for each archive, then ``text``."""
        (self.root / "requirements.lock").write_text(lock_of(*archives) + text)

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)

    def having(self, **changes: object) -> Project:
        """The same project with another spec."""
        return replace(self, spec=replace(self.spec, **changes))

    def plan(self) -> EnvironmentPlan:
        return plan(self.spec, self.root, self.means, self.report)

    def ensure(self) -> Environment:
        return ensure(self.plan(), self.means, self.report)


@pytest.fixture(params=["uv", "pip"])
def builder(request: pytest.FixtureRequest) -> Builder:
    """Each builder in turn: all are held to the same contract."""
    return builder_named(str(request.param))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """An empty project with a lock to be written, for the interpreter that runs the tests."""
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.setenv("PATH", f"{sys.base_prefix}/bin:/usr/bin:/bin")
    spec = EnvironmentSpec(python=THIS_PYTHON, lock="requirements.lock")
    with serving(tmp_path / "archives") as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        yield Project(root, tmp_path / "cache", index, spec, Recorded())
