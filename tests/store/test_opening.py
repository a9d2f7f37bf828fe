"""An index that is read and not written, and one on a file system that several machines see."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from projrun.store import abilities, census, reading
from projrun.store.index import RunQuery
from projrun.store.opening import opened, read_only
from projrun.store.run import RunRecord, read_run
from projrun.store.store import Store
from tests import mounts
from tests.store.writing import begin_run, whole_run

LONG_AGO = 1_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs whose directories are read, from now on."""
    found: list[str] = []

    def counted(path: Path) -> RunRecord:
        found.append(path.name)
        return read_run(path)

    monkeypatch.setattr(reading, "read_run", counted)
    return found


@pytest.fixture
def there(store: Store, tmp_path: Path) -> Iterator[Store]:
    """The store with five runs that its index knows, seen from where nothing can be written."""
    for seconds in range(5):
        whole_run(store, created=float(seconds))
    store.list_runs(RunQuery())
    age(store)
    with mounts.read_only(store.path, tmp_path / "there") as place:
        yield Store(place)


def age(store: Store) -> None:
    """Makes the index look as if nothing had been written to it lately."""
    os.utime(store.path / "index.sqlite", (LONG_AGO, LONG_AGO))


def journal(store: Store) -> str:
    connection = sqlite3.connect(store.path / "index.sqlite")
    try:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])
    finally:
        connection.close()


def ids(store: Store) -> list[str]:
    return [row.id for row in store.list_runs(RunQuery())]


def test_an_index_that_cannot_be_written_saves_reading_the_runs(
    store: Store, there: Store, read: list[str]
) -> None:
    assert ids(there) == ids(store)
    assert there.index.count(RunQuery(where="params.depth = 3")) == 5
    assert (read, there.index.notices) == ([], [])


def test_runs_that_it_does_not_know_are_read_besides(store: Store, there: Store, read: list[str]) -> None:
    added = whole_run(store, created=9.0)
    shutil.rmtree(store.runs_directory / ids(there).pop())
    read.clear()
    assert ids(there)[0] == added
    assert len(ids(there)) == 5
    assert set(read) == {added}
    notice, *_ = there.index.notices
    assert notice.startswith("the index cannot be brought up to date, so 1 run had to be read besides: ")
    assert notice.endswith(": it cannot be written")
    assert ids(there) == ids(store)


def test_a_run_that_was_killed_since_is_lost_there_too(store: Store, tmp_path: Path) -> None:
    whole_run(store)
    running = begin_run(store)
    assert store.list_runs(RunQuery(where='status = "running"'))
    age(store)
    running.close()
    with mounts.read_only(store.path, tmp_path / "there") as place:
        (row,) = Store(place).list_runs(RunQuery(where='status = "lost"'))
    assert row.id == running.id


def test_what_is_in_a_log_only_is_seen(store: Store, tmp_path: Path, read: list[str]) -> None:
    """As a copy of a store is that was made while somebody wrote, or after one was killed."""
    whole_run(store)
    with opened(store.path / "index.sqlite"):
        added = whole_run(store, created=9.0e9)
        assert ids(store)[0] == added
        shutil.copytree(store.path, tmp_path / "copy")
    assert (tmp_path / "copy" / "index.sqlite-wal").stat().st_size
    read.clear()
    with mounts.read_only(tmp_path / "copy", tmp_path / "there") as place:
        assert ids(Store(place)) == ids(store)
        assert read == []


def test_what_was_written_while_it_was_read_is_not_taken(store: Store) -> None:
    whole_run(store)
    store.list_runs(RunQuery())
    age(store)
    path = store.path / "index.sqlite"
    with pytest.raises(OSError, match="it was written meanwhile"), read_only(path):
        whole_run(store)
        store.list_runs(RunQuery())
    assert not path.with_name("index.sqlite-wal").exists()
    age(store)
    with read_only(path) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (2,)
    assert {one.name for one in store.path.glob("index.sqlite*")} == {"index.sqlite"}


