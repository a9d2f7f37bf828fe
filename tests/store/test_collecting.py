"""Objects that no record names: which go, which stay, and that none goes which a run is about to name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from projrun.collecting import DAY, Collected, collect
from projrun.core.errors import StoreError, UsageError
from projrun.core.hashing import sha256_bytes
from projrun.core.locks import take
from projrun.core.report import Silent
from projrun.core.values import replace
from projrun.recipe.document import outcome_document, recipe_document
from projrun.store import collecting, removal
from projrun.store.outputs import keep_output
from projrun.store.references import Unclear, all_named, names_of
from projrun.store.run import RunDirectory, read_run
from projrun.store.store import Store
from tests.recipe import parts
from tests.schemas import recipe_schema
from tests.store.writing import begin_run, whole_run

CHECKOUT = Path(__file__).parent.parent.parent
OLD = 2 * DAY


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path / "store")
    found.prepare()
    return found


def put(store: Store, data: bytes, *, age: float = OLD) -> str:
    """An object that was touched last so many seconds ago."""
    sha256 = store.objects.put_bytes(data)
    grow_old(store, sha256, age)
    return sha256


def grow_old(store: Store, sha256: str, age: float = OLD) -> None:
    os.utime(store.objects.path(sha256), (time.time() - age,) * 2)


def finish(run: RunDirectory, outputs: dict[str, str], *, kind: str = "file") -> str:
    """Ends a run whose outputs are these objects, by their paths. Gives its id."""
    run.write_recipe(recipe_document(parts.recipe_parts(run.id)))
    outcome = outcome_document(replace(parts.outcome_parts(run.id), outputs=()))
    outcome["outputs"] = [output(path, sha256, kind) for path, sha256 in outputs.items()]
    run.write_outcome(outcome)
    run.close()
    return run.id


def output(path: str, sha256: str, kind: str) -> dict[str, Any]:
    found = {"name": path, "path": path, "kind": kind, "size": 1, "files": 1, "sha256": sha256}
    return {**found, "stale": False, "object": sha256}


def gc(store: Store, grace: float = DAY, *, dry_run: bool = False) -> Collected:
    return collect(store, Silent(), grace=grace, dry_run=dry_run)


def there(store: Store) -> set[str]:
    return {one.sha256 for one in collecting.all_objects(store.objects)}


def test_what_a_record_names_stays_and_what_none_names_goes(store: Store) -> None:
    named, unnamed = put(store, b"named"), put(store, b"unnamed")
    finish(begin_run(store), {"a": named})
    grow_old(store, named)
    told = gc(store, dry_run=True)
    assert (told.objects, told.objects_size, told.runs) == (1, len(b"unnamed"), 1)
    assert there(store) == {named, unnamed}
    assert gc(store) == replace(told, snapshots_size=0)
    assert there(store) == {named}
    assert gc(store).objects == 0


def test_what_was_put_or_found_there_within_the_grace_period_stays(store: Store) -> None:
    young, reused = put(store, b"young", age=60), put(store, b"reused")
    old = put(store, b"old")
    assert store.objects.put_bytes(b"reused") == reused
    told = gc(store, 3600)
    assert (told.objects, told.young) == (1, 2)
    assert there(store) == {young, reused} and old not in there(store)


def test_a_file_that_is_there_is_touched_too(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    sha256 = put(store, b"content")
    store.objects.put_file(tmp_path / "file", sha256)
    assert time.time() - store.objects.path(sha256).stat().st_mtime < DAY


def directory(store: Store, tmp_path: Path, *names: str) -> tuple[str, set[str]]:
    """A kept directory with files of their own names, all old: its list, and the files."""
    (tmp_path / "kept").mkdir()
    for name in names:
        (tmp_path / "kept" / name).write_text(name)
    listed = keep_output(store.objects, tmp_path / "kept")
    files = {sha256_bytes(name.encode()) for name in names}
    for sha256 in (listed, *files):
        grow_old(store, sha256)
    return listed, files


def test_a_kept_directory_keeps_its_files(store: Store, tmp_path: Path) -> None:
    listed, files = directory(store, tmp_path, "one", "two")
    run = finish(begin_run(store), {"kept": listed}, kind="directory")
    for sha256 in (listed, *files):
        grow_old(store, sha256)
    assert gc(store).objects == 0
    removal.remove_run(store.runs_directory / run)
    assert gc(store).objects == 3
    assert there(store) == set()


def test_a_list_that_was_found_there_lately_keeps_its_files_though_nobody_touched_them(
    store: Store, tmp_path: Path
) -> None:
    listed, files = directory(store, tmp_path, "one", "two")
    assert store.objects.touch(listed)
    assert gc(store).objects == 0
    assert there(store) == {listed, *files}


def test_a_list_that_is_touched_between_the_look_and_the_sweep_keeps_its_files(
    store: Store, tmp_path: Path
) -> None:
    listed, files = directory(store, tmp_path, "one", "two")
    before = collecting.cutoff(time.time(), 0, None)
    found = collecting.unnamed(store.objects, all_named(store.runs_directory, store.objects), before)
    assert {one.sha256 for one in found.going} == {listed, *files}
    store.objects.touch(listed)
    assert collecting.sweep(store.objects, found, before) == ()
    assert there(store) == {listed, *files}


def test_nothing_goes_that_was_put_since_the_oldest_living_run_began(store: Store) -> None:
    run = begin_run(store)
    os.utime(run.path / "alive", (time.time() - 5 * DAY,) * 2)
    since, before = put(store, b"since", age=4 * DAY), put(store, b"before", age=6 * DAY)
    assert gc(store).objects == 1
    assert there(store) == {since} and before not in there(store)
    finish(run, {"a": since})
    grow_old(store, since)
    assert gc(store).objects == 0


@pytest.mark.parametrize("kind", ["recipe", "outcome"])
@pytest.mark.parametrize("content", ["", '{"document": "KIND", "version": 2}', '{"document": "KIND", "ver'])
def test_while_a_record_cannot_be_read_nothing_goes_that_it_may_name(
    store: Store, kind: str, content: str
) -> None:
    run = finish(begin_run(store), {"a": put(store, b"named")})
    (store.runs_directory / run / f"{kind}.json").write_text(content.replace("KIND", kind))
    sha256 = put(store, b"unnamed")
    told = gc(store)
    assert [one.run for one in told.unreadable] == [run]
    assert told.objects == 0 and sha256 in there(store)
    removal.remove_run(store.runs_directory / run)
    assert gc(store).objects == 2


def test_a_list_that_is_damaged_keeps_everything(store: Store, tmp_path: Path) -> None:
    listed, files = directory(store, tmp_path, "one")
    finish(begin_run(store), {"kept": listed}, kind="directory")
    place = store.objects.path(listed)
    place.chmod(0o600)
    place.write_text("{")
    told = gc(store)
    assert told.objects == 0 and files < there(store)
    assert listed in told.unreadable[0].why


@pytest.mark.parametrize(
    "outputs", [3, [3], [{"object": 3}], [{"object": "../../../etc/passwd"}], [{"object": "A" * 64}], {"a": 1}]
)
def test_a_record_of_another_shape_is_unclear_and_never_a_crash(store: Store, outputs: object) -> None:
    path = store.runs_directory / whole_run(store)
    document = json.loads((path / "outcome.json").read_bytes())
    (path / "outcome.json").write_text(json.dumps({**document, "outputs": outputs}))
    with pytest.raises(Unclear):
        names_of(read_run(path))
    assert len(gc(store).unreadable) == 1


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_object_that_is_put_around_the_moment_it_is_moved_aside_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    sha256 = put(store, b"content")
    moved: list[Path] = []
    rename = Path.rename

    def renamed(path: Path, target: Path) -> Path:
        if moved:
            return rename(path, target)
        moved.append(path)
        if moment == "before":
            store.objects.put_bytes(b"content")
        done = rename(path, target)
        if moment == "after":
            store.objects.put_bytes(b"content")
        return done

    monkeypatch.setattr(Path, "rename", renamed)
    gc(store)
    assert moved == [store.objects.path(sha256)]
    assert store.objects.read(sha256) == b"content"
    assert not list(store.objects.root.rglob(".*"))


# Where the documents have a digest: whether the store keeps what it is of.
DIGESTS = {
    "recipe.reproduces.sha256": False,
    "recipe.spec.sha256": False,
    "recipe.environment.lock.sha256": False,  # the lock's text is in the recipe
    "recipe.environment.container.build.context.sha256": False,
    "recipe.environment.container.build.log.sha256": True,
    "recipe.inputs[].sha256": True,  # of a file, if another run has put it there
    "recipe.inputs[].pin": False,
    "recipe.inputs[].schema.sha256": False,
    "recipe.inputs[].object": True,
    "outcome.inputs[].before": False,
    "outcome.inputs[].sha256": False,
    "outcome.outputs[].sha256": False,
    "outcome.outputs[].object": True,
    "verdict.reproduces.sha256": False,
}


def digests(schema: dict[str, Any], path: str) -> Iterator[str]:
    if schema.get("$ref", "").endswith("/sha256"):
        yield path
    for name, below in schema.get("properties", {}).items():
        yield from digests(below, f"{path}.{name}")
    for below in schema.get("anyOf", []):
        yield from digests(below, path)
    yield from digests(schema["items"], f"{path}[]") if "items" in schema else ()


def test_every_digest_of_the_schema_is_known_to_be_kept_or_not() -> None:
    definitions = recipe_schema()["$defs"]
    found = {path for name in definitions for path in digests(definitions[name], name)}
    assert found - {"sha256"} == set(DIGESTS)


@pytest.mark.parametrize("path", DIGESTS)
def test_what_is_kept_is_named_and_nothing_else(store: Store, path: str) -> None:
    kind, *keys = path.split(".")
    sha256 = sha256_bytes(path.encode())
    value: Any = sha256
    for key in reversed(keys):
        value = {key.removesuffix("[]"): [{"kind": "file", **value}] if key.endswith("[]") else value}
    run = begin_run(store)
    run.close()
    head = {"document": kind, "version": 1, "run": run.id, "status": "finished"}
    (run.path / f"{kind}.json").write_text(json.dumps({**head, **value}))
    assert (sha256 in names_of(read_run(run.path)).objects) == DIGESTS[path]


def test_a_collector_that_was_killed_is_followed_by_one_that_puts_back(store: Store) -> None:
    sha256, other = put(store, b"content"), put(store, b"other")
    for one in (sha256, other):
        place = store.objects.path(one)
        place.rename(place.with_name(f".{place.name}.collected"))
    store.objects.put_bytes(b"other")
    finish(begin_run(store), {"a": sha256})
    gc(store)
    assert there(store) == {sha256, other}
    assert not list(store.objects.root.rglob(".*"))


@pytest.mark.parametrize("lost", ["runs", "store.json"])
def test_where_the_runs_or_the_mark_of_a_store_are_lost_nothing_goes(store: Store, lost: str) -> None:
    sha256 = put(store, b"content")
    (store.path / lost).rename(store.path / "elsewhere")
    with pytest.raises(UsageError, match="no store"):
        gc(store)
    assert there(store) == {sha256}


def test_one_collector_at_a_time(store: Store) -> None:
    held = take(store.path / "gc.lock")
    try:
        with pytest.raises(StoreError, match="another projrun gc"):
            gc(store)
        gc(store, dry_run=True)
    finally:
        held.close()


def test_what_the_dead_left_goes_and_what_the_living_have_stays(store: Store) -> None:
    alive, lost = begin_run(store), begin_run(store)
    lost.close()
    for run in (alive, lost):
        (run.path / "params.json").write_text("{}")
        (run.path / "startup").mkdir()
        (run.path / ".outcome.json.0123.part").write_text("{")
        os.utime(run.path / ".outcome.json.0123.part", (time.time() - OLD,) * 2)
    new = store.runs_directory / ".abcdefghjkmn.1.new"
    new.mkdir()
    part = store.objects.root / "ab" / ".cd.0123.part"
    part.parent.mkdir(parents=True)
    part.write_text("half")
    gone = store.runs_directory / f".{lost.id}.gone"
    gone.mkdir()
    for path in (part, new):
        os.utime(path, (time.time() - OLD,) * 2)
    told = gc(store)
    left = {path.name for path, _ in told.leftovers}
    # Who reads such a run may have removed its params.json before.
    assert left - {"params.json"} == {"startup", new.name, gone.name, part.name, ".outcome.json.0123.part"}
    assert sorted(path.name for path in lost.path.iterdir()) == ["alive", "start.json"]
    assert (alive.path / "params.json").exists() and (alive.path / "startup").exists()
    assert not new.exists() and not part.exists() and not gone.exists()
    alive.close()


WRITER = """
import sys
from pathlib import Path
from projrun.store.store import Store
from tests.store.test_collecting import finish
from tests.store.writing import begin_run
store = Store(Path(sys.argv[1]))
for line in sys.stdin:
    run = begin_run(store)
    print("ready", flush=True)
    sys.stdin.readline()
    named = {str(n): store.objects.put_bytes(b"content %d" % n) for n in range(int(sys.argv[2]))}
    finish(run, named)
    print(run.id, flush=True)
