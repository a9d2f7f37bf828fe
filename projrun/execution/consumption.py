"""What a container has used: from the system's own files, where they can be seen, else as the engine tells it.

Files of control groups: cgroup-v1/memory.rst, cgroup-v1/cpuacct.rst and cgroup-v2.rst of the kernel's own
documentation.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

_V1 = {
    "memory": ("memory.max_usage_in_bytes", "memory.oom_control"),
    "cpuacct": ("cpuacct.usage_user", "cpuacct.usage_sys"),
}
_V2 = ("memory.peak", "memory.current", "memory.events", "cpu.stat")


class Reading(NamedTuple):
    """Seconds of processor time and bytes of memory. ``killed``: how many processes died for want of memory."""

    user: float = 0.0
    system: float = 0.0
    peak_memory: int = 0
    killed: int = 0

    def later(self, other: Reading) -> Reading:
        """The larger of each: what is used never becomes less, but a reading may lack something."""
        return Reading(
            max(self.user, other.user),
            max(self.system, other.system),
            max(self.peak_memory, other.peak_memory),
            max(self.killed, other.killed),
        )


class Files:
    """The open files of a container's control groups. They can be read until these are removed.

    That is a few milliseconds after the program has ended, when ``exit`` becomes readable: a pidfd, or None where
    there are none (macOS, Linux before 5.3). Whoever reads later than that has what was read before. False when
    the files cannot be had: the container has ended already, or its processes are not those of this very system.
    """

    def __init__(self, pid: int, container: str) -> None:
        self._open: dict[str, int] = {}
        self.exit: int | None = None
        with contextlib.suppress(AttributeError, OSError):
            self.exit = os.pidfd_open(_program(pid))
        for file in _places(pid, container):
            with contextlib.suppress(OSError):
                self._open[os.path.basename(file)] = os.open(file, os.O_RDONLY | os.O_CLOEXEC)  # noqa: PTH119

    def __bool__(self) -> bool:
        return bool(self._open)

    def read(self) -> Reading:
        """What has been used until now; nothing once the groups are gone."""
        text = {name: _read(file) for name, file in self._open.items()}
        stat, events = _fields(text.get("cpu.stat", b"")), _fields(text.get("memory.events", b""))
        return Reading(
            # Systems with both versions have them twice.
            user=max(_number(text.get("cpuacct.usage_user")) / 1e9, stat.get("user_usec", 0) / 1e6),
            system=max(_number(text.get("cpuacct.usage_sys")) / 1e9, stat.get("system_usec", 0) / 1e6),
            peak_memory=max(
                _number(text.get(name)) for name in ("memory.max_usage_in_bytes", "memory.peak", "memory.current")
            ),
            killed=events.get("oom_kill", 0) + _fields(text.get("memory.oom_control", b"")).get("oom_kill", 0),
        )


def told(line: bytes) -> Reading:
    """One line of the engine's ``stats``, which it writes every second. Nothing for what is none.

    Of a second version's control group an engine tells the memory of the moment only.
    """
    try:
        found = json.loads(line)
        cpu, memory = found["cpu_stats"]["cpu_usage"], found["memory_stats"]
        return Reading(
            user=cpu.get("usage_in_usermode", 0) / 1e9,
            system=cpu.get("usage_in_kernelmode", 0) / 1e9,
            peak_memory=int(memory.get("max_usage") or memory.get("usage") or 0),
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return Reading()


def _program(pid: int) -> int:
    """The first child of an init process, which ends before it; else the process itself."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{pid}/children") as file:
        children = file.read().split()
        if children:
            return int(children[0])
    return pid


def _places(pid: int, container: str) -> list[str]:
    """The files of a process's control groups, if they are the container's: a pid of elsewhere is not its here."""
    try:
        with open(f"/proc/{pid}/cgroup") as file:
            lines = file.read().splitlines()
        with open("/proc/self/mountinfo") as file:
            mounts = [line.split() for line in file]
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if container not in path:
            continue
        names = _V2 if not controllers else [name for one in controllers.split(",") for name in _V1.get(one, ())]
        folder = _folder(mounts, set(controllers.split(",")), path) if names else None
        found += [f"{folder}/{name}" for name in names if folder is not None]
    return found


def _folder(mounts: list[list[str]], controllers: set[str], path: str) -> str | None:
    # proc_pid_mountinfo(5): id parent device root place options [tags] - type source options
    for fields in mounts:
        kind, _, options = fields[fields.index("-") + 1 :][:3]
        wanted = (
            kind == "cgroup2"
            if controllers == {""}
            else kind == "cgroup" and controllers & set(options.split(","))
        )
        root = "" if fields[3] == "/" else fields[3]
        if wanted and path.startswith(f"{root}/"):
            return fields[4] + path[len(root) :]
    return None


def _read(file: int) -> bytes:
    try:
        return os.pread(file, 8192, 0)
    except OSError:  # ENODEV: the group is gone
        return b""


def _number(text: bytes | None) -> int:
    return int(text) if text and text.strip().isdigit() else 0


def _fields(text: bytes) -> Mapping[str, Any]:
    pairs = (line.split() for line in text.decode().splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
