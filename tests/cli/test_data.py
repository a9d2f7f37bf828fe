"""``projrun data``: pins written into the spec, and data beside them."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from projrun.data.fingerprint import fingerprint
from projrun.store.objects import Objects
from projrun.store.outputs import fill, write_output
from tests.cli.conftest import Workspace

pytestmark = pytest.mark.slow

SPEC = """\
# the project
version: 1
name: tiny
environment: {system: true}
data:
  short: data/a.csv  # short
  lines:
    path: data/b.csv
  tree: {path: data/tree}
  made: out/made.csv
entry_points:
  main: {command: cat data/a.csv, outputs: [out]}
"""


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def project(workspace: Workspace) -> Workspace:
    workspace.spec(SPEC)
    workspace.repository.write("data/a.csv", "a")
    workspace.repository.write("data/b.csv", "b")
    workspace.repository.write("data/tree/x", "x")
    return workspace


def pinned(project: Workspace) -> str:
    assert project.projrun("data", "pin").code == 0
    return (project.root / "ProjectSpec.yaml").read_text()


def test_data_without_a_pin_gets_one_and_nothing_else_changes(project: Workspace) -> None:
    (project.root / "ProjectSpec.yaml").chmod(0o640)
    tree = sha(f"f {sha('x')} x\0")
    expected = SPEC.replace("data/a.csv  #", f"{{path: data/a.csv, sha256: {sha('a')}}}  #")
    expected = expected.replace("data/b.csv\n", f"data/b.csv\n    sha256: {sha('b')}\n")
    assert pinned(project) == expected.replace("{path: data/tree}", f"{{path: data/tree, sha256: {tree}}}")
    assert (project.root / "ProjectSpec.yaml").stat().st_mode & 0o777 == 0o640
    again = project.projrun("data", "pin", "--json").data
    assert [one["name"] for one in again["unchanged"]] == ["short", "lines", "tree"]
    assert not again["written"]
    document = project.run()
    assert [one["pin"] for one in document["recipe"]["inputs"]] == [sha("a"), sha("b"), tree]
    assert "input-unpinned" not in [flag["code"] for flag in document["recipe"]["flags"]]


def test_a_pin_that_does_not_hold_is_replaced_only_when_it_is_named(project: Workspace) -> None:
    before = pinned(project)
    project.repository.write("data/a.csv", "new")
    done = project.projrun("data", "pin")
    assert (done.code, (project.root / "ProjectSpec.yaml").read_text()) == (114, before)
    assert all(text in done.out for text in (sha("a"), sha("new"), "projrun data pin short"))
    refused = project.projrun("run")
    assert refused.code == 114
    assert all(text in refused.err for text in (sha("a"), sha("new"), "projrun data pin short"))
    (project.root / "data/b.csv").write_text("new")
    assert "projrun data pin short lines" in project.projrun("run").err
    (project.root / "data/b.csv").write_text("b")
    assert project.projrun("data", "pin", "short").code == 0
    assert (project.root / "ProjectSpec.yaml").read_text() == before.replace(sha("a"), sha("new"))


def test_check_writes_nothing(project: Workspace) -> None:
    done = project.projrun("data", "pin", "--check")
    assert done.code == 114
    assert "to pin" in done.out
    assert (project.root / "ProjectSpec.yaml").read_text() == SPEC
    pinned(project)
    assert project.projrun("data", "pin", "--check").code == 0


def test_a_pattern_that_differs_is_told_with_when_its_files_changed(project: Workspace) -> None:
    project.spec(SPEC.replace("data/a.csv  # short", "{path: 'data/*.csv'}"))
    pinned(project)
    (project.root / "data/b.csv").write_text("new")
    done = project.projrun("run")
    assert done.code == 114
    assert "changed 20" in done.err
    assert "unknown time" not in done.err
    refused = project.projrun("runs", "--json").data[0]["id"]
    again = project.projrun("reproduce", refused)
    assert again.code == 2
    assert f"projrun show {refused} tells why" in again.err
    assert "to do again" in project.projrun("reproduce", "last").err
    outputs = project.projrun("outputs", "last", "--get", "out")
    assert outputs.code == 114
    assert "it ended before its program began" in outputs.err


def test_data_whose_name_is_its_path_is_declared(project: Workspace) -> None:
    project.spec(SPEC.replace("short: data/a.csv  # short", "table: table").replace("cat data/a.csv", "cat table"))
    project.repository.write("table", "t")
    pinned(project)
    codes = [flag["code"] for flag in project.run()["recipe"]["flags"]]
    plan = project.projrun("run", "--dry-run", "--json").data
    assert "input-undeclared" not in codes + [flag["code"] for flag in plan["flags"]]


def test_what_cannot_be_pinned_is_told(project: Workspace) -> None:
    (project.root / "data/a.csv").unlink()
    done = project.projrun("data", "pin", "short", "--json")
    assert done.code == 114
    assert "data/a.csv is missing" in done.data["error"]["what"]
    done = project.projrun("data", "pin")
    assert done.code == 114  # the others are pinned
    assert sha("b") in (project.root / "ProjectSpec.yaml").read_text()
    done = project.projrun("data", "pin", "shorts")
    assert done.code == 2
    assert "projrun data status short" in done.err


def test_status_tells_of_each_what_it_is(project: Workspace) -> None:
    pinned(project)
    project.repository.write("data/b.csv", "other")
    (project.root / "data/tree/x").unlink()
    os.mkfifo(project.root / "out")
    found = {one["name"]: one for one in project.projrun("data", "status", "--json").data["data"]}
    assert {name: one["state"] for name, one in found.items()} == {
        "short": "pinned",
        "lines": "differs",
        "tree": "differs",
        "made": "missing",
    }
    assert (found["lines"]["sha256"], found["lines"]["pin"]) == (sha("other"), sha("b"))
    done = project.projrun("data", "status", cwd=project.root / "data")
    assert done.code == 0
    assert "differs" in done.out
    assert sha("b") in done.err


def test_verify_reads_what_is_remembered(project: Workspace) -> None:
    large = "x" * 200_000
    project.repository.write("data/a.csv", large)
    os.utime(project.root / "data/a.csv", (1, 1))
    pinned(project)
    assert project.projrun("data", "verify").code == 114  # one was never made
    for name in ("short", "lines", "tree"):
        assert project.projrun("data", "verify", name).code == 0
    cache = project.home / "cache/digests.sqlite"
    mark = (project.root / "data/a.csv").stat()
    told = f"{mark.st_dev} {mark.st_ino} {mark.st_size} {mark.st_mtime_ns} {mark.st_ctime_ns}"
    with sqlite3.connect(cache) as database:
        place = os.fsencode(project.root / "data/a.csv")
        database.execute("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, 99999)", (place, told, "f" * 64))
    database.close()
    assert project.projrun("data", "status", "short", "--json").data["data"][0]["state"] == "differs"
    assert project.projrun("data", "verify", "short", "--json").data["data"][0]["state"] == "pinned"
    (project.root / "data/a.csv").write_text("y" * 200_000)
    assert project.projrun("data", "verify", "short").code == 114


def test_a_spec_behind_a_link_stays_behind_it(project: Workspace, tmp_path: Path) -> None:
    spec = project.root / "ProjectSpec.yaml"
    spec.rename(tmp_path / "real.yaml")
    (tmp_path / "real.yaml").write_bytes(b"\xef\xbb\xbf" + SPEC.replace("\n", "\r\n").encode())
    spec.symlink_to(tmp_path / "real.yaml")
    assert project.projrun("data", "pin", "lines", "--directory", str(project.root), cwd=tmp_path).code == 0
    assert spec.is_symlink()
    written = (tmp_path / "real.yaml").read_bytes()
    assert written.startswith(b"\xef\xbb\xbf# the project\r\n")
    assert f"    path: data/b.csv\r\n    sha256: {sha('b')}\r\n".encode() in written


def test_a_pin_that_makes_the_spec_wrong_is_not_written(project: Workspace) -> None:
    project.repository.write("out/made.csv", "made")
    text = SPEC.replace("outputs: [out]", 'inputs: ["data:made"], outputs: [out/made.csv]')
    project.spec(text)
    done = project.projrun("data", "pin", "made")
    assert done.code == 111
    assert "would break the pin" in done.err
    assert (project.root / "ProjectSpec.yaml").read_text() == text


KEPT = """\
version: 1
name: tiny
environment: {system: true}
data:
  file: {path: data/a.csv, keep: true}
  tree: {path: data/tree, keep: true}
  other: data/b.csv
