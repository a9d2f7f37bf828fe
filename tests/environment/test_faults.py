"""Whatever happens to those who build: killed at any point, many at once, no room, no flock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from projrun.core.errors import EnvironmentFailure
from projrun.core.values import replace
from projrun.environment import built
from tests.core.test_locks import without_flock  # noqa: F401 - a fixture
from tests.environment.conftest import Project
from tests.environment.elsewhere import STAND_STILL, build_elsewhere
from tests.wheels import make_wheel

NEVER, UNFINISHED = "it was never built here", "its marker is missing: it was not built to the end"
POINTS = {
    "the environment is empty": ("projrun.environment.uv_program", "UvProgram.run", "words[1] == 'pip'"),
    "it is installed": ("projrun.environment.construction", "_checked", "True"),
    "its files are read": ("projrun.environment.contents", "entries_of", "True"),
    "its list is written": ("projrun.environment.manifest", "write_numbers", "True"),
    "it is to be moved in": ("pathlib", "Path.rename", "words[0].name == 'environment'"),
    "it is there without a marker": ("projrun.environment.built", "write_marker", "True"),
}


def line_of(process: subprocess.Popen[str], beginning: str) -> str:
    """The next line of a process that begins so."""
    assert process.stdout is not None
    while line := process.stdout.readline():
        if line.startswith(beginning):
            return line.strip()
    raise AssertionError(process.communicate()[1])


def end_of(process: subprocess.Popen[str]) -> str:
    """The last line of a process that succeeds."""
    out, error = process.communicate()
    assert process.returncode == 0, error
    return out.splitlines()[-1]


def left(project: Project) -> list[str]:
    """What is among the environments but for the environment itself."""
    known = (".locks", ".uses", project.plan().key)
    return [path.name for path in (project.cache / "environments").iterdir() if path.name not in known]


@pytest.mark.parametrize("point", POINTS)
def test_a_builder_killed_at_any_point_leaves_nothing_that_is_trusted_and_a_waiter_takes_over(
    project: Project, point: str
) -> None:
    project.lock(make_wheel(project.archives, "alpha"))
    module, name, when = POINTS[point]
    doomed = build_elsewhere(project, first=STAND_STILL.format(module=module, name=name, when=when))
    line_of(doomed, "standing still")
    waiter = build_elsewhere(project)
    assert line_of(waiter, "waiting") == f"waiting for process {doomed.pid}, which builds the same environment"
    assert project.plan().reason in (NEVER, UNFINISHED)
    os.killpg(doomed.pid, signal.SIGKILL)
    doomed.communicate()
    assert end_of(waiter) == "built"
    assert (project.plan().reason, left(project)) == (None, [])


def test_a_builder_killed_while_it_replaces_a_damaged_environment(project: Project) -> None:
    project.lock(make_wheel(project.archives, "alpha"))
    next(project.ensure().bin.parent.rglob("alpha/__init__.py")).write_text("VERSION = 'edited'\n")
    module, name, _ = POINTS["it is to be moved in"]
    first = STAND_STILL.format(module=module, name=name, when="words[0].name == 'environment'")
    doomed = build_elsewhere(project, first=first)
    line_of(doomed, "standing still")
    doomed.kill()
    doomed.communicate()
    assert project.plan().reason == "it was never built here"
    assert not project.ensure().reused
    assert (project.plan().reason, left(project)) == (None, [])


def test_uv_killed_alone_is_an_error_and_the_waiter_builds(project: Project) -> None:
    project.lock(make_wheel(project.archives, "alpha"))
    project.index.stall()
    first = build_elsewhere(project)
    assert project.index.asked_for_archive.wait(30)
    waiter = build_elsewhere(project)
    line_of(waiter, "waiting")
    (uv,) = children(first.pid)
    os.kill(uv, signal.SIGKILL)
    assert "requirements.lock cannot be installed\nuv was ended by signal 9 (Killed)\n" in first.communicate()[1]
    project.index.may_send.set()
    assert end_of(waiter) == "built"
    assert (project.plan().reason, left(project)) == (None, [])


def children(pid: int) -> list[int]:
    """The processes that this one started."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return [int(child) for child, parent in map(str.split, listed.splitlines()) if int(parent) == pid]


