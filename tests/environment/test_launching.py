from __future__ import annotations

import os
from pathlib import Path

import pytest

from projrun.core.errors import EnvironmentFailure
from projrun.core.values import replace
from projrun.environment.launching import Launch, Places, Wish, launch, seen
from projrun.environment.model import Container, Mount
from projrun.spec.model import DockerMount, DockerSpec, EnvironmentSpec
from tests.recipe import parts

IN_A_CONTAINER = parts.container_parts().environment


def wish(root: Path, **changes: object) -> Wish:
    (root / "run").mkdir(exist_ok=True)
    (root / "project").mkdir(exist_ok=True)
    return replace(Wish("abc", Places(root / "project", root / "run"), {}, cache=root / "cache"), **changes)


def started(root: Path, docker: DockerSpec | None = None, **changes: object) -> Launch:
    return launch(
        IN_A_CONTAINER, EnvironmentSpec(docker=docker or DockerSpec(file="Dockerfile")), wish(root, **changes)
    )


def container(root: Path, docker: DockerSpec | None = None, **changes: object) -> Container:
    found = started(root, docker, **changes).container
    assert found is not None
    return found


def test_here_a_program_sees_the_places_as_they_are_and_in_a_container_always_the_same(tmp_path: Path) -> None:
    places = Places(tmp_path / "project", tmp_path / "run")
    assert seen(parts.ENVIRONMENT, places) == places
    assert seen(IN_A_CONTAINER, places) == Places(Path("/project"), Path("/projrun/run"))


def test_here_there_is_no_container(tmp_path: Path) -> None:
    found = launch(parts.ENVIRONMENT, EnvironmentSpec(), wish(tmp_path, terminals=("stdout",)))
    assert (found.container, found.cwd, found.terminals) == (None, str(tmp_path / "project"), ("stdout",))


def test_the_project_and_the_run_are_writable_and_inputs_are_not(tmp_path: Path) -> None:
    (tmp_path / "project" / "data").mkdir(parents=True)
    (tmp_path / "project" / "data" / "x").touch()
    (tmp_path / "project" / "link").symlink_to("data/x")
    found = container(
        tmp_path, inputs=("data/x", "link", "out/model", "state", "."), products=("out", "state/new")
    )
    assert found.mounts == (
        Mount(str(tmp_path / "project"), "/project", writable=True),
        Mount(str(tmp_path / "run"), "/projrun/run", writable=True),
        Mount(str(tmp_path / "project" / "data" / "x"), "/project/data/x"),
    )


def test_one_file_is_mounted_once_however_often_it_is_an_input(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "x").touch()
    assert len(container(tmp_path, inputs=("x", "./x", "x")).mounts) == 3


def test_what_lies_outside_is_mounted_as_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "images").mkdir()
    docker = DockerSpec(
        file="a", mounts=(DockerMount("~/images", "/i"), DockerMount("../images", "/j", writable=True))
    )
    assert container(tmp_path, docker).mounts[2:] == (
        Mount(str(tmp_path / "images"), "/i"),
        Mount(str(tmp_path / "images"), "/j", writable=True),
    )
    for nowhere in ("/nowhere", "~nobody-of-that-name/x"):
        with pytest.raises(EnvironmentFailure, match=f"there is no {nowhere}") as raised:
            container(tmp_path, DockerSpec(file="a", mounts=(DockerMount(nowhere, "/i"),)))
        assert "docker.mounts" in raised.value.hint


def test_the_network_is_closed_for_the_record_unless_the_spec_opens_it(tmp_path: Path) -> None:
    assert container(tmp_path).network == "bridge"
    assert container(tmp_path, strict=True).network == "none"
    assert container(tmp_path, DockerSpec(file="a", network="host"), strict=True).network == "host"


def test_the_caller_owns_what_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1234)
    monkeypatch.setattr(os, "getgid", lambda: 99)
    assert container(tmp_path).user == "1234:99"
    assert container(tmp_path, DockerSpec(file="a", user="app")).user == "app"
    assert IN_A_CONTAINER.image is not None
    rootless = replace(IN_A_CONTAINER, image=replace(IN_A_CONTAINER.image, rootless=True))
    found = launch(rootless, EnvironmentSpec(docker=DockerSpec(file="a")), wish(tmp_path)).container
    assert found is not None
    assert found.user == "0:0"


def test_of_the_callers_variables_only_who_and_the_screen_come_into_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "SHELL", "HOME", "OTHER"):
        monkeypatch.setenv(name, "the caller's")
    monkeypatch.setenv("USER", "ada")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("LOGNAME", raising=False)
    spec = EnvironmentSpec(docker=DockerSpec(file="a"), variables={"A": "1"}, inherit=("OTHER",))
    found = launch(IN_A_CONTAINER, spec, wish(tmp_path, offered={"PROJRUN_RUN_ID": "abc"})).variables
    assert found == {
        "USER": "ada",
        "TERM": "xterm",
        "NO_COLOR": "1",
        "HOME": "/projrun/home",
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        "OTHER": "the caller's",
        "A": "1",
        "PROJRUN_RUN_ID": "abc",
    }


def test_a_container_has_no_terminal_and_is_known_by_its_run(tmp_path: Path) -> None:
    launched = started(tmp_path, terminals=("stdout", "stderr"))
    assert (launched.terminals, launched.cwd) == ((), "/project")
    found = container(tmp_path)
    assert found.name == "projrun-abc"
    assert found.labels == {"projrun.run": "abc", "projrun.lock": found.lock}
    assert found.entrypoint == ("tini", "--")


@pytest.mark.parametrize(
    ("declared", "of_image", "found"),
    [({}, {}, "/s"), ({"PYTHONPATH": "a"}, {"PYTHONPATH": "/b"}, "/s:a"), ({}, {"PYTHONPATH": "/b"}, "/s:/b")],
)
def test_the_start_up_folder_goes_before_the_spec_s_places_and_the_image_s(
    tmp_path: Path, declared: dict[str, str], of_image: dict[str, str], found: str
) -> None:
    built = IN_A_CONTAINER.image
    assert built is not None
    image = replace(built, image=replace(built.image, variables=of_image))
    spec = EnvironmentSpec(docker=DockerSpec(file="Dockerfile"), variables=declared)
    launched = launch(replace(IN_A_CONTAINER, image=image), spec, wish(tmp_path, start_up="/s"))
    assert launched.variables["PYTHONPATH"] == found
