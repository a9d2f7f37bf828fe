"""A store of a group, used by two real users of it: needs a root that may become them."""

from __future__ import annotations

import mmap  # noqa: F401 - as sqlite3
import os
import sqlite3  # noqa: F401 - the users below may not read where Python is
import stat
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from projrun.collecting import collect
from projrun.core import locks
from projrun.core.errors import UsageError
from projrun.core.report import Silent
from projrun.source import inspect, snapshot
from projrun.store import database, removal, sharing
from projrun.store.index import RunQuery
from projrun.store.store import Store
from tests.repositories import Repository
from tests.store.test_modes import modes, written

assert database  # as sqlite3

REQUIRED = "users" in os.environ.get("PROJRUN_TEST_REQUIRE", "").split(",")
ANN, BOB, EVE = 54_001, 54_002, 54_003  # nobody has such numbers
GROUP = 54_100


def as_user(user: int, groups: list[int], act: Callable[[], object]) -> None:
    """Does it in a child that is that user, with the strictest umask. Fails when it fails there."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setgid(user)
            os.setuid(user)
            os.umask(0o077)
            os.environ["HOME"] = "/nonexistent"
            act()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory where these users may work."""
    if os.geteuid() != 0:
        problem = "only root can become other users"
        if REQUIRED:
            pytest.fail(f"{problem}, and PROJRUN_TEST_REQUIRE names users")
        pytest.skip(problem)
    with tempfile.TemporaryDirectory() as made:  # pytest's own directories let nobody else in
        Path(made).chmod(0o777)
        yield Path(made)


def test_two_users_of_a_group_share_a_store(place: Path) -> None:
    store = place / "store"

    def first() -> None:
        repository = Repository.create(place / "ann")
        repository.write("old.txt", "committed\n")
        repository.commit()
        written(store, repository)
        assert sharing.share(store, str(GROUP))[0] == str(GROUP)
        assert sharing.group_of(store) == str(GROUP)

    def second() -> None:
        assert len(Store(store).list_runs(RunQuery())) == 1
        repository = Repository.create(place / "bob")
        repository.write("old.txt", "committed\n")
        repository.commit()
        written(store, repository)  # the same objects, the same index, the same sources.git
        assert len(Store(store).list_runs(RunQuery())) == 2

    def first_again() -> None:
        repository = Repository(place / "ann")
        repository.write("more.txt", "of ann\n")
        taken = snapshot.snapshot(inspect.inspect(repository.path), Store(store).sources, limit=1 << 20)
        assert snapshot.holds(Store(store).sources, str(taken.snapshot))
        for run in [path for path in (store / "runs").iterdir() if path.stat().st_uid == BOB]:
            assert Store(store).read(run.name).start is not None
            for file in run.iterdir():
                file.unlink()
            run.rmdir()
        assert len(Store(store).list_runs(RunQuery())) == 1
        assert Store(store).rebuild() == 1

    as_user(ANN, [GROUP], first)
    as_user(BOB, [GROUP], second)
    as_user(ANN, [GROUP], first_again)
    assert {path: oct(mode) for path, mode in modes(store).items() if mode & 0o007} == {}


def test_two_users_of_a_group_tidy_up_after_each_other(place: Path) -> None:
    store = place / "store"

    def runs(user: str) -> Callable[[], None]:
        def act() -> None:
            repository = Repository.create(place / f"{user}-{os.getpid()}")
            repository.write("old.txt", f"of {user}\n")
            repository.commit()
            written(store, repository)
            if sharing.group_of(store) is None:
                sharing.share(store, str(GROUP))

        return act

    def removes_of(owner: int) -> Callable[[], None]:
        def act() -> None:
            (run,) = [path for path in (store / "runs").iterdir() if path.stat().st_uid == owner]
            removal.remove_run(run)
            found = collect(Store(store), Silent(), grace=-60.0, dry_run=False)
            assert found.unreadable == ()
            assert run.name not in {row.id for row in Store(store).list_runs(RunQuery())}

        return act

    def lives() -> None:
        with pytest.raises(removal.StillRuns):
            removal.remove_run(next(iter((store / "runs").iterdir())))
        collect(Store(store), Silent(), grace=-60.0, dry_run=False)

    as_user(ANN, [GROUP], runs("ann"))
    as_user(BOB, [GROUP], runs("bob"))
    as_user(ANN, [GROUP], removes_of(BOB))
    as_user(BOB, [GROUP], removes_of(ANN))
    assert list((store / "runs").iterdir()) == []
    assert [path for path in (store / "objects").rglob("*") if path.is_file()] == []
    as_user(ANN, [GROUP], runs("ann"))
    (run,) = (store / "runs").iterdir()
    held = locks.take(run / "alive")
    as_user(BOB, [GROUP], lives)
    held.close()
    assert run.is_dir()
    assert {path: oct(mode) for path, mode in modes(store).items() if mode & 0o007} == {}


def test_who_is_not_of_the_group_gets_in_nowhere(place: Path) -> None:
    store = place / "store"

    def make() -> None:
        Store(store).begin().close()
        sharing.share(store, str(GROUP))

    def look() -> None:
        with pytest.raises(PermissionError):
            list(store.iterdir())

    as_user(ANN, [GROUP], make)
    as_user(EVE, [], look)


def test_a_store_can_be_taken_back(place: Path) -> None:
    store = place / "store"

    def change() -> None:
        Store(store).begin().close()
        sharing.share(store, str(GROUP))
        sharing.close(store)
        assert sharing.group_of(store) is None

    as_user(ANN, [GROUP], change)
    assert {path: oct(mode) for path, mode in modes(store).items() if mode & 0o077} == {}


def test_a_group_that_is_not_ones_own_is_refused(place: Path) -> None:
    def refuse() -> None:
        with pytest.raises(UsageError):
            sharing.share(place / "store", str(GROUP))
        with pytest.raises(UsageError):
            sharing.share(place / "store", "no-such-group")

    as_user(EVE, [], refuse)


def test_what_a_link_leads_to_keeps_its_rights(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    outside.chmod(0o604)
    Store(tmp_path / "store").prepare()
    (tmp_path / "store" / "runs" / "link").symlink_to(outside)
    sharing.share(tmp_path / "store", None)
    assert stat.S_IMODE(outside.stat().st_mode) == 0o604


def test_a_directory_above_that_keeps_the_group_out_is_named(place: Path) -> None:
    store = place / "a" / "b" / "store"
    sharing.share(store, str(GROUP))
    (place / "a").chmod(0o711)
    for closed in (place / "a" / "b", place / "a"):
        closed.chmod(0o700)
        assert sharing.closed_above(store) == closed.resolve()
    for opened in (place / "a", place / "a" / "b"):
        opened.chmod(0o711)
    assert sharing.closed_above(store) is None
