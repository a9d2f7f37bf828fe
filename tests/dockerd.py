"""dockerd in a folder of its own, and the keeper that ends it: what tests/engine.py starts."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker

from projrun.core.values import Struct, asdict

ENGINE_GROUP = 64999
PREFIX = "projrun-engine-"
PATIENCE = 60.0
# Version 1 of control groups (cgroups(7)), for a machine on which nobody has mounted any.
_MOUNT_CGROUPS = """
mount -t tmpfs cgroup /sys/fs/cgroup
while read -r name _ _ enabled; do
    if [ "$enabled" = 1 ]; then
        mkdir "/sys/fs/cgroup/$name"
        mount -t cgroup -o "$name" cgroup "/sys/fs/cgroup/$name"
    fi
done </proc/cgroups
exec "$@"
"""


class Engine(Struct, frozen=True):
    """A running engine: where it listens, how it stores, and the folder it lives in (none when it was given)."""

    host: str
    storage: str
    bridged: bool
    pid: int = 0
    folder: str = ""

    @functools.cached_property
    def api(self) -> Any:
        """A docker.APIClient of its own, for looking at what projrun did."""
        return docker.APIClient(base_url=self.host, timeout=120)

    def containers(self, *labels: str) -> list[str]:
        """The ids of all containers, running or not, that have these labels (``name`` or ``name=value``)."""
        found = self.api.containers(all=True, filters={"label": list(labels)})
        return [container["Id"] for container in found]


class Odd(Struct, frozen=True):
    """What is special about an engine.

    ``remote`` is a port of loopback on which it listens too, and then it is one of another machine for all that it
    says of itself. ``room`` (``64m``) is all that it can store.
    """

    remote: int = 0
    room: str = ""


_AS_USUAL = Odd()


def find_dockerd() -> str | None:
    return shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


def short_place() -> Path:
    """A folder for sockets, whose paths have 107 bytes at most (unix(7)), some of them below ours."""
    place = Path(tempfile.gettempdir())
    return place if len(str(place)) < 40 else Path("/tmp")


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    with file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def keep(folder: Path, controller: int) -> None:
    """Runs an engine in ``folder`` until ``controller`` ends or we are told to end."""
    told, tell = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: os.write(tell, b"."))
    try:
        watched = os.pidfd_open(controller)
    except ProcessLookupError:
        return
    (folder / "keeper").write_text(str(os.getpid()))
    with locked(folder / "alive"):
        _sweep()
        try:
            with bridge(os.getpid()) as name, running(folder, name) as engine:
                _write(folder / "ready.json", json.dumps(asdict(engine)))
                select.select([told, watched], [], [])
        except Exception as error:
            folder.mkdir(exist_ok=True)
            _write(folder / "failed", str(error))
            select.select([told, watched], [], [])
            shutil.rmtree(folder, ignore_errors=True)


def _write(file: Path, text: str) -> None:
    aside = file.with_suffix(".new")
    aside.write_text(text)
    aside.rename(file)


def _sweep() -> None:
    """Removes the folders of keepers that were killed: nobody holds the lock that says they live."""
    for folder in short_place().glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), (folder / "alive").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _end_left_over(folder)
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(folder: Path, network: str, odd: Odd = _AS_USUAL) -> Iterator[Engine]:
    """dockerd in ``folder`` for the block, on the first storage driver that works. Removes the folder."""
    try:
        for storage in ("overlay2", "vfs"):
            server = _start(folder, storage, network, odd)
            if _answers(server, folder / "sock"):
                break
        else:
            raise AssertionError((folder / "log").read_text()[-4000:])
        try:
            yield Engine(f"unix://{folder}/sock", storage, bool(network), server.pid, str(folder))
        finally:
            server.terminate()
            server.wait()
    finally:
        _end_left_over(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, storage: str, network: str, odd: Odd) -> subprocess.Popen[bytes]:
    dockerd = find_dockerd()
    assert dockerd
    (folder / "config.json").write_text("{}")  # not the machine's
    places = ("--data-root", "data", "--exec-root", "exec", "--pidfile", "pid", "--config-file", "config.json")
    words = [str(folder / word) if at % 2 else word for at, word in enumerate(places)]
    words += ["--host", f"unix://{folder}/sock", "--group", str(ENGINE_GROUP), "--storage-driver", storage]
    # Nothing of the machine's own network is changed. The namespaces are for a containerd that is shared.
    words += ["--iptables=false", "--ip-masq=false", "--ip-forward=false", "--bridge", network or "none"]
    # Their names have no two of .-_ together and none at the end; that of a temporary folder may.
    name = folder.name.replace("_", "x")
    words += ["--containerd-namespace", name, "--containerd-plugins-namespace", f"{name}-plugins"]
    words += ["--shutdown-timeout", "1"]
    if odd.remote:
        words += ["--host", f"tcp://127.0.0.1:{odd.remote}"]
    # In a mount namespace of its own: what it mounts is gone when the last of its processes is.
    # A keeper that is killed takes dockerd along, which then ends its containers.
    argv = ["setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "--propagation", "private"]
    if " - cgroup" not in Path("/proc/self/mountinfo").read_text():
        argv += ["sh", "-c", _MOUNT_CGROUPS, "sh"]
    argv += [*_before(folder, odd), dockerd, *words]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")


def _before(folder: Path, odd: Odd) -> list[str]:
    """Words that set the stage for dockerd, in its own namespaces, and then run it."""
    words = []
    if odd.room:
        (folder / "data").mkdir(exist_ok=True)
        mount = 'mount -t tmpfs -o "size=$0" tmpfs "$1" && shift && exec "$@"'
        words += ["sh", "-c", mount, odd.room, str(folder / "data")]
    if odd.remote:
        words += ["unshare", "--uts", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh"]
    return words


def _answers(server: subprocess.Popen[bytes], address: Path) -> bool:
    """Whether dockerd came up; False when it ended, as it does when it cannot use its storage driver."""
    end = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(address))
            client.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            if client.recv(1 << 12).startswith((b"HTTP/1.0 200", b"HTTP/1.1 200")):
                return True
        time.sleep(0.02)
    server.kill()
    server.wait()
    return False


def _end_left_over(folder: Path) -> None:
    """Kills what a dockerd that was killed left: its containerd and shims, and containers; all name the folder."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            ours = os.fsencode(f"{folder}/exec/") in (process / "cmdline").read_bytes()
            if int(process.name) != os.getpid() and (ours or _in_container_of(folder, process)):
                os.kill(int(process.name), signal.SIGKILL)


