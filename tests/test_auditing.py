"""``projrun store check`` as a flow: each thing that can be wrong is found, named, and comes with what to type."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from projrun.auditing import Audit, audit
from projrun.core.report import Silent
from projrun.core.values import replace
from projrun.recipe.document import recipe_document
from projrun.source.inspect import inspect
from projrun.source.snapshot import snapshot
from projrun.store.run import RunDirectory
from projrun.store.store import Store
from tests.recipe import parts
from tests.repositories import Repository
from tests.store.test_collecting import directory, finish, put
from tests.store.writing import begin_run


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store whose runs are of a pushed commit: they have no snapshot."""
    source = replace(parts.SOURCE, snapshot=None)
    whole = parts.recipe_parts
    monkeypatch.setattr(parts, "recipe_parts", lambda run=parts.RUN: replace(whole(run), source=source))
    found = Store(tmp_path / "store")
    found.prepare()
    return found


def looked(store: Store, *, quick: bool = False) -> Audit:
    """What came of a check, which changed nothing."""
    before = sorted((path, path.lstat().st_mtime_ns) for path in store.path.rglob("*") if "index" not in path.name)
    found = audit(store, Silent(), quick=quick)
    folders = {store.path, store.objects.root}  # where it looks what time it is
    after = sorted((path, path.lstat().st_mtime_ns) for path in store.path.rglob("*") if "index" not in path.name)
    assert [one for one in before if one[0] not in folders] == [one for one in after if one[0] not in folders]
    return found


def kinds(found: Audit) -> list[tuple[str, str]]:
    assert all(fault.hint and fault.message for fault in found.faults)
    return [(fault.kind, fault.of) for fault in found.faults]


def test_a_store_in_order_has_no_fault_and_is_counted(store: Store, tmp_path: Path) -> None:
    listed, _ = directory(store, tmp_path, "one", "two")
    finish(begin_run(store), {"kept": listed}, kind="directory")
    finish(begin_run(store), {"a": put(store, b"a")})
    put(store, b"unnamed")
    (store.runs_directory / ".abcdefghjkmn.gone").mkdir()
    begin_run(store).close()
    alive = begin_run(store)
    (alive.path / "recipe.json").write_text("{")  # it is being written
    found = looked(store)
    assert kinds(found) == []
    assert (found.runs, found.objects, found.hashed, found.unnamed, found.left_behind) == (4, 5, 4, 1, 1)
    assert looked(store, quick=True).hashed == 0
    alive.close()


def test_an_object_that_is_gone_or_altered_is_a_fault(store: Store, tmp_path: Path) -> None:
    listed, files = directory(store, tmp_path, "one", "two")
    gone, altered = sorted(files)
    run = finish(begin_run(store), {"kept": listed}, kind="directory")
    store.objects.path(gone).unlink()
    place = store.objects.path(altered)
    place.chmod(0o600)
    place.write_text("ONE")
    found = looked(store)
    assert sorted(kinds(found)) == sorted([("object", gone), ("object", altered)])
    assert all(run in fault.message and run in fault.hint for fault in found.faults)
    assert kinds(looked(store, quick=True)) == [("object", gone)]
    store.objects.path(listed).unlink()
    assert kinds(looked(store)) == [("object", listed)]


def test_a_list_that_is_damaged_is_a_fault(store: Store, tmp_path: Path) -> None:
    listed, _ = directory(store, tmp_path, "one")
    finish(begin_run(store), {"kept": listed}, kind="directory")
    place = store.objects.path(listed)
    place.chmod(0o600)
    place.write_text("{")
    assert ("object", listed) in kinds(looked(store, quick=True))


def damage(run: RunDirectory, how: str) -> None:
    path = run.path / "outcome.json"
    document = json.loads(path.read_bytes())
    if how == "cut":
        path.write_bytes(path.read_bytes()[:100])
    elif how == "shape":
        path.write_text(json.dumps({**document, "outputs": 3}))
    elif how == "schema":
        path.write_text(json.dumps({**document, "duration": "long"}))
    elif how == "labels":
        (run.path / "labels.json").write_text("[]")
    elif how == "verdict":
        (run.path / "verdict.json").write_text("{")
    elif how == "recipe":
        (run.path / "recipe.json").unlink()
    elif how == "start":
        (run.path / "start.json").unlink()


@pytest.mark.parametrize("how", ["cut", "shape", "schema", "labels", "verdict", "recipe", "start"])
def test_a_record_that_is_not_as_it_was_written_is_a_fault(store: Store, how: str) -> None:
    run = begin_run(store)
    finish(run, {})
    damage(run, how)
    store.rebuild()
    found = looked(store)
    assert kinds(found) == [("record", run.id)]
    assert f"projrun {'tag' if how == 'labels' else 'rm'} {run.id}" in found.faults[0].hint
    assert kinds(looked(store, quick=True)) == ([] if how == "schema" else [("record", run.id)])


def test_an_index_that_says_something_else_is_a_fault(store: Store) -> None:
    run = finish(begin_run(store), {})
    store.rebuild()
    path = store.runs_directory / run / "start.json"
    path.write_text(path.read_text().replace('"name": "n"', '"name": "edited"'))
    found = looked(store)
    assert kinds(found) == [("index", run)]
    assert found.faults[0].hint == "projrun store rebuild"
    store.rebuild()
    assert kinds(looked(store)) == []


def test_a_snapshot_that_is_gone_is_a_fault(store: Store, repository: Repository) -> None:
    repository.write("file.txt", "one\n")
    source = snapshot(inspect(repository.path), store.sources, limit=1 << 30)
    run = begin_run(store)
    run.write_recipe(recipe_document(replace(parts.recipe_parts(run.id), source=source)))
    run.close()
    assert kinds(looked(store)) == []
    assert looked(store).snapshots == 1
    (store.sources / "refs/projrun/snapshots" / str(source.snapshot)).unlink()
    assert kinds(looked(store)) == [("snapshot", source.snapshot)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_that_can_only_be_read_can_be_checked(store: Store) -> None:
    finish(begin_run(store), {"a": put(store, b"a")})
    store.path.chmod(0o500)
    try:
        assert kinds(looked(store)) == []
    finally:
        store.path.chmod(0o700)
