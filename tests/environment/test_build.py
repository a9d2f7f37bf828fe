"""Environments are built once, whole, and each with files of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from projrun.core.errors import EnvironmentFailure
from projrun.core.values import replace
from projrun.environment import built, verification
from projrun.environment.build import ensure
from projrun.environment.builder import BuildRequest, Made
from projrun.environment.builders import BUILDERS
from projrun.environment.model import Environment
from projrun.environment.uv import Uv
from tests.environment.conftest import THIS_PYTHON, Project
from tests.environment.elsewhere import BUILD_ELSEWHERE, build_elsewhere
from tests.wheels import lock_of, make_source_distribution, make_wheel, sha256_of


def output_of(environment: Environment, *argv: str) -> str:
    return subprocess.run(
        [environment.bin / argv[0], *argv[1:]], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_lock_becomes_an_environment_that_has_its_packages(project: Project) -> None:
    project.lock(make_wheel(project.archives, "alpha", requires=["beta"]), make_wheel(project.archives, "beta"))
    environment = project.ensure()
    assert not environment.reused
    assert [(one.name, one.version) for one in environment.installed] == [("alpha", "1.0"), ("beta", "1.0")]
    assert all(len(one.sha256) == 64 for one in environment.installed)
    assert output_of(environment, "python", "-c", "import alpha; alpha.main()") == "alpha 1.0"
    assert environment.flags == ()
    assert b"alpha==1.0" in project.report.output


def test_reuse_imports_no_builder_and_no_parser(project: Project) -> None:
    project.write("requirements.in", "alpha")
    project.lock(make_wheel(project.archives, "alpha"))
    project.having(requirements="requirements.in").ensure()
    code = BUILD_ELSEWHERE.replace(
        'lock="requirements.lock"', 'lock="requirements.lock", requirements="requirements.in"'
    )
    code += "\nprint(*sorted(m for m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(project.root), str(project.cache), project.spec.python or ""],
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines[-2] == "reused"
    slow = {"packaging", "uv", "email", "csv", "tomllib", "difflib", "tempfile", "importlib.metadata"}
    assert not slow & set(lines[-1].split())


def test_an_empty_lock_is_an_environment_of_the_interpreter_alone(project: Project) -> None:
    project.lock(text="# nothing is needed\n")
    assert project.ensure().installed == ()


def test_console_scripts_work_where_the_environment_ends_up(project: Project) -> None:
    project.lock(make_wheel(project.archives, "alpha", scripts={"say-alpha": "alpha:main"}))
    assert output_of(project.ensure(), "say-alpha") == "alpha 1.0"


def test_no_file_is_shared_with_the_cache_or_another_environment(
    project: Project, hostile_environment: Path
) -> None:
    alpha, beta = make_wheel(project.archives, "alpha"), make_wheel(project.archives, "beta")
    project.lock(alpha)
    first = project.ensure()
    project.lock(alpha, beta)
    second = project.ensure()
    module = next(first.bin.parent.rglob("alpha/__init__.py"))
    other = next(second.bin.parent.rglob("alpha/__init__.py"))
    cached = list(hostile_environment.rglob("alpha/__init__.py"))
    assert module.stat().st_nlink == 1
    assert cached, "uv keeps an unpacked wheel that an edit could reach"
    before = other.read_text()
    with module.open("a") as file:
        file.write("VERSION = 'edited'\n")
    assert other.read_text() == before
    assert all(path.read_text() == before for path in cached)


def test_a_package_is_built_from_source_only_when_the_spec_names_it(project: Project) -> None:
    project.lock(make_source_distribution(project.archives, "gamma"))
    with pytest.raises(EnvironmentFailure) as raised:
        project.ensure()
    assert raised.value.what == "requirements.lock:1: gamma==1.0 has no wheel for this platform and interpreter"
    assert "source_distributions" in raised.value.hint
    allowed = project.having(source_distributions=("gamma",))
    assert [one.name for one in allowed.ensure().installed] == ["gamma"]
    assert "source-distributions" in [flag.code for flag in allowed.plan().flags]


def test_a_wrong_hash_is_refused_with_its_line_and_leaves_nothing(project: Project) -> None:
    alpha, beta = make_wheel(project.archives, "alpha"), make_wheel(project.archives, "beta")
    project.lock(text=lock_of(beta) + lock_of(alpha).replace(sha256_of(alpha), "0" * 64))
    with pytest.raises(EnvironmentFailure) as raised:
        project.ensure()
    assert raised.value.what.startswith("requirements.lock:3: alpha==1.0: the archive is not the one")
    assert sha256_of(alpha) in raised.value.why
    assert "another platform or interpreter" in raised.value.hint
    assert project.spec.compile_command in raised.value.hint
    assert remains(project) == []
    assert project.plan().reason == "it was never built here"


@pytest.mark.parametrize("tag", ["py3-none-win_amd64", "cp27-cp27m-any"])
def test_a_wheel_for_another_platform_or_python_is_refused_with_its_line(project: Project, tag: str) -> None:
    project.lock(make_wheel(project.archives, "alpha"), make_wheel(project.archives, "delta", tag=tag))
    with pytest.raises(EnvironmentFailure) as raised:
        project.ensure()
    assert raised.value.what.startswith("requirements.lock:3: delta==1.0 has no wheel for this platform")
    assert remains(project) == []


def test_a_package_that_excludes_this_python_is_refused_with_its_line(project: Project) -> None:
    project.lock(make_wheel(project.archives, "alpha", requires_python="<3"))
    with pytest.raises(EnvironmentFailure, match=r"requirements\.lock:1: alpha==1\.0 is not for Python 3"):
        project.ensure()


def test_a_package_that_the_index_does_not_have_is_named_with_its_line(project: Project) -> None:
    project.lock(text="nowhere==1.0 --hash=sha256:" + "0" * 64)
    with pytest.raises(
        EnvironmentFailure, match=r"requirements\.lock:1: nowhere==1\.0 is not on the package index"
    ):
        project.ensure()


def test_a_dependency_that_the_lock_forgot_is_flagged_now_and_later(project: Project) -> None:
    project.lock(make_wheel(project.archives, "alpha", requires=["beta>=2"]))
    first, second = project.ensure(), project.ensure()
    assert [flag.code for flag in first.flags] == ["dependency-missing"]
    assert "alpha 1.0 needs beta, which is not there" in first.flags[0].message
    assert second.reused
    for flags in (second.plan.flags, project.plan().flags, (*second.plan.flags, *second.flags)):
        assert flags == first.flags  # told by a plan already, and once


@pytest.mark.parametrize("with_its_children", [True, False])
def test_a_builder_that_was_killed_leaves_nothing_that_the_next_trusts(
    project: Project, with_its_children: bool
) -> None:
    project.lock(make_wheel(project.archives, "alpha"))
    project.index.stall()
    killed = build_elsewhere(project)
    assert project.index.asked_for_archive.wait(30)
    (os.killpg if with_its_children else os.kill)(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert len(remains(project)) == 1
    assert project.plan().reason == "it was never built here"
    project.index.may_send.set()
    environment = project.ensure()
    assert not environment.reused
    assert [one.name for one in environment.installed] == ["alpha"]
    assert project.plan().reason is None
    if with_its_children:  # a uv that outlives its runner may still write to the folder that was removed
        assert remains(project) == [project.plan().key]


def test_an_interpreter_that_is_gone_or_replaced_is_the_reason_to_build(project: Project, tmp_path: Path) -> None:
    project.lock(make_wheel(project.archives, "alpha"))
    environment = project.ensure()
    directory, key = environment.bin.parent, environment.plan.key
    marker = directory / built.MARKER
    text = marker.read_text()
    interpreter = str(environment.plan.interpreter.path)
    marker.write_text(text.replace(interpreter, str(tmp_path / "gone")))
    assert built.look(directory, key, "quick") == f"its interpreter {tmp_path / 'gone'} is gone"
    size = str(Path(interpreter).stat().st_size)
    marker.write_text(text.replace(size, "1"))
    assert built.look(directory, key, "quick") == f"its interpreter {interpreter} was replaced since"
    marker.write_text(text)
    (directory / "bin" / "python").unlink()
    assert built.look(directory, key, "quick") == "its python does not lead to its interpreter"


def test_a_library_of_the_interpreter_that_was_replaced_is_the_reason_to_build(
    project: Project, tmp_path: Path
) -> None:
    project.lock(make_wheel(project.archives, "alpha"))
    environment = project.ensure()
    directory, key = environment.bin.parent, environment.plan.key
    library = tmp_path / "libpython3.11.so.1.0"
    library.write_text("the library")
    there = built.look(directory, key, "quick")
    assert isinstance(there, built.Built)
    built.write_marker(directory, replace(there, library=library))
    assert isinstance(built.look(directory, key, "quick"), built.Built)
    library.unlink()
    library.write_text("another one")
    assert built.look(directory, key, "quick") == "its interpreter's libpython3.11.so.1.0 was replaced since"
    again = project.ensure()
    assert (again.reused, [flag.code for flag in again.flags]) == (False, ["environment-rebuilt"])


def test_the_version_is_known_as_declared_as_found_and_as_told_in_there(project: Project) -> None:
    project.lock(make_wheel(project.archives, "alpha"))
    series = ".".join(map(str, sys.version_info[:2]))
    for environment in (project.having(python=series).ensure(), project.having(python=series).ensure()):
        plan = environment.plan
        told = (plan.declared, plan.interpreter.version, environment.in_process)
        assert told == (series, THIS_PYTHON, THIS_PYTHON)


def test_another_version_in_there_than_was_found_stops_the_run(project: Project) -> None:
    project.lock(make_wheel(project.archives, "alpha"))
    planned = project.plan()
    wrong = replace(planned, python=replace(planned.interpreter, version="3.99.0"))
    with pytest.raises(EnvironmentFailure, match=r"python is not 3\.99\.0") as raised:
        ensure(wrong, project.means, project.report)
    assert THIS_PYTHON in raised.value.why
    assert remains(project) == []


def test_a_configuration_of_uv_around_the_cache_does_not_steer_the_build(project: Project) -> None:
    project.cache.mkdir()
    (project.cache.parent / "uv.toml").write_text('index-url = "http://127.0.0.1:9/simple/"\n[pip]\nno-deps = 3\n')
    project.lock(make_wheel(project.archives, "alpha"))
    assert [one.name for one in project.ensure().installed] == ["alpha"]


def test_variables_of_the_caller_do_not_steer_the_build(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_NO_BINARY", "1")
    monkeypatch.setenv("UV_LINK_MODE", "hardlink")
    monkeypatch.setenv("UV_CONSTRAINT", "/nowhere")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    project.lock(make_wheel(project.archives, "alpha"))
    environment = project.ensure()
    assert next(environment.bin.parent.rglob("alpha/__init__.py")).stat().st_nlink == 1


class Careless(Uv):
    """Builds as it should, and then spoils what it made."""

    def __init__(self, spoil: Callable[[Path], None]) -> None:
        self._spoil = spoil

    def create(self, request: BuildRequest, write: Callable[[bytes], None]) -> Made:
        made = super().create(request, write)
        self._spoil(made.directory)
        return made


def add_a_package(directory: Path) -> None:
    info = next(directory.rglob("site-packages")) / "extra-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n")


def remove_a_package(directory: Path) -> None:
    shutil.rmtree(next(directory.rglob("alpha-1.0.dist-info")))


def put_another_python_in(directory: Path) -> None:
    python = directory / "bin" / "python"
    python.unlink()
    python.write_text("#!/bin/sh\necho 3.99.0\n")
    python.chmod(0o755)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (add_a_package, "extra is installed and not in the lock"),
        (remove_a_package, "alpha==1.0 is not installed"),
        (put_another_python_in, "bin/python does not lead to"),
    ],
)
def test_what_a_builder_made_wrong_is_refused_and_not_kept(
    project: Project, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None], told: str
) -> None:
    monkeypatch.setitem(BUILDERS, "uv", Careless(spoil))
    project.lock(make_wheel(project.archives, "alpha"))
    with pytest.raises(EnvironmentFailure) as raised:
        project.ensure()
    assert told in raised.value.why
    assert remains(project) == []


def remains(project: Project) -> list[str]:
    """What is in the folder of environments, but for the locks."""
    return [path.name for path in (project.cache / "environments").iterdir() if path.name != ".locks"]


DEFECTIVE: dict[str, dict[str, Any]] = {
    "unknown hash in RECORD": {"record": "alpha/__init__.py,shake_128=AAAA,1\n"},
    "weak hash in RECORD": {"record": "alpha/__init__.py,md5=AAAA,1\n"},
    "endless RECORD": {"record": "x" * 140_000 + ",sha256=AAAA,1\n"},
    "no UTF-8": {"metadata": "Summary: \udcff\n"},
}


@pytest.mark.parametrize("defect", DEFECTIVE)
@pytest.mark.parametrize("builder", ["uv", "pip"])
def test_a_wheel_that_describes_itself_badly_is_refused_or_mended(
    project: Project, builder: str, defect: str
) -> None:
    """uv writes a RECORD of its own; pip takes over what the wheel says, and ends at what it cannot read."""
    project.lock(make_wheel(project.archives, "alpha", **DEFECTIVE[defect]))
    asked = project.having(builder=builder)
    if builder == "uv" and "RECORD" in defect:
        directory = asked.ensure().bin.parent
        there = built.told(directory)
        assert there is not None
        assert list(verification.verify(directory, there)) == []
        return
    with pytest.raises(EnvironmentFailure) as raised:
        asked.ensure()
    if defect != "endless RECORD":  # of that pip tells no more than that it failed
        assert "alpha" in f"{raised.value.what} {raised.value.why}"
    assert remains(project) == []


@pytest.mark.parametrize(
    ("builder", "place"),
    [
        *(("pip", f"scripts/{name}") for name in ("python", "python3", f"python3.{sys.version_info[1]}")),
        *(("uv", f"{folder}/python") for folder in ("scripts", "data/bin")),
    ],
)
def test_a_package_that_replaces_the_python_is_refused_and_nothing_of_it_run(
    project: Project, builder: str, place: str
) -> None:
    trace = project.root / "was-run"
    files = {f"alpha-1.0.data/{place}": f"#!/bin/sh\ntouch {trace}\necho {THIS_PYTHON}\n"}
    project.lock(make_wheel(project.archives, "alpha", files=files), make_wheel(project.archives, "beta"))
    with pytest.raises(EnvironmentFailure) as raised:
        project.having(builder=builder).ensure()
    name = place.rpartition("/")[2]
    own = "requirements.lock:1: alpha==1.0 cannot be installed"  # uv refuses it itself
    ours = f"alpha 1.0 put a program in the place of the environment's {name}"
    assert raised.value.what == (own if builder == "uv" else ours)
    assert not trace.exists()
    assert remains(project) == []