def _in_container_of(folder: Path, process: Path) -> bool:
    """Whether the root of a process was mounted from the folder: /proc/PID/mountinfo, proc(5)."""
    if (process / "ns" / "mnt").stat().st_ino == Path("/proc/self/ns/mnt").stat().st_ino:
        return False
    first = (process / "mountinfo").read_text().partition("\n")[0]
    return f"{folder}/data/" in first


@contextlib.contextmanager
def bridge(number: int) -> Iterator[str]:
    """A bridge of our own with a /24 of 10.128.0.0/9 picked by ``number``, or "" where the kernel has none.

    Not docker0: another engine of the machine may own it. By ioctl (netdevice(7), linux/sockios.h), since a
    machine with dockerd need not have the program ``ip``.
    """
    name = f"prj{number}"
    raw = name.encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        try:
            fcntl.ioctl(channel, 0x89A0, struct.pack("16s", raw))  # SIOCBRADDBR
        except OSError:
            yield ""
            return
        try:
            address = f"10.{128 + (number >> 8) % 128}.{number & 255}.1"
            for request, value in ((0x8916, address), (0x891C, "255.255.255.0")):  # SIOCSIFADDR, SIOCSIFNETMASK
                family = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(value))
                fcntl.ioctl(channel, request, struct.pack("16s16s", raw, family))
            fcntl.ioctl(channel, 0x8914, struct.pack("16sh14x", raw, 1))  # SIOCSIFFLAGS: up
            yield name
        finally:
            fcntl.ioctl(channel, 0x8914, struct.pack("16sh14x", raw, 0))
            fcntl.ioctl(channel, 0x89A1, struct.pack("16s", raw))  # SIOCBRDELBR


if __name__ == "__main__":
    keep(Path(sys.argv[1]), int(sys.argv[2]))