"""

COLLECTOR = """
import sys
from pathlib import Path
from projrun.store import collecting
from projrun.collecting import collect
from projrun.core.report import Silent
from projrun.store.store import Store
collecting._TICK = 0.05  # so that what was put just now is in danger, if the rest of it did not hold
store = Store(Path(sys.argv[1]))
for line in sys.stdin:
    print("ready", flush=True)
    sys.stdin.readline()
    print(collect(store, Silent(), grace=0, dry_run=False).objects, flush=True)
"""


def started(program: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *words],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def say(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.slow
def test_an_object_that_a_run_finds_there_while_it_is_collected_is_there_when_the_run_has_named_it(
    store: Store,
) -> None:
    count, rounds, most, collected, turn = 60, 20, 300, 0, 0
    with started(WRITER, str(store.path), str(count)) as writer, started(COLLECTOR, str(store.path)) as collector:
        # On a busy machine the collector may be the slower one for many rounds.
        while turn < rounds or (not collected and turn < most):
            turn += 1
            for number in range(count):
                put(store, b"content %d" % number)
            # One begins before the collector looks, the next after it: both ways have to hold.
            for one in (writer, collector) if turn % 2 else (collector, writer):
                say(one)
                assert hear(one) == "ready"
            for one in (collector, writer):
                say(one)
            run = hear(writer)
            collected += int(hear(collector))
            missing = [one for one in names_of(store.read(run)).required if not store.objects.path(one).exists()]
            assert not missing
            removal.remove_run(store.runs_directory / run)
    assert collected  # else nothing was in danger