entry_points:
  main: cat data/a.csv
"""


def test_kept_data_can_be_had_where_it_is_gone(project: Workspace, tmp_path: Path) -> None:
    project.spec(KEPT)
    (project.root / "data/tree/x").chmod(0o755)
    project.repository.write("data/tree/.git/HEAD", "is in no digest")
    document = project.run()
    found = {one["name"]: one for one in document["recipe"]["inputs"]}
    assert found["file"]["object"] == found["file"]["sha256"]
    assert found["other"]["object"] is None
    (project.root / "data/a.csv").unlink()
    objects = Objects(project.store / "objects")
    write_output(objects, found["file"]["object"], tmp_path / "a", directory=False)
    write_output(objects, found["tree"]["object"], tmp_path / "tree", directory=True)
    assert (tmp_path / "a").read_text() == "a"
    assert fingerprint("tree", "tree", tmp_path).sha256 == found["tree"]["sha256"]


def test_data_that_is_kept_already_is_not_kept_again(project: Workspace) -> None:
    project.spec(KEPT)
    first = project.run()
    objects = sorted((path, path.stat().st_ino) for path in (project.store / "objects").rglob("*"))
    again = project.run()
    assert again["recipe"]["inputs"] == first["recipe"]["inputs"]
    assert sorted((path, path.stat().st_ino) for path in (project.store / "objects").rglob("*")) == objects


def test_a_directory_whose_copy_would_be_another_one_is_flagged(project: Workspace) -> None:
    project.spec(KEPT)
    (project.root / "data/tree/far").symlink_to("../a.csv")
    document = project.run()
    assert document["recipe"]["inputs"][1]["object"] is None
    flag = next(flag for flag in document["recipe"]["flags"] if flag["code"] == "input-not-kept")
    assert "what the link far leads to is not in it" in flag["message"]


CHECKED = """\
version: 1
name: tiny
environment: {system: true}
data:
  table: {path: data/a.csv, schema: data/a.schema.json}
