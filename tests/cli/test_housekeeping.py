"""tag, note, rename, rm, gc, store check and store info, as they are typed."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from projrun.core.values import replace
from projrun.store.row import row_of
from projrun.store.store import Store
from tests.cli.conftest import Done
from tests.recipe import parts
from tests.store.test_collecting import finish, put, there
from tests.store.writing import begin_run


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store whose runs are of a pushed commit, and the current directory outside of any project."""
    source = replace(parts.SOURCE, snapshot=None)
    whole = parts.recipe_parts
    monkeypatch.setattr(parts, "recipe_parts", lambda run=parts.RUN: replace(whole(run), source=source))
    monkeypatch.setenv("PROJRUN_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    found = Store(tmp_path / "store")
    found.prepare()
    return found


def projrun(*words: str | bytes, typed: bytes = b"") -> Done:
    done = subprocess.run([sys.executable, "-m", "projrun", *words], input=typed, capture_output=True, check=False)
    return Done(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def labels(store: Store, run: str) -> tuple[str | None, str | None, dict[str, str]]:
    row = row_of(store.read(run))
    return row.name, row.note, dict(row.tags)


def listed(*words: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = projrun("runs", "--all", "--limit", "0", "--json", *words).data
    return rows


def test_tags_are_set_taken_away_and_shown(store: Store) -> None:
    run, other = finish(begin_run(store), {}), finish(begin_run(store), {})
    projrun("runs", "--all")  # the index knows them as they were
    done = projrun("tag", run, "draft", "paper=a=b", "empty=")
    assert (done.code, done.out) == (0, "")
    assert f"{run} draft, paper=a=b, empty" in done.err
    assert labels(store, run)[2] == {"draft": "", "paper": "a=b", "empty": ""}
    assert [row["id"] for row in listed("tag.draft")] == [run]
    assert projrun("tag", f"{run},{other}", "paper=c", "--remove", "draft", "--remove", "none").code == 0
    assert labels(store, run)[2] == {"paper": "c", "empty": ""}
    assert labels(store, other)[2] == {"paper": "c"}
    assert projrun("tag", other).out == f"{other} paper=c\n"
    assert {row["id"] for row in listed('tag.paper = "c"')} == {run, other}
    assert projrun("tag", "--where", "tag.empty", "found", "--json").data == [
        {"run": run, "name": "n", "note": None, "tags": {"paper": "c", "empty": "", "found": ""}}
    ]
    assert "finds no run" in projrun("tag", "--where", "tag.nowhere", "found").err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["last", "last~1", "good"], ["'last~1' names a run", "RUN,last~1"]),
        (["last", "=value"], ["has a key"]),
        (["last", "a=1", "a=2"], ["given twice"]),
        (["last", "a", "--remove", "a"], ["set and taken away"]),
        (["last", "--remove", "a=1"], ["by its key", "--remove a"]),
        (["last", f"{'k' * 1001}=v"], ["too long", "1,000"]),
        (["last", f"k={'v' * 10_001}"], ["too long", "10,000"]),
        (["last", *(f"k{number}" for number in range(1001))], ["1000 tags"]),
        (["nowhere", "a"], ["no run 'nowhere'"]),
        (["--where", "", "a"], ["query is empty"]),
        (["--where", "nosuch = 1", "a"], ["nosuch"]),
        ([], ["no run is named"]),
        (["last", b"a=\xff"], ["not valid UTF-8"]),
    ],
)
def test_what_can_be_misread_is_refused_and_nothing_changes(
    store: Store, words: list[str | bytes], told: list[str]
) -> None:
    run = finish(begin_run(store), {})
    done = projrun("tag", *words)
    assert done.code == 2
    assert all(text in done.err for text in told) and "try:" in done.err
    assert not (store.runs_directory / run / "labels.json").exists()


def test_a_name_that_a_terminal_would_obey_is_kept_and_shown_harmlessly(store: Store) -> None:
    run = finish(begin_run(store), {})
    hostile = "\x1b]0;owned\x07 \u202e"
    assert projrun("rename", run, hostile).code == 0
    assert projrun("tag", run, f"{hostile}={hostile}").code == 0
    assert projrun("note", run, hostile).code == 0
    assert labels(store, run) == (hostile, hostile, {hostile: hostile})
    for words in (["runs", "--all"], ["show", run], ["tag", run], ["note", run], ["rm", run]):
        done = projrun(*words)
        assert done.code == 0 and "\x1b" not in done.out + done.err and "\u202e" not in done.out + done.err


