"""``projrun reproduce`` of runs in containers."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from tests import images
from tests.cli.conftest import Workspace
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
