"""A store is its owner's alone, whatever the umask says, unless it is shared with a group."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from projrun.core.files import is_shared, make_private, write_atomic
from projrun.core.locks import exclusive, take
from projrun.source import inspect, snapshot
from projrun.store.store import Store
from tests.repositories import Repository


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def modes(top: Path) -> dict[str, int]:
    """The modes of everything below a directory and of itself, by its path from there."""
    places = [top, *(Path(place, name) for place, *names in os.walk(top) for name in (*names[0], *names[1]))]
    return {os.path.relpath(place, top): stat.S_IMODE(place.lstat().st_mode) for place in places}


def written(top: Path, repository: Repository) -> None:
    """Has everything that writes to a store write once."""
    repository.write("new.txt", "not committed\n")
    store = Store(top)
    directory = store.begin()
    try:
        directory.write_start({"document": "start", "version": 1, "run": directory.id})
        directory.write_parameters(b"{}")
        store.objects.put_bytes(b"some bytes")
        store.objects.put_file(repository.path / "new.txt")
        snapshot.snapshot(inspect.inspect(repository.path), store.sources, limit=1 << 20)
        store.index.record(directory.path)
    finally:
        directory.close()
    store.rebuild()


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_nobody_else_may_look(tmp_path: Path, repository: Repository, mask: int) -> None:
    repository.write("old.txt", "committed\n")
    repository.commit()
    with umask(mask):
        written(tmp_path / "a" / "store", repository)
    found = modes(tmp_path / "a" / "store")
    assert {"index.sqlite", "store.json", "sources.git/config", "sources.git/HEAD"} <= set(found)
    assert any(path.startswith("sources.git/objects/") for path in found)
    assert {path: oct(mode) for path, mode in found.items() if mode & 0o077} == {}


def test_an_empty_directory_that_becomes_a_store_is_closed(tmp_path: Path) -> None:
    place = tmp_path / "store"
    place.mkdir(mode=0o755)
    Store(place).prepare()
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_sqlite_makes_its_files_for_the_owner_alone(tmp_path: Path) -> None:
    from projrun.store.opening import opened

    with umask(0), opened(tmp_path / "index.sqlite") as connection:
        connection.execute("INSERT INTO seen VALUES (1, 'x')")
        made = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert {"index.sqlite", "index.sqlite-wal", "index.sqlite-shm"} <= set(made)
    assert {name: oct(mode) for name, mode in made.items() if "sqlite" in name and mode & 0o077} == {}


def group_directory(place: Path) -> Path:
    place.mkdir()
    place.chmod(0o2770)
    return place


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_what_is_made_in_a_groups_directory_is_the_groups(
    tmp_path: Path, repository: Repository, mask: int
) -> None:
    place = group_directory(tmp_path / "store")
    (place / "store.json").write_text('{"format": 1}')
    (place / "store.json").chmod(0o660)
    with umask(mask):
        written(place, repository)
    found = modes(place)
    closed = {path: oct(mode) for path, mode in found.items() if not (mode & 0o040)}
    assert closed == {}
    folders = [path for path in found if (place / path).is_dir()]
    assert [path for path in folders if found[path] & 0o2770 != 0o2770] == []
    assert {path: oct(mode) for path, mode in found.items() if mode & 0o007} == {}


@pytest.mark.parametrize(
    "make",
    [
        lambda place: write_atomic(place / "x", b"1", mode=0o600),
        lambda place: make_private(place / "x"),
        lambda place: take(place / "x").close(),
    ],
)
def test_one_rule_for_all_writers(tmp_path: Path, make: Callable[[Path], None]) -> None:
    with umask(0o077):
        place = group_directory(tmp_path / "ours")
        make(place)
        assert (place / "x").stat().st_mode & 0o060 == 0o060
        (tmp_path / "mine").mkdir(mode=0o700)
        make(tmp_path / "mine")
        assert (tmp_path / "mine" / "x").stat().st_mode & 0o077 == 0
    assert is_shared(place)
    assert not is_shared(tmp_path / "mine")


def test_a_lock_is_as_open_as_its_directory(tmp_path: Path) -> None:
    with umask(0):
        (tmp_path / "mine").mkdir(mode=0o700)
        with exclusive(tmp_path / "mine" / "x.lock", holder="me"):
            assert stat.S_IMODE((tmp_path / "mine" / "x.lock").stat().st_mode) == 0o600