def test_a_note_is_written_added_to_and_taken_away(store: Store) -> None:
    run = finish(begin_run(store), {})
    assert projrun("note", run, "first").code == 0
    assert projrun("note", run, "--append", "-", typed=b"second\nthird\n").code == 0
    assert labels(store, run)[1] == "first\nsecond\nthird"
    assert projrun("note", run).out == f"{run} first\\nsecond\\nthird\n"
    assert projrun("note", run, "--clear").code == 0
    assert labels(store, run)[1] is None
    assert projrun("note", run).out == f"{run} -\n"
    for words in (["a", "b"], ["a", "--clear"], ["--append"]):
        assert projrun("note", run, *words).code == 2
    assert projrun("note", run, "-", typed=b"\xff").code == 2
    assert "too long" in projrun("note", run, "-", typed=b"x" * 1_000_001).err


def test_a_run_gets_another_name_while_it_lives_when_it_is_lost_and_when_it_is_damaged(store: Store) -> None:
    alive, lost = begin_run(store), begin_run(store)
    lost.close()
    damaged = finish(begin_run(store), {})
    (store.runs_directory / damaged / "start.json").write_text("{")
    assert projrun("rename", f"{alive.id},{lost.id},{damaged}", "new name").code == 0
    assert {row["id"]: row["name"] for row in listed()} == dict.fromkeys([alive.id, lost.id, damaged], "new name")
    assert "new name" in projrun("show", damaged).out
    assert projrun("rename", lost.id, "--clear").code == 0
    assert labels(store, lost.id)[0] is None
    assert projrun("rename", lost.id).code == projrun("rename", lost.id, "x", "--clear").code == 2
    alive.close()


def test_several_who_tag_one_run_at_once_lose_nothing(store: Store) -> None:
    run = finish(begin_run(store), {})
    command = [sys.executable, "-m", "projrun", "tag", run]
    children = [subprocess.Popen([*command, f"tag{number}"], stderr=-3) for number in range(8)]
    assert [child.wait() for child in children] == [0] * 8
    assert set(labels(store, run)[2]) == {f"tag{number}" for number in range(8)}
    assert set(listed()[0]["tags"]) == {f"tag{number}" for number in range(8)}


def test_rm_tells_first_and_removes_with_yes(store: Store) -> None:
    own = put(store, b"own")
    run, other = finish(begin_run(store), {"a": own}), finish(begin_run(store), {})
    told = projrun("rm", run)
    assert told.code == 0 and run in told.out
    assert "1 run" in told.err and "1 object (3 B)" in told.err and "nothing was removed" in told.err
    assert len(listed()) == 2
    done = projrun("rm", run, "--yes")
    assert done.code == 0 and "removed 1 run" in done.err
    assert [row["id"] for row in listed()] == [other]
    assert there(store) == {own}
    assert projrun("rm", run).code == 2


def test_rm_by_query_passes_over_what_lives_and_by_name_says_so(store: Store) -> None:
    alive, dead = begin_run(store), finish(begin_run(store), {})
    done = projrun("rm", "--where", 'name = "n"', "--yes", "--json")
    assert (done.code, done.data["removed"], done.data["alive"]) == (0, [dead], [alive.id])
    done = projrun("rm", alive.id, "--yes")
    assert done.code == 2 and f"kept {alive.id}: its process lives" in done.err
    assert store.read(alive.id).status == "running"
    alive.close()
    assert projrun("rm", alive.id, "--json").data["dry_run"] is True
    assert projrun("rm").code == projrun("rm", "--where", " ", "--yes").code == 2
    assert len(listed()) == 1


@pytest.mark.parametrize(("answer", "left"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_at_a_terminal_rm_asks(store: Store, answer: str, left: int) -> None:
    run = finish(begin_run(store), {})
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "projrun", "rm", run], stdin=theirs, stdout=theirs, stderr=theirs
    ) as child:
        os.close(theirs)
        os.write(ours, answer.encode())
        assert child.wait() == 0
    os.close(ours)
    assert len(listed()) == left


