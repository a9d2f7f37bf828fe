"""Who is taken for alive by a lock file: clocks that jump, restarts, numbers used again, hidden processes."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from projrun.core import lockfiles, locks
from tests import mounts

REPOSITORY = Path(__file__).parent.parent.parent
DAY = 86400.0

# Looks at a lock from another place: has no flock, and may be somebody else.
LOOKER = """
import encodings.ascii, errno, fcntl, os, sys  # ascii while it can be read
from pathlib import Path
def flock(descriptor, operation):
    raise OSError(errno.ENOLCK, "no locks available")
fcntl.flock = flock
from projrun.core import lockfiles, locks
os.chdir(sys.argv[1])
if sys.argv[2] == "nobody":
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
print(locks.is_held(Path("lock")))
"""

HOLDER = """
import errno, fcntl, sys
from pathlib import Path
def flock(descriptor, operation):
    raise OSError(errno.ENOLCK, "no locks available")
fcntl.flock = flock
from projrun.core import locks
held = locks.take(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def no_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", fails)
    monkeypatch.setattr(lockfiles, "_clocks", {})


def of_another_place(path: Path, *, age: float = 0.0) -> Path:
    """A lock that somebody of another machine, or of the time before a restart, touched ``age`` seconds ago."""
    path.touch()
    file = path.with_name(f"{path.name}.owner")
    here = lockfiles._place()
    owner = {"holder": "", "place": "another boot " + here.partition(" ")[2], **lockfiles._process(os.getpid())}
    file.write_text(json.dumps(owner))
    touched = file.stat().st_mtime - age
    os.utime(file, (touched, touched))
    return file


@pytest.mark.parametrize("jump", [-DAY, -lockfiles.LEASE, lockfiles.LEASE, DAY])
def test_a_clock_of_ours_that_is_wrong_makes_nobody_dead_or_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    of_another_place(tmp_path / "living", age=lockfiles.LEASE - 60)
    of_another_place(tmp_path / "dead", age=lockfiles.LEASE + 60)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + jump)
    assert locks.is_held(tmp_path / "living")
    assert not locks.is_held(tmp_path / "dead")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dead", "dead.owner", "living", "living.owner"]


def test_a_clock_that_was_set_back_gives_a_dead_owner_one_more_lease(tmp_path: Path) -> None:
    """Whether it has died is not known yet: a living one would touch its file within that time."""
    file = of_another_place(tmp_path / "lock", age=-DAY)
    assert locks.is_held(tmp_path / "lock")
    touched = file.stat().st_mtime
    assert touched <= time.time() + 1
    os.utime(file, (touched - lockfiles.LEASE - 1, touched - lockfiles.LEASE - 1))
    assert not locks.is_held(tmp_path / "lock")


def test_after_a_restart_a_number_that_is_in_use_again_proves_nothing(tmp_path: Path) -> None:
    """It names this very process, which lives; but it was written before the restart."""
    file = of_another_place(tmp_path / "lock", age=lockfiles.LEASE + 60)
    assert not locks.is_held(tmp_path / "lock")
    locks.take(tmp_path / "lock").close()
    assert not file.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"began": "1"},
        {"pid": 2**31 - 1},
        {"pid": 2**80},
        {"pid": None},
        {"pid": "1"},
        {"sharing": "x", "began": "1"},
        {"sharing": [1, {}, {"pid": 1}], "began": "1"},
    ],
)
def test_a_number_alone_is_nobody(tmp_path: Path, change: dict[str, object]) -> None:
    file = of_another_place(tmp_path / "lock")
    file.write_text(json.dumps({**json.loads(file.read_bytes()), "place": lockfiles._place(), **change}))
    assert not locks.is_held(tmp_path / "lock")


def test_a_zombie_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "lock")],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert locks.is_held(tmp_path / "lock")
        holder.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # dead, and not collected
        assert not locks.is_held(tmp_path / "lock")


def looked_at(folder: Path, *within: str, who: str = "root") -> bool:
    done = subprocess.run(
        [*within, sys.executable, "-c", LOOKER, str(folder), who], cwd=REPOSITORY, capture_output=True, check=False
    )
    assert done.stderr == b""
    return done.stdout == b"True\n"


HIDING = ("unshare", "--mount", "sh", "-c", 'mount -t proc -o hidepid=invisible proc /proc && exec "$@"', "sh")
OTHER_TIME = ("unshare", "--time", "--boottime", "100000", "--fork")
OTHER_NUMBERS = ("unshare", "--pid", "--fork", "--mount-proc")


@pytest.mark.parametrize(
    ("within", "who"), [(HIDING, "nobody"), (OTHER_TIME, "root"), (OTHER_NUMBERS, "root")], ids=lambda one: one[1]
)
@pytest.mark.parametrize("owner", ["lives", "is dead"])
def test_a_living_owner_that_cannot_be_seen_is_not_called_dead(
    tmp_path: Path, within: tuple[str, ...], who: str, owner: str
) -> None:
    """Another user's, where /proc hides these; one whose start reads otherwise; one of another container."""
    mounts.need()
    tmp_path.chmod(0o777)
    held = locks.take(tmp_path / "lock")
    (tmp_path / "lock").chmod(0o666)
    try:
        if owner == "is dead":
            os.utime(tmp_path / "lock.owner", (0, 0))
        assert looked_at(tmp_path, *within, who=who) == (owner == "lives")
    finally:
        held.close()


def test_where_nothing_can_be_written_a_living_owner_is_seen_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    of_another_place(folder / "living")
    of_another_place(folder / "dead", age=lockfiles.LEASE + 60)
    with mounts.read_only(folder, tmp_path / "there") as there:
        assert locks.is_held(there / "living")
        assert not locks.is_held(there / "dead")


def test_a_process_that_shares_the_lock_holds_it_alone_afterwards(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        held = locks.take(tmp_path / "lock")
        held.share(other.pid)
        file = tmp_path / "lock.owner"
        owner = json.loads(file.read_bytes())
        file.write_text(json.dumps({**owner, "began": "1"}))  # as if the first were gone
        assert locks.is_held(tmp_path / "lock")
        other.kill()
        other.wait()
        assert not locks.is_held(tmp_path / "lock")
        held.close()
    assert not file.exists()


def test_a_beat_touches_what_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = locks.take(tmp_path / "lock")
    file = tmp_path / "lock.owner"
    os.utime(file, (0, 0))
    sleeps = iter([None])
    wait: Callable[[float], None] = lambda seconds: next(sleeps)  # noqa: E731
    monkeypatch.setattr(time, "sleep", wait)
    with pytest.raises(StopIteration):
        lockfiles._beat()
    assert file.stat().st_mtime > 1
    held.close()
