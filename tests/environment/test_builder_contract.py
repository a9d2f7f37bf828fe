"""What every builder promises. A new builder is one more name in the list."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from projrun.core.errors import EnvironmentFailure
from projrun.environment import installed, lock
from projrun.environment.builder import Builder, BuildRequest, ResolutionRequest
from projrun.environment.builders import BUILDERS, builder_named
from projrun.environment.interpreters import find
from tests.environment.conftest import THIS_PYTHON, Project
from tests.wheels import lock_of, make_source_distribution, make_wheel, sha256_of


@pytest.fixture(params=["uv", "pip"])
def builder(request: pytest.FixtureRequest) -> Builder:
    return builder_named(str(request.param))


def build_request(project: Project, text: str, *source_distributions: str) -> BuildRequest:
    folder = project.root / "aside"
    folder.mkdir()
    return BuildRequest(
        folder=folder,
        interpreter=find(THIS_PYTHON, project.cache),
        lock_text=text,
        lock_file="some.lock",
        lines=lock.parse(text, "some.lock"),
        source_distributions=source_distributions,
    )


def discard(data: bytes) -> None:
    pass


def installed_in(directory: Path) -> list[str]:
    return [one.name for one in installed.read([installed.site_packages(directory, THIS_PYTHON)])]


def test_every_builder_is_held_to_the_contract() -> None:
    assert set(BUILDERS) == {"uv", "pip"}


def test_its_name_and_version_can_be_recorded(builder: Builder) -> None:
    assert BUILDERS[builder.name] is builder
    assert re.match(r"\d+\.\d+", builder.version())


def test_the_environment_holds_the_lines_that_apply_and_nothing_else(builder: Builder, project: Project) -> None:
    alpha, beta = make_wheel(project.archives, "alpha"), make_wheel(project.archives, "beta")
    text = lock_of(alpha) + lock_of(beta).replace(" \\", ' ; sys_platform == "win32" \\')
    written: list[bytes] = []
    directory = builder.create(build_request(project, text), written.append).directory
    assert installed_in(directory) == ["alpha"]
    assert b"".join(written)


def test_the_environment_can_be_renamed(builder: Builder, project: Project) -> None:
    wheel = make_wheel(project.archives, "alpha", scripts={"say-alpha": "alpha:main"})
    directory = builder.create(build_request(project, lock_of(wheel)), discard).directory
    moved = directory.rename(project.root / "a folder elsewhere")
    for words in (["say-alpha"], ["python", "-c", "import alpha; alpha.main()"]):
        program = moved / "bin" / words[0]
        done = subprocess.run([program, *words[1:]], capture_output=True, text=True, check=True)
        assert done.stdout == "alpha 1.0\n"


def test_the_environment_is_of_exactly_the_interpreter(builder: Builder, project: Project) -> None:
    request = build_request(project, "")
    directory = builder.create(request, discard).directory
    assert (directory / "bin" / "python").resolve() == request.interpreter.path
    assert "include-system-site-packages = false" in (directory / "pyvenv.cfg").read_text()


def test_no_file_has_a_second_name(builder: Builder, project: Project) -> None:
    directory = builder.create(
        build_request(project, lock_of(make_wheel(project.archives, "alpha"))), discard
    ).directory
    assert {path.lstat().st_nlink for path in directory.rglob("*") if path.is_file()} == {1}


def test_a_wrong_hash_is_refused_and_nothing_of_it_installed(builder: Builder, project: Project) -> None:
    wheel = make_wheel(project.archives, "alpha")
    request = build_request(project, lock_of(wheel).replace(sha256_of(wheel), "0" * 64))
    with pytest.raises(EnvironmentFailure, match=r"some\.lock:1: alpha==1\.0: the archive is not"):
        builder.create(request, discard)
    assert not list(request.folder.rglob("alpha*"))


def test_a_source_distribution_is_refused_unless_named(builder: Builder, project: Project) -> None:
    text = lock_of(make_source_distribution(project.archives, "gamma"))
    with pytest.raises(EnvironmentFailure, match=r"some\.lock:1: gamma==1\.0 has no wheel"):
        builder.create(build_request(project, text), discard)


def test_a_named_source_distribution_is_built_and_others_are_not(builder: Builder, project: Project) -> None:
    gamma = make_source_distribution(project.archives, "gamma")
    delta = make_source_distribution(project.archives, "delta-x")
    alpha = make_wheel(project.archives, "alpha")
    directory = builder.create(build_request(project, lock_of(alpha, gamma), "Gamma"), discard).directory
    assert installed_in(directory) == ["alpha", "gamma"]
    directory.parent.rename(project.root / "first")
    refused = f"delta-x==1.0 --hash=sha256:{sha256_of(delta)}\n"
    with pytest.raises(EnvironmentFailure, match=r"some\.lock:\d: "):
        builder.create(build_request(project, lock_of(gamma) + refused, "gamma"), discard)


def test_requirements_resolve_to_a_lock_without_addresses_or_paths(builder: Builder, project: Project) -> None:
    alpha = make_wheel(project.archives, "alpha", requires=["beta<2"])
    beta = make_wheel(project.archives, "beta")
    make_wheel(project.archives, "beta", "2.0")
    project.write("requirements.in", "alpha\n")
    folder = project.root / "aside"
    folder.mkdir()
    request = ResolutionRequest(
        folder, find(THIS_PYTHON, project.cache), project.root / "requirements.in", "requirements.in"
    )
    text = builder.resolve(request, discard)
    assert text == lock_of(alpha, beta)
    assert lock.problems(text, "resolved", request.interpreter.markers) == ()


def test_an_index_that_does_not_answer_is_said_so(
    builder: Builder, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple/")
    text = lock_of(make_wheel(project.archives, "alpha"))
    with pytest.raises(EnvironmentFailure, match="cannot be installed") as raised:
        builder.create(build_request(project, text), discard)
    assert "check the network" in raised.value.hint
