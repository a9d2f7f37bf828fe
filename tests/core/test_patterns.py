from __future__ import annotations

import os
from pathlib import Path

import pytest

from projrun.core.patterns import is_pattern, matching


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in (
        "a.csv",
        "b.CSV",
        ".c.csv",
        "d/a.csv",
        "d/e/a.csv",
        "d/e/b.txt",
        "d/.h/a.csv",
        ".git/a.csv",
        "x[1].csv",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "d/loop").symlink_to(".")
    (tmp_path / "d/other").symlink_to(".")
    (tmp_path / "gone.csv").symlink_to("nowhere")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.csv", ["a.csv", "gone.csv", "x[1].csv"]),
        ("?.csv", ["a.csv"]),
        ("[ab].[cC]*", ["a.csv", "b.CSV"]),
        (".*.csv", [".c.csv"]),
        ("d/*/a.csv", ["d/e/a.csv", "d/loop/a.csv", "d/other/a.csv"]),
        ("**/*.csv", ["a.csv", "d/a.csv", "d/e/a.csv", "gone.csv", "x[1].csv"]),
        ("d/**", ["d/a.csv", "d/e/a.csv", "d/e/b.txt"]),
        ("./d//e/*", ["d/e/a.csv", "d/e/b.txt"]),
        ("*", ["a.csv", "b.CSV", "gone.csv", "x[1].csv"]),
        ("none/*", []),
        ("a.csv/*", []),
    ],
)
def test_a_pattern_names_files(root: Path, pattern: str, found: list[str]) -> None:
    assert matching(root, pattern) == found


def test_a_name_of_that_spelling_goes_before_the_pattern(root: Path) -> None:
    assert is_pattern(root, "*.csv")
    assert not is_pattern(root, "a.csv")
    assert not is_pattern(root, "x[1].csv")


def test_names_come_by_their_bytes(tmp_path: Path) -> None:
    names = [b"\xff", b"a", "ä".encode(), b"Z"]
    for name in names:
        (tmp_path / os.fsdecode(name)).touch()
    assert [os.fsencode(name) for name in matching(tmp_path, "*")] == sorted(names)
