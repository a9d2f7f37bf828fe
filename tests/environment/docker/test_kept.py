"""Environments that are images, as ``projrun env`` keeps, shows, checks and removes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from projrun.core import locks
from projrun.core.engine.model import LOCK_LABEL, RUN_LABEL
from projrun.environment import built, uses
from projrun.environment.docker import marker
from tests import images
from tests.cli.conftest import Done
from tests.engine import Engine
from tests.environment.docker.conftest import Project
from tests.images import PYTHON, SLIM

pytestmark = pytest.mark.slow

SPEC = """version: 1
name: contained
environment:
  docker: {file: Dockerfile}
entry_points:
  main: {command: "true"}
"""


@pytest.fixture
def inside(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a specification and a Dockerfile; we are in its directory, and its cache is the user's."""
    monkeypatch.setenv("PROJRUN_CACHE", str(project.cache))
    project.write(SPEC, "ProjectSpec.yaml")
    project.write(f"FROM {SLIM}\nLABEL of={project.root}\nRUN head -c 16 /dev/urandom > /random\n")
    monkeypatch.chdir(project.root)
    return project


def env(*words: str, code: int = 0) -> Done:
    argv = [sys.executable, "-m", "projrun", "env", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr + done.stdout
    return Done(done.returncode, done.stdout, done.stderr)


def told(*words: str, code: int = 0) -> Any:
    return env(*words, "--json", code=code).data


def test_it_is_built_listed_shown_explained_and_verified(inside: Project) -> None:
    made = told("build")
    key, image = str(made["key"]), str(made["image"])
    assert image.startswith("sha256:")
    assert told("build")["reused"] is True
    [listed] = told("list")["environments"]
    assert (listed["key"], listed["state"], listed["image"]["id"]) == (key, "ready", image)
    assert listed["size"] > inside.engine.api.inspect_image(image)["Size"]
    assert "docker" in env("list").out
    shown = env("show").out
    assert image in shown
    assert "Docker " in shown
    assert "as it was installed" in env("verify").out
    inside.write("# changed\nFROM scratch\n")
    changes = {change["what"] for change in told("explain", key)["changes"]}
    assert {"dockerfile.sha256", "context.sha256"} <= changes
    assert f"bases.{SLIM}" in changes


def test_what_a_run_mounts_need_not_be_there_to_build(inside: Project) -> None:
    mounts = "file: Dockerfile, mounts: [{source: nowhere, target: /x}]"
    inside.write(SPEC.replace("file: Dockerfile", mounts), "ProjectSpec.yaml")
    key = str(told("build")["key"])
    assert key in env("show").out
    argv = [sys.executable, "-m", "projrun", "run", "--dry-run"]
    assert "there is no nowhere" in subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def test_what_is_not_there_any_more_is_found_by_verify_and_made_again(
    inside: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")  # the next builder takes nothing that this one made
    made = told("build")
    monkeypatch.delenv("DOCKER_BUILDKIT")
    image = str(made["image"])
    inside.engine.api.remove_image(image, force=True)
    [listed] = told("list")["environments"]
    assert listed["state"] == "unusable"
    assert "does not have its image" in env("verify", code=113).out
    again = told("build")
    assert again["reused"] is False
    assert again["image"] != image
    assert [flag["code"] for flag in again["flags"]] == ["base-unpinned", "environment-rebuilt"]


def test_a_name_that_was_given_to_another_image_is_found(inside: Project) -> None:
    key = str(told("build")["key"])
    repository, _, tag = marker.tag_of(inside.cache, key).partition(":")
    inside.engine.api.tag(images.slim(inside.engine), repository, tag, force=True)
    assert "is sha256:" in env("verify", code=113).out
    assert told("build")["reused"] is False


def test_packages_that_are_not_as_written_down_are_found(inside: Project) -> None:
    images.python(inside.engine)
    inside.write(f"FROM {PYTHON}\n")
    made = told("build")
    file = Path(str(made["directory"])) / marker.MARKER
    document = json.loads(file.read_text())
    document["distributions"][0]["version"] = "0.0"
    document["packages"].append({"name": "gone", "version": "1", "architecture": "any", "manager": "dpkg"})
    file.write_text(json.dumps(document))
    out = env("verify", code=113).out
    assert "and was 0.0 when it was built" in out
    assert "gone:any 1 is not installed" in out
    assert "--archives" in env("verify", "--archives", code=113).err


def test_removing_takes_the_image_and_leaves_those_of_others(inside: Project) -> None:
    made = told("build")
    key, image = str(made["key"]), str(made["image"])
    directory = Path(str(made["directory"]))
    uses.file_of(directory).parent.mkdir(exist_ok=True)
    with locks.shared(uses.file_of(directory)):
        assert "in use" in env("remove", key, code=113).err
    env("remove", key[:12])
    assert not directory.exists()
    assert ids(inside.engine, image) == []
    inside.write(SPEC.replace("file: Dockerfile", f"image: '{SLIM}'"), "ProjectSpec.yaml")
    other = told("build")
    env("remove", str(other["key"]))
    found = inside.engine.api.inspect_image(SLIM)
    assert found["Id"] == other["image"]
    assert not [tag for tag in found["RepoTags"] if marker.key_of_tag(tag, inside.cache)]


def test_pruning_by_age_takes_the_image_too(inside: Project) -> None:
    image = str(told("build")["image"])
    assert told("prune", "--older-than", "30d")["removed"] == []
    env("prune", "--older-than", "0s")
    assert ids(inside.engine, image) == []
    assert told("list")["environments"] == []


def ids(engine: Engine, image: str) -> list[str]:
    return [one["Id"] for one in engine.api.images() if one["Id"] == image]


def test_pruning_removes_strays_and_only_those_of_this_cache(inside: Project, tmp_path: Path) -> None:
    image = str(told("build")["image"])
    own, held, other = (
        tmp_path / name for name in ("cache/containers/a", "cache/containers/b", "else/containers/c")
    )
    for lock in (own, held, other):
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    made = {
        lock: container(inside.engine, image, {LOCK_LABEL: str(lock), RUN_LABEL: "r"})
        for lock in (own, held, other)
    }
    made[tmp_path] = container(inside.engine, image, {"somebody.else": "1"})
    strange = ("d" * 64, "e" * 64)
    tags = [
        marker.tag_of(cache, key) for cache, key in zip((inside.cache, tmp_path / "else"), strange, strict=True)
    ]
    for tag in tags:
        inside.engine.api.tag(images.slim(inside.engine), *tag.split(":"))
    try:
        with locks.exclusive(held, holder="a run"):
            listed = told("prune", "--dry-run")["strays"]
            assert listed == told("prune", "--dry-run")["strays"]
            assert {(one["kind"], one["name"]) for one in listed} == {
                ("container", name_of(made[own], inside.engine)),
                ("image", tags[0]),
            }
            out = env("prune").out
        assert "container" in out
        left = set(inside.engine.containers())
        assert made[own] not in left
        assert [lock.exists() for lock in (own, held, other)] == [False, True, True]
        assert {made[held], made[other], made[tmp_path]} <= left
        assert inside.engine.api.images(tags[1])
        assert not inside.engine.api.images(tags[0])
        assert told("build")["reused"] is True
        assert built.directory_of(inside.cache, str(told("build")["key"])).exists()
    finally:
        for one in made.values():
            if one in inside.engine.containers():
                inside.engine.api.remove_container(one, force=True)
        inside.engine.api.remove_image(tags[1])


def test_pruning_removes_the_locks_of_runs_whose_engine_died(inside: Project) -> None:
    image = str(told("build")["image"])
    left, held, named, new = (inside.cache / "containers" / f"{name}.lock" for name in ("l", "h", "n", "new"))
    left.parent.mkdir(exist_ok=True)
    for lock in (left, held, named, new):
        lock.touch()
        if lock is not new:
            os.utime(lock, (0, 0))
    made = container(inside.engine, image, {LOCK_LABEL: str(named), RUN_LABEL: "n"})
    try:
        with locks.exclusive(held, holder=""):
            strays = told("prune", "--dry-run")["strays"]
            assert [(one["kind"], one["run"]) for one in strays] == [("container", "n"), ("lock", "l")]
            assert "lock l.lock of run l" in env("prune").out
        assert [lock.exists() for lock in (left, held, named, new)] == [False, True, False, True]
    finally:
        if made in inside.engine.containers():
            inside.engine.api.remove_container(made, force=True)


def name_of(container: str, engine: Engine) -> str:
    return str(engine.api.inspect_container(container)["Name"]).lstrip("/")


def container(engine: Engine, image: str, labels: dict[str, str]) -> str:
    return str(engine.api.create_container(image, ["true"], labels=labels)["Id"])


def test_without_an_engine_the_rest_is_listed_and_pruned(
    inside: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told("build")
    left = inside.cache / "environments" / f".building-{'a' * 64}-00"
    left.mkdir()
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    [listed] = told("list")["environments"]
    assert "no container engine" in listed["reason"]
    pruned = env("prune")
    assert "no container engine" in pruned.err
    assert not left.exists()
    monkeypatch.setenv("PROJRUN_CACHE", str(tmp_path / "empty"))
    assert "engine" not in env("prune").err