def test_five_runs_that_want_what_is_being_built_wait_for_one_build(project: Project) -> None:
    project.lock(make_wheel(project.archives, "alpha"))
    project.index.stall()
    first = build_elsewhere(project)
    assert project.index.asked_for_archive.wait(30)
    others = [build_elsewhere(project) for _ in range(5)]
    told = f"waiting for process {first.pid}, which builds the same environment"
    assert [line_of(other, "waiting") for other in others] == [told] * 5
    project.index.may_send.set()
    assert end_of(first) == "built"
    assert [end_of(other) for other in others] == ["reused"] * 5
    assert len([path for path in project.index.requests if path.startswith("/files/")]) == 1


def test_without_flock_one_builds_the_other_waits_and_it_is_said(
    project: Project,
    without_flock: tuple[dict[str, str], str],  # noqa: F811
) -> None:
    library, first_lines = without_flock
    variables = {**library, "NO_FLOCK_BELOW": "/environments/"}
    project.lock(make_wheel(project.archives, "alpha"))
    doomed_lines = first_lines + STAND_STILL.format(
        module="projrun.environment.construction", name="_checked", when="True"
    )
    doomed = build_elsewhere(project, first=doomed_lines, variables=variables)
    locks = project.cache / "environments" / ".locks"
    assert line_of(doomed, "flock") == f"flock does not work in {locks}: using lock files"
    line_of(doomed, "standing still")
    waiter, other = (build_elsewhere(project, first=first_lines, variables=variables) for _ in range(2))
    for one in (waiter, other):
        assert line_of(one, "waiting").startswith(f"waiting for process {doomed.pid}")
    doomed.kill()
    doomed.communicate()
    assert sorted((end_of(waiter), end_of(other))) == ["built", "reused"]
    assert (project.plan().reason, left(project)) == (None, [])


def test_uv_whose_own_cache_has_no_flock_is_told_to_have_another(
    project: Project,
    without_flock: tuple[dict[str, str], str],  # noqa: F811
) -> None:
    library, _ = without_flock
    if not library:
        pytest.skip("needs a compiler to take flock from uv")
    project.lock(make_wheel(project.archives, "alpha"))
    failed = build_elsewhere(project, variables={**library, "NO_FLOCK_BELOW": "/uv-cache"})
    assert "UV_CACHE_DIR=DIR, on a local disk" in failed.communicate()[1]
    assert failed.returncode == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of six megabytes; only root may have one."""
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("making a small disk takes root")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.parametrize("room", [0, 40_000, 400_000])
def test_a_full_disk_is_said_so_and_leaves_the_cache_usable(project: Project, small_disk: Path, room: int) -> None:
    here = replace(project, cache=small_disk / "cache")
    large = {"alpha/table.txt": "0123456789abcdef" * 40_000}
    here.lock(make_wheel(here.archives, "alpha", files=large))
    here.plan()  # what it remembers of interpreters needs room too
    ballast = small_disk / "ballast"
    status = os.statvfs(small_disk)
    ballast.write_bytes(b"x" * (status.f_bavail * status.f_bsize - room))
    with pytest.raises(EnvironmentFailure) as raised:
        here.ensure()
    assert "No space left" in raised.value.why
    assert "make room" in raised.value.hint
    assert "PROJRUN_CACHE" in raised.value.hint
    ballast.unlink()
    assert here.plan().reason == "it was never built here"
    assert not here.ensure().reused
    assert (here.plan().reason, left(here)) == (None, [])


def test_a_disk_that_is_full_when_the_marker_is_written(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.lock(make_wheel(project.archives, "alpha"))

    def full(directory: Path, marker: built.Built) -> None:
        raise OSError(28, "No space left on device", str(directory))

    with monkeypatch.context() as patch:
        patch.setattr(built, "write_marker", full)
        with pytest.raises(EnvironmentFailure, match="cannot be built") as raised:
            project.ensure()
    assert "make room" in raised.value.hint
    assert not project.ensure().reused
    assert project.plan().reason is None
