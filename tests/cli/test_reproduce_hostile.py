"""``projrun reproduce`` of a recipe that somebody else wrote, with another thing in mind."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Workspace

pytestmark = pytest.mark.slow


def tampered(workspace: Workspace, recipe: Any, change: Callable[[Any], None], name: str) -> str:
    """The path of a recipe that was changed after the run."""
    place = workspace.home / name / "recipe.json"
    place.parent.mkdir()
    document = copy.deepcopy(recipe)
    change(document)
    place.write_text(json.dumps(document))
    return str(place)


def _aim(aim: str, recipe: Any) -> None:
    recipe["source"]["subdirectory"] = aim


def test_nothing_is_written_outside_of_the_private_checkout(workspace: Workspace, tmp_path: Path) -> None:
    recipe = workspace.run("-e", "free")["recipe"]
    aims = {"above": f"../../../../../../../../../..{tmp_path}/aim", "absolute": f"{tmp_path}/aim"}
    for name, aim in aims.items():
        place = tampered(workspace, recipe, partial(_aim, aim), name)
        for more in ([], ["--check"]):
            done = workspace.projrun("reproduce", place, *more)
            assert done.code == 112, done.err + done.out
            assert "subdirectory" in done.err + done.out
        assert not (tmp_path / "aim").exists()


@pytest.mark.parametrize("name", ["../../aim", "/aim", "train.py", "MLproject/../aim"])
def test_the_specification_is_written_under_no_other_name(workspace: Workspace, tmp_path: Path, name: str) -> None:
    recipe = workspace.run("-e", "free")["recipe"]
    aim = f"{tmp_path}/aim" if name == "/aim" else name
    place = tampered(workspace, recipe, lambda one: one["spec"].update(file=aim), "named")
    done = workspace.projrun("reproduce", place)
    assert (done.code, "is no name of a specification" in done.err) == (111, True), done.err + done.out
    assert not list(tmp_path.rglob("aim"))


@pytest.mark.parametrize("path", ["../secret", "/etc/hostname"])
def test_an_input_that_is_outside_of_the_project_is_refused(workspace: Workspace, path: str) -> None:
    recipe = workspace.run("-e", "main")["recipe"]
    place = tampered(workspace, recipe, lambda one: one["inputs"][0].update(path=path), "outside")
    done = workspace.projrun("reproduce", place)
    assert done.code == 114, done.err
    assert path in done.err


def test_parameters_that_the_entry_point_does_not_have_are_refused(workspace: Workspace) -> None:
    recipe = workspace.run("-e", "main")["recipe"]
    place = tampered(workspace, recipe, lambda one: one["parameters"][0].update(name="nonesuch"), "other")
    for more in ([], ["--check"]):
        done = workspace.projrun("reproduce", place, *more)
        assert done.code == 2, done.err + done.out
        assert "depth" in done.err + done.out
