"""Runs that are removed: whole or not at all, and never one that goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from projrun.core.errors import StoreError
from projrun.core.locks import is_held
from projrun.core.report import Silent
from projrun.core.values import replace
from projrun.discarding import Removal, discard, foreseen
from projrun.store.index import RunQuery
from projrun.store.removal import StillRuns, finish_removals, remove_run
from projrun.store.store import Store
from tests.store.test_collecting import CHECKOUT, finish, put, there
from tests.store.writing import begin_run, whole_run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path / "store")
    found.prepare()
    return found


def rm(store: Store, *runs: str) -> tuple[Removal, dict[str, bool]]:
    """What was foreseen, and whether each run is gone."""
    found = foreseen(store, runs, Silent())
    return found, {run: failure is None for run, failure in discard(store, found)}


def listed(store: Store) -> list[str]:
    return sorted(row.id for row in store.list_runs(RunQuery()))


def left(store: Store) -> list[str]:
    return sorted(path.name for path in store.runs_directory.iterdir())


def test_a_removed_run_is_listed_no_more_and_nothing_of_it_is_left(store: Store) -> None:
    first, second = whole_run(store), whole_run(store)
    assert listed(store) == sorted([first, second])
    found, gone = rm(store, first)
    assert [one.row.id for one in found.runs] == [first] and found.size > 1000
    assert gone == {first: True}
    assert listed(store) == [second]
    assert left(store) == [second]


def test_what_can_only_be_read_goes_too(store: Store) -> None:
    run = whole_run(store)
    kept = store.runs_directory / run / "outputs" / "below"
    kept.mkdir(parents=True)
    (kept / "file").write_text("moved here")
    (kept / "link").symlink_to(store.path)
    kept.chmod(0o500)
    kept.parent.chmod(0o000)
    assert rm(store, run)[1] == {run: True}
    assert store.path.is_dir()


def test_a_living_run_is_never_removed_whatever_its_documents_say(store: Store) -> None:
    run = begin_run(store)
    found, gone = rm(store, run.id)
    assert (found.alive, found.runs, gone) == ((run.id,), (), {})
    with pytest.raises(StillRuns):
        remove_run(run.path)
    finish_written = store.runs_directory / whole_run(store) / "outcome.json"
    (run.path / "outcome.json").write_bytes(finish_written.read_bytes())
    assert foreseen(store, [run.id], Silent()).alive == (run.id,)
    run.close()
    assert rm(store, run.id)[1] == {run.id: True}


def test_one_that_comes_to_life_after_it_was_foreseen_stays(store: Store) -> None:
    run = begin_run(store)
    run.close()
    found = foreseen(store, [run.id], Silent())
    child = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(run.path / "alive")], cwd=CHECKOUT, stdin=-1, stdout=-1
    )
    with child:
        assert child.stdout is not None and child.stdout.readline() == b"held\n"
        failures = dict(discard(store, found))
        assert isinstance(failures[run.id], StillRuns)
        assert store.read(run.id).status == "running"


_HOLD = """
import sys
from pathlib import Path
from projrun.core.locks import take
lock = take(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_who_only_looks_keeps_no_run_from_being_removed(store: Store) -> None:
    runs = [whole_run(store) for _ in range(40)]
    looker = subprocess.Popen([sys.executable, "-c", _LOOK, str(store.runs_directory)], cwd=CHECKOUT, stdout=-1)
    with looker:
        assert looker.stdout is not None and looker.stdout.readline() == b"looking\n"
        gone = rm(store, *runs)[1]
        looker.kill()
    assert gone == dict.fromkeys(runs, True)


_LOOK = """
import sys
from pathlib import Path
from projrun.core.locks import is_held
runs = list(Path(sys.argv[1]).iterdir())
print("looking", flush=True)
while True:
    for run in runs:
        is_held(run / "alive")
"""


def test_only_what_no_other_run_names_is_told_to_go_with_it(store: Store) -> None:
    both, own = put(store, b"both"), put(store, b"own")
    first, second = finish(begin_run(store), {"a": both, "b": own}), finish(begin_run(store), {"a": both})
    found = foreseen(store, [first], Silent())
    assert (found.objects, found.objects_size) == (1, 3)
    assert foreseen(store, [first, second], Silent()).objects == 2
    rm(store, first, second)
    assert there(store) == {both, own}


def test_a_run_that_was_done_again_is_told_of(store: Store) -> None:
    from projrun.recipe.document import recipe_document
    from projrun.recipe.model import Reproduces
    from tests.recipe import parts

    first = whole_run(store)
    again = begin_run(store)
    link = Reproduces(first, parts.SHA)
    again.write_recipe(recipe_document(replace(parts.recipe_parts(again.id), reproduces=link)))
    again.close()
    assert [one.done_again for one in foreseen(store, [first], Silent()).runs] == [(again.id,)]
    assert [one.done_again for one in foreseen(store, [first, again.id], Silent()).runs] == [(), ()]


def test_a_removal_that_was_killed_is_finished_by_the_next(store: Store) -> None:
    first, second = whole_run(store), whole_run(store)
    (store.runs_directory / first / "deep").mkdir()
    child = subprocess.run(
        [sys.executable, "-c", _KILLED, str(store.runs_directory / first)], cwd=CHECKOUT, check=False
    )
    assert child.returncode == -signal.SIGKILL
    assert left(store) != [second]
    assert listed(store) == [second]
    assert not is_held(store.runs_directory / f".{first}.gone" / "alive")
    finish_removals(store.runs_directory)
    assert left(store) == [second]


_KILLED = """
import os, signal, sys
from pathlib import Path
from projrun.store import removal
real = os.rmdir
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
os.rmdir = die
removal.remove_run(Path(sys.argv[1]))
"""


def test_two_who_remove_the_same_runs_at_once_remove_them(store: Store) -> None:
    runs = [whole_run(store) for _ in range(60)]
    children = [
        subprocess.Popen([sys.executable, "-c", _REMOVE, str(store.path), *runs], cwd=CHECKOUT) for _ in range(3)
    ]
    assert [child.wait() for child in children] == [0, 0, 0]
    assert left(store) == []


_REMOVE = """
import sys
from pathlib import Path
from projrun.store.removal import finish_removals, remove_run
for run in sys.argv[2:]:
    remove_run(Path(sys.argv[1]) / "runs" / run)
finish_removals(Path(sys.argv[1]) / "runs")
"""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_where_nothing_may_be_written_the_run_stays_and_why_is_told(store: Store) -> None:
    run = whole_run(store)
    store.runs_directory.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="cannot be written"):
            remove_run(store.runs_directory / run)
        assert store.read(run).why_incomplete is None
    finally:
        store.runs_directory.chmod(0o700)


def test_a_long_note_hides_no_reproduction(store: Store) -> None:
    from projrun.core.labels import Labels
    from projrun.recipe.document import recipe_document
    from projrun.recipe.model import Reproduces
    from tests.recipe import parts

    first, again = whole_run(store), begin_run(store)
    labels = Labels(note='"spec": {' + "x" * 20_000)
    recipe = replace(parts.recipe_parts(again.id), reproduces=Reproduces(first, parts.SHA), labels=labels)
    again.write_recipe(recipe_document(recipe))
    again.close()
    assert [one.done_again for one in foreseen(store, [first], Silent()).runs] == [(again.id,)]
