"""``projrun reproduce`` of runs in containers."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests import images
from tests.cli.conftest import THIS_PYTHON, Workspace
from tests.cli.test_reproduce import away, reproduced, states
from tests.engine import Engine

pytestmark = pytest.mark.slow

BASE = "reproduced:1"


def image_of(document: Any) -> Any:
    """What the verdict says of the image."""
    (environment,) = (one for one in document["verdict"]["layers"] if one["name"] == "environment")
    return next(one for one in environment["findings"] if one["what"] == "image")


def test_a_run_in_a_container_is_had_again_in_its_image(workspace: Workspace, engine: Engine) -> None:
    images.derived(engine, images.SLIM, BASE, {"/which": "one"})
    workspace.repository.write("Dockerfile", f"FROM {BASE}\nCOPY packages /opt/packages\n")
    workspace.repository.write("packages", "one\n")
    workspace.entry_point(
        "cp /opt/packages out.txt", environment="{docker: {file: Dockerfile}}", more="    outputs: [out.txt]\n"
    )
    workspace.publish()
    old = workspace.run("-v", "HEAD")
    key = old["recipe"]["environment"]["key"]
    images.derived(engine, images.SLIM, BASE, {"/which": "another"})  # the name moves, as tags do
    told = reproduced(workspace, old["run"], "--check")
    assert {one["what"]: one["state"] for one in told["needs"]} == {
        "code": "here",
        "image": "here",
        "output": "here",
    }
    document = reproduced(workspace, old["run"])
    found = states(document)
    assert (found["environment"], found["outputs"], found["parameters"]) == ("verified", "verified", "verified")
    assert document["recipe"]["environment"]["key"] == key
    assert image_of(document)["after"] == old["recipe"]["environment"]["container"]["image"]["id"]

    shutil.rmtree(workspace.root)
    shutil.rmtree(workspace.home / "cache")
    engine.api.remove_image(image_of(document)["after"], force=True)
    document = reproduced(workspace, old["run"], cwd=away(workspace))
    assert (states(document)["environment"], states(document)["outputs"]) == ("differs", "verified")
    assert document["recipe"]["environment"]["key"] != key
    assert image_of(document)["message"].startswith("another digest: ")
    assert document["verdict"]["verdict"] == "reproduced"

    engine.api.remove_image(BASE, force=True)
    told = reproduced(workspace, old["run"], "--check", "--offline", code=113, cwd=away(workspace))
    assert [one["what"] for one in told["needs"] if one["state"] == "missing"] == ["image"]
    told = reproduced(workspace, old["run"], "--check", cwd=away(workspace))
    assert [one["what"] for one in told["needs"] if one["state"] == "unknown"] == ["image"]


def contained(workspace: Workspace, command: str) -> None:
    """A project with two environments that are images, and one of this machine, without a lock's packages."""
    workspace.repository.write("empty.lock", "")
    workspace.spec(
        "version: 1\nname: tiny\nenvironments:\n"
        f"  default: {{docker: {{image: '{images.SLIM}'}}}}\n"
        f"  other: {{docker: {{image: '{BASE}'}}, variables: {{WORD: two}}}}\n"
        f"  here: {{python: '{THIS_PYTHON}', lock: empty.lock}}\n"
        f"entry_points:\n  main:\n    command: {json.dumps(command)}\n    shell: true\n    outputs: [out.json]\n"
    )
    workspace.publish()


def test_a_run_in_a_container_is_done_twice_and_in_each_environment_of_the_spec(
    workspace: Workspace, engine: Engine
) -> None:
    images.slim(engine)
    images.derived(engine, images.SLIM, BASE, {"/which": "another"})
    contained(workspace, "test -e /which && echo '[1.5]' >out.json || echo '[1.0]' >out.json")
    done = workspace.projrun("run", "--twice", "--json")
    assert done.code == 0, done.err
    first, second = done.data, done.data["again"]
    assert second["verdict"]["verdict"] == "reproduced"
    assert second["recipe"]["reproduces"]["run"] == first["run"]
    assert image_of(second)["state"] == "verified"
    assert (
        second["recipe"]["environment"]["container"]["image"]
        == first["recipe"]["environment"]["container"]["image"]
    )

    done = workspace.projrun("reproduce", "last", "--environment-matrix", "default,other,here", "--json")
    assert done.code == 10, done.err
    found = {cell["environment"]: cell for cell in done.data["cells"]}
    assert done.data["run"] == first["run"], "the second is a reproduction"
    assert [cell["verdict"]["verdict"] for cell in found.values()] == ["reproduced", "differs", "reproduced"]
    assert found["other"]["verdict"]["candidates"] == ["environment", "parameters"]
    (output,) = found["other"]["verdict"]["outputs"]
    assert output["compared"]["largest_absolute"] == 0.5
    assert "one of the two runs was in a container" in json.dumps(found["here"]["verdict"])

    contained(workspace, "od -An -N4 -tu4 /dev/urandom >out.json")
    done = workspace.projrun("run", "--twice", "--json")
    assert (done.code, done.data["again"]["verdict"]["verdict"]) == (10, "not deterministic")
