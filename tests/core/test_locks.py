"""Locks hold between real processes, end with them, and do so where flock does not work."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from projrun.core import lockfiles, locks

REPOSITORY = Path(__file__).parent.parent.parent

# What a file system without flock does, in the way that can be had where there is no compiler.
NO_FLOCK = """
import errno, fcntl
def flock(descriptor, operation):
    raise OSError(errno.{code}, "no locks available")
fcntl.flock = flock
"""

# The same for every program, but only below a folder of some name: as a file system that is mounted there.
NO_FLOCK_IN_C = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int flock(int fd, int operation) {
    char link[64], path[4096];
    const char *below = getenv("NO_FLOCK_BELOW");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    if (!below || strstr(path, below)) {
        errno = ENOLCK;
        return -1;
    }
    return ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(fd, operation);
}
"""

# Takes lines of orders and says what it did.
PROCESS = """
import sys
from pathlib import Path
from projrun.core import locks
held = {}
for line in sys.stdin:
    order, name = line.split()
    path = Path(name)
    if order == "exclusive":
        def waiting(holder):
            print("waits for", holder, flush=True)
        context = locks.exclusive(path, holder="the first", waiting=waiting)
        context.__enter__()
        held[name] = context
    elif order == "shared":
        held[name] = locks.shared(path)
        held[name].__enter__()
    elif order == "take":
        try:
            held[name] = locks.take(path)
        except BlockingIOError:
            print("refused", flush=True)
            continue
    else:
        context = held.pop(name)
        context.close() if hasattr(context, "close") else context.__exit__(None, None, None)
    print("done", flush=True)
"""


class Process:
    """Another process that takes locks when it is told to."""

    def __init__(self, variables: dict[str, str], start: str = "") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", start + PROCESS],
            cwd=REPOSITORY,
            env={**os.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def order(self, what: str, path: Path) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what} {path}\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def do(self, what: str, path: Path) -> str:
        self.order(what, path)
        return self.answer()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        self.process.communicate()


