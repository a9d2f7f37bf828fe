"""Hostile defaults: nothing of the machine's user, no package index, no store but the test's own."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from projrun.core.errors import ProjrunError
from tests.engine import Engine, end_shared_engine, shared_engine
from tests.repositories import Repository
from tests.schemas import validate_store

# Where nothing answers: a test that needs an index makes its own on loopback.
NO_INDEX = "http://127.0.0.1:9/simple/"

# Variables that would lead a test to something of the machine or its user.
FOREIGN = ("PYTHON", "GIT_", "UV_", "PIP_", "PROJRUN_", "XDG_", "VIRTUAL_ENV", "CONDA_", "DOCKER_", "BUILDKIT_")

# A shell starts what runs in the background with this one ignored, and children would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("untimed", deadline=None)  # no test asserts on time
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def hostile_environment(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """An empty HOME, no foreign variables, an index that refuses. Gives that HOME."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(FOREIGN):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PROJRUN_STORE", str(home / "store"))
    monkeypatch.setenv("PROJRUN_CACHE", str(home / "cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(home / "uv-cache"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", NO_INDEX)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    yield home
    validate_store(home / "store")  # every document that the suite makes projrun write is as the schema says


@pytest.fixture(autouse=True)
def every_error_says_what_to_type_next(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails a test in which projrun made an error without a hint: many are put together from what a tool said."""
    made: list[ProjrunError] = []
    begin = ProjrunError.__init__

    def begun(self: ProjrunError, what: str, *, why: str = "", hint: str = "") -> None:
        begin(self, what, why=why, hint=hint)
        frame = sys._getframe(1)
        while frame.f_code.co_name == "__init__" and frame.f_back:
            frame = frame.f_back
        if frame.f_globals["__name__"].startswith("projrun."):
            made.append(self)

    monkeypatch.setattr(ProjrunError, "__init__", begun)
    yield
    assert [one.what for one in made if not (one.hint or vars(one).get("problems"))] == []


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """An empty real git repository in ``tmp_path / "project"``."""
    return Repository.create(tmp_path / "project")


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[Engine]:
    """The real Docker Engine of this test run; see tests/engine.py."""
    engine = shared_engine()
    yield engine
    engine.api.close()


@pytest.fixture
def engine(docker_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The same, and DOCKER_HOST leads there."""
    monkeypatch.setenv("DOCKER_HOST", docker_engine.host)
    return docker_engine


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # a worker of pytest-xdist has one
        end_shared_engine()
