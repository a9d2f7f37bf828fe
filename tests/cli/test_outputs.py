"""What a run in a private checkout wrote: kept whatever it is, brought back as far as it can be, and had again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Workspace

pytestmark = pytest.mark.slow

WRITE = """\
import os, pathlib, sys
pathlib.Path("out/sub").mkdir(parents=True)
pathlib.Path("out/plain.txt").write_text("plain")
pathlib.Path("out/sub/deep.txt").write_text("deep")
pathlib.Path("out/tool.sh").write_text("#!/bin/sh")
pathlib.Path("out/tool.sh").chmod(0o755)
os.symlink("plain.txt", "out/inside")
pathlib.Path("model.bin").write_bytes(b"model")
"""
LEADS_OUT = 'os.symlink("/etc/hostname", "out/outside")\n'
FAILS = "sys.exit(3)\n"


def writing(workspace: Workspace, program: str, outputs: str = "[out, model.bin]") -> Workspace:
    workspace.repository.write("write.py", program)
    workspace.repository.write(".gitignore", "out/\nmodel.bin\n")
    workspace.entry_point("python write.py", more=f"    outputs: {outputs}\n")
    workspace.publish()
    return workspace


def flags(document: Any) -> dict[str, str]:
    return {flag["code"]: flag["message"] for flag in document["outcome"]["flags"]}


def tree(root: Path) -> dict[str, str]:
    """Every file and link below a directory, with its content or target."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(root))] = f"-> {path.readlink()}"
        elif path.is_file():
            found[str(path.relative_to(root))] = path.read_text() + "!" * os.access(path, os.X_OK)
    return found


WHOLE = {
    "model.bin": "model",
    "out/inside": "-> plain.txt",
    "out/plain.txt": "plain",
    "out/sub/deep.txt": "deep",
    "out/tool.sh": "#!/bin/sh!",
}


def test_kept_outputs_are_written_again(workspace: Workspace, tmp_path: Path) -> None:
    told = writing(workspace, WRITE).projrun("run", "-v", "HEAD").err
    run = workspace.last()["recipe"]["run"]
    assert f"projrun restore {run} DIRECTORY --outputs" in told
    done = workspace.projrun("restore", run, str(tmp_path / "back"), "--outputs")
    assert done.code == 0, done.err
    assert tree(tmp_path / "back") == WHOLE
    again = workspace.projrun("restore", run, str(tmp_path / "back"), "--outputs")
    assert again.code == 2
    assert "not empty" in again.err


@pytest.mark.parametrize(
    ("ref", "outputs"),
    [([], []), (["-v", "HEAD"], []), (["-v", "HEAD"], ["--outputs"])],
    ids=["source", "source of a checkout", "outputs"],
)
def test_a_place_that_is_taken_is_a_mistake_of_the_command_line(
    workspace: Workspace, tmp_path: Path, ref: list[str], outputs: list[str]
) -> None:
    run = writing(workspace, WRITE).run(*ref)["run"]
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")
    for name, told in (("file", "is a file"), ("full", "is not empty")):
        done = workspace.projrun("restore", run, str(tmp_path / name), *outputs)
        assert done.code == 2
        assert f"{tmp_path / name} {told}" in done.err
    (tmp_path / "empty").mkdir()
    assert workspace.projrun("restore", run, str(tmp_path / "empty"), *outputs).code == 0
    assert (tmp_path / "empty" / ("model.bin" if outputs else "write.py")).exists()
    assert (tmp_path / "full/mine").read_text() == (tmp_path / "file").read_text() == "mine"


def test_a_link_that_leads_out_costs_no_other_file(workspace: Workspace, tmp_path: Path) -> None:
    document = writing(workspace, WRITE + LEADS_OUT).run("-v", "HEAD", "--bring-outputs")
    told = flags(document)
    assert set(told) == {"output-unreadable", "output-not-brought"}
    assert "out/outside: it is a link that leads out" in told["output-not-brought"]
    assert tree(workspace.root / "out") == {
        path.removeprefix("out/"): text for path, text in WHOLE.items() if path.startswith("out/")
    }
    workspace.projrun("restore", "last", str(tmp_path / "back"), "--outputs")
    assert tree(tmp_path / "back") == {**WHOLE, "out/outside": "-> /etc/hostname"}


def test_what_cannot_be_an_object_is_moved_to_the_run(workspace: Workspace, tmp_path: Path) -> None:
    program = WRITE + "os.mkfifo('pipe')\n"
    document = writing(workspace, program, "[out, model.bin, pipe]").run("-v", "HEAD")
    assert "it was moved to the run's directory, as outputs/pipe" in flags(document)["output-not-kept"]
    moved = workspace.store / "runs" / document["run"] / "outputs/pipe"
    assert moved.is_fifo()


def test_a_store_that_takes_no_objects_loses_no_output(workspace: Workspace, tmp_path: Path) -> None:
    writing(workspace, WRITE)
    workspace.run("-v", "HEAD")  # the store is there
    objects = workspace.store / "objects"
    objects.rename(tmp_path / "objects")
    objects.write_text("no directory")
    document = workspace.run("-v", "HEAD")
    assert set(flags(document)) == {"output-not-kept"}
    assert tree(workspace.store / "runs" / document["run"] / "outputs") == WHOLE
    done = workspace.projrun("restore", "last", str(tmp_path / "back"), "--outputs")
    assert done.code == 0, done.err
    assert tree(tmp_path / "back") == WHOLE