@pytest.fixture(scope="module")
def without_flock(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], str]:
    """Variables and first lines that make flock fail in another process: by a library where a compiler is."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        return {}, NO_FLOCK.format(code="ENOLCK")
    folder = tmp_path_factory.mktemp("library")
    source = folder / "noflock.c"
    source.write_text(NO_FLOCK_IN_C)
    library = folder / "noflock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return {"LD_PRELOAD": str(library)}, ""


@pytest.fixture(params=["flock", "lock files"])
def several(
    request: pytest.FixtureRequest, without_flock: tuple[dict[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[Process]]:
    """Two other processes; they and this one have flock or have it not."""
    variables, start = without_flock if request.param == "lock files" else ({}, "")
    if request.param == "lock files":
        monkeypatch.setattr(fcntl, "flock", fails)
    started = [Process(variables, start) for _ in range(2)]
    yield started
    for one in started:
        one.end()


def fails(descriptor: int, operation: int) -> None:
    raise OSError(errno.ENOLCK, "no locks available")


def test_one_waits_for_the_other_and_says_for_whom(several: list[Process], tmp_path: Path) -> None:
    first, second = several
    path = tmp_path / "lock"
    assert first.do("exclusive", path) == "done"
    assert locks.is_held(path)
    assert second.do("exclusive", path) == "waits for the first"
    first.order("release", path)
    assert (first.answer(), second.answer()) == ("done", "done")
    assert second.do("release", path) == "done"
    assert not locks.is_held(path)
    assert [file.name for file in tmp_path.iterdir()] == ["lock"]


def test_a_lock_ends_with_the_process_that_was_killed(several: list[Process], tmp_path: Path) -> None:
    first, second = several
    path = tmp_path / "lock"
    assert first.do("exclusive", path) == "done"
    assert second.do("exclusive", path) == "waits for the first"
    first.kill()
    assert second.answer() == "done"
    second.kill()
    assert not locks.is_held(path)
    with locks.exclusive(path, holder="the last"):
        assert locks.is_held(path)


def test_taking_refuses_instead_of_waiting(several: list[Process], tmp_path: Path) -> None:
    first, second = several
    path = tmp_path / "lock"
    assert first.do("take", path) == "done"
    assert second.do("take", path) == "refused"
    with pytest.raises(BlockingIOError):
        locks.take(path)
    assert first.do("release", path) == "done"
    assert second.do("take", path) == "done"


def test_those_who_share_keep_out_the_one_who_does_not(several: list[Process], tmp_path: Path) -> None:
    first, second = several
    path = tmp_path / "lock"
    assert (first.do("shared", path), second.do("shared", path)) == ("done", "done")
    assert locks.is_used(path)
    assert not locks.is_held(path)
    with pytest.raises(BlockingIOError):
        locks.take(path)
    first.kill()
    assert locks.is_used(path)
    assert second.do("release", path) == "done"
    assert not locks.is_used(path)
    held = locks.take(path)
    second.order("shared", path)
    held.close()
    assert second.answer() == "done"


def test_a_lock_moves_with_its_folder(several: list[Process], tmp_path: Path) -> None:
    """As that of a run does, which gets its name when it is locked."""
    first, _ = several
    folder = tmp_path / "aside"
    folder.mkdir()
    assert first.do("take", folder / "alive") == "done"
    there = folder.rename(tmp_path / "there")
    assert locks.is_held(there / "alive")
    assert first.do("release", folder / "alive") == "done"
    assert not locks.is_held(there / "alive")
    assert [file.name for file in there.iterdir()] == ["alive"]


@pytest.fixture
def no_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", fails)


@pytest.mark.usefixtures("no_flock")
def test_people_are_told_once_in_each_folder(tmp_path: Path) -> None:
    with locks.exclusive(tmp_path / "one", holder="us") as held:
        assert held.notice == f"flock does not work in {tmp_path}: using lock files"
    with locks.exclusive(tmp_path / "two", holder="us") as held:
        assert held.notice == ""


@pytest.mark.usefixtures("no_flock")
@pytest.mark.parametrize("code", ["ENOLCK", "EOPNOTSUPP", "ENOSYS"])
def test_every_way_to_say_that_there_is_no_flock_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    def fails_so(descriptor: int, operation: int) -> None:
        raise OSError(getattr(errno, code), code)

    monkeypatch.setattr(fcntl, "flock", fails_so)
    with locks.exclusive(tmp_path / "lock", holder="us"):
        assert locks.is_held(tmp_path / "lock")


def test_another_fault_of_flock_is_no_reason_to_do_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(descriptor: int, operation: int) -> None:
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(OSError, match="broken disk"):
        locks.take(tmp_path / "lock")


@pytest.mark.usefixtures("no_flock")
def test_the_lock_of_another_machine_lasts_until_its_lease_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.exclusive(path, holder="process 7"):
        owner = json.loads((tmp_path / "lock.owner").read_text())
    owner["place"], owner["pid"] = "another boot", 7
    file = tmp_path / "lock.owner"
    file.write_text(json.dumps(owner))
    assert locks.is_held(path)
    os.utime(file, (0, file.stat().st_mtime - lockfiles.LEASE))
    assert not locks.is_held(path)
    locks.take(path).close()
    assert not file.exists()


@pytest.mark.usefixtures("no_flock")
def test_a_file_that_says_nothing_yet_counts_as_held(tmp_path: Path) -> None:
    """Its owner is just about to write who it is, or was killed there: then it counts until its lease ends."""
    path, file = tmp_path / "lock", tmp_path / "lock.owner"
    path.touch()
    file.touch()
    assert locks.is_held(path)
    os.utime(file, (0, 0))
    locks.take(path).close()


@pytest.mark.usefixtures("no_flock")
def test_a_process_number_that_is_used_again_is_not_the_owner(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("elsewhere nothing cheap tells one process from the next of its number")
    path, file = tmp_path / "lock", tmp_path / "lock.owner"
    with locks.exclusive(path, holder="us"):
        owner = json.loads(file.read_text())
        file.write_text(json.dumps({**owner, "began": "1"}))
        assert not locks.is_held(path)


@pytest.mark.usefixtures("no_flock")
def test_who_was_killed_while_clearing_up_blocks_nobody(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    for name in ("lock.owner", "lock.owner.removal"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    with locks.exclusive(path, holder="us"):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["lock"]


@pytest.mark.usefixtures("no_flock")
def test_a_living_owner_shows_that_it_lives(tmp_path: Path) -> None:
    held = locks.take(tmp_path / "lock")
    assert isinstance(held, lockfiles.LockFile)
    file = tmp_path / "lock.owner"
    os.utime(file, (0, 0))
    held.touch()
    assert file.stat().st_mtime > 1
    held.close()


def test_many_processes_never_hold_it_together(without_flock: tuple[dict[str, str], str], tmp_path: Path) -> None:
    """Each adds one to a number that all read and write, some are killed while they hold the lock."""
    variables, start = without_flock
    code = """
import os, signal, sys
from pathlib import Path
from projrun.core import locks
folder, kill = Path(sys.argv[1]), sys.argv[2] == "kill"
number = folder / "number"
for _ in range(10):
    with locks.exclusive(folder / "lock", holder="one of many"):
        number.write_text(str(int(number.read_text()) + 1))
        if kill:
            os.kill(os.getpid(), signal.SIGKILL)
"""
    (tmp_path / "number").write_text("0")
    started = [
        subprocess.Popen(
            [sys.executable, "-c", start + code, str(tmp_path), word],
            cwd=REPOSITORY,
            env={**os.environ, **variables},
        )
        for word in ("kill", "count", "kill", "count", "count")
    ]
    assert [one.wait() for one in started] == [-signal.SIGKILL, 0, -signal.SIGKILL, 0, 0]
    assert (tmp_path / "number").read_text() == "32"
