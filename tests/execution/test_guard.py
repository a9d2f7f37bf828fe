"""What becomes of a program whose runner is killed by SIGKILL, which nobody can hear."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from projrun.core import locks, process
from projrun.execution.guard import Guard
from projrun.execution.local import execute
from tests import mounts
from tests.execution.programs import Recorded, python, runner
from tests.execution.test_local import ended

# Says who it is, has a child of its own, and answers TERM as it is told.
PARENT = """
import os, signal, sys, time
way = sys.argv[1]
def answer(number, frame):
    open(sys.argv[2], "w").write("told")
    if way == "ends":
        os._exit(0)
signal.signal(signal.SIGTERM, answer)
child = os.fork()
if child == 0:
    while True:
        time.sleep(60)
if way == "stopped":
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(child, signal.SIGSTOP)
print(os.getpid(), child, flush=True)
if way == "stopped":
    os.kill(os.getpid(), signal.SIGSTOP)
while True:
    time.sleep(60)
"""

LEAVER = """
import os, time
if os.fork() == 0:
    os.setsid()
    print(os.getpid(), flush=True)
    while True:
        time.sleep(60)
while True:
    time.sleep(60)
"""


def until(there: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not there():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("way", ["ends", "stays", "stopped"])
def test_the_whole_group_ends_with_a_runner_that_was_killed(tmp_path: Path, way: str) -> None:
    told = tmp_path / "told"
    with runner(python(PARENT, way, str(told))) as started:
        pids = [int(word) for word in started.line().split()]
        if way == "stopped":
            until(lambda: b") T " in Path(f"/proc/{pids[0]}/stat").read_bytes())
        started.process.kill()
        started.process.wait()
        assert all(ended(pid) for pid in pids)
    assert told.exists() or way == "stopped"  # such a group may hear the system's own HUP first


def test_where_there_is_no_proc_the_group_ends_all_the_same(tmp_path: Path) -> None:
    """As macOS: the group is asked for by a signal that is none."""
    mounts.need()
    without = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")
    with runner(python(PARENT, "stays", str(tmp_path / "told")), within=without) as started:
        pids = [int(word) for word in started.line().split()]
        started.process.kill()
        started.process.wait()
        assert all(ended(pid) for pid in pids)
    assert (tmp_path / "told").exists()


def test_a_process_that_left_the_group_lives_on() -> None:
    with runner(python(LEAVER)) as started:
        left = int(started.line())
        (leader,) = _children_of(started.process.pid, but=b"projrun-guard")
        started.process.kill()
        assert ended(leader)
    try:
        os.kill(left, 0)
        assert b"Z" not in Path(f"/proc/{left}/stat").read_bytes().rpartition(b")")[2]
    finally:
        os.kill(left, signal.SIGKILL)


def _children_of(pid: int, *, but: bytes) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if but not in Path(f"/proc/{child}/cmdline").read_bytes()]


def test_nothing_is_left_beside_a_program_that_ends() -> None:
    before = _children_of(os.getpid(), but=b"\0\0")
    assert execute(python(""), Recorded().write).status == "finished"
    assert execute(python("", cwd="/nowhere"), Recorded().write).status == "not-started"
    assert execute(python("", "a\0b"), Recorded().write).status == "not-started"
    assert _children_of(os.getpid(), but=b"\0\0") == before


def test_a_guard_that_was_killed_is_not_missed() -> None:
    code = "import sys, time; time.sleep(0.5); print('done')"
    sink = Recorded()
    before = guards()

    def kill_guard() -> None:
        while not (found := guards() - before):  # until then it is a copy of us
            time.sleep(0.01)
        os.kill(found.pop(), signal.SIGKILL)

    assert execute(python(code), sink.write, started=kill_guard).status == "finished"
    assert sink.of("stdout") == b"done\n"


def guards() -> set[int]:
    """Those that this process has started."""
    found = {one.parent for one in Path("/proc").glob("[0-9]*/cmdline") if b"projrun-guard" in _read(one)}
    return {int(one.name) for one in found if _parent(one) == os.getpid()}


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _parent(process: Path) -> int:
    return int((_read(process / "stat").rpartition(b")")[2].split() or [b"0", b"0"])[1])


def test_where_no_guard_can_be_started_the_program_runs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    start = process.start

    def none_for_a_shell(argv: list[str], **options: Any) -> subprocess.Popen[bytes]:
        if argv[0] == "/bin/sh":
            raise BlockingIOError
        return start(argv, **options)

    monkeypatch.setattr(process, "start", none_for_a_shell)
    assert execute(python(""), Recorded().write).status == "finished"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def left(guard: Guard) -> int:
    """Lets it see the end of the pipe, which is all it sees of a runner that was killed; gives its number."""
    assert guard._process is not None
    os.close(guard._telling)
    guard._process.returncode = 0
    return guard._process.pid


def test_a_runner_killed_before_it_could_tell_the_group_leaves_nothing(pipe: tuple[int, int]) -> None:
    """Between the start of a program and the next line of the runner."""
    guard = Guard(pipe[1])
    child = subprocess.Popen(
        [sys.executable, "-I", "-c", "import time; time.sleep(600)"], stdout=pipe[1], start_new_session=True
    )
    os.close(pipe[1])
    number = left(guard)
    assert child.wait(timeout=60) == -signal.SIGTERM
    os.waitpid(number, 0)


def test_a_runner_killed_before_the_program_was_started_harms_nobody(pipe: tuple[int, int]) -> None:
    os.waitpid(left(Guard(pipe[1])), 0)
    os.close(pipe[1])


@pytest.mark.parametrize("lives", [True, False])
def test_only_of_a_killed_runner_the_scratch_directory_is_removed(
    pipe: tuple[int, int], tmp_path: Path, *, lives: bool
) -> None:
    """One that merely leaves the rest to its guard has yet to read what the program reported."""
    scratch = tmp_path / "with space"
    scratch.mkdir()
    (scratch / "metrics.jsonl").write_text("{}")
    guard = Guard(pipe[1], scratch=str(scratch))
    os.close(pipe[1])
    child = subprocess.Popen([sys.executable, "-I", "-c", "import time; time.sleep(600)"], start_new_session=True)
    guard.watch(child.pid)
    assert guard._process is not None
    number = guard._process.pid
    if lives:
        guard.leave()
    else:
        left(guard)
    assert child.wait(timeout=60) == -signal.SIGTERM
    os.waitpid(number, 0)
    assert scratch.exists() is lives


# Holds a lock while a program runs that does not answer TERM.
HOLDER = """
import sys
from pathlib import Path
from projrun.core import locks, process
from projrun.execution.local import execute
from projrun.execution.model import Request
if sys.argv[2] == "lock files":
    import errno, fcntl
    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, "no locks available")
    fcntl.flock = flock
code = "import os, signal, time; signal.signal(15, 1); print(os.getpid(), flush=True); time.sleep(600)"
with locks.shared(Path(sys.argv[1])) as held:
    execute(Request((sys.executable, "-I", "-c", code), "/", {}), lambda _, data: print(data.decode(), flush=True),
            kept=(held,))
"""


@pytest.mark.parametrize("way", ["flock", "lock files"])
def test_what_a_program_uses_stays_in_use_until_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "lock files":
        monkeypatch.setattr("fcntl.flock", _no_flock)
    lock = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock), way], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        program = int(holder.stdout.readline())
        holder.kill()
        holder.wait()
        used = []
        while not ended_now(program):
            used.append(locks.is_used(lock))
            time.sleep(0.05)
        assert len(used) > 5
        assert all(used[:-1])  # the last look may have been after its end
        until(lambda: not locks.is_used(lock))


def ended_now(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return True


def _no_flock(descriptor: int, operation: int) -> None:
    import errno

    raise OSError(errno.ENOLCK, "no locks available")