def test_gc_tells_first_and_removes_with_yes(store: Store) -> None:
    named, unnamed, young = put(store, b"named"), put(store, b"unnamed"), put(store, b"young", age=60)
    finish(begin_run(store), {"a": named})
    told = projrun("gc")
    assert told.code == 0 and "would remove 1 objects, 7 B" in told.out
    assert "kept 1 objects" in told.err and "--yes removes it" in told.err
    assert there(store) == {named, unnamed, young}
    assert projrun("gc", "--yes", "--json").data == {
        "dry_run": False,
        "runs": 1,
        "objects": {"count": 1, "size": 7},
        "young": {"count": 1, "size": 5},
        "snapshots": {"count": 0, "size": 0},
        "leftovers": [],
        "unreadable": [],
    }
    assert there(store) == {named, young}
    assert projrun("gc", "--yes", "--grace", "30s").code == 0
    assert there(store) == {named}


def test_gc_says_which_record_keeps_it_from_removing_anything(store: Store) -> None:
    run = finish(begin_run(store), {"a": put(store, b"named")})
    (store.runs_directory / run / "outcome.json").write_text("{")
    unnamed = put(store, b"unnamed")
    done = projrun("gc", "--yes")
    assert (
        run in done.err and "no object and no snapshot is removed" in done.err and f"projrun rm {run}" in done.err
    )
    assert unnamed in there(store)


def test_store_check_ends_with_125_when_something_is_wrong(store: Store) -> None:
    sha256 = put(store, b"content")
    finish(begin_run(store), {"a": sha256})
    done = projrun("store", "check")
    assert (done.code, done.out) == (0, "") and "nothing is wrong" in done.err
    store.objects.path(sha256).unlink()
    done = projrun("store", "check", "--quick")
    assert done.code == 125 and sha256 in done.out and "try: projrun reproduce" in done.out
    told = projrun("store", "check", "--json")
    assert told.code == 125 and told.data["ok"] is False
    assert [fault["of"] for fault in told.data["faults"]] == [sha256]


def test_store_info_counts_and_weighs(store: Store) -> None:
    put(store, b"x" * 1000)
    run = finish(begin_run(store), {})
    (store.runs_directory / run / "output.log").write_bytes(b"y" * 500)
    begin_run(store).close()
    done = projrun("store", "info", "--json")
    assert done.code == 0
    data = json.loads(done.out)
    assert (data["runs"], data["statuses"]) == (2, {"finished": 1, "lost": 1})
    assert (data["projects"], data["objects"], data["shared"]) == ({"bikes": 2}, 1, False)
    assert (data["sizes"]["objects"], data["sizes"]["logs"]) == (1000, 500)
    assert data["sizes"]["runs"] > 2000 and data["sizes"]["index"] > 0
    assert data["path"] == str(store.path) and data["oldest"] <= data["newest"]
    assert "2: 1 finished, 1 lost" in projrun("store", "info").out


@pytest.mark.parametrize("words", [["store", "check"], ["store", "info"]])
def test_where_no_store_is_that_is_said_and_none_is_made(tmp_path: Path, words: list[str]) -> None:
    done = projrun(*words, "--store", str(tmp_path / "none"))
    assert done.code == 2 and "there is no store" in done.err
    assert not (tmp_path / "none").exists()


def test_every_command_of_the_page_does_what_it_is_there_for(store: Store) -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "how-to" / "store.md").read_text()
    for number in range(3):
        finish(begin_run(store, created=parts.CREATED + number), {"a": put(store, b"kept")})
    put(store, b"unnamed")
    commands = [line.strip() for line in page.splitlines() if line.startswith("    ") and "projrun" in line]
    assert len(commands) >= 15
    for command in commands:
        typed = command.replace("projrun", f"{sys.executable} -m projrun", 1)
        done = subprocess.run(
            ["sh", "-c", typed], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert len(listed()) == 2
    assert labels(store, listed()[0]["id"]) == (
        "the one for the paper",
        "the learning rate was too high\nand the data was the old one",
        {"paper": "draft", "compared": "", "done": ""},
    )
    assert len(there(store)) == 1
