"""What a plan says before anything is built: key, reason, flags."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import pytest

from projrun.core.errors import EnvironmentFailure
from projrun.core.locks import exclusive
from projrun.core.report import Silent
from projrun.core.values import replace
from projrun.environment.build import ensure
from projrun.environment.check import check
from projrun.environment.faults import examine
from projrun.environment.key import inputs_of_lock, key_of
from projrun.environment.plan import plan
from projrun.spec.model import EnvironmentSpec
from tests.environment.conftest import Project, Recorded
from tests.wheels import lock_of, make_wheel


def test_the_key_changes_with_all_that_goes_into_an_environment(project: Project) -> None:
    project.lock(text="")
    interpreter = project.plan().interpreter
    machine = {**interpreter.markers, "platform_machine": "other"}
    keys = [
        key_of(inputs_of_lock(interpreter, "a", "uv", ())),
        key_of(inputs_of_lock(interpreter, "b", "uv", ())),
        key_of(inputs_of_lock(interpreter, "a", "pip", ())),
        key_of(inputs_of_lock(interpreter, "a", "uv", ("x",))),
        *(
            key_of(inputs_of_lock(other, "a", "uv", ()))
            for other in (
                replace(interpreter, version="3.99.0"),
                replace(interpreter, implementation="pypy"),
                replace(interpreter, soabi="other"),
                replace(interpreter, platform="other"),
                replace(interpreter, markers=machine),
            )
        ),
    ]
    assert len(set(keys)) == len(keys)


def test_the_key_does_not_depend_on_where_things_are(project: Project) -> None:
    project.lock(text="")
    interpreter = project.plan().interpreter
    elsewhere = replace(interpreter, path=Path("/elsewhere/python"))
    assert inputs_of_lock(interpreter, "a", "uv", ("b", "a")) == inputs_of_lock(elsewhere, "a", "uv", ("a", "b"))


def test_a_plan_says_why_it_must_be_built(project: Project) -> None:
    project.lock(text="")
    planned = project.plan()
    assert planned.reason == "it was never built here"
    assert planned.key == key_of(planned.inputs)
    assert (planned.lock_origin, planned.lock_path) == ("file", "requirements.lock")
    assert planned.flags == ()


def test_a_range_of_versions_is_flagged(project: Project) -> None:
    project.lock(text="")
    assert [flag.code for flag in project.having(python=">=3.10").plan().flags] == ["interpreter-range"]


def test_a_lock_out_of_step_is_flagged_with_the_place_and_the_command(project: Project) -> None:
    (project.root / "base").mkdir()
    project.write("requirements.in", "alpha>=2\n-r base/more.in\n-c constraints.txt\n")
    project.write("base/more.in", 'beta\ngone ; sys_platform == "win32"\n')
    project.write("constraints.txt", "alpha<1\nunused>3\n")
    alpha = make_wheel(project.archives, "alpha")
    project.lock(alpha)
    with_requirements = project.having(requirements="requirements.in")
    for _ in range(2):  # the second answer is remembered
        flags = with_requirements.plan().flags
        assert [(flag.code, flag.message) for flag in flags] == [
            (
                "lock-out-of-step",
                "requirements.in:1:1: alpha>=2 is asked for, but requirements.lock:1 pins 1.0",
            ),
            ("lock-out-of-step", "base/more.in:1:1: beta is not in requirements.lock"),
            (
                "lock-out-of-step",
                "constraints.txt:1:1: alpha<1 is asked for, but requirements.lock:1 pins 1.0",
            ),
        ]
        assert flags[0].mend == with_requirements.spec.compile_command
    project.write("requirements.in", "alpha\n")
    assert with_requirements.plan().flags == ()


def test_a_pyproject_can_be_the_requirements(project: Project) -> None:
    project.write("pyproject.toml", '[project]\nname = "x"\ndependencies = [\n  "alpha",\n  "beta>1",\n]\n')
    project.lock(make_wheel(project.archives, "alpha"))
    flags = project.having(requirements="pyproject.toml").plan().flags
    assert [flag.message for flag in flags] == ["pyproject.toml:5:1: beta is not in requirements.lock"]
    project.write("pyproject.toml", "[project")
    with pytest.raises(EnvironmentFailure, match=r"pyproject\.toml is not TOML"):
        project.having(requirements="pyproject.toml").plan()


def test_requirements_without_a_lock_are_resolved_once_and_flagged(project: Project) -> None:
    alpha = make_wheel(project.archives, "alpha", requires=["beta"])
    beta = make_wheel(project.archives, "beta")
    project.write("requirements.in", "alpha\n")
    unlocked = project.having(lock=None, requirements="requirements.in")
    dry = plan(unlocked.spec, project.root, project.means, Silent(), resolve=False)
    assert (dry.key, dry.lock_text, dry.reason) == ("", None, "its lock is not resolved yet")
    with pytest.raises(EnvironmentFailure, match="no lock yet"):
        ensure(dry, project.means, Silent())
    assert project.index.requests == []

    first = unlocked.ensure()
    assert [one.name for one in first.installed] == ["alpha", "beta"]
    assert first.plan.lock_text == lock_of(alpha, beta)
    assert first.plan.lock_origin == "resolved"
    assert first.plan.requirements_text == "alpha\n"
    assert [flag.code for flag in first.plan.flags] == ["lock-missing"]
    assert first.plan.flags[0].mend.startswith(unlocked.spec.compile_command)

    make_wheel(project.archives, "alpha", "2.0")
    again = unlocked.ensure()
    assert again.reused
    assert again.plan.lock_text == first.plan.lock_text
    assert plan(unlocked.spec, project.root, project.means, Silent(), resolve=False).key == again.plan.key


def test_extras_and_groups_belong_to_what_is_resolved(project: Project) -> None:
    for name in ("alpha", "plot", "testing"):
        make_wheel(project.archives, name)
    project.write(
        "pyproject.toml",
        '[project]\nname = "x"\nversion = "1"\ndependencies = ["alpha"]\n'
        '[project.optional-dependencies]\ndraw = ["plot"]\n'
        '[dependency-groups]\ntest = ["testing"]\n',
    )
    plain = project.having(lock=None, requirements="pyproject.toml")
    assert [one.name for one in plain.ensure().installed] == ["alpha"]
    chosen = plain.having(extras=("draw",), groups=("test",))
    assert [one.name for one in chosen.ensure().installed] == ["alpha", "plot", "testing"]
    assert chosen.plan().key != plain.plan().key


def test_who_waits_for_a_resolution_is_told_for_whom(project: Project) -> None:
    make_wheel(project.archives, "alpha")
    project.write("requirements.in", "alpha\n")
    unlocked = project.having(lock=None, requirements="requirements.in")
    unlocked.plan()
    (kept,) = (project.cache / "resolutions").glob("*.json")
    kept.unlink()
    held = contextlib.ExitStack()

    class Impatient(Recorded):
        def phase(self, name: str, text: str) -> None:
            super().phase(name, text)
            held.close()

    report = Impatient()
    with held:
        held.enter_context(exclusive(kept.with_suffix(".lock"), holder="process 12"))
        plan(unlocked.spec, project.root, project.means, report)
    assert report.phases[0] == "waiting for process 12, which resolves the same requirements"


def test_requirements_that_cannot_be_resolved_say_why(project: Project) -> None:
    make_wheel(project.archives, "alpha")
    project.write("requirements.in", "alpha>3\n")
    with pytest.raises(EnvironmentFailure, match=r"requirements\.in cannot be resolved") as raised:
        project.having(lock=None, requirements="requirements.in").plan()
    assert "only alpha==1.0 is available and you require alpha>3" in raised.value.why
    assert f"--python-version {project.spec.python}" in raised.value.hint


def test_requirements_that_cannot_be_locked_are_refused_in_their_place(project: Project) -> None:
    project.write("requirements.in", "alpha\n-e .\nbeta @ git+https://host.invalid/beta\n./gamma\n")
    with pytest.raises(EnvironmentFailure, match=r"requirements\.in cannot be locked") as raised:
        project.having(lock=None, requirements="requirements.in").plan()
    assert [line.partition(": ")[0] for line in raised.value.why.splitlines()] == [
        "requirements.in:2:1",
        "requirements.in:3:1",
        "requirements.in:4:1",
    ]
    assert project.index.requests == []


def test_a_lock_that_is_not_hashed_is_refused_before_anything_is_built(project: Project) -> None:
    project.lock(text="alpha==1.0\n")
    with pytest.raises(EnvironmentFailure, match=r"requirements\.lock cannot be used as a lock") as raised:
        project.plan()
    assert raised.value.why == "requirements.lock:1:1: alpha has no hash"
    assert raised.value.hint == f"compile it again: {project.spec.compile_command}"
    assert project.index.requests == []


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "There is no such file"), (b"\xff\xfe", "requirements.lock:1"), (b"#" * 10_000_001, "10,000,000")],
)
def test_a_lock_that_cannot_be_read_is_said_so(project: Project, content: bytes | None, message: str) -> None:
    if content is not None:
        (project.root / "requirements.lock").write_bytes(content)
    with pytest.raises(EnvironmentFailure, match=r"lock requirements\.lock") as raised:
        project.plan()
    assert message in raised.value.why


def test_a_lock_that_is_called_nearly_so_is_pointed_out(project: Project) -> None:
    project.write("requirments.lock", "")
    with pytest.raises(EnvironmentFailure) as raised:
        project.plan()
    assert raised.value.hint.startswith("did you mean 'requirments.lock'? else: ")


@pytest.mark.parametrize("requirements", [None, "requirements.in"])
def test_how_a_missing_lock_is_made_is_said_by_a_run_and_by_a_strict_one(
    project: Project, requirements: str | None
) -> None:
    project.write("requirements.in", "")
    named = project.having(requirements=requirements, name="lite")
    with pytest.raises(EnvironmentFailure) as raised:
        named.plan()
    hints = [raised.value.hint]
    _, flags = examine(named.spec, project.root, project.means, project.report)
    hints += [flag.mend for flag in flags if "requirements.lock" in flag.message]
    assert len(hints) == 2
    for hint in hints:
        assert hint.endswith("projrun lock --environment lite")
        assert hint.startswith("write what the programs import") == (requirements is None)


@pytest.mark.parametrize(("lock", "requirements"), [("pipe", None), ("requirements.lock", "pipe")])
def test_a_pipe_is_refused_and_not_waited_for(project: Project, lock: str, requirements: str | None) -> None:
    project.lock(text="")
    os.mkfifo(project.root / "pipe")
    with pytest.raises(EnvironmentFailure, match="pipe cannot be read") as raised:
        project.having(lock=lock, requirements=requirements).plan()
    assert raised.value.why == "it is a pipe and not a file"
    assert "did you mean" not in raised.value.hint


def test_an_include_that_leaves_the_project_is_refused(project: Project) -> None:
    project.lock(text="")
    project.write("requirements.in", "-r ../outside.in\n")
    with pytest.raises(EnvironmentFailure, match="not inside the project"):
        project.having(requirements="requirements.in").plan()


def test_includes_that_include_each_other_end(project: Project) -> None:
    project.lock(text="")
    project.write("a.in", "-r b.in\n")
    project.write("b.in", "-r a.in\n")
    assert project.having(requirements="a.in").plan().flags == ()


def test_a_project_without_needs_is_refused_with_what_to_write(project: Project) -> None:
    with pytest.raises(EnvironmentFailure, match="does not say what it needs"):
        project.having(lock=None).plan()


def test_the_systems_interpreter_is_the_callers_first_and_flagged(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python3").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin")
    system = project.having(python=None, lock=None, system=True)
    environment = system.ensure()
    assert environment.plan.kind == "system"
    assert environment.plan.interpreter.path == Path(sys.executable).resolve()
    assert environment.bin == folder
    assert environment.plan.interpreter.version == sys.version.split()[0]
    assert [flag.code for flag in environment.plan.flags] == ["system-environment"]
    assert project.index.requests == []


def test_the_packages_of_an_active_virtual_environment_are_the_systems(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.lock(make_wheel(project.archives, "alpha"))
    active = project.ensure()
    monkeypatch.setenv("PATH", f"{active.bin}:/usr/bin")
    environment = project.having(python=None, lock=None, system=True).ensure()
    assert environment.bin == active.bin
    assert ("alpha", "1.0") in [(one.name, one.version) for one in environment.installed]
    assert environment.installed == tuple(replace(one, archive="") for one in active.installed)
    assert environment.plan.interpreter.path == active.plan.interpreter.path


def test_a_shim_counts_as_what_it_starts_in_the_project(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shims = tmp_path / "shims"
    shims.mkdir()
    shim = shims / "python3"
    shim.write_text(f'#!/bin/sh\n[ -f .python-version ] || exit 127\nexec {sys.executable} "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(shims))
    system = project.having(python=None, lock=None, system=True)
    with pytest.raises(EnvironmentFailure, match="no Python on PATH"):
        system.plan()
    project.write(".python-version", "x")
    assert system.ensure().bin == Path(sys.executable).parent


def test_check_lists_the_locks_problems_in_place(project: Project) -> None:
    assert check(project.spec, project.root, project.cache) == ()
    project.lock(text="alpha==1.0\n-e .\n")
    found = check(project.spec, project.root, project.cache)
    assert [problem.place for problem in found] == ["requirements.lock:1:1", "requirements.lock:2:1"]
    project.lock(make_wheel(project.archives, "alpha"))
    project.write("requirements.in", "beta\n")
    spec = EnvironmentSpec(python="3.99", lock="requirements.lock", requirements="requirements.in")
    assert [one.place for one in check(spec, project.root, project.cache)] == ["requirements.in:1:1"]
