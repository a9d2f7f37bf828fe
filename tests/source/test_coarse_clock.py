"""On a file system whose clock ticks every two seconds no edit goes unnoticed, although no time tells of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from projrun.data.fingerprint import inputs
from projrun.source.inspect import inspect
from projrun.source.snapshot import snapshot
from projrun.spec.model import DataEntry
from tests import mounts
from tests.repositories import Repository

LONG_AGO = (1_000_000_000, 1_000_000_000)


@pytest.fixture(scope="module")
def coarse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with mounts.lacking(tmp_path_factory.mktemp("mounted") / "coarse", "fine-clock") as place:
        yield place


def edit(path: Path, text: str) -> None:
    """An edit that changes neither size nor times."""
    path.write_text(text)
    os.utime(path, LONG_AGO)


def test_the_clock_is_coarse(coarse: Path) -> None:
    path = coarse / "clock"
    for text in ("one", "two"):
        edit(path, text)
        assert path.stat().st_ctime_ns % (2 * 10**9) == 0


def test_each_edit_of_a_dirty_tree_is_captured(coarse: Path, tmp_path: Path) -> None:
    repository = Repository.create(coarse / "dirty")
    commits = set()
    for number in range(4):
        edit(repository.path / "file", str(number))
        commits.add(snapshot(inspect(repository.path), tmp_path / "sources.git", limit=1000).snapshot)
    assert len(commits) == 4


def test_each_edit_of_data_changes_the_digest(coarse: Path, tmp_path: Path) -> None:
    for folder in ("", "many"):
        root = coarse / "data"
        (root / folder).mkdir(parents=True, exist_ok=True)
        name = folder or "large"
        path = root / folder / "file" if folder else root / name
        found = set()
        for number in range(4):
            edit(path, str(number) * 200_000)
            found.add(inputs((DataEntry(name, name),), root, tmp_path / "cache")[0].sha256)
        assert len(found) == 4
