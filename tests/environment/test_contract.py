"""What every kind of environment that is built promises, whatever builds it. A new kind is one more case here."""

from __future__ import annotations

import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import pytest

from projrun.core.errors import EnvironmentFailure
from projrun.environment import build, built
from projrun.environment.faults import examine
from projrun.environment.model import Environment, EnvironmentPlan, Means
from projrun.environment.plan import plan
from projrun.spec.model import DockerSpec, EnvironmentSpec
from tests import images
from tests.environment.conftest import Project, Recorded
from tests.environment.docker.conftest import Project as ImageProject
from tests.environment.elsewhere import build_elsewhere
from tests.images import SLIM
from tests.registry_server import Registry, registry
from tests.wheels import make_wheel

pytestmark = pytest.mark.slow


class Case(ABC):
    """A project whose environment is of one kind. ``write`` declares what goes in; each number another."""

    root: Path
    cache: Path
    report: Recorded
    spec: EnvironmentSpec

    @abstractmethod
    def write(self, number: int) -> None: ...

    @abstractmethod
    def write_wrong(self) -> None:
        """What cannot be built."""

    @abstractmethod
    def write_remote(self) -> None:
        """What nothing on this machine has, but the network."""

    @abstractmethod
    def asked(self) -> int:
        """How often the network was asked."""

    @abstractmethod
    def damage(self, environment: Environment) -> None:
        """Spoils it behind our back."""

    @abstractmethod
    def begun(self) -> subprocess.Popen[str]:
        """Another process that is in the middle of building what is declared."""

    @abstractmethod
    def go_on(self) -> None:
        """Lets it."""

    @abstractmethod
    def elsewhere(self) -> subprocess.Popen[str]:
        """Another process that wants the environment."""

    def means(self, *, offline: bool = False) -> Means:
        return Means(self.cache, offline=offline)

    def plan(self, *, offline: bool = False) -> EnvironmentPlan:
        return plan(self.spec, self.root, self.means(offline=offline), self.report)

    def ensure(self, *, offline: bool = False) -> Environment:
        means = self.means(offline=offline)
        return build.ensure(self.plan(offline=offline), means, self.report)

    def remains(self) -> list[str]:
        """What is in the folder of environments, but for locks and the logs of failures."""
        names = [path.name for path in (self.cache / "environments").iterdir()]
        return sorted(name for name in names if name not in (".locks", ".failed"))


class Lock(Case):
    def __init__(self, project: Project) -> None:
        self._project = project
        self.root, self.cache, self.report, self.spec = project.root, project.cache, project.report, project.spec

    def write(self, number: int) -> None:
        self._project.lock(make_wheel(self._project.archives, "alpha", f"{number}.0"))

    def write_wrong(self) -> None:
        self._project.write("requirements.lock", f"alpha==9.0 --hash=sha256:{'0' * 64}\n")

    def write_remote(self) -> None:
        self.write(7)

    def asked(self) -> int:
        return len(self._project.index.requests)

    def damage(self, environment: Environment) -> None:
        next(environment.bin.parent.rglob("alpha/__init__.py")).unlink()

    def begun(self) -> subprocess.Popen[str]:
        self._project.index.stall()
        process = self.elsewhere()
        assert self._project.index.asked_for_archive.wait(30)
        return process

    def go_on(self) -> None:
        self._project.index.may_send.set()

    def elsewhere(self) -> subprocess.Popen[str]:
        return build_elsewhere(self._project)


class Docker(Case):
    def __init__(self, project: ImageProject, served: Registry) -> None:
        self._project, self._registry = project, served
        self.root, self.cache, self.report = project.root, project.cache, project.report
        self.spec = EnvironmentSpec(docker=project.spec)

    def write(self, number: int) -> None:
        self._project.write(f"FROM {SLIM}\nRUN echo {number} > /number && head -c 16 /dev/urandom > /random\n")

    def write_wrong(self) -> None:
        self._project.write(f"FROM {SLIM}\nRUN exit 3\n")

    def write_remote(self) -> None:
        name = self.root.parent.name.lower()
        image = images.derived(self._project.engine, SLIM, f"{name}:1", {"/x": "1"})
        digest = self._registry.push(self._project.engine, image, f"{name}:1")
        self._registry.forget(self._project.engine, f"{name}:1")
        self._project.engine.api.remove_image(f"{name}:1")
        self._project.write(f"FROM {self._registry.host}/{name}@{digest}\n")

    def asked(self) -> int:
        return len(self._registry.requests)

    def damage(self, environment: Environment) -> None:
        assert environment.image
        self._project.engine.api.remove_image(environment.image.image.id, force=True)

    def begun(self) -> subprocess.Popen[str]:
        self._project.write(f"FROM {SLIM}\nRUN head -c 16 /dev/urandom > /random; echo begun; sleep 2\n")
        process = self.elsewhere()
        assert process.stdout
        while "begun" not in (line := process.stdout.readline()) or "RUN" in line:
            assert line, "it ended before it began"
        return process

    def go_on(self) -> None:
        pass

    def elsewhere(self) -> subprocess.Popen[str]:
        return self._project.ensure_elsewhere()


