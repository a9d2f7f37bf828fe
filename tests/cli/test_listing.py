"""``runs``, ``show`` and ``store``: what has been run."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Workspace

pytestmark = pytest.mark.slow

OTHER = "version: 1\nname: other\nenvironment: {system: true}\nentry_points: {main: echo hi}\n"


@pytest.fixture
def three(workspace: Workspace) -> list[str]:
    """Three runs with depths 1, 3 and 2, first to last."""
    return [workspace.run("-P", f"depth={depth}", "--name", f"d{depth}")["run"] for depth in (1, 3, 2)]


def test_runs_are_listed_newest_first_and_sorted_as_asked(workspace: Workspace, three: list[str]) -> None:
    assert [row["id"] for row in workspace.projrun("runs", "--json").data] == three[::-1]
    by_depth = workspace.projrun("runs", "--json", "--sort", "-params.depth").data
    assert [row["name"] for row in by_depth] == ["d3", "d2", "d1"]
    assert len(workspace.projrun("runs", "--json", "--limit", "2").data) == 2


def test_nothing_is_cut_where_there_is_no_terminal(workspace: Workspace) -> None:
    workspace.entry_point("echo {where}", more="    parameters: {where: str}\n")
    where = "https://example.org/" + "long/" * 20
    workspace.run("-P", f"where={where}")
    assert f"where={where}" in workspace.projrun("runs").out


def test_csv_has_a_column_for_each_fact(workspace: Workspace, three: list[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(workspace.projrun("runs", "--format", "csv", "--sort", "started").out)))
    assert [row["id"] for row in rows] == three
    assert [row["params.depth"] for row in rows] == ["1", "3", "2"]
    assert {row["metrics.rmse"] for row in rows} == {"0.25"}


def test_a_project_sees_its_own_runs_and_all_of_them_when_asked(
    workspace: Workspace, three: list[str], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "ProjectSpec.yaml").write_text(OTHER)
    assert workspace.projrun("run", cwd=other).code == 0
    assert len(workspace.projrun("runs", "--json", cwd=other).data) == 1
    assert len(workspace.projrun("runs", "--json", "--all", cwd=other).data) == 4
    assert len(workspace.projrun("runs", "--json", cwd=tmp_path).data) == 4


def test_an_id_is_addressed_by_its_beginning_and_by_last(workspace: Workspace, three: list[str]) -> None:
    assert workspace.projrun("show", "last~2", "--json").data["run"] == three[0]
    assert workspace.projrun("show", three[1][:8], "--json").data["run"] == three[1]
    done = workspace.projrun("show", "nothing")
    assert done.code == 2
    assert "projrun runs" in done.err


def test_the_index_is_made_again_from_the_directories(workspace: Workspace, three: list[str]) -> None:
    before = workspace.projrun("runs", "--json").data
    for path in workspace.store.glob("index.sqlite*"):
        path.unlink()
    assert workspace.projrun("store", "rebuild").code == 0
    assert workspace.projrun("runs", "--json").data == before
    (workspace.store / "index.sqlite").write_bytes(b"not a database")
    assert workspace.projrun("runs", "--json").data == before


def test_a_damaged_record_is_listed_with_what_is_known(workspace: Workspace, three: list[str]) -> None:
    (workspace.store / "runs" / three[1] / "outcome.json").write_text("{")
    (workspace.store / "runs" / three[2] / "recipe.json").write_text("[]")
    done = workspace.projrun("show", three[1])
    assert done.code == 0
    assert "outcome.json" in done.out
    assert len(workspace.projrun("runs", "--json").data) == 3
    for run in three[1:]:
        shutil.rmtree(workspace.store / "runs" / run)  # what is not valid must not fail the check of all documents


def test_a_hostile_name_does_not_reach_the_terminal(workspace: Workspace) -> None:
    workspace.run("--name", "\x1b]0;owned\x07", "--note", "\x1b[2J")
    for verb in ("runs", "show"):
        assert "\x1b" not in workspace.projrun(verb).out


def test_a_store_that_cannot_be_written_is_a_clear_error(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = workspace.projrun("run", "--store", str(tmp_path / "file"))
    assert done.code == 125
    assert "--store" in done.err
    assert "Traceback" not in done.err


def test_show_as_data_is_the_three_documents(workspace: Workspace, three: list[str]) -> None:
    shown = workspace.projrun("show", three[0], "--json").data
    assert [shown[kind]["document"] for kind in ("start", "recipe", "outcome")] == ["start", "recipe", "outcome"]
    directory = Path(shown["directory"])
    assert shown["recipe"] == json.loads((directory / "recipe.json").read_bytes())


def test_last_is_that_of_the_project_around_here_for_every_verb(
    workspace: Workspace, three: list[str], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "ProjectSpec.yaml").write_text(OTHER)
    theirs = workspace.run(cwd=other)["run"]
    assert workspace.projrun("show", "last", "--json").data["run"] == three[2]
    assert workspace.projrun("show", "last~1", "--json", cwd=workspace.root / "data").data["run"] == three[1]
    assert workspace.projrun("show", "--json", cwd=other).data["run"] == theirs
    assert workspace.projrun("show", "--json", cwd=tmp_path).data["run"] == theirs
    assert "training" in workspace.projrun("logs").out
    assert "tinydep==1.5" in workspace.projrun("export-lock", "last").out
    assert workspace.projrun("env", "verify", "last", "--json").data["run"] == three[2]
    assert workspace.projrun("restore", "last", str(tmp_path / "back")).code == 0
    assert (tmp_path / "back/train.py").exists()
    elsewhere = workspace.projrun("restore", "last~1", str(tmp_path / "none"), cwd=other)
    assert elsewhere.code == 2
    assert f"there is no run last~1 of {other}" in elsewhere.err
    assert not (tmp_path / "none").exists()


def test_a_store_that_was_typed_and_is_not_there_is_a_mistake(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for words in (["runs"], ["show", "last"], ["logs"], ["env", "list"], ["store", "rebuild"]):
        for name in ("nowhere/x", "file", "file/x"):
            done = workspace.projrun(*words, "--store", str(tmp_path / name))
            assert done.code == 2, words
            assert f"there is no store at {tmp_path / name}" in done.err
    assert workspace.projrun("runs").code == 0  # the default, or PROJRUN_STORE, need not be there yet
    assert workspace.projrun("run", "--store", str(tmp_path / "new"), "-e", "free").code == 0
    assert workspace.projrun("runs", "--store", str(tmp_path / "new"), "--json").data


def test_lines_with_their_times_name_the_stream_once(workspace: Workspace) -> None:
    workspace.run("-e", "free")
    lines = workspace.projrun("logs", "-t", "-s", "projrun").out.splitlines()
    _, stream, text = lines[0].split(maxsplit=2)
    assert stream == "projrun"
    assert text.startswith("begin: tiny free, run ")
