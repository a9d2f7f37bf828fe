"""Locks for file systems without flock: files that are created by one process only and name their owner.

The owner of a lock is in PATH.owner; each of those who share it in a PATH.*.user of its own. A file whose owner is
gone counts for nothing. On the same machine that is seen at once, by the owner's process; from another one, and
after a restart, :data:`LEASE` seconds after the last touch of the file. A living owner touches it several times in
these. The seconds are those of the file system's own clock: ours, or the owner's, may be wrong or be set anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from projrun.core.clocks import now_in
from projrun.core.files import read_plain

LEASE = 300.0  # seconds; attributes may be cached for a minute
_HEARTBEAT = 30.0  # seconds
_CLOCK_SECONDS = 5.0  # for which the clock of a file system is trusted without another look
# In which processes have numbers of their own, and a clock that says when they began.
_SPACES = ("pid", "time")

_live: set[LockFile] = set()
_told: set[Path] = set()
_beating: list[threading.Thread] = []
_clocks: dict[int, tuple[float, float]] = {}  # of a device: the monotonic time of the look, and what to add to it


class LockFile:
    """A lock by a file of our own. As :class:`projrun.core.locks.Held`."""

    descriptors = ()

    def __init__(self, file: Path, notice: str) -> None:
        self.notice = notice
        self._name = file.name
        self._folder = os.open(file.parent, os.O_RDONLY | os.O_CLOEXEC)  # which may be renamed meanwhile
        self._inode = os.stat(self._name, dir_fd=self._folder).st_ino
        _live.add(self)
        if not _beating:
            thread = threading.Thread(target=_beat, name="lock files", daemon=True)
            _beating.append(thread)
            thread.start()

    def share(self, pid: int) -> None:
        """Writes down that the lock lasts as long as that process too. Where that fails it ends with us."""
        with contextlib.suppress(OSError, ValueError):
            descriptor = os.open(self._name, os.O_RDWR | os.O_CLOEXEC, dir_fd=self._folder)
            with open(descriptor, "r+b") as file:
                owner = json.load(file)
                owner["sharing"] = [*owner.get("sharing", ()), _process(pid)]
                file.seek(0)
                file.write(json.dumps(owner).encode())

    def close(self) -> None:
        _live.discard(self)
        try:
            with contextlib.suppress(FileNotFoundError):
                if os.stat(self._name, dir_fd=self._folder).st_ino == self._inode:  # else we were taken for dead
                    os.unlink(self._name, dir_fd=self._folder)
        finally:
            os.close(self._folder)

    def touch(self) -> None:
        """Shows that the owner lives."""
        os.utime(self._name, dir_fd=self._folder)


def attempt(path: Path, holder: str, *, shared: bool) -> LockFile | None:
    """The lock of ``path``, or None when another process has it. Raises OSError."""
    if shared:
        file = path.with_name(f"{path.name}.{os.urandom(6).hex()}.user")
        _create(file, holder)
        # First create, then look: of one who shares and one who does not, at least one sees the other.
        taken = _is_live(_owner_file(path))
    else:
        file = _owner_file(path)
        if not _create(file, holder):
            _remove_dead(file)
            if not _create(file, holder):
                return None
        taken = any(_is_live(user) for user in _user_files(path))
    if taken:
        file.unlink(missing_ok=True)
        return None
    return LockFile(file, _notice(path.parent))


def is_locked(path: Path, *, users: bool) -> bool:
    """Whether a living process holds the lock, or (``users``) shares it."""
    return _is_live(_owner_file(path)) or (users and any(_is_live(file) for file in _user_files(path)))


def holder_of(path: Path) -> str:
    """The words of the one who holds the lock; empty when nobody does."""
    return str(_owner(_owner_file(path)).get("holder", ""))


def _owner_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.owner")


def _user_files(path: Path) -> list[Path]:
    prefix = f"{path.name}."
    names = (name for name in os.listdir(path.parent) if name.startswith(prefix) and name.endswith(".user"))  # noqa: PTH208
    return [path.with_name(name) for name in names]


def _notice(directory: Path) -> str:
    if directory in _told:
        return ""
    _told.add(directory)
    return f"flock does not work in {directory}: using lock files"


def _create(file: Path, holder: str) -> bool:
    """Makes the file ours, unless it is there. O_EXCL is atomic on every file system in use (NFS 3 and later)."""
    owner = {"holder": holder, "host": os.uname().nodename, "place": _place(), **_process(os.getpid())}
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return False
    try:
        os.write(descriptor, json.dumps(owner).encode())
    except OSError:
        file.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return True


def _remove_dead(file: Path) -> None:
    """Removes a file whose owner is gone, in turns: who judged an earlier file must not remove its successor."""
    guard = file.with_name(f"{file.name}.removal")
    if not _create(guard, ""):
        if _is_dead(guard):  # killed within the next three lines
            guard.unlink(missing_ok=True)
        return
    try:
        if _is_dead(file):
            file.unlink(missing_ok=True)
    finally:
        guard.unlink(missing_ok=True)


def _is_live(file: Path) -> bool:
    return _lives(file) is True


def _is_dead(file: Path) -> bool:
    """Whether it is there without its owner. Of one that is not there a successor may come at any moment."""
    return _lives(file) is False


def _lives(file: Path) -> bool | None:
    """Whether the owner of a file lives; None when there is no file."""
    try:
        touched = file.stat().st_mtime
    except FileNotFoundError:
        return None
    owner = _owner(file)
    if owner.get("place") == _place():
        lives = _any_lives(owner)
        if lives is not None:
            return lives
    return _in_lease(file, touched)


def _any_lives(owner: dict[str, Any]) -> bool | None:
    """Whether a process of this machine that holds the lock lives; None when that is hidden from us."""
    sharing = owner.get("sharing")
    found = [_is_running(one) for one in (owner, *(sharing if isinstance(sharing, list) else ()))]
    return True if True in found else None if None in found else False


def _in_lease(file: Path, touched: float) -> bool:
    age = _now(file.parent) - touched
    if age < -1.0:
        # The clock was set back since. Its owner touches it again soon, if it lives; else the lease begins here.
        with contextlib.suppress(OSError):
            os.utime(file)
    return age < LEASE


def _now(folder: Path) -> float:
    """The time by the clock that touching a file in ``folder`` goes by; by ours where that cannot be had."""
    device = -1
    with contextlib.suppress(OSError):
        device = folder.stat().st_dev
        looked, ahead = _clocks.get(device, (-_CLOCK_SECONDS, 0.0))
        if time.monotonic() - looked < _CLOCK_SECONDS:
            return time.monotonic() + ahead
    try:
        now = now_in(folder)
    except OSError:
        return time.time()
    _clocks[device] = time.monotonic(), now - time.monotonic()
    return now


def _owner(file: Path) -> dict[str, Any]:
    """Who made the file; nothing for one that is not written yet, or not by us."""
    try:
        owner = json.loads(read_plain(file))
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


def _place() -> str:
    """Where a process number and its start mean what they mean here: one start of a machine, some namespaces."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return " ".join([boot, *(os.readlink(f"/proc/self/ns/{kind}") for kind in _SPACES)])  # noqa: PTH115
    return os.uname().nodename


def _process(pid: int) -> dict[str, Any]:
    """How a process is written down, so that it can be told from a later one of the same number."""
    return {"pid": pid, "began": _began(pid)}


def _is_running(process: object) -> bool | None:
    """Whether a process that was written down runs yet. A zombie does not. None when it is hidden from us."""
    if not isinstance(process, dict) or type(process.get("pid")) is not int:
        return False
    pid, began = process["pid"], process.get("began")
    now = _began(pid)
    if now is not None:
        return bool(now == began)
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass
    return None  # another user's, with /proc mounted hidepid=2, say


def _began(pid: int) -> str | None:
    """What tells a process from a later one of the same number; None when it is gone or hidden.

    The 22nd field of /proc/PID/stat (proc_pid_stat(5)); elsewhere whether there is such a process at all.
    """
    if sys.platform != "linux":
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, OverflowError):
            return None
        except PermissionError:
            pass
        return "alive"
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return "ended" if fields[0] in "ZX" else fields[19]


def _beat() -> None:
    """Touches every lock file of this process, as long as it lives."""
    while True:
        time.sleep(_HEARTBEAT)
        for lock in tuple(_live):
            with contextlib.suppress(OSError):
                lock.touch()