@pytest.mark.parametrize("damage", ["garbage", "older"])
def test_one_that_is_not_ours_is_passed_over(store: Store, tmp_path: Path, read: list[str], damage: str) -> None:
    runs = {whole_run(store), whole_run(store)}
    store.list_runs(RunQuery())
    path = store.path / "index.sqlite"
    if damage == "garbage":
        path.write_bytes(b"no database" * 1000)
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 1")
        connection.close()
    age(store)
    read.clear()
    with mounts.read_only(store.path, tmp_path / "there") as place:
        assert set(ids(opened_there := Store(place))) == runs
        assert set(read) == runs
        assert opened_there.index.notices[0].startswith("the index cannot be used, so every run was read")


MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:40 / /home rw,relatime shared:5 master:1 - nfs4 server:/home rw,vers=4.2
31 30 254:1 / /home/fast rw - xfs /dev/vdb rw
32 27 0:41 / /mnt/two\\040words rw - cifs //server/x rw
33 27 0:42 / /mnt/far rw - fuse.sshfs me@host: rw
34 27 0:43 / /mnt/over rw - nfs server:/o rw
35 34 0:44 / /mnt/over rw - tmpfs tmpfs rw
36 27 0:45 / /mnt/caf\xe9 rw - lustre mds@tcp:/fs rw
37 27 0:46 / /mnt/ntfs rw - fuseblk /dev/sdc rw
38 27 0:47 / /mnt/plain rw - fuse thing rw
broken line
"""


@pytest.mark.parametrize(
    ("folder", "network"),
    [
        *(("/home/me/store", "nfs4"), ("/home", "nfs4"), ("/homes", None), ("/home/fast/x", None)),
        *(("/mnt/two words/s", "cifs"), ("/mnt/far/s", "fuse.sshfs"), ("/mnt/over/s", None)),
        *((os.fsdecode(b"/mnt/caf\xe9/s"), "lustre"), ("/mnt/ntfs", None), ("/mnt/plain", "fuse"), ("/x", None)),
    ],
)
def test_a_network_file_system_is_known_by_its_mount(tmp_path: Path, folder: str, network: str | None) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_bytes(MOUNTS.encode("latin-1"))
    assert abilities.network_of(Path(folder), mountinfo) == network


def test_where_nobody_tells_of_mounts_none_is_known(tmp_path: Path) -> None:
    assert abilities.network_of(tmp_path, tmp_path / "nothing") is None


def test_an_index_that_several_machines_see_has_no_log(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    whole_run(store)
    store.list_runs(RunQuery())
    assert journal(store) == "wal"
    monkeypatch.setattr(abilities, "network_of", lambda folder: "nfs4")
    moved = Store(store.path)
    assert ids(moved) == ids(store)
    assert journal(store) == "delete"
    notice = (
        f"{store.path} is on a network file system (nfs4): the index of the runs is kept without a write-ahead log"
    )
    assert moved.index.notices == [notice]
    again = Store(store.path)
    assert (ids(again), again.index.notices) == (ids(store), [])
    (store.path / "index.sqlite").unlink()
    anew = Store(store.path)
    assert (ids(anew), anew.index.notices, journal(store)) == (ids(store), [notice], "delete")


def test_one_that_another_machine_may_have_open_with_a_log_is_not_read(
    store: Store, monkeypatch: pytest.MonkeyPatch, read: list[str]
) -> None:
    """To take the log away it must be nobody's; and to read it, memory must be shared."""
    monkeypatch.setattr("projrun.store.opening._BUSY_SECONDS", 0.05)
    run = whole_run(store)
    with opened(store.path / "index.sqlite") as other:
        assert ids(store) == [run]
        other.execute("SELECT count(*) FROM runs").fetchone()
        monkeypatch.setattr(abilities, "network_of", lambda folder: "nfs4")
        read.clear()
        assert ids(store) == [run]
        assert read == [run]
    assert store.index.notices[0].endswith(": somebody else is writing it")
    assert ids(store) == [run]
    assert journal(store) == "delete"


def test_a_real_file_system_of_unknown_ways_has_no_log(tmp_path: Path) -> None:
    with mounts.lacking(tmp_path / "there") as place:
        assert str(abilities.network_of(place)).startswith("fuse")
        store = Store(place / "store")
        run = whole_run(store)
        assert ids(store) == [run]
        assert journal(store) == "delete"
        assert "is on a network file system (fuse" in store.index.notices[0]
        counted = census.count(store)
        assert (counted.journal, str(counted.network)[:4]) == ("delete", "fuse")
    whole_run(here := Store(tmp_path / "here"))
    assert census.count(here).journal == "wal"
