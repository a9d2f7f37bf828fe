"""A real Docker Engine for the tests: one ``dockerd`` of our own for all workers, gone when the tests are.

A test asks for the fixture ``engine`` (tests/conftest.py): DOCKER_HOST then leads to it, and what it gives is an
``Engine``. A fixture of a module or session asks for ``docker_engine`` instead, which is the same without the
variable. ``private_engine(folder)`` is for a test that ends its engine.

The first worker that needs it starts a keeper (``python -m tests.engine``), which starts dockerd in a mount
namespace of its own and watches pytest's main process: whichever way that ends, dockerd is ended, its bridge and
its folder are removed. PROJRUN_TEST_DOCKER_HOST names an engine that is there already and is used instead.
"""

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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

ROOT = Path(__file__).resolve().parent.parent
# Read before a test gets an environment of its own.
REQUIRED = "docker" in os.environ.get("PROJRUN_TEST_REQUIRE", "").split(",")
GIVEN = os.environ.get("PROJRUN_TEST_DOCKER_HOST", "")
# Who is of this group may use the engine, as the group `docker` elsewhere. No user of the machine is.
ENGINE_GROUP = 64999

_PREFIX = "projrun-engine-"
_PATIENCE = 60.0


@dataclass(frozen=True)
class Engine:
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


def shared_engine() -> Engine:
    """The engine of this test run; the first who asks starts it. Skips, or fails when it is required, without."""
    if GIVEN:
        return _given(GIVEN)
    if problem := _problem():
        if REQUIRED:
            pytest.fail(f"{problem}, and PROJRUN_TEST_REQUIRE names docker")
        pytest.skip(problem)
    folder = _shared_folder(_controller())
    folder.mkdir(exist_ok=True)
    with _locked(folder / "start"):
        ready, failed = folder / "ready.json", folder / "failed"
        if not ready.exists() and not failed.exists():
            # Forked off by setsid: it outlives the worker that happened to be first.
            words = [sys.executable, "-m", "tests.engine", str(folder), str(_controller())]
            subprocess.run(["setsid", "--fork", *words], cwd=ROOT, env=_variables(), check=True)
            _await(lambda: ready.exists() or failed.exists())
    if failed.exists():
        pytest.fail(f"dockerd does not start here:\n{failed.read_text()}")
    return Engine(**json.loads(ready.read_text()))


def end_shared_engine() -> None:
    """Called by pytest's main process at its end: gives when the engine is gone. Nothing if there was none."""
    folder = _shared_folder(os.getpid())
    with contextlib.suppress(OSError, ValueError):
        os.kill(int((folder / "keeper").read_text()), signal.SIGTERM)
        _await(lambda: not folder.exists())


@contextlib.contextmanager
def private_engine() -> Iterator[Engine]:
    """Another engine for one test, which may kill it (``os.kill(engine.pid, ...)``). A second or two each."""
    shared_engine()  # skips where there is none
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_place()))
    with _locked(folder / "alive"), _bridge(os.getpid()) as bridge, _running(folder, bridge) as engine:
        yield engine


def _given(host: str) -> Engine:
    client = docker.APIClient(base_url=host)
    try:
        networks = [network["Driver"] for network in client.networks()]
        return Engine(host, client.info()["Driver"], "bridge" in networks)
    finally:
        client.close()


def _problem() -> str:
    """Why no engine can be started here; empty when it can."""
    if sys.platform != "linux":
        return "dockerd runs on Linux only"
    if _dockerd() is None:
        return "dockerd is not installed: apt install docker.io"
    if os.getuid() != 0:
        return "dockerd has to be started by root (or give one: PROJRUN_TEST_DOCKER_HOST=unix:///...)"
    return ""


def _dockerd() -> str | None:
    return shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


def _controller() -> int:
    """The process id of pytest's main process: a worker of pytest-xdist is its child."""
    return os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()


def _place() -> Path:
    """A folder for sockets, whose paths have 107 bytes at most (unix(7)), some of them below ours."""
    place = Path(tempfile.gettempdir())
    return place if len(str(place)) < 40 else Path("/tmp")


def _shared_folder(controller: int) -> Path:
    return _place() / f"{_PREFIX}{controller}"


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "PYTEST_"))}


def _await(there: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not there():
        if time.monotonic() > end:
            raise AssertionError("the engine's keeper does not answer")
        time.sleep(0.02)


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# From here on: the keeper.


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
    with _locked(folder / "alive"):
        _sweep()
        try:
            with _bridge(os.getpid()) as bridge, _running(folder, bridge) as engine:
                _write(folder / "ready.json", json.dumps(vars(engine)))
                select.select([told, watched], [], [])
        except Exception as error:
            _write(folder / "failed", str(error))
            select.select([told, watched], [], [])
            shutil.rmtree(folder, ignore_errors=True)


def _write(file: Path, text: str) -> None:
    aside = file.with_suffix(".new")
    aside.write_text(text)
    aside.rename(file)


def _sweep() -> None:
    """Removes the folders of keepers that were killed: nobody holds the lock that says they live."""
    for folder in _place().glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), (folder / "alive").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _end_left_over(folder)
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _running(folder: Path, bridge: str) -> Iterator[Engine]:
    """dockerd in ``folder`` for the block, on the first storage driver that works. Removes the folder."""
    try:
        for storage in ("overlay2", "vfs"):
            server = _start(folder, storage, bridge)
            if _answers(server, folder / "sock"):
                break
        else:
            raise AssertionError((folder / "log").read_text()[-4000:])
        try:
            yield Engine(f"unix://{folder}/sock", storage, bool(bridge), server.pid, str(folder))
        finally:
            server.terminate()
            server.wait()
    finally:
        _end_left_over(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, storage: str, bridge: str) -> subprocess.Popen[bytes]:
    dockerd = _dockerd()
    assert dockerd
    (folder / "config.json").write_text("{}")  # not the machine's
    places = ("--data-root", "data", "--exec-root", "exec", "--pidfile", "pid", "--config-file", "config.json")
    words = [str(folder / word) if at % 2 else word for at, word in enumerate(places)]
    words += ["--host", f"unix://{folder}/sock", "--group", str(ENGINE_GROUP), "--storage-driver", storage]
    # Nothing of the machine's own network is changed. The namespaces are for a containerd that is shared.
    words += ["--iptables=false", "--ip-masq=false", "--ip-forward=false", "--bridge", bridge or "none"]
    words += ["--containerd-namespace", folder.name, "--containerd-plugins-namespace", f"{folder.name}-plugins"]
    words += ["--shutdown-timeout", "1"]
    # In a mount namespace of its own: what it mounts is gone when the last of its processes is.
    # A keeper that is killed takes dockerd along, which then ends its containers.
    argv = ["setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "--propagation", "private", dockerd, *words]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")


def _answers(server: subprocess.Popen[bytes], address: Path) -> bool:
    """Whether dockerd came up; False when it ended, as it does when it cannot use its storage driver."""
    end = time.monotonic() + _PATIENCE
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
def _bridge(number: int) -> Iterator[str]:
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