@pytest.fixture(params=["lock", "docker"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    """Each kind in turn."""
    if request.param == "lock":
        yield Lock(request.getfixturevalue("project"))
        return
    engine = request.getfixturevalue("engine")
    images.slim(engine)
    (tmp_path / "project").mkdir()
    spec = DockerSpec(file="Dockerfile")
    with registry() as served:
        yield Docker(ImageProject(tmp_path / "project", tmp_path / "cache", engine, spec, Recorded()), served)


def test_the_same_key_builds_nothing_and_asks_nobody(case: Case) -> None:
    case.write(1)
    assert case.plan().reason == "it was never built here"
    first = case.ensure()
    assert not first.reused
    assert first.flags == ()
    assert case.report.output
    asked = case.asked()
    case.report.output = b""
    again = case.plan()
    assert (again.key, again.reason) == (first.plan.key, None)
    second = build.ensure(again, case.means(), case.report)
    assert second.reused
    assert (second.image, second.programs, second.installed) == (first.image, first.programs, first.installed)
    assert (case.asked(), case.report.output) == (asked, b"")
    assert case.remains() == [again.key]


def test_what_goes_in_decides_the_key_and_both_are_kept(case: Case) -> None:
    case.write(1)
    first = case.ensure()
    case.write(2)
    second = case.ensure()
    assert not second.reused
    assert second.plan.key != first.plan.key
    case.write(1)
    assert case.ensure().reused


def test_a_build_that_fails_leaves_nothing_that_is_taken_for_an_environment(case: Case) -> None:
    case.write_wrong()
    for _ in range(2):
        with pytest.raises(EnvironmentFailure) as raised:
            case.ensure()
        assert raised.value.exit_code == 113
        assert case.remains() == []
        assert case.plan().reason == "it was never built here"


def test_two_processes_build_one_and_the_second_says_for_whom_it_waits(case: Case) -> None:
    case.write(1)
    first = case.begun()
    second = case.elsewhere()
    assert second.stdout is not None
    assert second.stdout.readline() == f"waiting for process {first.pid}, which builds the same environment\n"
    case.go_on()
    assert first.communicate()[0].splitlines()[-1] == "built"
    assert second.communicate()[0].splitlines()[-1] == "reused"


def test_what_was_damaged_is_built_again_and_that_is_flagged(case: Case) -> None:
    case.write(1)
    before = case.ensure()
    case.damage(before)
    assert case.plan().reason
    again = case.ensure()
    assert not again.reused
    # An image that comes out the same is the same by its id: nobody can have had another one.
    is_same = (
        before.image is not None and again.image is not None and before.image.image.id == again.image.image.id
    )
    assert [flag.code for flag in again.flags] == ([] if is_same else ["environment-rebuilt"])
    assert case.ensure().reused


def test_without_its_marker_it_is_built_again(case: Case) -> None:
    case.write(1)
    directory = case.ensure().plan.directory
    assert directory
    for name in built.MARKERS:
        (directory / name).unlink(missing_ok=True)
    assert "marker is missing" in (case.plan().reason or "")
    assert not case.ensure().reused
    assert case.ensure().reused


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_what_was_moved_or_copied_is_not_trusted(case: Case, how: str) -> None:
    case.write(1)
    case.ensure()
    elsewhere = case.cache.with_name("elsewhere")
    if how == "moved":
        case.cache.rename(elsewhere)
    else:
        shutil.copytree(case.cache, elsewhere, symlinks=True)
    case.cache = elsewhere
    assert case.plan().reason == "its marker does not fit its directory: it was moved or copied here"


def test_under_another_key_it_is_not_trusted(case: Case) -> None:
    case.write(1)
    directory = case.ensure().plan.directory
    case.write(2)
    other = case.plan()
    assert directory
    assert other.directory
    shutil.copytree(directory, other.directory, symlinks=True)
    assert "does not fit" in (case.plan().reason or "")
    assert not case.ensure().reused


def test_offline_nobody_is_asked(case: Case) -> None:
    case.write_remote()
    asked = case.asked()
    with pytest.raises(EnvironmentFailure) as raised:
        case.ensure(offline=True)
    assert "offline" in f"{raised.value.why} {raised.value.hint}"
    examine(case.spec, case.root, case.means(offline=True), case.report)
    assert case.asked() == asked
    assert not case.ensure().reused
    assert case.asked() > asked
    asked = case.asked()
    assert case.ensure(offline=True).reused
    assert case.asked() == asked


def test_a_cache_that_cannot_be_written_is_said_so(case: Case) -> None:
    case.write(1)
    case.cache.mkdir()
    (case.cache / "environments").write_text("a file where a folder should be")
    with pytest.raises(EnvironmentFailure, match="cannot be built in") as raised:
        case.ensure()
    assert "PROJRUN_CACHE" in raised.value.hint


@pytest.mark.parametrize("cache", ["x" * 300, "closed"])
def test_a_cache_that_cannot_be_looked_into_is_said_so(case: Case, cache: str) -> None:
    case.write(1)
    case.cache = case.cache.with_name(cache)
    if cache == "closed":
        case.cache.mkdir(mode=0)
        if os.access(case.cache, os.X_OK):
            pytest.skip("this user may look everywhere")
    with pytest.raises(EnvironmentFailure, match="cannot be looked at") as raised:
        case.plan()
    assert "PROJRUN_CACHE" in raised.value.hint
