"""Snapshots that go, those that stay whole, and whether those that are there are."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from projrun.core.errors import StoreError
from projrun.core.locks import exclusive
from projrun.core.report import Silent
from projrun.source.pruning import faults_of, prune, unnamed_snapshots
from projrun.source.restore import restore
from projrun.source.snapshot import REFS, hold, holds, lock_of
from tests.repositories import Repository
from tests.source.test_snapshot import captured, stored

CHECKOUT = Path(__file__).parent.parent.parent
OLD = 7 * 86400


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    return tmp_path / "store" / "sources.git"


def grow_old(sources: Path, commit: str) -> None:
    os.utime(sources / REFS / commit, (time.time() - OLD,) * 2)


def pruned(sources: Path, *named: str) -> tuple[str, ...]:
    return prune(sources, named, time.time() - 3600, Silent())[0].going


def objects(sources: Path) -> int:
    return len(stored(sources, "cat-file", "--batch-all-objects", "--batch-check").splitlines())


def test_snapshots_that_no_record_names_go_and_the_others_stay_whole(
    repository: Repository, sources: Path, tmp_path: Path
) -> None:
    repository.write("shared.txt", "both\n")
    repository.write("file.txt", "one\n")
    first = captured(repository.path, sources)
    repository.write("file.txt", "two\n")
    second = captured(repository.path, sources)
    for commit in (first, second):
        grow_old(sources, commit)
    before = objects(sources)
    assert unnamed_snapshots(sources, [second], time.time() - 3600).going == (first,)
    assert pruned(sources, second) == (first,)
    assert not holds(sources, first) and holds(sources, second)
    assert objects(sources) == before - 3  # a commit, a tree and a file
    restore(sources, second, tmp_path / "back")
    assert (tmp_path / "back" / "file.txt").read_text() == "two\n"
    assert faults_of(sources, [second], quick=False) == {}


def test_what_was_captured_or_held_lately_stays(repository: Repository, sources: Path) -> None:
    repository.write("file.txt", "one\n")
    first = captured(repository.path, sources)
    assert pruned(sources) == ()
    grow_old(sources, first)
    assert hold(sources, first)
    assert pruned(sources) == ()
    grow_old(sources, first)
    assert captured(repository.path, sources) == first
    assert pruned(sources) == ()
    grow_old(sources, first)
    assert pruned(sources) == (first,)
    assert not hold(sources, first)


def test_files_that_went_with_a_snapshot_are_captured_again_though_the_index_knows_them(
    repository: Repository, sources: Path, tmp_path: Path
) -> None:
    repository.write("below/file.txt", "one\n")
    repository.write("other.txt", "one\n")
    first = captured(repository.path, sources)
    for commit in (first,):
        grow_old(sources, commit)
    assert pruned(sources) == (first,)
    assert objects(sources) == 0
    repository.write("other.txt", "two\n")
    second = captured(repository.path, sources)
    restore(sources, second, tmp_path / "back")
    assert (tmp_path / "back" / "below" / "file.txt").read_text() == "one\n"
    assert faults_of(sources, [second], quick=False) == {}


def test_who_prunes_waits_for_those_who_capture_and_they_for_who_prunes(
    repository: Repository, sources: Path
) -> None:
    repository.write("file.txt", "one\n")
    first = captured(repository.path, sources)
    grow_old(sources, first)
    done: list[str] = []
    with exclusive(lock_of(sources), holder=""):
        thread = threading.Thread(target=lambda: done.append(captured(repository.path, sources)))
        thread.start()
        thread.join(0.3)
        assert not done
    thread.join()
    assert done == [first]
    assert pruned(sources) == ()


CAPTURE = """
import sys
from pathlib import Path
from projrun.source.inspect import inspect
from projrun.source.snapshot import snapshot
root, sources = Path(sys.argv[1]), Path(sys.argv[2])
for line in sys.stdin:
    (root / "file.txt").write_text(line)
    print(snapshot(inspect(root), sources, limit=10**9).snapshot, flush=True)
"""


@pytest.mark.slow
def test_no_snapshot_loses_anything_to_one_who_prunes_meanwhile(repository: Repository, sources: Path) -> None:
    repository.write("same/in/all.txt", "same\n")
    command = [sys.executable, "-c", CAPTURE, str(repository.path), str(sources)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=-1, stdout=-1, text=True) as writer:
        assert writer.stdin is not None and writer.stdout is not None
        went = 0
        for turn in range(8):
            # The same three states again and again, so that each is captured anew when it has just gone.
            writer.stdin.write(f"{turn % 3}\n")
            writer.stdin.flush()
            if (sources / "objects").is_dir():
                for path in (sources / REFS).iterdir():
                    if len(path.name) == 40:
                        grow_old(sources, path.name)
                went += len(pruned(sources))
            commit = writer.stdout.readline().strip()
            assert faults_of(sources, [commit], quick=False) == {}
            grow_old(sources, commit)
            went += len(pruned(sources))
        writer.stdin.close()
    assert went >= 8


@pytest.mark.parametrize("quick", [True, False])
def test_a_file_that_is_gone_is_a_fault_of_the_snapshots_that_have_it(
    repository: Repository, sources: Path, quick: bool
) -> None:
    repository.write("broken.txt", "to be lost\n")
    first = captured(repository.path, sources)
    repository.write("other.txt", "other\n")
    second = captured(repository.path, sources)
    (repository.path / "broken.txt").unlink()
    third = captured(repository.path, sources)
    lost = stored(sources, "rev-parse", f"{first}:broken.txt")
    (sources / "objects" / lost[:2] / lost[2:]).unlink()
    found = faults_of(sources, [first, second, third, "f" * 40, "../../x"], quick=quick)
    assert set(found) == {first, second, "f" * 40, "../../x"}
    assert "broken.txt" in found[first] and lost in found[first]
    with pytest.raises(StoreError, match="cannot be pruned"):
        grow_old(sources, third)
        pruned(sources, first, second)
    assert holds(sources, first)


def test_a_file_that_is_altered_is_a_fault_unless_one_looks_only_quickly(
    repository: Repository, sources: Path
) -> None:
    repository.write("broken.txt", "to be altered\n")
    repository.write("whole.txt", "whole\n")
    commit = captured(repository.path, sources)
    altered, whole = (stored(sources, "rev-parse", f"{commit}:{name}.txt") for name in ("broken", "whole"))
    place = sources / "objects" / altered[:2] / altered[2:]
    place.chmod(0o600)
    place.write_bytes((sources / "objects" / whole[:2] / whole[2:]).read_bytes())
    assert "broken.txt" in faults_of(sources, [commit], quick=False)[commit]
    assert faults_of(sources, [commit], quick=True) == {}


def test_a_tree_that_is_gone_is_a_fault(repository: Repository, sources: Path) -> None:
    repository.write("below/file.txt", "one\n")
    commit = captured(repository.path, sources)
    tree = stored(sources, "rev-parse", f"{commit}^{{tree}}")
    (sources / "objects" / tree[:2] / tree[2:]).unlink()
    assert set(faults_of(sources, [commit], quick=True)) == {commit}


def test_where_no_snapshot_was_ever_taken_nothing_is_made(sources: Path) -> None:
    assert prune(sources, (), time.time(), Silent())[0].all == 0
    assert faults_of(sources, (), quick=False) == {}
    assert not sources.exists()
