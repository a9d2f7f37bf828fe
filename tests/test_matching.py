"""The outputs of two runs matched: what is kept, what lies in the project, what is nowhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from projrun.data.fingerprint import fingerprint
from projrun.matching import Side, match
from projrun.store.objects import Objects
from projrun.store.outputs import keep_output
from projrun.verdict.model import DIFFERS, UNCHECKED, VERIFIED

ADDRESS = {"directory": "host:path", "address": "host:path", "checkout": True}


def output(root: Path, path: str, objects: Objects | None) -> dict[str, Any]:
    """An output as an outcome has it; kept when there are objects."""
    found = fingerprint(path, path, root, None)
    there = objects is not None and found.kind in ("file", "directory")
    kept = keep_output(objects, root / path) if objects and there else None
    return {"path": path, "kind": found.kind, "sha256": found.sha256, "stale": False, "object": kept}


def side(root: Path, objects: Objects, *paths: str) -> Side:
    return Side([output(root, path, objects) for path in paths], objects, ADDRESS)


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path, Objects]:
    """What two runs wrote, the same as yet, and where it is kept."""
    for name in ("old", "new"):
        folder = tmp_path / name / "out"
        (folder / "sub").mkdir(parents=True)
        (folder / "a.csv").write_text("x\n1\n")
        (folder / "sub/b.json").write_text('{"a": 1}')
        (folder / "tool").write_text("#!/bin/sh\n")
        (folder / "link").symlink_to("a.csv")
    return tmp_path / "old", tmp_path / "new", Objects(tmp_path / "objects")


def told(roots: tuple[Path, Path, Objects]) -> dict[str, tuple[str, str]]:
    old, new, objects = roots
    found = match(side(old, objects, "out"), side(new, objects, "out"))
    return {one.path: (one.state, one.message) for one in found}


def test_a_directory_that_is_the_same_is_verified_as_one(roots: tuple[Path, Path, Objects]) -> None:
    assert told(roots) == {"out": (VERIFIED, "the same sha256")}


def test_of_a_directory_each_file_that_differs_is_told(roots: tuple[Path, Path, Objects]) -> None:
    new = roots[1] / "out"
    (new / "a.csv").write_text("x\r\n1.0\r\n")
    (new / "sub/b.json").write_text('{"a": 2}')
    (new / "tool").chmod(0o755)
    (new / "link").unlink()
    (new / "link").symlink_to("tool")
    (new / "more").mkdir()
    found = told(roots)
    assert {path: state for path, (state, _) in found.items()} == {
        "out/a.csv": VERIFIED,
        "out/sub/b.json": DIFFERS,
        "out/tool": DIFFERS,
        "out/link": DIFFERS,
        "out/more": DIFFERS,
    }
    assert found["out/a.csv"][1] == "the same content (CSV, 2 values) in other bytes"
    assert found["out/tool"][1] == "it may be executed now, and could not before"
    assert found["out/more"][1] == "it is there now, and was not"


def test_what_no_object_holds_still_differs(roots: tuple[Path, Path, Objects]) -> None:
    os.mkfifo(roots[1] / "out/pipe")
    assert told(roots)["out"][0] == DIFFERS


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_an_object_that_is_not_whole_is_not_compared(roots: tuple[Path, Path, Objects], damage: str) -> None:
    old, new, objects = roots
    (new / "out/a.csv").write_text("x\n2\n")
    before, after = side(old, objects, "out/a.csv"), side(new, objects, "out/a.csv")
    place = objects.path(before.outputs[0]["object"])
    place.chmod(0o600)
    place.unlink() if damage == "gone" else place.write_text("x\n2\n")
    (found,) = match(before, after)
    assert (found.state, found.how) == (DIFFERS, "sha256")
    assert "not compared by content: object" in found.message


def test_a_run_in_place_has_its_outputs_while_they_are_what_it_wrote(roots: tuple[Path, Path, Objects]) -> None:
    old, new, objects = roots
    source = {"directory": str(old), "address": None, "checkout": False}
    before = Side([output(old, "out", None)], None, source)
    (new / "out/a.csv").write_text("x\n2\n")
    after = side(new, objects, "out")
    (found,) = match(before, after)
    assert (found.path, found.how) == ("out/a.csv", "content")
    (old / "out/a.csv").write_text("x\n3\n")
    (found,) = match(before, after)
    assert (found.path, found.how) == ("out", "sha256")


def test_what_was_not_written_or_not_read_is_told_apart(roots: tuple[Path, Path, Objects]) -> None:
    old, _, objects = roots

    def state(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
        lists = ([one] if one else [] for one in (before, after))
        first, second = (Side(one, objects, ADDRESS) for one in lists)
        (found,) = match(first, second)
        assert found.message
        return found.state

    there = output(old, "out/a.csv", objects)
    missing, folder = ({**output(old, path, objects), "path": "out/a.csv"} for path in ("out/none", "out"))
    unreadable = {**missing, "kind": "unreadable"}
    stale = {**there, "stale": True}
    assert state(missing, missing) == VERIFIED
    assert state(there, missing) == state(missing, there) == state(there, folder) == DIFFERS
    assert state(there, unreadable) == state(unreadable, there) == UNCHECKED
    assert state(stale, there) == UNCHECKED
    assert state(there, stale) == DIFFERS
    assert state(None, there) == state(there, None) == UNCHECKED


def test_a_file_of_metrics_is_not_held_to_its_bytes(roots: tuple[Path, Path, Objects]) -> None:
    old, new, objects = roots
    (new / "out/sub/b.json").write_text('{"a": 1.5}')
    sides = side(old, objects, "out/sub/b.json"), side(new, objects, "out/sub/b.json")
    (found,) = match(*sides, frozenset({"out/sub/b.json"}))
    assert (found.state, found.how) == (VERIFIED, "metrics")
    (found,) = match(*sides)
    assert found.state == DIFFERS


def test_lists_in_a_file_of_metrics_are_compared_too(roots: tuple[Path, Path, Objects]) -> None:
    old, new, objects = roots
    path = "out/sub/b.json"

    def found(before: str, after: str) -> tuple[str, str]:
        (old / path).write_text(before)
        (new / path).write_text(after)
        (one,) = match(side(old, objects, path), side(new, objects, path), frozenset({path}))
        return one.state, one.message

    state, message = found(
        '{"a": 1, "table": [[1, 2]], "b": {"c": "x"}}', '{"a": 2, "table": [[1, 9]], "b": {"c": "x"}}'
    )
    assert state == DIFFERS
    assert "table[0][1]" in message
    assert found('{"a": 1, "name": "x"}', '{"a": 1, "name": "y"}')[0] == VERIFIED
    assert found('{"a": 1, "l": ["x"]}', '{"a": 1}')[0] == DIFFERS
    assert found('{"a": 1, "l": [1.0]}', '{"l": [1], "a": 3, "b": {"c": true}}')[0] == VERIFIED
    assert found('{"a": 1}', "{")[0] == DIFFERS
    (old / path).write_text('{"a": 1}')
    gone = Side(side(new, objects, path).outputs, None, ADDRESS)
    (one,) = match(side(old, objects, path), gone, frozenset({path}))
    assert (one.state, one.how) == (UNCHECKED, "metrics")
