"""Containers and what goes wrong: no engine, no right, another machine, a build that fails, what strict asks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import images
from tests.cli.conftest import Workspace
from tests.cli.test_docker import container_of, in_image
from tests.cli.test_docker_stopping import until
from tests.engine import Engine, Odd, private_engine
from tests.registry_server import Registry, registry

pytestmark = pytest.mark.slow

STRANGER = 54321


@pytest.fixture
def slim(engine: Engine) -> str:
    return images.slim(engine)


@pytest.fixture(scope="module")
def shelf() -> Iterator[Registry]:
    with registry() as server:
        yield server


def test_strict_refuses_what_can_move_and_names_the_digest_to_write(
    workspace: Workspace, engine: Engine, slim: str, shelf: Registry
) -> None:
    digest = shelf.push(engine, slim, "base:1")
    base = f"{shelf.host}/base:1"
    workspace.repository.write(
        "Dockerfile", f"ARG BASE={base}\nFROM $BASE\nCOPY --from={base} /etc/passwd /users\n"
    )
    workspace.entry_point("cat /users", environment="{docker: {file: Dockerfile}}")
    workspace.publish()
    refused = workspace.projrun("run", "--strict", "--json")
    assert refused.code == 113
    reasons = refused.data["error"]["reasons"]
    assert {reason["code"] for reason in reasons} == {"base-unpinned"}
    assert all(f"{base}@{digest}" in reason["mend"] for reason in reasons)
    assert not (workspace.store / "runs").exists()

    workspace.repository.write("Dockerfile", f"FROM {base}@{digest}\nRUN echo pinned > /users\n")
    workspace.publish()
    run = workspace.run("--strict")
    assert container_of(run)["bases"] == [
        {"reference": f"{base}@{digest}", "line": 1, "digest": digest, "pinned": True}
    ]

    workspace.entry_point("ls", environment=f"{{docker: {{image: '{base}'}}}}")
    workspace.publish()
    refused = workspace.projrun("run", "--strict", "--json")
    assert [reason["code"] for reason in refused.data["error"]["reasons"]] == ["image-unpinned"]
    assert f"{base}@{digest}" in refused.err
    # What the mend says is what it takes.
    workspace.entry_point("ls", environment=f"{{docker: {{image: '{base}@{digest}'}}}}")
    workspace.publish()
    assert workspace.run("--strict")["recipe"]["environment"]["container"]["image"]["id"] == slim
    shelf.forget(engine, "base:1")


def test_strict_refuses_mounts(workspace: Workspace, slim: str, tmp_path: Path) -> None:
    in_image(workspace, "true\n", f", mounts: [{{source: {tmp_path}, target: /outside}}]")
    workspace.spec((workspace.root / "ProjectSpec.yaml").read_text().replace(images.SLIM, slim))
    workspace.publish()
    refused = workspace.projrun("run", "--strict", "--json")
    assert refused.code == 113
    assert [reason["code"] for reason in refused.data["error"]["reasons"]] == ["mount-unpinned"]


def test_a_build_that_fails_names_its_step_and_keeps_its_log(workspace: Workspace, slim: str) -> None:
    workspace.repository.write(
        "Dockerfile", f"FROM {images.SLIM}\nRUN echo the first is fine\nRUN echo no luck && exit 42\n"
    )
    workspace.entry_point("ls", environment="{docker: {file: Dockerfile}}")
    failed = workspace.projrun("run")
    assert failed.code == 113
    assert "Traceback" not in failed.err
    assert "RUN echo no luck && exit 42" in failed.err
    assert "42" in failed.err
    logged = workspace.projrun("logs", "last").out
    assert "the first is fine" in logged
    assert "no luck" in logged
    last = workspace.last()
    assert (last["outcome"]["exit_code"], last["outcome"]["phase"]) == (113, "environment")


@pytest.mark.parametrize(
    ("host", "word"),
    [
        ("unix:///nowhere/docker.sock", "/nowhere/docker.sock"),
        ("tcp://127.0.0.1:9", "127.0.0.1:9"),
        ("what", "what"),
    ],
)
def test_without_an_engine_it_is_said_what_to_do(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, host: str, word: str
) -> None:
    in_image(workspace, "true\n")
    monkeypatch.setenv("DOCKER_HOST", host)
    done = workspace.projrun("run")
    assert done.code == 113
    assert word in done.err
    assert "Traceback" not in done.err


def test_an_engine_that_is_full_is_told_and_the_log_is_kept(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    filling = "RUN echo it begins; dd if=/dev/zero of=/large bs=1M count=200"
    workspace.repository.write("Dockerfile", f"FROM {images.SLIM}\n{filling}\n")
    workspace.entry_point("ls", environment="{docker: {file: Dockerfile}}")
    with private_engine(Odd(room="64m")) as small:
        images.slim(small)
        small.api.close()
        monkeypatch.setenv("DOCKER_HOST", small.host)
        done = workspace.projrun("run")
    assert done.code == 113
    assert "no space left on device" in done.err.lower()
    assert "docker system df" in done.err
    assert "it begins" in workspace.projrun("logs", "last").out


def test_an_engine_that_goes_away_while_it_builds_is_told(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.repository.write("Dockerfile", f"FROM {images.SLIM}\nRUN echo it begins; sleep 1000\n")
    workspace.entry_point("ls", environment="{docker: {file: Dockerfile}}")
    with private_engine() as own:
        images.slim(own)
        own.api.close()
        monkeypatch.setenv("DOCKER_HOST", own.host)
        process = workspace.start("run")
        logs = workspace.store.glob
        until(lambda: any(b"it begins\n" in log.read_bytes() for log in logs("runs/*/output.log")), process)
        os.kill(own.pid, signal.SIGKILL)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 113, err
    assert b"Traceback" not in err
    assert workspace.last()["outcome"]["exit_code"] == 113


def test_an_engine_of_another_machine_is_refused_before_anything_is_built(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.repository.write("Dockerfile", f"FROM {images.SLIM}\nRUN touch /built\n")
    workspace.entry_point("ls", environment="{docker: {file: Dockerfile}}")
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    with private_engine(Odd(remote=port)) as remote:
        images.slim(remote)
        before = len(remote.api.images(all=True))
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        done = workspace.projrun("run")
        assert len(remote.api.images(all=True)) == before
        assert remote.api.containers(all=True) == []
        remote.api.close()
    assert done.code == 113
    assert f"127.0.0.1:{port}" in done.err
    assert "another machine" in done.err


def test_a_platform_that_the_image_is_not_for_is_told(
    workspace: Workspace, engine: Engine, slim: str, shelf: Registry
) -> None:
    shelf.push(engine, slim, "one-platform:1")
    image = f"{shelf.host}/one-platform:1"
    workspace.entry_point("ls", environment=f"{{docker: {{image: '{image}', platform: linux/s390x}}}}")
    done = workspace.projrun("run")
    assert done.code == 113
    assert "linux/s390x" in done.err
    shelf.forget(engine, "one-platform:1")


class Stranger(NamedTuple):
    """A user who is not root, with a project and a store, in a place where everybody may look."""

    place: Path

    def run(self, group: int) -> subprocess.CompletedProcess[str]:
        """Runs the project as somebody who is in ``group`` too."""
        become = ["setpriv", "--reuid", str(STRANGER), "--regid", str(STRANGER), "--groups", str(group)]
        # The tests' Python may lie in root's own home, where others may not even look.
        become += ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
        own = {"HOME": "home", "PROJRUN_STORE": "store", "PROJRUN_CACHE": "cache"}
        variables = {**os.environ, **{name: str(self.place / folder) for name, folder in own.items()}}
        words = [*become, sys.executable, "-m", "projrun", "run", "-q"]
        return subprocess.run(
            words, cwd=self.place / "project", env=variables, capture_output=True, text=True, check=False
        )


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    if os.getuid() != 0:
        pytest.skip("only root can be somebody else")
    with tempfile.TemporaryDirectory(prefix="projrun-stranger-") as folder:
        place = Path(folder)
        (place / "project").mkdir()
        (place / "home").mkdir()
        (place / "project" / "ProjectSpec.yaml").write_text(
            f"version: 1\nname: theirs\nenvironment: {{docker: {{image: '{images.SLIM}'}}}}\n"
            "entry_points: {main: 'sh script.sh {run_dir}'}\n"
        )
        (place / "project" / "script.sh").write_text("id -u; id -g; touch made $1/there $HOME/x\n")
        for path in (place, *place.rglob("*")):
            os.chown(path, STRANGER, STRANGER)
        yield Stranger(place)


def test_what_another_user_runs_belongs_to_them(stranger: Stranger, engine: Engine, slim: str) -> None:
    done = stranger.run(Path(engine.host.removeprefix("unix://")).stat().st_gid)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(STRANGER), str(STRANGER)]
    made = [stranger.place / "project" / "made", *stranger.place.glob("store/runs/*/there")]
    assert [path.stat().st_uid for path in made] == [STRANGER, STRANGER]


def test_who_may_not_use_the_engine_is_told_how_to_be_let_in(stranger: Stranger, slim: str) -> None:
    done = stranger.run(STRANGER)
    assert done.returncode == 113
    assert "docker" in done.stderr
    assert "Traceback" not in done.stderr
