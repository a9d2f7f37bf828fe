"""A real Docker Engine for the tests: one ``dockerd`` of our own for all workers, gone when the tests are.

A test asks for the fixture ``engine`` (tests/conftest.py): DOCKER_HOST then leads to it, and what it gives is an
``Engine``. A fixture of a module or session asks for ``docker_engine`` instead, which is the same without the
variable. ``private_engine()`` is for a test that ends its engine. Mark these tests slow. Who is of the group
``ENGINE_GROUP`` may use the engine, as the group ``docker`` elsewhere; no user of the machine is.

The first worker that needs it starts a keeper (tests/dockerd.py), which starts dockerd in a mount namespace of its
own and watches pytest's main process: whichever way that ends, dockerd is ended, its bridge and
its folder are removed. PROJRUN_TEST_DOCKER_HOST names an engine that is there already and is used instead.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from tests.dockerd import (
    ENGINE_GROUP,
    PATIENCE,
    PREFIX,
    Engine,
    Odd,
    bridge,
    find_dockerd,
    locked,
    running,
    short_place,
)

__all__ = ["ENGINE_GROUP", "Engine", "Odd", "end_shared_engine", "private_engine", "shared_engine"]

ROOT = Path(__file__).resolve().parent.parent
# Read before a test gets an environment of its own.
REQUIRED = "docker" in os.environ.get("PROJRUN_TEST_REQUIRE", "").split(",")
GIVEN = os.environ.get("PROJRUN_TEST_DOCKER_HOST", "")


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
    with locked(folder / "start"):
        ready, failed = folder / "ready.json", folder / "failed"
        if not ready.exists() and not failed.exists():
            # Forked off by setsid: it outlives the worker that happened to be first.
            words = [sys.executable, "-m", "tests.dockerd", str(folder), str(_controller())]
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
def private_engine(odd: Odd | None = None) -> Iterator[Engine]:
    """Another engine for one test, which may kill it (``os.kill(engine.pid, ...)``). A second or two each."""
    shared_engine()  # skips where there is none
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=short_place()))
    with locked(folder / "alive"), bridge(os.getpid()) as name, running(folder, name, odd or Odd()) as engine:
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
    if find_dockerd() is None:
        return "dockerd is not installed: apt install docker.io"
    if os.getuid() != 0:
        return "dockerd has to be started by root (or give one: PROJRUN_TEST_DOCKER_HOST=unix:///...)"
    return ""


def _controller() -> int:
    """The process id of pytest's main process: a worker of pytest-xdist is its child."""
    return os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()


def _shared_folder(controller: int) -> Path:
    return short_place() / f"{PREFIX}{controller}"


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "PYTEST_"))}


def _await(there: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not there():
        if time.monotonic() > end:
            raise AssertionError("the engine's keeper does not answer")
        time.sleep(0.02)
