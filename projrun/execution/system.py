"""What differs between operating systems when a process is watched: pipes, exits, groups, units."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import resource

# Room for a burst while we write elsewhere, at 2 GB/s. Larger is no use, and the pipes of one user share
# a limit (/proc/sys/fs/pipe-user-pages-soft: 64 MiB), which many runs at once would use up.
_PIPE_BYTES = 256 * 1024


def open_pipe() -> tuple[int, int]:
    """A pipe (our end to read, the child's to write), larger than usual where the system allows it."""
    ours, childs = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):
            fcntl.fcntl(childs, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return ours, childs


def peak_memory(usage: resource.struct_rusage) -> int:
    """The largest resident set in bytes: ``ru_maxrss`` counts KiB, but bytes on macOS."""
    return usage.ru_maxrss if sys.platform == "darwin" else usage.ru_maxrss * 1024


def group_lives(group: int) -> bool:
    """Whether a process group has a member that still runs. A zombie that nobody collects does not count."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    if sys.platform != "linux":
        return True
    return any(_is_running_member(entry, group) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _is_running_member(process: Path, group: int) -> bool:
    # proc_pid_stat(5): pid (name) state ppid pgrp ...; the name may hold spaces and parentheses.
    try:
        fields = (process / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return False
    return int(fields[2]) == group and fields[0] not in (b"Z", b"X")


class ExitWatch:
    """Tells when a child process has ended: ``descriptor`` is then readable.

    Uses a pidfd; on systems without one (macOS, Linux before 5.3) a thread that waits.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._collected: tuple[int, resource.struct_rusage] | None = None
        try:
            self.descriptor = os.pidfd_open(pid)
        except (AttributeError, OSError):
            self._wait_in_a_thread()

    def __enter__(self) -> ExitWatch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.descriptor)

    def collect(self) -> tuple[int, resource.struct_rusage]:
        """The wait status and what the child used. Waits for the end if it has not come yet."""
        if self._collected is None:
            _, status, usage = os.wait4(self._pid, 0)
            self._collected = status, usage
        return self._collected

    def _wait_in_a_thread(self) -> None:
        import threading

        self.descriptor, ended = os.pipe()

        def wait() -> None:
            with contextlib.suppress(ChildProcessError):  # somebody else collected it
                _, status, usage = os.wait4(self._pid, 0)
                self._collected = status, usage
            os.close(ended)

        threading.Thread(target=wait, name="projrun-wait", daemon=True).start()