def test_a_run_that_failed_says_that_nothing_was_brought(workspace: Workspace, tmp_path: Path) -> None:
    document = writing(workspace, WRITE + FAILS).run("-v", "HEAD", "--bring-outputs", code=3)
    assert "the program failed, so its outputs were not brought: out, model.bin" in flags(document).values()
    assert not (workspace.root / "out").exists()
    assert workspace.projrun("restore", "last", str(tmp_path / "back"), "--outputs").code == 0
    assert tree(tmp_path / "back") == WHOLE


def test_an_output_behind_a_link_that_leads_out_is_not_the_projects(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/precious").write_text("precious")
    program = f"import os\nos.symlink({str(tmp_path / 'elsewhere')!r}, 'out')\n"
    document = writing(workspace, program, "[out]").run("-v", "HEAD", "--bring-outputs")
    assert document["outcome"]["outputs"][0]["object"] is None
    assert (tmp_path / "elsewhere/precious").read_text() == "precious"
    assert not os.path.lexists(workspace.root / "out")


@pytest.mark.parametrize("damage", ["changed", "removed"])
def test_a_damaged_object_is_never_given_out(workspace: Workspace, tmp_path: Path, damage: str) -> None:
    document = writing(workspace, WRITE).run("-v", "HEAD")
    sha256 = document["outcome"]["outputs"][1]["object"]
    kept = workspace.store / "objects" / sha256[:2] / sha256[2:]
    kept.unlink()
    if damage == "changed":
        kept.write_bytes(b"other")
    done = workspace.projrun("restore", "last", str(tmp_path / "back"), "--outputs")
    assert done.code == 125
    assert sha256 in done.err
    assert not (tmp_path / "back").exists()
    (tmp_path / "own").mkdir()
    assert workspace.projrun("restore", "last", str(tmp_path / "own"), "--outputs").code == 125
    assert list((tmp_path / "own").iterdir()) == []


def test_a_list_that_leads_out_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    import hashlib

    document = writing(workspace, WRITE).run("-v", "HEAD")
    entries = [{"path": "../../escaped", "kind": "link", "target": "/etc/passwd"}]
    data = json.dumps({"document": "directory", "version": 1, "entries": entries}).encode()
    sha256 = hashlib.sha256(data).hexdigest()
    outcome = workspace.store / "runs" / document["run"] / "outcome.json"
    place = workspace.store / "objects" / sha256[:2] / sha256[2:]
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(data)
    outcome.write_text(outcome.read_text().replace(document["outcome"]["outputs"][0]["object"], sha256))
    done = workspace.projrun("restore", "last", str(tmp_path / "a/back"), "--outputs")
    assert done.code == 125
    assert "names what is not in it" in done.err
    assert not os.path.lexists(tmp_path / "a/escaped")
    assert not os.path.lexists(tmp_path / "escaped")


def test_a_run_in_place_keeps_its_outputs_where_they_are_and_in_the_store(
    workspace: Workspace, tmp_path: Path
) -> None:
    done = writing(workspace, WRITE).projrun("run")
    assert "projrun restore" not in done.err
    assert tree(workspace.root / "out")["plain.txt"] == "plain"
    assert workspace.projrun("restore", "last", str(tmp_path / "back"), "--outputs").code == 0
    assert tree(tmp_path / "back") == WHOLE


def test_the_limit_is_told_when_it_bites(workspace: Workspace) -> None:
    program = WRITE + "pathlib.Path('model.bin').write_bytes(b'm' * 3_000_000)\n"
    document = writing(workspace, program).run("--keep-outputs", "1MB")
    assert [bool(one["object"]) for one in document["outcome"]["outputs"]] == [True, False]
    flag = document["outcome"]["flags"][0]
    assert flag["code"] == "output-not-kept"
    assert "may come to 1.0 MB: model.bin (3.0 MB)" in flag["message"]
    assert flag["mend"] == "projrun run --keep-outputs 4MB"
    done = workspace.projrun("outputs", "last", "--get", "model.bin", "-o", "x")
    assert done.code == 114
    assert "is not kept" in done.err


def test_outputs_are_listed_and_got_one_by_one(workspace: Workspace, tmp_path: Path) -> None:
    run = writing(workspace, WRITE, "[out, model.bin, none]").run()["run"]
    listed = workspace.projrun("outputs", "last", "--json").data
    assert listed["run"] == run
    told = [(one["path"], one["kind"], one["where"]) for one in listed["outputs"]]
    assert told == [("out", "directory", "kept"), ("model.bin", "file", "kept"), ("none", "missing", "")]
    assert "model.bin" in workspace.projrun("outputs", "last").out
    back = tmp_path / "back"
    wanted = ("--get", "out/sub", "--get", "out/tool.sh", "--get", "model.bin")
    got = workspace.projrun("outputs", run, *wanted, "-o", str(back))
    assert got.code == 0, got.err
    assert tree(back) == {name: WHOLE[name] for name in ("model.bin", "out/sub/deep.txt", "out/tool.sh")}
    for path, code, words in [
        ("model.bin", 2, "nothing is overwritten"),
        ("modl.bin", 2, "--get model.bin"),
        ("out/nothing", 2, "has no 'nothing'"),
        ("none", 114, "is not kept"),
        ("../out", 2, "has no output"),
    ]:
        done = workspace.projrun("outputs", run, "--get", path, "-o", str(back))
        assert (done.code, words in done.err) == (code, True), done.err
    assert workspace.projrun("outputs", run, "-o", str(back)).code == 2


def test_a_run_in_place_says_where_its_outputs_are(workspace: Workspace, tmp_path: Path) -> None:
    writing(workspace, WRITE).run("--keep-outputs", "0")
    done = workspace.projrun("restore", "last", str(tmp_path / "back"), "--outputs")
    assert done.code == 114
    assert f"it ran in place, and left them in {workspace.root}" in done.err
