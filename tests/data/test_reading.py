"""Files read in several threads: the same digests in any order, word of how far it is, and nothing left behind."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest

from projrun.core.errors import DataError
from projrun.core.report import FETCH
from projrun.data import reading, tree
from projrun.data.fingerprint import changed_inputs, fingerprint, inputs
from projrun.spec.model import DataEntry


@pytest.fixture(autouse=True)
def threads_for_little_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_LARGE", 1)
    monkeypatch.setattr(tree, "_ENTRIES", 3)
    monkeypatch.setattr(tree, "_WORTH_A_THREAD", 1)


class Told:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.phases: list[str] = []
        self.progress = b""

    def phase(self, name: str, text: str) -> None:
        self.phases.append(f"{name}: {text}")

    def write(self, stream: str, data: bytes) -> None:
        assert stream == FETCH
        self.progress += data


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def many(root: Path) -> bytes:
    """A directory of many files of many sizes, and the records of its digest."""
    (root / "d").mkdir()
    records = b""
    for number in range(100):
        data = bytes([number]) * (number % 7) * 1000
        (root / f"d/{number:03}").write_bytes(data)
        records += f"f {sha(data)} {number:03}\0".encode()
    return records


def test_a_directory_read_in_threads_has_the_digest_that_is_documented(tmp_path: Path) -> None:
    records = many(tmp_path)
    with reading.Reading() as threads:
        assert fingerprint("d", "d", tmp_path, None, threads).sha256 == sha(records)
        assert any(thread.name.startswith("digest") for thread in threading.enumerate())
    assert not any(thread.name.startswith("digest") for thread in threading.enumerate())


def test_several_inputs_are_read_at_once_and_come_in_their_order(tmp_path: Path) -> None:
    content = {name: name.encode() * 5000 for name in ("b", "a", "c")}
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "link").symlink_to("a")
    entries = [DataEntry(name, name) for name in (*content, "link", "a")]
    found = inputs(entries, tmp_path)
    assert [one.sha256 for one in found] == [sha(content[name]) for name in ("b", "a", "c", "a", "a")]


@pytest.mark.parametrize("what", ["vanishes", "grows", "is replaced by a pipe"])
def test_a_file_of_a_directory_that_changes_in_a_thread_is_an_error_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    many(tmp_path)
    victim = tmp_path / "d/050"
    begin = os.open

    def disturb(path: bytes, flags: int) -> int:
        if path == os.fsencode(victim):
            if what == "grows":
                with victim.open("ab") as file:
                    file.write(b"more")
            else:
                victim.unlink()
            if what == "is replaced by a pipe":
                os.mkfifo(victim)
        return begin(path, flags)

    monkeypatch.setattr(os, "open", disturb)
    with pytest.raises(DataError) as caught:
        inputs([DataEntry("d", "d")], tmp_path)
    assert caught.value.exit_code == 114
    assert caught.value.what.startswith("'d' c")


def test_what_takes_long_is_told_and_what_does_not_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many(tmp_path)
    told = Told()
    monkeypatch.setattr(reading, "_PATIENCE", 1e9)
    inputs([DataEntry("d", "d")], tmp_path, report=told)
    assert (told.phases, told.progress) == ([], b"")
    monkeypatch.setattr(reading, "_PATIENCE", 0)
    monkeypatch.setattr(reading, "_BEAT", 0)
    inputs([DataEntry("d", "d")], tmp_path, report=told)
    assert len(told.phases) == 1
    assert told.progress.startswith(b"Hashing data: ")
    assert told.progress.endswith(b"295 kB (100 files), done.\n")


def test_an_input_that_was_written_with_the_same_content_did_not_change(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"same")
    found = inputs([DataEntry("a", "a")], tmp_path)
    (tmp_path / "a").unlink()
    (tmp_path / "a").write_bytes(b"same")
    assert changed_inputs(found, tmp_path) == ()


def test_what_changed_of_an_input_is_said_with_both_hashes(tmp_path: Path) -> None:
    for name in ("grown", "edited", "gone", "kind", "d/kept", "d/below/written", "e/removed", "out"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(b"before")
    names = ["grown", "edited", "gone", "kind", "d", "e", "out"]
    found = inputs([DataEntry(name, name) for name in names], tmp_path)
    (tmp_path / "grown").write_bytes(b"before and after")
    (tmp_path / "edited").unlink()
    (tmp_path / "edited").write_bytes(b"behind")
    (tmp_path / "gone").unlink()
    (tmp_path / "kind").unlink()
    (tmp_path / "kind").mkdir()
    later = found[4].hashed / 1e9 + 5
    (tmp_path / "d/below/written").write_bytes(b"after")
    os.utime(tmp_path / "d/below/written", (later, later))
    (tmp_path / "e/removed").unlink()
    (tmp_path / "out").unlink()
    (tmp_path / "out").symlink_to("/etc/passwd")
    changed = {one.before.path: one for one in changed_inputs(found, tmp_path)}
    assert list(changed) == names
    assert [one.kind for one in changed.values()] == [
        *("file", "file", "missing", "directory", "directory", "directory", "unreadable")
    ]
    assert changed["grown"].detail == "6 bytes, now 16"
    assert changed["grown"].sha256 == sha(b"before and after")
    assert changed["edited"].detail == "the same size"
    assert "below/written" in changed["d"].detail
    assert "kept" not in changed["d"].detail
    assert changed["gone"].sha256 is changed["out"].sha256 is None


def test_a_file_that_a_link_of_a_directory_leads_to_counts_at_the_end_too(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "far").write_bytes(b"far")
    (tmp_path / "d/link").symlink_to("../far")
    found = inputs([DataEntry("d", "d")], tmp_path)
    (tmp_path / "far").write_bytes(b"changed")
    assert [one.before.path for one in changed_inputs(found, tmp_path)] == ["d"]


def test_a_large_file_is_read_to_its_end_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one larger than memory nothing is different: tests/benchmarks/large_data.py has the real sizes."""
    large = tmp_path / "large"
    size = (64 << 20) + 1
    with large.open("wb") as file:
        file.truncate(size)  # sparse: no disk is used
    os.utime(large, (1, 1))
    monkeypatch.setattr("projrun.core.remembered._TICK", -3_600_000_000_000)
    [first] = inputs([DataEntry("large", "large")], tmp_path, tmp_path / "cache")
    assert (first.size, first.sha256) == (size, sha(bytes(size)))
    monkeypatch.setattr(os, "read", None)
    assert inputs([DataEntry("large", "large")], tmp_path, tmp_path / "cache")[0].sha256 == first.sha256


@pytest.mark.slow
def test_a_directory_of_many_files_is_walked_once_when_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    (tmp_path / "d").mkdir()
    for number in range(5000):
        path = tmp_path / f"d/{number}"
        path.touch()
        os.utime(path, (1, 1))
    monkeypatch.setattr("projrun.core.remembered._TICK", -3_600_000_000_000)
    first = inputs([DataEntry("d", "d")], tmp_path, tmp_path / "cache")
    looked_at = 0
    look = os.lstat

    def count(path: bytes) -> os.stat_result:
        nonlocal looked_at
        looked_at += 1
        return look(path)

    monkeypatch.setattr(os, "lstat", count)
    again = inputs([DataEntry("d", "d")], tmp_path, tmp_path / "cache")
    assert again[0].sha256 == first[0].sha256
    assert looked_at < 6000
