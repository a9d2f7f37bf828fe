"""What `projrun check` tells of a Dockerfile, which needs no engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from projrun.checking import check

SPEC = """version: 1
name: contained
environment:
  docker: {file: Dockerfile%s}
entry_points:
  main: "true"
"""


@pytest.fixture(autouse=True)
def _no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)


def told(root: Path, dockerfile: str, more: str = "", ignored: str = "") -> list[str]:
    (root / "Dockerfile").write_text(dockerfile)
    (root / ".dockerignore").write_text(ignored)
    (root / "ProjectSpec.yaml").write_text(SPEC % (f", {more}" if more else ""))
    return [f"{one.place}: {one.message}" for one in check(root, root / "cache").problems]


@pytest.mark.parametrize(
    ("dockerfile", "more", "ignored", "beginning"),
    [
        ("FROM base:1\n\nRUNS true\n", "", "", "Dockerfile:3:1: RUNS is no instruction"),
        ("RUN true\nFROM base:1\n", "", "", "Dockerfile:1:1: RUN comes before FROM"),
        ("# nothing\n", "", "", "Dockerfile: there is no FROM in it"),
        ("ARG A\nFROM $A\n", "", "", "Dockerfile:2:1: FROM names no image"),
        ("FROM base:1\nCOPY --from=7 /a /b\n", "", "", "Dockerfile:2:1: there is no stage 7"),
        ("FROM base:1\n", "", "a\n[b\n", ".dockerignore:2:1: '[b' is no pattern"),
        ("FROM base:1\n", "context: nope", "", "ProjectSpec.yaml:4:39: there is no directory 'nope'"),
        ("FROM base:1\n", "context: Dockerfile", "", "ProjectSpec.yaml:4:39: there is no directory 'Dockerfile'"),
    ],
)
def test_what_is_wrong_has_its_place(
    tmp_path: Path, dockerfile: str, more: str, ignored: str, beginning: str
) -> None:
    [found] = told(tmp_path, dockerfile, more, ignored)
    assert found.startswith(beginning)


def test_a_target_and_arguments_that_are_not_there_are_told_together(tmp_path: Path) -> None:
    found = told(tmp_path, "FROM base:1 AS one\nARG A\n", "target: two, args: {A: '1', B: '2', C: '3'}")
    assert [one.split(" (")[0] for one in found] == [
        "Dockerfile: no ARG in it takes the argument B",
        "Dockerfile: no ARG in it takes the argument C",
        "Dockerfile: there is no stage 'two' in it",
    ]


def test_nothing_is_wrong_with_a_sound_one(tmp_path: Path) -> None:
    assert told(tmp_path, "FROM base:1 AS one\nARG A\nCOPY . /x\n", "target: one, args: {A: '1'}") == []
