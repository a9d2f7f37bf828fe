"""What was read before is not read again, and nothing that was written since goes unnoticed."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from pathlib import Path

import pytest

from projrun.core import remembered
from projrun.data.fingerprint import inputs
from projrun.spec.model import DataEntry

LARGE = b"x" * 200_000
WRONG = "f" * 64


@pytest.fixture(autouse=True)
def a_clock_that_ticks_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_TICK", 20_000_000)


class Data:
    """A project with data, and a cache."""

    def __init__(self, root: Path) -> None:
        self.root, self.cache = root / "project", root / "cache"
        self.root.mkdir()

    def write(self, path: str, content: bytes) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def digest(self, path: str) -> str | None:
        return inputs((DataEntry(path, path),), self.root, self.cache)[0].sha256

    def settle(self) -> None:
        """Lets the clock of the file system go on."""
        time.sleep(0.05)

    def falsify(self) -> None:
        """Puts a wrong digest into everything that is remembered: who gives it did not read."""
        with sqlite3.connect(self.cache / "digests.sqlite") as database:
            database.execute("UPDATE digests SET sha256 = ?", (WRONG,))
        database.close()


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return Data(tmp_path)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_file_that_nobody_wrote_is_not_read_again(data: Data) -> None:
    data.write("a", LARGE)
    data.settle()
    assert data.digest("a") == sha(LARGE)
    data.falsify()
    assert data.digest("a") == WRONG


def test_without_a_cache_everything_is_read(data: Data) -> None:
    data.write("a", LARGE)
    data.settle()
    data.digest("a")
    data.falsify()
    assert inputs((DataEntry("a", "a"),), data.root)[0].sha256 == sha(LARGE)


def test_of_a_directory_only_what_changed_is_read(data: Data) -> None:
    data.write("d/a", b"1")
    data.write("d/sub/b", b"2")
    data.settle()
    before = data.digest("d")
    data.falsify()
    record = f"f {WRONG} a\0d - sub\0f {WRONG} sub/b\0"
    assert data.digest("d") == sha(record.encode()) != before
    data.write("d/sub/b", b"3")
    record = f"f {WRONG} a\0d - sub\0f {sha(b'3')} sub/b\0"
    assert data.digest("d") == sha(record.encode())


def test_a_change_that_keeps_size_and_mtime_is_noticed(data: Data) -> None:
    file = data.write("a", LARGE)
    status = file.stat()
    data.settle()
    data.digest("a")
    changed = b"y" + LARGE[1:]
    file.write_bytes(changed)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file.stat().st_mtime_ns == status.st_mtime_ns
    assert data.digest("a") == sha(changed)


def test_another_file_of_that_name_is_noticed(data: Data) -> None:
    file = data.write("a", LARGE)
    other = data.write("b", b"y" * len(LARGE))
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    data.settle()
    data.digest("a")
    other.rename(file)
    assert data.digest("a") == sha(b"y" * len(LARGE))


def test_what_was_just_written_is_not_remembered(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_TICK", 3_600_000_000_000)
    data.write("d/a", LARGE)
    data.digest("d")
    data.settle()
    data.falsify()
    assert data.digest("d/a") == sha(LARGE)


def test_what_comes_from_the_future_is_not_remembered(data: Data) -> None:
    file = data.write("a", LARGE)
    os.utime(file, (time.time() + 3600, time.time() + 3600))
    data.settle()
    data.digest("a")
    data.falsify()
    assert data.digest("a") == sha(LARGE)


@pytest.mark.parametrize("damage", [b"", b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_database_costs_nothing_but_time(data: Data, damage: bytes) -> None:
    data.write("a", LARGE)
    data.settle()
    data.cache.mkdir()
    (data.cache / "digests.sqlite").write_bytes(damage)
    assert data.digest("a") == sha(LARGE)
    assert data.digest("a") == sha(LARGE)
    data.falsify()
    assert data.digest("a") == WRONG  # it was made anew


def test_the_database_of_another_version_is_made_anew(data: Data) -> None:
    data.write("a", LARGE)
    data.settle()
    data.digest("a")
    with sqlite3.connect(data.cache / "digests.sqlite") as database:
        database.execute("ALTER TABLE digests RENAME TO others")
        database.execute("CREATE TABLE digests (other INT)")
        database.execute("PRAGMA user_version = 99")
    database.close()
    assert data.digest("a") == sha(LARGE)
    data.falsify()
    assert data.digest("a") == WRONG


def test_a_cache_that_cannot_be_made_stops_nobody(data: Data) -> None:
    data.write("a", LARGE)
    data.cache.write_bytes(b"a file is in the way")
    assert data.digest("a") == sha(LARGE)


def test_a_database_that_another_process_writes_is_not_waited_for_long(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "_BUSY_SECONDS", 0.01)
    data.write("a", LARGE)
    data.write("b", LARGE)
    data.settle()
    data.digest("a")
    other = sqlite3.connect(data.cache / "digests.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        assert data.digest("b") == sha(LARGE)
    finally:
        other.close()


def test_what_is_written_by_another_name_of_the_file_is_noticed(data: Data) -> None:
    file = data.write("d/a", LARGE)
    other = data.root / "other"
    os.link(file, other)
    data.settle()
    data.digest("d")
    status = file.stat()
    with other.open("r+b") as opened:
        opened.write(b"y")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert data.digest("d") == sha(f"f {sha(b'y' + LARGE[1:])} a\0".encode())
    assert data.digest("d/a") == sha(b"y" + LARGE[1:])


def test_another_file_in_the_place_of_one_in_a_directory_is_noticed(data: Data) -> None:
    file = data.write("d/a", LARGE)
    other = data.write("b", b"y" * len(LARGE))
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    data.settle()
    data.digest("d")
    other.rename(file)
    assert data.digest("d") == sha(f"f {sha(b'y' * len(LARGE))} a\0".encode())


def test_of_very_many_files_all_are_remembered(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_TOGETHER", 3)
    monkeypatch.setattr(remembered, "_ASKED", 2)
    for number in range(600):  # more than are looked at in one go
        data.write(f"d/{number}", b"")
    data.settle()
    data.digest("d")
    data.falsify()
    records = "".join(f"f {WRONG} {name}\0" for name in sorted(map(str, range(600))))
    assert data.digest("d") == sha(records.encode())
