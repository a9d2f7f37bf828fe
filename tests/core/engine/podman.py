"""A real Podman for the tests: a service with storage of its own, which ends with the block."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine import Engine

# What must not be skipped. Read before a test gets an environment of its own.
REQUIRED = os.environ.get("PROJRUN_TEST_REQUIRE", "").split(",")


@contextlib.contextmanager
def podman_service() -> Iterator[Engine]:
    """Podman's answer to the Docker Engine API. Skips the test where it is not installed, or not for root."""
    program = shutil.which("podman")
    if program is None:
        if "podman" in REQUIRED:
            pytest.fail("podman is missing and PROJRUN_TEST_REQUIRE names it: apt install podman")
        pytest.skip("podman is not installed: apt install podman")
    if os.getuid() != 0:
        pytest.skip("podman is tested as root: what it may do otherwise is the machine's affair")
    folder = Path(tempfile.mkdtemp(prefix="projrun-podman-", dir="/tmp"))
    address = folder / "sock"
    words = [program, "--root", str(folder / "root"), "--runroot", str(folder / "run")]
    words += ["--tmpdir", str(folder / "tmp"), "--cgroup-manager", "cgroupfs", "--storage-driver", "overlay"]
    # Its own limits of files and processes may be more than what this machine lets it set.
    (folder / "containers.conf").write_text(
        '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
    )
    log = (folder / "log").open("wb")
    with log, _mounted_apart(words, f"unix://{address}", log.fileno(), folder) as service:
        try:
            _await_answer(service, address, folder)
            yield Engine(f"unix://{address}", "overlay", bridged=False, pid=service.pid, folder=str(folder))
        finally:
            service.terminate()
            service.wait()
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _mounted_apart(words: list[str], address: str, log: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """In a mount namespace of its own: what it mounts is gone with it."""
    argv = ["setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "--propagation", "private", *words]
    variables = {**os.environ, "HOME": str(folder), "TMPDIR": str(folder)}
    variables["CONTAINERS_CONF"] = str(folder / "containers.conf")
    with subprocess.Popen(
        [*argv, "system", "service", "--time", "0", address],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=variables,
    ) as service:
        yield service


def _await_answer(service: subprocess.Popen[bytes], address: Path, folder: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if service.poll() is not None:
            problem = f"podman does not start here: {(folder / 'log').read_text()[-1000:]}"
            pytest.fail(problem) if "podman" in REQUIRED else pytest.skip(problem)
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(address))
            return
        time.sleep(0.02)
    pytest.fail("podman does not answer")
