"""A built environment that is no longer what was built is seen, said, and built again; nothing else is."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from projrun.core.errors import EnvironmentFailure
from projrun.core.values import replace
from projrun.environment import built, construction, damage, manifest, verification
from projrun.environment.build import ensure
from projrun.environment.builder import BuildRequest, Made
from projrun.environment.builders import BUILDERS
from projrun.environment.plan import plan
from projrun.environment.uses import in_use
from projrun.environment.uv import Uv
from tests.environment.conftest import Project
from tests.wheels import lock_of, make_wheel


def ready(project: Project) -> Path:
    """Builds an environment with two packages and gives its site-packages."""
    deep = {"alpha/below/deeper/module.py": "X = 1\n"}
    project.lock(
        make_wheel(project.archives, "alpha", files=deep, scripts={"say-alpha": "alpha:main"}),
        make_wheel(project.archives, "beta", files={"beta_extra.py": "Y = 1\n"}),
    )
    return next((project.ensure().bin.parent / "lib").glob("python*/site-packages"))


def directory_of(project: Project) -> Path:
    directory = project.plan().directory
    assert directory is not None
    return directory


def edit(folder: Path) -> None:
    (folder / "alpha/__init__.py").write_text("VERSION = 'edited'\n")


def edit_with_the_old_time_and_size(folder: Path) -> None:
    file = folder / "alpha/__init__.py"
    before = file.stat()
    file.write_text(file.read_text().replace("1.0", "1.1"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def put_another_in_its_place(folder: Path) -> None:
    other = folder.parent / "other"
    other.write_text("VERSION = 'another'\n")
    other.replace(folder / "alpha/__init__.py")


def edit_deep_below(folder: Path) -> None:
    (folder / "alpha/below/deeper/module.py").write_text("X = 2\n")


def remove_a_file(folder: Path) -> None:
    (folder / "beta_extra.py").unlink()


def remove_a_package(folder: Path) -> None:
    shutil.rmtree(folder / "beta")
    shutil.rmtree(folder / "beta-1.0.dist-info")


def add_a_package(folder: Path) -> None:
    (folder / "six.py").write_text("")
    (folder / "six-1.16.0.dist-info").mkdir()
    (folder / "six-1.16.0.dist-info/METADATA").write_text("Name: six\nVersion: 1.16.0\n")


def add_a_module(folder: Path) -> None:
    (folder / "sitecustomize.py").write_text("print('hello')\n")


def add_a_program(folder: Path) -> None:
    (folder.parent.parent.parent / "bin/git").write_text("#!/bin/sh\n")


def forbid_a_program(folder: Path) -> None:
    (folder.parent.parent.parent / "bin/say-alpha").chmod(0o644)


def lead_python_past_it(folder: Path) -> None:
    config = folder.parent.parent.parent / "pyvenv.cfg"
    config.write_text(config.read_text().replace("false", "true"))


DAMAGES = [
    (edit, "alpha/__init__.py was altered since it was built"),
    (edit_with_the_old_time_and_size, "alpha/__init__.py was altered since it was built"),
    (put_another_in_its_place, "alpha/__init__.py was altered since it was built"),
    (edit_deep_below, "alpha/below/deeper/module.py was altered since it was built"),
    (remove_a_file, "beta_extra.py was removed since it was built"),
    (remove_a_package, "a package was removed: beta"),
    (add_a_package, "a package was added: six"),
    (add_a_module, "sitecustomize.py was added since it was built"),
    (add_a_program, "bin/git was added since it was built"),
    (forbid_a_program, "bin/say-alpha was altered since it was built"),
    (lead_python_past_it, "pyvenv.cfg was altered since it was built"),
]


@pytest.mark.parametrize("thorough", [False, True])
def test_damage_is_the_reason_to_build_again(project: Project, thorough: bool) -> None:
    folder = ready(project)
    whole = project.cache.with_name("whole")
    directory = directory_of(project)
    shutil.copytree(directory, whole, symlinks=True)
    means = replace(project.means, thorough=thorough)
    for spoil, told in DAMAGES:
        spoil(folder)
        found = plan(project.spec, project.root, means, project.report).reason
        assert found == told, spoil.__name__
        # As it was, but for inodes and times: what holds what it held is no damage.
        shutil.rmtree(directory)
        shutil.copytree(whole, directory, symlinks=True)
        assert plan(project.spec, project.root, means, project.report).reason is None, spoil.__name__


def test_a_damaged_environment_is_built_again_aside_said_aloud_and_flagged(project: Project) -> None:
    edit(ready(project))
    environment = project.ensure()
    told = "alpha/__init__.py was altered since it was built"
    assert not environment.reused
    assert f"building {environment.plan.key[:12]}: {told}" in project.report.phases
    (flag,) = environment.flags
    assert (flag.code, told in flag.message) == ("environment-rebuilt", True)
    again = project.ensure()
    assert (again.reused, again.flags, project.plan().reason) == (True, (), None)
    assert {path.name for path in (project.cache / "environments").iterdir()} == {".locks", again.plan.key}


def test_a_first_build_carries_no_flag(project: Project) -> None:
    project.lock(make_wheel(project.archives, "alpha"))
    assert project.ensure().flags == ()


def test_bytecode_that_python_writes_is_no_damage(project: Project) -> None:
    ready(project)
    environment = project.ensure()
    code = "import alpha.below.deeper.module, beta, beta_extra"
    subprocess.run([environment.bin / "python", "-I", "-c", code], check=True)
    assert list(environment.bin.parent.rglob("__pycache__"))
    for thorough in (False, True):
        means = replace(project.means, thorough=thorough)
        assert plan(project.spec, project.root, means, project.report).reason is None


def test_files_whose_times_alone_changed_are_read_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ready(project)
    monkeypatch.setattr(damage, "_RACY_NS", -(10**9))  # else what changed within the last second is read again
    for file in (folder / "alpha").rglob("*"):
        os.utime(file, (0, 0))
    assert project.plan().reason is None
    monkeypatch.setattr(damage, "differences", None)
    assert project.plan().reason is None


def test_what_changed_just_now_is_read_again(project: Project) -> None:
    folder = ready(project)
    directory = directory_of(project)
    kept = (directory / manifest.STATS).read_bytes()
    os.utime(folder / "alpha/__init__.py", (0, 0))
    assert project.plan().reason is None
    assert (directory / manifest.STATS).read_bytes() == kept


def test_only_the_paths_nearest_to_the_top_are_looked_at_by_each_run(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ready(project)
    paths = manifest.read_first_paths(directory_of(project), 10**6)
    assert [path.count("/") for path in paths] == sorted(path.count("/") for path in paths)
    deep = "alpha/below/deeper/module.py"
    assert paths[-1].endswith(deep)
    monkeypatch.setattr(damage, "QUICK_PATHS", len(paths) - 1)
    edit_deep_below(folder)
    assert project.plan().reason is None
    thorough = replace(project.means, thorough=True)
    found = plan(project.spec, project.root, thorough, project.report).reason
    assert found == f"{deep} was altered since it was built"


def test_what_is_new_at_the_top_is_seen_by_a_thorough_look(project: Project) -> None:
    """Nothing is imported or run from there, so each run does without."""
    folder = ready(project)
    (folder.parent.parent.parent / "more").mkdir()
    thorough = replace(project.means, thorough=True)
    found = plan(project.spec, project.root, thorough, project.report).reason
    assert found == "more was added since it was built"


def test_a_list_of_files_that_is_gone_cut_or_altered_is_not_trusted(project: Project) -> None:
    folder = ready(project)
    file = directory_of(project) / manifest.FILES
    data = file.read_bytes()
    edit(folder)
    file.write_bytes(data.replace(b"/alpha/__init__.py", b"/alpha/__main__.py"))
    assert "the list of its files cannot be used" in (project.plan().reason or "")
    for broken in (b"", b"something else\n" * 3, data[:40]):
        file.write_bytes(broken)
        assert "the list of its files cannot be read" in (project.plan().reason or "")
    file.write_bytes(b"".join(data.splitlines(keepends=True)[:20]))
    thorough = replace(project.means, thorough=True)
    found = plan(project.spec, project.root, thorough, project.report).reason
    assert "projrun-files is not the one that was written" in (found or "")
    file.unlink()
    assert not project.ensure().reused
    (directory_of(project) / manifest.STATS).unlink()  # which only says what need not be read
    assert project.plan().reason is None


def test_the_marker_of_another_version_is_the_reason_to_build(project: Project) -> None:
    ready(project)
    marker = directory_of(project) / built.MARKER
    marker.write_text(marker.read_text().replace('"format": 2', '"format": 1'))
    assert project.plan().reason == "it was built by another version of projrun"


class Careless(Uv):
    """Builds as it should, and then spoils what it made."""

    def __init__(self, spoil: Callable[[Path], None]) -> None:
        self._spoil = spoil

    def create(self, request: BuildRequest, write: Callable[[bytes], None]) -> Made:
        made = super().create(request, write)
        self._spoil(next((made.directory / "lib").glob("python*/site-packages")))
        return made


def lose_a_file(folder: Path) -> None:
    (folder / "alpha/__init__.py").unlink()


def claim_a_file_elsewhere(folder: Path) -> None:
    with (folder / "alpha-1.0.dist-info/RECORD").open("a") as file:
        file.write("../../../../../elsewhere,sha256=AAAA,1\n")


def hash_weakly(folder: Path) -> None:
    with (folder / "alpha-1.0.dist-info/RECORD").open("a") as file:
        file.write("alpha/__init__.py,shake_128=AAAA,1\n")


def claim_endlessly(folder: Path) -> None:
    with (folder / "alpha-1.0.dist-info/RECORD").open("a") as file:
        file.write("x" * 140_000 + ",sha256=AAAA,1\n")


def name_a_file_over_two_lines(folder: Path) -> None:
    (folder / "alpha/two\nlines").touch()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (edit, "alpha/__init__.py does not have the hash that its RECORD says"),
        (lose_a_file, "alpha/__init__.py is missing"),
        (claim_a_file_elsewhere, "../../elsewhere lies outside the environment"),
        (hash_weakly, "alpha 1.0: alpha/__init__.py has a hash in its RECORD that does not count: shake_128"),
        (claim_endlessly, "alpha 1.0: alpha-1.0.dist-info/RECORD cannot be read"),
        (name_a_file_over_two_lines, "has a line break in its name"),
    ],
)
def test_files_unlike_their_record_are_refused_when_built(
    project: Project, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None], told: str
) -> None:
    monkeypatch.setitem(BUILDERS, "uv", Careless(spoil))
    project.lock(make_wheel(project.archives, "alpha"))
    with pytest.raises(EnvironmentFailure, match="not what its packages say") as raised:
        project.ensure()
    assert told in raised.value.why
    assert [path.name for path in (project.cache / "environments").iterdir()] == [".locks"]


def test_a_damaged_environment_stays_aside_while_a_run_uses_it(project: Project) -> None:
    folder = ready(project)
    environments = project.cache / "environments"
    with in_use(project.ensure()):
        held = (folder / "beta/__init__.py").open()
        edit(folder)
        assert not project.ensure().reused
        (aside,) = environments.glob(".damaged-*")
        assert held.read().startswith("VERSION")
        assert "edited" in next(aside.rglob("alpha/__init__.py")).read_text()
        held.close()
    construction.remove_leftovers(environments)
    assert not list(environments.glob(".damaged-*"))


def test_what_was_built_anew_since_it_was_verified_is_not_marked_damaged(project: Project) -> None:
    ready(project)
    directory = directory_of(project)
    marker = (directory / built.MARKER).read_bytes()
    shutil.rmtree(directory)
    project.ensure()
    built.mark_damaged(directory, marker, "that was before")
    assert project.ensure().reused
    built.mark_damaged(directory, (directory / built.MARKER).read_bytes(), "a \udcff was added")
    assert project.plan().reason == "it was found damaged: a \udcff was added"


def test_an_environment_that_was_removed_meanwhile_is_said_so(project: Project) -> None:
    ready(project)
    environment = project.ensure()
    shutil.rmtree(environment.bin.parent)
    with pytest.raises(EnvironmentFailure, match="was removed before the program started"), in_use(environment):
        raise AssertionError("it does not come to this")


def test_the_lock_is_kept_with_the_environment(project: Project) -> None:
    text = lock_of(make_wheel(project.archives, "alpha")).replace("\n", "\r\n")
    (project.root / "requirements.lock").write_bytes(text.encode())
    directory = project.ensure().bin.parent
    assert verification.lock_text(directory) == text
    there = built.told(directory)
    assert there is not None
    assert not list(verification.verify(directory, there))


def test_ensure_looks_at_the_files_again_when_the_plan_was_to_build(project: Project) -> None:
    """Somebody else built it between plan and turn, and it was damaged since."""
    project.lock(make_wheel(project.archives, "alpha"))
    planned = project.plan()
    folder = next((project.ensure().bin.parent / "lib").glob("python*/site-packages"))
    edit(folder)
    assert not ensure(planned, project.means, project.report).reused
