"""What every builder promises of a lock that it resolves."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest

from projrun.core.errors import EnvironmentFailure
from projrun.core.values import replace
from projrun.environment import lock
from projrun.environment.builder import Builder, ResolutionRequest
from projrun.environment.interpreters import find
from projrun.environment.pip import Pip
from projrun.environment.requirements import collect
from projrun.environment.resolution import Unlocked
from projrun.environment.uv import Uv
from tests.environment.conftest import THIS_PYTHON, Project
from tests.wheels import lock_of, make_source_distribution, make_wheel

PYPROJECT = """
[project]
name = "mine"
version = "1"
dependencies = ["alpha"]
[project.optional-dependencies]
more = ["beta"]
[dependency-groups]
dev = ["gamma", {include-group = "test"}]
test = ["delta"]
"""


def discard(data: bytes) -> None:
    pass


def resolution(
    project: Project,
    text: str,
    file: str = "requirements.in",
    extras: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
    **asked: Any,
) -> ResolutionRequest:
    """A request for what ``text`` says, in the file of that name."""
    folder = project.root.parent / "aside"
    for path in folder.glob("*"):
        path.unlink()
    folder.mkdir(exist_ok=True)
    project.write(file, text)
    spec = replace(project.spec, extras=extras, groups=groups)
    files = collect(project.root, replace(spec, requirements=file))
    unlocked = Unlocked(project.root, files, find(THIS_PYTHON, project.cache), spec)
    return replace(ResolutionRequest(folder, unlocked.interpreter, unlocked.as_asked()), **asked)


def test_requirements_resolve_to_a_lock_without_addresses_or_paths(builder: Builder, project: Project) -> None:
    alpha = make_wheel(project.archives, "alpha", requires=["beta<2"])
    beta = make_wheel(project.archives, "beta")
    make_wheel(project.archives, "beta", "2.0")
    request = resolution(project, "alpha ; python_version >= '3'\n")
    text = builder.resolve(request, discard)
    assert text == lock_of(alpha, beta)
    assert lock.problems(text, "resolved", request.interpreter.markers) == ()


def test_what_is_there_is_kept_but_for_what_is_to_be_upgraded(builder: Builder, project: Project) -> None:
    old = [make_wheel(project.archives, name) for name in ("alpha", "beta")]
    new = [make_wheel(project.archives, name, "2.0") for name in ("alpha", "beta")]
    asked = "alpha\nbeta\n"

    def resolved(**wishes: Any) -> str:
        return builder.resolve(resolution(project, asked, previous=lock_of(*old), **wishes), discard)

    assert resolved() == lock_of(*old)
    assert resolved(upgrade=("beta",)) == lock_of(old[0], new[1])
    assert resolved(upgrade_all=True) == lock_of(*new)


def test_extras_and_groups_of_a_project_are_asked_for_by_name(builder: Builder, project: Project) -> None:
    alpha, beta, gamma, delta = (
        make_wheel(project.archives, name) for name in ("alpha", "beta", "gamma", "delta")
    )
    text = builder.resolve(resolution(project, PYPROJECT, "pyproject.toml"), discard)
    assert text == lock_of(alpha)
    asked = resolution(project, PYPROJECT, "pyproject.toml", extras=("more",), groups=("dev",))
    assert builder.resolve(asked, discard) == lock_of(alpha, beta, delta, gamma)
    unknown: dict[str, Any]
    for unknown in ({"extras": ("none",)}, {"groups": ("none",)}):
        with pytest.raises(EnvironmentFailure, match="'none'"):
            resolution(project, PYPROJECT, "pyproject.toml", **unknown)


def test_comments_say_who_needs_what_without_a_path(builder: Builder, project: Project) -> None:
    make_wheel(project.archives, "alpha", requires=["beta"])
    make_wheel(project.archives, "beta")
    make_wheel(project.archives, "gamma")
    (project.root / "needs").mkdir()
    project.write("needs/more.in", "gamma\n")
    text = builder.resolve(resolution(project, "alpha\n-r more.in\n", "needs/main.in", annotate=True), discard)
    comments = [row.strip() for row in text.splitlines() if "#" in row]
    assert comments == ["# via -r needs/main.in", "# via alpha", "# via -r needs/more.in"]
    text = builder.resolve(resolution(project, PYPROJECT, "pyproject.toml", annotate=True), discard)
    assert re.findall("# via .*", text) == ["# via mine (pyproject.toml)", "# via alpha"]


def test_a_named_source_distribution_is_resolved_and_others_are_not(builder: Builder, project: Project) -> None:
    gamma = make_source_distribution(project.archives, "gamma")
    assert builder.resolve(resolution(project, "gamma\n", source_distributions=("gamma",)), discard) == lock_of(
        gamma
    )
    with pytest.raises(EnvironmentFailure, match="cannot be resolved"):
        builder.resolve(resolution(project, "gamma\n"), discard)


def test_a_conflict_names_what_is_at_odds_first(builder: Builder, project: Project) -> None:
    make_wheel(project.archives, "alpha", requires=["beta>2"])
    make_wheel(project.archives, "beta")
    make_wheel(project.archives, "beta", "3.0")
    with pytest.raises(EnvironmentFailure, match=r"requirements\.in cannot be resolved") as raised:
        builder.resolve(resolution(project, "alpha\nbeta<2\n"), discard)
    reason = " ".join(raised.value.why.splitlines()[:4])
    assert all(name in reason for name in ("alpha", "beta>2", "beta<2"))
    assert "Traceback" not in raised.value.why
    assert "change requirements.in" in raised.value.hint


def test_an_index_that_does_not_answer_is_said_so(
    builder: Builder, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple/")
    with pytest.raises(EnvironmentFailure, match="cannot be resolved") as raised:
        builder.resolve(resolution(project, "alpha\n"), discard)
    assert "check the network" in raised.value.hint


def test_what_is_being_resolved_is_told_while_it_is(builder: Builder, project: Project) -> None:
    make_wheel(project.archives, "alpha")
    request = resolution(project, "alpha\n")
    written, told = bytearray(), threading.Event()

    def write(data: bytes) -> None:
        written.extend(data)
        if re.search(rb"(Resolving|Collecting) alpha", written):
            told.set()

    project.index.stall()
    resolves = threading.Thread(target=builder.resolve, args=(request, write))
    resolves.start()
    try:
        assert told.wait(timeout=60)
        assert project.index.asked_for_archive.wait(timeout=60)
        assert resolves.is_alive()
    finally:
        project.index.may_send.set()
        resolves.join()


def test_pre_releases_will_do_when_a_line_says_so(builder: Builder, project: Project) -> None:
    make_wheel(project.archives, "alpha")
    newer = make_wheel(project.archives, "alpha", "2.0b1")
    assert builder.resolve(resolution(project, "--pre\nalpha\n"), discard) == lock_of(newer)


def test_what_a_file_limits_and_asks_for_as_well_does_both(builder: Builder, project: Project) -> None:
    alpha = make_wheel(project.archives, "alpha")
    project.write("more.in", "alpha\n")
    assert builder.resolve(resolution(project, "-c more.in\n-r more.in\n"), discard) == lock_of(alpha)


def test_uv_locks_for_every_platform_and_for_some(project: Project) -> None:
    make_wheel(project.archives, "alpha", requires=["beta; sys_platform == 'win32'", "gamma; os_name == 'nt'"])
    make_wheel(project.archives, "beta")
    make_wheel(project.archives, "gamma")
    everywhere = Uv().resolve(resolution(project, "alpha\n", universal=True), discard)
    assert "beta==1.0 ; sys_platform == 'win32'" in everywhere
    some = Uv().resolve(resolution(project, "alpha\n", platforms=("linux-x86_64", "macos-arm64")), discard)
    assert "alpha==1.0 ; " in some
    assert "beta" not in some


@pytest.mark.parametrize("asked", [{"universal": True}, {"platforms": ("macos-arm64",)}, {"python": "3.99"}])
def test_pip_locks_for_its_own_interpreter_and_platform_alone(project: Project, asked: dict[str, Any]) -> None:
    with pytest.raises(EnvironmentFailure, match="builder pip locks for the interpreter and platform") as raised:
        Pip().resolve(resolution(project, "alpha\n", **asked), discard)
    assert raised.value.hint == "projrun lock --builder uv"
