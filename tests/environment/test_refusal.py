"""What is told when a builder's tool fails: the reason first, the culprit by its line, and what to type next."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from projrun.core.errors import EnvironmentFailure
from projrun.environment import lock, refusal
from projrun.environment.asked import Asked
from projrun.environment.builder import Builder, BuildRequest, ResolutionRequest
from projrun.environment.builders import builder_named
from projrun.environment.interpreters import find
from projrun.environment.pip_errors import Said, diagnosis
from projrun.environment.refusal import Cause, Diagnosis
from tests.environment.conftest import THIS_PYTHON, Project
from tests.environment.test_builder_contract import build_request
from tests.environment.test_resolution import resolution
from tests.wheels import lock_of, make_wheel, remake

INFO = "alpha-1.0.dist-info"
OLD = [f"cp2{minor}-cp2{minor}m-win32" for minor in range(8)]


def out_of_the_environment(files: dict[str, bytes]) -> None:
    files["../../../../../outside.txt"] = b""
    files[f"{INFO}/RECORD"] += b"../../../../../outside.txt,,\n"


def no_text(files: dict[str, bytes]) -> None:
    files[f"{INFO}/METADATA"] = files[f"{INFO}/METADATA"].replace(b"1.0", b"\xff\xfe")


def long_field(files: dict[str, bytes]) -> None:
    files[f"{INFO}/RECORD"] += b"x" * 140_000 + b",,\n"


def no_requirement(files: dict[str, bytes]) -> None:
    files[f"{INFO}/METADATA"] += b"Requires-Dist: this is !! none\n"


def a_script_named_python(files: dict[str, bytes]) -> None:
    files[f"{INFO}/entry_points.txt"] = b"[console_scripts]\npython = alpha:main\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "change", "what", "why"),
    [
        ("uv", a_script_named_python, "some.lock:1: alpha==1.0 cannot", "reserved name `python`"),
        ("uv", no_text, "some.lock:1: alpha==1.0 has invalid metadata", "Invalid package version"),
        ("pip", out_of_the_environment, "some.lock:1: alpha==1.0 cannot", "outside the target directory"),
        ("pip", no_text, "some.lock:1: alpha==1.0 has invalid metadata", "Error decoding metadata"),
        ("pip", long_field, "some.lock cannot", "_csv.Error: field larger than field limit"),
        ("pip", no_requirement, "some.lock:1: alpha==1.0 has invalid metadata", "the metadata of alpha 1.0 is"),
    ],
)
def test_a_defective_wheel_is_named_with_what_is_wrong_and_what_to_try(
    project: Project, name: str, change: Callable[[dict[str, bytes]], None], what: str, why: str
) -> None:
    wheel = remake(make_wheel(project.archives, "alpha"), change)
    written: list[bytes] = []
    with pytest.raises(EnvironmentFailure) as raised:
        builder_named(name).create(build_request(project, lock_of(wheel)), written.append)
    error = raised.value
    assert error.what.startswith(what)
    assert why in error.why.splitlines()[0]
    assert f"--builder {'pip' if name == 'uv' else 'uv'}" in error.hint
    assert "projrun lock" in error.hint
    assert why.encode() in b"".join(written)
    assert b"Traceback" not in b"".join(written)


@pytest.mark.parametrize("change", [no_text, no_requirement])
def test_invalid_metadata_is_the_reason_of_a_resolution_too(
    builder: Builder, project: Project, change: Callable[[dict[str, bytes]], None]
) -> None:
    remake(make_wheel(project.archives, "alpha"), change)
    with pytest.raises(EnvironmentFailure) as raised:
        builder.resolve(resolution(project, "alpha\n"), lambda data: None)
    assert "metadata" in raised.value.why.splitlines()[0]


def test_a_conflict_is_told_before_versions_that_were_withdrawn_and_archives_that_do_not_fit(
    builder: Builder, project: Project
) -> None:
    make_wheel(project.archives, "alpha", "2.2", requires=["beta>=1.22"])
    for version, tag in itertools.product(("1.19", "1.20", "1.22"), (*OLD, "py3-none-any")):
        make_wheel(project.archives, "beta", version, tag=tag)
    project.index.yanked = {f"beta-1.19-{tag}.whl" for tag in (*OLD, "py3-none-any")}
    written: list[bytes] = []
    with pytest.raises(EnvironmentFailure) as raised:
        builder.resolve(resolution(project, "# what we need\nalpha==2.2\nbeta==1.20\n"), written.append)
    first = " ".join(raised.value.why.splitlines()[:4])
    assert all(text in first for text in ("beta>=1.22", "beta==1.20", "alpha"))
    assert "win32" not in raised.value.why
    told = b"".join(written).decode()
    assert "Traceback" not in told
    assert "projrun-asked" not in told + raised.value.why
    if builder.name == "pip":
        assert "requirements.in (line 2)" in first


def test_of_archives_that_do_not_fit_those_of_the_version_that_is_asked_for_are_told(
    builder: Builder, project: Project
) -> None:
    for version, tag in itertools.product(("1.19", "1.20", "1.21"), OLD):
        make_wheel(project.archives, "beta", version, tag=tag)
    for number in range(9):
        make_wheel(project.archives, "beta", f"2.{number}")
    make_wheel(project.archives, "beta", "0.1")
    project.index.yanked = {"beta-0.1-py3-none-any.whl"}
    with pytest.raises(EnvironmentFailure) as raised:
        builder.resolve(resolution(project, "beta==1.20\n"), lambda data: None)
    reason = raised.value.why
    assert "beta==1.20" in reason.splitlines()[0]
    assert "1.19" not in reason
    assert "1.21" not in reason
    if builder.name == "pip":
        assert "(from versions: ..., 2.4, 2.5, 2.6, 2.7, 2.8)" in reason
        assert "beta-1.20-cp20-cp20m-win32.whl: none of the wheel's tags" in reason
        assert "and 3 more archives that do not fit\nIgnored the following yanked versions: 0.1" in reason


def test_of_a_range_the_newest_that_does_not_fit_is_told() -> None:
    log = "".join(
        f"  Skipping link: none of the wheel's tags (x) are compatible (run pip debug --verbose to show compatible"
        f" tags): http://host.invalid/beta-{version}-x.whl#sha256=0 (from y)\n"
        for version in ("1.9", "1.10", "1.2", "2.0", "not.a-version")
    )
    for asked in (
        "beta<2",
        "beta<2 (from -r a.in (line 1))",
        "beta[x]<2; python_version > '3' (from versions: none)",
    ):
        output = f"ERROR: Could not find a version that satisfies the requirement {asked}\n"
        found, untold = diagnosis(Said(output, log, offline=False))
        assert untold == "beta-1.10-x.whl: none of the wheel's tags (x) are compatible"
        assert found.cause is Cause.NO_WHEEL


@pytest.mark.parametrize("cause", Cause)
def test_whatever_went_wrong_there_is_something_to_type(project: Project, tmp_path: Path, cause: Cause) -> None:
    interpreter = find(THIS_PYTHON, project.cache)
    lines = lock.parse(f"alpha==1.0 --hash=sha256:{'0' * 64}\n", "some.lock")
    build = BuildRequest(tmp_path, interpreter, "", "some.lock", lines)
    for culprits in ((), lines):
        found = Diagnosis(cause, "a reason", culprits)
        assert refusal.not_installed(found, build, "pip").hint
        assert refusal.not_looked_up(found).hint
        request = ResolutionRequest(tmp_path, interpreter, Asked("requirements.in", ()))
        assert refusal.not_resolved(found, request, "uv pip compile").hint