entry_points:
  main: cat data/a.csv
"""


def test_data_that_breaks_its_schema_stops_the_run_with_its_rows(project: Workspace) -> None:
    project.spec(CHECKED)
    schema = project.repository.write("data/a.schema.json", '{"properties": {"n": {"type": "integer"}}}')
    project.repository.write("data/a.csv", "n\n1\nx\n")
    done = project.projrun("run")
    assert done.code == 114
    assert "data/a.csv: row 3: column 'n': \"x\" is not a whole number" in done.err
    assert "row 3" in project.projrun("run", "--dry-run").out
    project.repository.write("data/a.csv", "n\n1\n")
    assert project.run()["recipe"]["inputs"][0]["schema"] == {
        "path": "data/a.schema.json",
        "sha256": sha(schema.read_text()),
    }


def test_check_finds_a_schema_that_is_missing_or_none(project: Workspace) -> None:
    project.spec(CHECKED)
    done = project.projrun("check")
    assert done.code == 111
    assert "there is no 'data/a.schema.json'" in done.out
    project.repository.write("data/a.schema.json", '{"type": 3}')
    assert "'data/a.schema.json' is no JSON Schema: $.type" in project.projrun("check").out
    project.repository.write("data/a.schema.json", "{}")
    assert project.projrun("check").code == 0


def test_a_pattern_is_pinned_kept_and_comes_along_into_a_checkout(project: Workspace, tmp_path: Path) -> None:
    project.spec(KEPT.replace("data/tree", "data/*.csv"))
    project.repository.write(".gitignore", "*.csv\n")
    assert project.projrun("data", "pin", "tree").code == 0
    project.publish()
    for words in ((), ("-v", "HEAD")):
        found = project.run(*words)["recipe"]["inputs"]
        tree = next(one for one in found if one["name"] == "tree")
        assert (tree["kind"], tree["files"], tree["copied"]) == ("glob", 3, bool(words))
        assert tree["pin"] == tree["sha256"]
    fill(Objects(project.store / "objects"), tree["object"], tmp_path)
    assert fingerprint("tree", "data/*.csv", tmp_path).sha256 == tree["sha256"]
    project.repository.write("data/new.csv", "n")
    assert project.projrun("run").code == 114


def test_data_with_an_address_is_fetched_into_a_run_and_a_checkout(project: Workspace, tmp_path: Path) -> None:
    (tmp_path / "far.csv").write_text("far")
    entry = f"{{path: data/far.csv, url: 'file://{tmp_path}/far.csv', sha256: {sha('far')}}}"
    project.repository.write(".gitignore", "data/far.csv\n")
    project.spec(KEPT.replace("other: data/b.csv", f"far: {entry}").replace("cat data/a.csv", "cat data/far.csv"))
    assert project.projrun("check").code == 0
    project.publish()
    assert project.projrun("data", "status", "far", "--json").data["data"][0]["state"] == "remote"
    assert project.projrun("data", "pin", "far").code == project.projrun("data", "verify", "far").code == 0
    plan = project.projrun("run", "--dry-run", "--json").data
    assert sha("far") in [one["sha256"] for one in plan["inputs"]]
    assert not (project.root / "data/far.csv").exists()
    project.run("-v", "HEAD")
    (tmp_path / "far.csv").unlink()
    document = project.run("--offline")
    found = next(one for one in document["recipe"]["inputs"] if one["name"] == "far")
    assert found["url"] == f"file://{tmp_path}/far.csv"
    assert document["outcome"]["flags"] == []
    assert (project.root / "data/far.csv").read_text() == "far"
    (project.root / "data/far.csv").write_text("mine")
    done = project.projrun("run")
    assert done.code == 114
    assert (project.root / "data/far.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{path: x, url: 'https://host/x'}", "data with a 'url' needs 'sha256' (what its publisher"),
        (f"{{path: x, url: 'https://me:secret@host/x', sha256: {'0' * 64}}}", "without a user name or a password"),
        (f"{{path: x, url: /x, sha256: {'0' * 64}}}", "an address is SCHEME://"),
    ],
)
def test_an_address_that_cannot_be_is_found_by_check(project: Workspace, entry: str, words: str) -> None:
    project.spec(KEPT.replace("other: data/b.csv", f"far: {entry}"))
    done = project.projrun("check")
    assert done.code == 111
    assert words in done.out
    assert "secret" not in done.out + done.err + project.projrun("run").err


def test_a_run_is_reproduced_from_kept_and_fetched_data_alone(project: Workspace, tmp_path: Path) -> None:
    (tmp_path / "far.csv").write_text("far")
    entry = f"{{path: data/far.csv, url: 'file://{tmp_path}/far.csv', sha256: {sha('far')}}}"
    spec = KEPT.replace("data/a.csv, keep", "'data/[ab].csv', keep").replace("other: data/b.csv", f"far: {entry}")
    project.spec(spec.replace("cat data/a.csv", "cat data/a.csv data/b.csv data/tree/x data/far.csv"))
    project.repository.write(".gitignore", "data/\n")
    project.publish()
    run = project.run()["run"]
    told = project.projrun("reproduce", run, "--check", "--json").data["needs"]
    assert "data/far.csv, outside of the commit" in [need["message"] for need in told]
    (tmp_path / "far.csv").unlink()
    shutil.rmtree(project.root / "data")
    downloads = project.home / "cache/downloads"
    downloads.rename(project.home / "aside")
    told = project.projrun("reproduce", run, "--check", "--json").data["needs"]
    to_fetch = {"state": "unknown", "message": f"data/far.csv, to be fetched from file://{tmp_path}/far.csv"}
    assert to_fetch.items() <= next(need for need in told if "far.csv" in need["message"]).items()
    done = project.projrun("reproduce", run, "--check", "--offline")
    assert done.code == 114
    assert "--offline" in done.out
    (project.home / "aside").rename(downloads)
    done = project.projrun("reproduce", run, "--offline", "--json")
    assert "recipe" in done.data, done.data
    inputs = {one["name"]: one for one in done.data["recipe"]["inputs"]}
    before = {one["name"]: one for one in project.projrun("show", run, "--json").data["recipe"]["inputs"]}
    assert {name: one["sha256"] for name, one in inputs.items()} == {
        name: one["sha256"] for name, one in before.items()
    }
    assert [one["kind"] for one in inputs.values()] == ["glob", "directory", "file"]
    for words, code, state in (((), 0, "unknown"), (("--offline",), 114, "missing")):
        shutil.rmtree(project.home / "cache/downloads", ignore_errors=True)
        told = project.projrun("reproduce", run, "--check", "--json", *words)
        assert (told.code, told.data["needs"][-1]["state"]) == (code, state)
