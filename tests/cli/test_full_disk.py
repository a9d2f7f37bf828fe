"""A disk that fills up at any moment of a run, and one that cannot be written at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from projrun.store.index import RunQuery
from projrun.store.run import RunRecord
from projrun.store.store import Store
from tests.cli.conftest import Done, Workspace
from tests.cli.test_stopping import run_directory, wait_for
from tests.mounts import Small, read_only, small

pytestmark = pytest.mark.slow

SPEC_MORE = """\
    parameters: {n: int, fill: {type: list, items: str, default: []}}
    outputs: [results/out.txt]
    metrics: [results/metrics.json]
"""
PROGRAM = """\
import os, pathlib, sys
folder = pathlib.Path("results")
folder.mkdir(exist_ok=True)
(folder / "out.txt").write_text(sys.argv[1] * 9000)
(folder / "metrics.json").write_text('{"n": %s}' % sys.argv[1])
print("x" * 6000, flush=True)
if len(sys.argv) > 2:
    filler, free = sys.argv[2:]
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    while True:
        try:
            os.write(descriptor, bytes(4096))
        except OSError:
            break
    os.truncate(filler, max(0, os.fstat(descriptor).st_size - 4096 * int(free)))
"""
PAGE = 4096


@pytest.fixture
def disk(workspace: Workspace, tmp_path: Path) -> Iterator[Small]:
    """A small disk, and a project whose runs write whatever a run can write: a snapshot and objects too."""
    workspace.repository.write("program.py", PROGRAM)
    workspace.entry_point("python program.py {n} {fill}", more=SPEC_MORE)
    workspace.publish()
    workspace.repository.write("untracked.txt", "1")
    workspace.run("-P", "n=0")  # builds the environment
    with small(tmp_path / "disk") as disk:
        yield disk


def contents(store: Store) -> dict[Path, bytes]:
    """All that must never change again: the documents and logs of the runs, and the objects."""
    files = (path for name in ("runs", "objects") for path in (store.path / name).rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in files if path.name != "alive"}


def check(store: Store, done: Done, earlier: dict[Path, bytes], known: set[str]) -> None:
    """Nothing was lost, everything is listed, and whoever ran it was told in plain words."""
    assert "Traceback" not in done.err
    assert "database" not in done.err
    now = contents(store)
    assert {path: now.get(path) for path in earlier} == earlier
    if done.code:
        assert done.code == 125, done.err
        assert "full" in done.err or "No space" in done.err, done.err
        assert len(done.err.splitlines()) >= 3
    if not store.path.joinpath("store.json").exists():
        return
    listed = {row.id: row for row in store.list_runs(RunQuery())}
    assert set(store.index.ids("")) == set(listed) >= known
    new = set(listed) - known
    assert len(new) == 1 or (done.code and not new)
    for run in new:
        record = store.read(run)
        if done.code:
            assert record.outcome or record.why_incomplete
            assert record.start or "start.json" in (record.why_incomplete or "")
            assert record.status in ("lost", "failed", "not-started")
        else:
            check_whole(store, record)


def check_whole(store: Store, record: RunRecord) -> None:
    """A run that is called finished is there with all that it found, or says what is missing."""
    assert (record.status, record.why_incomplete) == ("finished", None)
    assert record.recipe is not None
    assert record.outcome is not None
    number = record.recipe["parameters"][0]["value"]
    if "outputs-unknown" in (flags := {flag["code"] for flag in record.outcome["flags"]}):
        return
    assert record.outcome["metrics"][0]["value"] == number
    if "output-not-kept" not in flags:
        (output,) = [one for one in record.outcome["outputs"] if one["path"] == "results/out.txt"]
        assert store.objects.read(output["sha256"]) == str(number).encode() * 9000


@pytest.mark.parametrize(("state", "short_of"), [("new", "files"), ("new", "bytes"), ("used", "bytes")])
def test_whatever_write_finds_the_disk_full_nothing_else_is_lost(
    workspace: Workspace, disk: Small, state: str, short_of: str
) -> None:
    store = Store(disk.path / "store")
    words = ["run", "-q", "--store", str(store.path), "-P"]
    if state == "used":
        assert workspace.projrun(*words, "n=0").code == 0
    earlier, known, told = contents(store), set(store.index.ids("")), set[str]()
    room = whole = 0
    while whole < 2:
        if short_of == "files":
            disk.resize(files=disk.files + room)
        else:
            disk.resize(size=disk.used + max(room, 1) * PAGE)
        workspace.repository.write("untracked.txt", str(room))
        done = workspace.projrun(*words, f"n={room}")
        disk.resize()
        check(store, done, earlier, known)
        told.add(done.err.partition(" cannot be written")[0])
        earlier, known = contents(store), set(store.index.ids(""))
        whole = whole + 1 if done.code == 0 else 0
        room += 3 if (state, short_of) == ("new", "bytes") else 1  # there is much to write
    assert told == {"", "error: the run store", "error: the log of the run", "error: the snapshot"}
    assert workspace.projrun(*words, "n=1").code == 0
    assert workspace.projrun("show", "--store", str(store.path)).code == 0


def test_a_disk_that_the_program_itself_fills_costs_no_more_than_what_came_after(
    workspace: Workspace, disk: Small
) -> None:
    store, filler = Store(disk.path / "store"), disk.path / "filler"
    words = ["run", "-q", "--store", str(store.path), "-P"]
    assert workspace.projrun(*words, "n=0").code == 0
    found: set[tuple[str, ...]] = set()
    for free in range(9):
        earlier, known = contents(store), set(store.index.ids(""))
        done = workspace.projrun(*words, f"n={free + 10}", "-P", f"fill={filler},{free}")
        filler.unlink()
        check(store, done, earlier, known)
        (new,) = set(store.index.ids("")) - known
        outcome = store.read(new).outcome
        assert outcome is not None
        flags = [flag["code"] for flag in outcome["flags"] if flag["code"].startswith("output")]
        found.add((store.read(new).status, *flags))
    # One that has no room for the object has some for the outcome that says so.
    assert found == {("finished", "output-not-kept"), ("finished",)}
    assert not list(store.path.rglob("room"))
    assert workspace.projrun(*words, "n=1").code == 0


def test_a_store_that_cannot_be_written_is_read_as_ever_and_refuses_runs(
    workspace: Workspace, tmp_path: Path
) -> None:
    """By a mount: modes do not stop root."""
    workspace.run("-e", "free")
    workspace.run("-e", "free")
    expected = workspace.projrun("runs", "--json").data
    before = contents(Store(workspace.store))
    with read_only(workspace.store, tmp_path / "there") as there:
        where = ("--store", str(there))
        listed = workspace.projrun("runs", "--json", *where)
        assert listed.data == expected
        assert not listed.err  # the index is there to be read, and knows all of them
        shown = workspace.projrun("show", "last", "--json", *where)
        assert shown.data["run"] == expected[0]["id"]
        assert workspace.projrun("logs", "last", "-s", "stdout", *where).out == "free\n"
        assert workspace.projrun("diff", "last~1", "last", *where).code in (0, 1)
        for words in (("run", "-e", "free"), ("store", "rebuild")):
            refused = workspace.projrun(*words, *where)
            assert refused.code == 125
            assert "Traceback" not in refused.err
            assert "--store DIR" in refused.err
        assert contents(Store(there)).keys() == {there / path.relative_to(workspace.store) for path in before}
    assert contents(Store(workspace.store)) == before


def test_a_run_that_lives_is_seen_to_live_from_where_nothing_can_be_written(
    workspace: Workspace, tmp_path: Path
) -> None:
    workspace.entry_point("sleep 600")
    process = workspace.start("run")
    wait_for(lambda: run_directory(workspace, "recipe.json"), process)
    with read_only(workspace.store, tmp_path / "there") as there:
        (row,) = workspace.projrun("runs", "--json", "--store", str(there)).data
        assert row["status"] == "running"
        process.kill()
        process.communicate(timeout=60)
        (row,) = workspace.projrun("runs", "--json", "--store", str(there)).data
        assert row["status"] == "lost"
