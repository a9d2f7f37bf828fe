from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projrun.core.errors import StoreError, UsageError
from projrun.store import store as store_module
from projrun.store.ids import ALPHABET, is_id, new_id
from projrun.store.index import RunQuery
from projrun.store.run import LOST, RUNNING, STATUSES
from projrun.store.store import FORMAT, Store
from tests.recipe import parts
from tests.schemas import validate_store
from tests.store.writing import begin_run, finish_run, whole_run

CHECKOUT = Path(__file__).parent.parent.parent


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def python(program: str, *words: str) -> subprocess.Popen[bytes]:
    """A real process of ours that runs a program with the checkout importable."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *words], cwd=CHECKOUT, stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )


def test_ids_are_twelve_characters_without_look_alikes_and_begin_with_a_letter() -> None:
    assert len(set(ALPHABET)) == 31
    assert not set(ALPHABET) & set("01ilo")
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(is_id(run) and run[0].isalpha() and run == run.lower() for run in ids)
    assert not any(is_id(text) for text in ("", "abc", "2" * 12, "A" * 12, "l" * 12, "a" * 13))


def test_a_whole_run_reads_back(store: Store) -> None:
    run = whole_run(store)
    record = store.read(run)
    assert record.status == "finished"
    assert record.why_incomplete is None
    assert record.start is not None
    assert record.recipe is not None
    assert record.recipe["argv"] == list(parts.REQUEST.argv)
    assert record.outcome is not None
    assert record.outcome["status"] == "finished"
    assert validate_store(store.path) == 3


def test_directories_are_the_owners_alone(store: Store) -> None:
    run = begin_run(store)
    for path in (store.path, store.runs_directory, run.path):
        assert path.stat().st_mode & 0o777 == 0o700, path
    run.close()


def test_no_document_is_written_twice(store: Store) -> None:
    run = begin_run(store)
    finish_run(run)
    before = {path.name: path.read_bytes() for path in run.path.glob("*.json")}
    for write in (run.write_start, run.write_recipe, run.write_outcome):
        with pytest.raises(StoreError, match="already has"):
            write({"document": "other"})
    assert {path.name: path.read_bytes() for path in run.path.glob("*.json")} == before


def test_an_id_that_is_taken_is_not_used_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = whole_run(store)
    ids = iter([taken, taken, "bcdefghjkmnp"])
    monkeypatch.setattr(store_module, "new_id", lambda: next(ids))
    run = store.begin()
    run.close()
    assert run.id == "bcdefghjkmnp"
    assert sorted(path.name for path in store.runs_directory.iterdir()) == sorted([taken, run.id])


def test_a_run_is_running_while_its_process_lives_and_lost_afterwards(store: Store) -> None:
    run = begin_run(store)
    assert store.read(run.id).status == RUNNING
    assert store.read(run.id).why_incomplete is None
    run.close()
    record = store.read(run.id)
    assert record.status == LOST
    assert record.why_incomplete is not None
    assert "without writing what happened" in record.why_incomplete


def test_a_run_whose_process_was_killed_is_lost(store: Store) -> None:
    program = (
        "import sys, time; from pathlib import Path; from projrun.store.store import Store;"
        "from tests.store.writing import begin_run;"
        "run = begin_run(Store(Path(sys.argv[1]))); print(run.id, flush=True); sys.stdin.read()"
    )
    with python(program, str(store.path)) as process:
        assert process.stdout is not None
        run = process.stdout.readline().decode().strip()
        assert store.read(run).status == RUNNING
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert store.read(run).status == LOST
    assert store.list_runs(RunQuery())[0].status == LOST
    assert store.resolve("last") == run
    assert validate_store(store.path) == 1


BREAKAGES: dict[str, Callable[[Path], int | None]] = {
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "binary": lambda path: path.write_bytes(b"\xff\0\xfe"),
    "a list": lambda path: path.write_text("[]"),
    "too deep": lambda path: path.write_text("[" * 100_000),
    "another document": lambda path: path.write_text('{"document": "x", "version": 1}'),
    "a newer version": lambda path: path.write_text(json.dumps({**json.loads(path.read_bytes()), "version": 2})),
    "another run's": lambda path: path.write_text(json.dumps({**json.loads(path.read_bytes()), "run": "x"})),
    "a directory": lambda path: path.rename(path.with_suffix(".old")).with_suffix(".json").mkdir(),
}


@pytest.mark.parametrize("kind", ["start", "recipe", "outcome"])
@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_document_gives_a_record_that_says_so(store: Store, kind: str, breakage: str) -> None:
    run = whole_run(store)
    BREAKAGES[breakage](store.runs_directory / run / f"{kind}.json")
    record = store.read(run)
    assert record.why_incomplete is not None
    assert f"{kind}.json" in record.why_incomplete
    assert getattr(record, kind) is None
    assert record.status == (LOST if kind == "outcome" else "finished")
    assert store.list_runs(RunQuery())[0].id == run


NUMBERS = st.integers() | st.just(10**400) | st.floats()
TEXTS = st.text(st.characters(exclude_categories=()))  # lone surrogates too
KEYS = st.sampled_from(["name", "root", "key", "value"]) | TEXTS


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(kind=st.sampled_from(["start", "recipe", "outcome"]), data=st.data())
def test_documents_of_any_shape_never_crash_a_listing(store: Store, kind: str, data: st.DataObject) -> None:
    run = whole_run(store)
    path = store.runs_directory / run / f"{kind}.json"
    document = json.loads(path.read_bytes())
    values = NUMBERS | TEXTS | st.none() | st.lists(NUMBERS) | st.dictionaries(KEYS, NUMBERS | TEXTS)
    for key in data.draw(
        st.lists(st.sampled_from(sorted(set(document) - {"document", "version", "run"})), max_size=4)
    ):
        document[key] = data.draw(values)
    path.write_text(json.dumps(document))
    assert store.read(run).status in STATUSES
    assert run in {row.id for row in store.list_runs(RunQuery())}


@pytest.mark.parametrize("value", ["NaN", "1e400", "[[NaN]]", '{"a":' * 400 + "1" + "}" * 400, "[1, -Infinity]"])
def test_a_parameter_of_any_json_is_listed_and_sorted(store: Store, value: str) -> None:
    run = whole_run(store)
    path = store.runs_directory / run / "recipe.json"
    path.write_text(json.dumps(json.loads(path.read_bytes())).replace('"value": 3', f'"value": {value}'))
    other = whole_run(store)  # a field that no run has at all is a mistake
    assert {row.id for row in store.list_runs(RunQuery(sort=("-params.depth",)))} == {run, other}


def test_an_empty_run_directory_is_lost_and_says_so(store: Store) -> None:
    store.prepare()
    (store.runs_directory / "abcdefghjkmn").mkdir()
    record = store.read("abcdefghjkmn")
    assert record.status == LOST
    assert "start.json is missing" in (record.why_incomplete or "")
    assert store.list_runs(RunQuery())[0].status == LOST


def test_what_is_no_run_is_not_listed(store: Store) -> None:
    run = whole_run(store)
    (store.runs_directory / "notes.txt").write_text("mine")
    (store.runs_directory / ".abcdefghjkmn.1.new").mkdir()
    assert [row.id for row in store.list_runs(RunQuery())] == [run]
    assert store.index.ids("") == (run,)


# Finding a run


def test_last_is_the_run_that_was_started_last_of_any_project(store: Store) -> None:
    middle = whole_run(store, created=200.0)
    oldest = whole_run(store, created=100.0)
    newest = whole_run(store, created=300.0, root=Path("/elsewhere"))
    assert [store.resolve(text) for text in ("last", "last~0", "last~1", "LAST~2", " last ")] == [
        newest,
        newest,
        middle,
        oldest,
        newest,
    ]
    with pytest.raises(UsageError) as caught:
        store.resolve("last~3")
    assert "3 runs" in caught.value.why


def test_last_of_a_project_is_its_own(store: Store) -> None:
    here, other = Path("/home/me/here"), Path("/home/me/other")
    first = whole_run(store, created=100.0, root=here)
    second = whole_run(store, created=200.0, root=here)
    whole_run(store, created=300.0, root=other)
    assert [store.resolve(text, here) for text in ("last", "last~1")] == [second, first]
    assert store.resolve(first, other) == first
    with pytest.raises(UsageError, match="there is no run last~2 of /home/me/here") as caught:
        store.resolve("last~2", here)
    assert "2 runs of it" in caught.value.why
    with pytest.raises(UsageError, match="there is no run yet of /elsewhere") as caught:
        store.resolve("last", Path("/elsewhere"))
    assert (
        caught.value.hint == "projrun run starts one; of other projects: projrun runs --all, and name it by its id"
    )


def test_in_an_empty_store_the_hint_is_to_run(store: Store) -> None:
    with pytest.raises(UsageError, match="there is no run yet") as caught:
        store.resolve("last")
    assert caught.value.hint == "projrun run starts one"


def test_runs_that_started_together_are_told_apart_by_id(store: Store) -> None:
    runs = sorted(whole_run(store) for _ in range(3))
    assert [store.resolve(f"last~{back}") for back in range(3)] == runs[::-1]


FEW = st.text(st.sampled_from("ab"), min_size=11, max_size=11)  # few characters, so that prefixes collide


@settings(max_examples=40)
@given(tails=st.sets(FEW, min_size=1, max_size=5), pick=st.integers(0), length=st.integers(1, 12))
def test_a_prefix_finds_exactly_the_run_it_is_unique_to(
    tmp_path_factory: pytest.TempPathFactory, tails: set[str], pick: int, length: int
) -> None:
    store = Store(tmp_path_factory.mktemp("prefixes") / "store")
    store.prepare()
    runs = sorted(f"a{tail}" for tail in tails)
    for run in runs:
        (store.runs_directory / run).mkdir()
    prefix = runs[pick % len(runs)][:length]
    meant = [run for run in runs if run.startswith(prefix)]
    if len(meant) == 1:
        assert store.resolve(prefix) == meant[0]
        assert store.resolve(prefix.upper()) == meant[0]
    else:
        with pytest.raises(UsageError, match=f"the beginning of {len(meant)} runs") as caught:
            store.resolve(prefix)
        assert all(run in caught.value.why for run in meant)


@pytest.mark.parametrize(
    "text", ["", "zzzz", "last~", "last~x", "..", "../..", "%", "a/b", "last~99999999999", "\0"]
)
def test_what_names_no_run_is_a_usage_error_with_a_hint(store: Store, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        store.resolve(text)
    assert "projrun runs" in caught.value.hint
    assert not store.path.exists()


def test_a_mistyped_id_is_answered_with_the_nearest(store: Store) -> None:
    run = whole_run(store)
    wrong = run[:6] + ("a" if run[6] != "a" else "b") + run[7:]
    with pytest.raises(UsageError) as caught:
        store.resolve(wrong)
    assert run in caught.value.hint
    with pytest.raises(UsageError):
        store.read(wrong)


# A store that cannot be used


def test_a_file_in_the_way_is_a_store_error_that_says_what_to_type(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(StoreError) as caught:
            Store(path).begin()
        assert "in the way" in caught.value.why
        assert "--store DIR" in caught.value.hint


def test_a_store_on_a_path_that_cannot_be_made_is_a_store_error() -> None:
    with pytest.raises(StoreError) as caught:
        Store(Path("/proc/nowhere/store")).begin()
    assert "--store DIR" in caught.value.hint


def test_a_file_system_without_locks_is_a_store_error_and_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(path: Path) -> int:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(store_module, "take", no_locks)
    with pytest.raises(StoreError) as caught:
        store.begin()
    assert "no locks" in caught.value.why
    assert list(store.runs_directory.iterdir()) == []


def test_a_full_disk_is_a_store_error_and_leaves_a_readable_run(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin_run(store)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError) as caught:
        finish_run(run)
    assert caught.value.why.endswith("the disk is full")
    run.close()
    assert store.read(run.id).status == LOST
    assert not list(run.path.glob(".*"))


@pytest.mark.parametrize("content", ['{"format": 2}', "{}", "", "[]", "null", '{"format": "1"}'])
def test_a_store_of_another_format_is_refused_everywhere(store: Store, content: str) -> None:
    run = whole_run(store)
    (store.path / "store.json").write_text(content)
    for use in (
        store.begin,
        lambda: store.read(run),
        lambda: store.resolve("last"),
        lambda: store.list_runs(RunQuery()),
        store.rebuild,
    ):
        with pytest.raises(StoreError) as caught:
            use()
        assert "format" in caught.value.why
    if "2" in content:
        assert "newer" in caught.value.what


def test_a_directory_of_other_files_is_not_strewn_with_runs(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    store = Store(tmp_path)
    with pytest.raises(StoreError, match="is not a run store"):
        store.begin()
    assert store.list_runs(RunQuery()) == ()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_looking_into_a_store_that_is_not_there_makes_nothing(store: Store) -> None:
    assert store.list_runs(RunQuery()) == ()
    assert not store.path.exists()


def test_the_format_is_written_down(store: Store) -> None:
    store.prepare()
    assert json.loads((store.path / "store.json").read_bytes()) == {"format": FORMAT}
