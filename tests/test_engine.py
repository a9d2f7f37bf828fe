"""The tests' own engine, images and registry do what other tests rely on."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from docker.errors import APIError

from tests import images
from tests.engine import Engine, private_engine
from tests.registry_server import registry

pytestmark = pytest.mark.slow


def said(engine: Engine, image: str, *words: str, **options: object) -> str:
    """What a container prints."""
    made = engine.api.create_container(image, list(words), **options)
    try:
        engine.api.start(made)
        code = engine.api.wait(made)["StatusCode"]
        output = engine.api.logs(made).decode()
        assert code == 0, output
        return str(output)
    finally:
        engine.api.remove_container(made, v=True, force=True)


def test_the_slim_image_has_a_shell_and_programs(engine: Engine) -> None:
    image = images.slim(engine)
    assert images.slim(engine) == image
    script = "id -u; cd /tmp; mkdir a; touch a/b; ls -l a | wc -l; date +%Y; whoami; stat -c %a /tmp"
    lines = said(engine, image, "sh", "-c", script).splitlines()
    assert lines[:2] == ["0", "2"]
    assert lines[3:] == ["root", "1777"]


def test_the_python_image_runs_python_and_pip_as_any_user(engine: Engine) -> None:
    images.python(engine)
    name = f"python:{platform.python_version()}-slim"
    script = "import ssl, sqlite3, ctypes, lzma, platform; print(platform.python_version())"
    assert said(engine, name, "python", "-c", script, user="1234:1234").strip() == platform.python_version()
    assert said(engine, name, "pip", "list", "--format=freeze").startswith("pip==")


def test_the_debian_image_knows_its_packages(engine: Engine) -> None:
    listed = said(engine, images.debian(engine), "dpkg-query", "-W", "-f", "${Package}=${Version}\\n")
    assert "coreutils=" in listed
    assert "git=" not in listed


def test_an_image_is_made_with_files_and_configuration(engine: Engine) -> None:
    greet = '#!/bin/sh\necho hello $NAME "$@" as $(id -u)\n'
    files: dict[str, str | tuple[bytes, int]] = {"/opt/greet": greet, "/opt/data/x": (b"y", 0o600)}
    config = {"Entrypoint": ["/opt/greet"], "Env": ["NAME=world"], "User": "77"}
    image = images.derived(engine, images.SLIM, "projrun-test/greet:1", files, config)
    assert said(engine, image, "and all") == "hello world and all as 77\n"
    assert engine.api.inspect_image("projrun-test/greet:1")["Id"] == image


def test_a_registry_gives_digests_and_a_tag_can_move(engine: Engine) -> None:
    first = images.derived(engine, images.SLIM, "projrun-test/pushed:1", {"/one": "1"})
    second = images.derived(engine, images.SLIM, "projrun-test/pushed:2", {"/two": "2"})
    with registry() as server:
        digest = server.push(engine, first, "base:1")
        later = server.push(engine, second, "base:2")
        server.forget(engine, "base:1")
        reference = f"{server.host}/base"
        assert not engine.api.images(reference)
        engine.api.pull(reference, "1")
        assert f"{reference}@{digest}" in engine.api.inspect_image(f"{reference}:1")["RepoDigests"]
        server.move("base:1", later)
        assert engine.api.inspect_distribution(f"{reference}:1")["Descriptor"]["digest"] == later
        engine.api.pull(reference, "1")
        assert engine.api.inspect_image(f"{reference}:1")["Id"] == second
        server.forget(engine, "base:1")


def test_a_registry_with_a_login_lets_in_who_has_it(engine: Engine) -> None:
    image = images.slim(engine)
    with registry(login="me:secret") as server:
        server.push(engine, image, "mine:1")
        with pytest.raises(APIError, match=r"401|unauthorized|no basic auth"):
            engine.api.pull(f"{server.host}/mine", "1")
        engine.api.pull(f"{server.host}/mine", "1", auth_config={"username": "me", "password": "secret"})
        assert server.asked("mine", "manifests")
        server.forget(engine, "mine:1")


def test_an_engine_of_its_own_may_be_killed_and_leaves_nothing(engine: Engine) -> None:
    with private_engine() as own:
        assert own.host != engine.host
        images.slim(own)
        made = own.api.create_container(images.SLIM, ["sleep", "1000"])
        own.api.start(made)
        inside = own.api.inspect_container(made)["State"]["Pid"]
        own.api.close()
        os.kill(own.pid, signal.SIGKILL)
    assert not Path(own.folder).exists()
    assert own.folder not in Path("/proc/self/mounts").read_text()
    # A zombie at most: the machine's init may take its time to wait for it.
    assert not Path(f"/proc/{inside}/cmdline").exists() or not Path(f"/proc/{inside}/cmdline").read_bytes()


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "with workers"])
def test_the_engine_is_gone_when_the_tests_were_killed(
    tmp_path: Path, engine: Engine, workers: tuple[str, ...]
) -> None:
    """A run of pytest of its own, which asks for an engine and is then killed with all its workers."""
    test = tmp_path / "test_waits.py"
    test.write_text(
        "import pathlib, time\n"
        "from tests.conftest import *\n"
        f"def test_waits(engine):\n    pathlib.Path({str(tmp_path)!r}, 'engine').write_text(engine.folder)\n"
        "    time.sleep(1000)\n"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    words = ["-p", "no:cacheprovider", *workers, f"--rootdir={tmp_path}", str(test)]
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", *words],
        cwd=Path(__file__).resolve().parent.parent,
        env=env,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    told = tmp_path / "engine"
    try:
        until(lambda: told.exists() and told.read_text() != "")
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    folder = Path(told.read_text())
    assert str(folder) != engine.folder
    until(lambda: not folder.exists())


def until(there: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not there():
        assert time.monotonic() < end
        time.sleep(0.02)
