"""Building an image with real engines: one contract for BuildKit, the classic builder and Podman."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import platform
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from projrun.core.engine.client import Engine, connect
from projrun.core.engine.model import ImageRequest
from projrun.core.errors import EngineFailure, EnvironmentFailure
from tests import images
from tests.core.engine.podman import podman_service
from tests.engine import Engine as Running
from tests.engine import private_engine

pytestmark = pytest.mark.slow

FROM = f"FROM {images.SLIM} AS first"
TAG = "projrun-test/built:1"
HERE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
ELSEWHERE = "linux/arm64" if HERE == "amd64" else "linux/amd64"
BUILDKIT, CLASSIC, PODMAN = "buildkit", "classic", "podman"

# Podman takes its time, and ends a build between two steps only: it is asked for what may differ.
every_builder = pytest.mark.parametrize("builder", [BUILDKIT, CLASSIC, PODMAN], indirect=True)

Built = tuple[str, str]


@pytest.fixture(scope="module")
def docker(docker_engine: Running) -> Running:
    images.slim(docker_engine)
    return docker_engine


@pytest.fixture(scope="module")
def podman() -> Iterator[Running]:
    with podman_service() as running:
        images.slim(running)
        yield running


@pytest.fixture(params=[BUILDKIT, CLASSIC])
def builder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine, with one of the builders."""
    running = request.getfixturevalue("podman" if request.param == PODMAN else "docker")
    return _connected(running, request.param, monkeypatch)


@pytest.fixture
def buildkit(docker: Running, monkeypatch: pytest.MonkeyPatch) -> Engine:
    return _connected(docker, BUILDKIT, monkeypatch)


def _connected(running: Running, builder: str, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setenv("DOCKER_HOST", running.host)
    if builder == CLASSIC:
        monkeypatch.setenv("DOCKER_BUILDKIT", "0")
    engine = connect()
    assert engine.about.buildkit == (builder == BUILDKIT)
    return engine


@pytest.fixture
def build(builder: Engine, tmp_path: Path) -> Callable[..., Built]:
    """Builds a Dockerfile of some lines; gives the image's id and the output."""
    return lambda *lines, **options: _build(builder, tmp_path, *lines, **options)


def _build(engine: Engine, folder: Path, *lines: str, **options: Any) -> Built:
    said: list[bytes] = []
    image = engine.build(_request(folder, *lines, **options), said.append)
    return image.id, b"".join(said).decode()


def _request(folder: Path, *lines: str, **options: Any) -> ImageRequest:
    context = folder / "context.tar"
    with tarfile.open(context, "w") as archive:
        for name, content in (("Dockerfile", "\n".join((FROM, *lines))), ("a.txt", "hello\n")):
            entry = tarfile.TarInfo(name)
            entry.size = len(content.encode())
            archive.addfile(entry, io.BytesIO(content.encode()))
    return ImageRequest(context, "Dockerfile", TAG, **options)


def _failure(build: Callable[..., Built], *lines: str, **options: Any) -> EnvironmentFailure:
    with pytest.raises(EnvironmentFailure) as caught:
        build(*lines, **options)
    assert caught.value.hint
    return caught.value


@every_builder
def test_an_image_is_built_as_it_was_asked_for(builder: Engine, build: Callable[..., Built]) -> None:
    lines = (
        "ARG colour=none",
        "COPY a.txt /a.txt",
        'RUN cat /proc/sys/kernel/random/uuid >/id && echo "colour: $colour"',
        "FROM first",
        "RUN echo not wanted && exit 9",
    )
    asked = {"target": "first", "arguments": {"colour": "blue & red"}, "labels": {"projrun.key": "k"}}
    image, output = build(*lines, **asked, platform=f"linux/{HERE}")
    assert "colour: blue & red\n" in output
    assert "not wanted" not in output.replace("RUN echo not wanted", "")
    found = builder.image(image)
    assert found
    assert found.labels["projrun.key"] == "k"
    [tag] = found.tags  # Podman puts a registry in front
    assert tag == TAG or tag.endswith(f"/{TAG}")
    assert builder.run_once(image, ["cat", "/a.txt"], user="0", timeout=60).stdout == b"hello\n"
    again, _ = build(*lines, **asked, platform=f"linux/{HERE}")
    fresh, _ = build(*lines, **asked, fresh=True)
    assert again == image
    assert fresh != image


@every_builder
def test_a_step_that_fails_is_named_with_its_exit_code_and_its_last_words(
    builder: Engine, build: Callable[..., Built]
) -> None:
    error = _failure(build, "RUN echo fine", "RUN seq 40000; echo lost; exit 7", labels={"projrun.test": "1"})
    assert error.what.startswith("the image build fails at [3/")
    assert error.what.endswith("] RUN seq 40000; echo lost; exit 7: exit code 7")
    assert "40000\nlost\n" in error.why
    assert len(error.why.splitlines()) <= 13
    assert builder.containers("projrun.test") == ()


def test_a_program_that_is_not_there_is_told(build: Callable[..., Built]) -> None:
    error = _failure(build, "RUN no-such-program")
    assert error.what == "the image build fails at [2/2] RUN no-such-program: exit code 127"
    assert "base image" in error.hint


@every_builder
def test_a_file_that_is_not_in_the_context_is_told(build: Callable[..., Built]) -> None:
    error = _failure(build, "COPY data/gone.csv /")
    assert error.what.endswith("COPY data/gone.csv /: data/gone.csv is not in the build context")
    assert error.hint.startswith("mend that in Dockerfile, or put data/gone.csv there;")
    error = _failure(build, "FROM first", "COPY --from=first /gone.csv /")
    assert error.what.endswith("COPY --from=first /gone.csv /: /gone.csv is not in first")


def test_what_cannot_be_built_at_all_is_told(build: Callable[..., Built]) -> None:
    assert _failure(build, "TAKE this").what == "Dockerfile cannot be read"
    assert _failure(build, target="gone").what == "Dockerfile has no stage gone"
    error = _failure(build, "FROM 127.0.0.1:9/gone:1")
    assert isinstance(error, EngineFailure)
    assert error.what == "the image build fails: pulling 127.0.0.1:9/gone:1: the registry cannot be reached"


@every_builder
def test_a_platform_that_is_not_there_is_refused(build: Callable[..., Built]) -> None:
    error = _failure(build, "LABEL a=b", platform=ELSEWHERE)
    assert f"for {ELSEWHERE}" in error.what or f"not for {ELSEWHERE}" in error.what


def test_a_build_is_on_the_network_that_it_was_given(build: Callable[..., Built]) -> None:
    lines = ("RUN readlink /proc/self/ns/net; sed 1,2d /proc/net/dev | cut -d: -f1 | tr -d ' ' | tr '\\n' ,",)
    ours = str(Path("/proc/self/ns/net").readlink())
    assert ours in build(*lines, network="host")[1]
    _, alone = build(*lines, network="none", fresh=True)
    assert ours not in alone
    assert "lo," in alone
    assert "eth0" not in alone


def test_output_without_end_is_read(build: Callable[..., Built]) -> None:
    image, output = build("RUN head -c 3000000 /dev/zero | tr '\\0' x; echo; echo the end")
    assert image
    assert output.count("x") > 100_000  # BuildKit leaves some out


class Interrupted(BaseException):
    """As a KeyboardInterrupt, and not to be taken for the user's."""


def test_an_interrupt_ends_what_the_engine_does(builder: Engine, tmp_path: Path) -> None:
    mark = f"3600.{os.getpid()}1"

    def say(line: bytes) -> None:
        if b"has begun" in line and b"echo" not in line:
            raise Interrupted

    with pytest.raises(Interrupted):
        builder.build(_request(tmp_path, f"RUN echo has begun; sleep {mark}"), say)
    _await(lambda: not _running(mark))


def test_a_builder_that_is_killed_ends_what_the_engine_does(builder: Engine, tmp_path: Path) -> None:
    mark = f"3600.{os.getpid()}2"
    request = _request(tmp_path, f"RUN echo has begun; sleep {mark}")
    script = (
        "import sys; from pathlib import Path; from projrun.core.engine.client import connect; "
        "from projrun.core.engine.model import ImageRequest; "
        "connect().build(ImageRequest(Path(sys.argv[1]), 'Dockerfile', 'projrun-test/x:1'), lambda line: None)"
    )
    with subprocess.Popen([sys.executable, "-c", script, request.context]) as process:
        _await(lambda: process.poll() is not None or _running(mark))
        assert process.poll() is None
        process.kill()
    _await(lambda: not _running(mark))


def _running(mark: str) -> bool:
    """Whether a process of this machine has the mark as its last word."""
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if process.read_bytes().split(b"\0")[-2:-1] == [mark.encode()]:
                return True
    return False


def _await(there: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not there():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_secrets_are_there_for_one_step_and_never_in_what_is_told(buildkit: Engine, tmp_path: Path) -> None:
    big = "key\n" * 100_000
    secrets = {"token": "s3cret-of-one-line", "lines": "first-line-of-it\nsecond-line\n", "big": big}
    mounts = " ".join(f"--mount=type=secret,id={name}" for name in secrets)
    lines = (
        f"RUN {mounts} cat /run/secrets/token /run/secrets/lines; sha256sum /run/secrets/big",
        "RUN ls /run/secrets 2>/dev/null | wc -l",
    )
    image, output = _build(buildkit, tmp_path, *lines, secrets=secrets)
    assert hashlib.sha256(big.encode()).hexdigest() in output
    assert "***" in output
    assert not any(part in output for part in ("s3cret", "first-line", "second-line"))
    assert "s3cret" not in json.dumps(buildkit.api.history(image))
    failing = f"RUN {mounts} cat /run/secrets/token; false"
    error = _failure(lambda *given, **more: _build(buildkit, tmp_path, *given, **more), failing, secrets=secrets)
    assert "***" in error.why
    assert "s3cret" not in f"{error.what}{error.why}{error.hint}"


def test_a_secret_that_is_not_given_is_named(buildkit: Engine, tmp_path: Path) -> None:
    line = "RUN --mount=type=secret,id=other,required=true true"
    error = _failure(lambda *lines: _build(buildkit, tmp_path, *lines), line)
    assert error.what.endswith("it takes the secret other, which this build is not given")


def test_without_buildkit_secrets_are_refused_before_anything_is_sent(
    docker: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = _connected(docker, CLASSIC, monkeypatch)
    request = ImageRequest(tmp_path / "none.tar", "Dockerfile", TAG, secrets={"token": "s3cret"})
    with pytest.raises(EnvironmentFailure, match="cannot give secrets to a build") as caught:
        engine.build(request, lambda line: None)
    assert "token" in caught.value.why
    assert "s3cret" not in caught.value.why


@pytest.mark.parametrize("kind", [BUILDKIT, CLASSIC])
def test_an_engine_that_goes_away_in_the_middle_is_told(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with private_engine() as running:
        images.slim(running)
        engine = _connected(running, kind, monkeypatch)

        def say(line: bytes) -> None:
            if b"has begun" in line and b"echo" not in line:
                os.kill(running.pid, signal.SIGKILL)

        with pytest.raises(EngineFailure, match="went away in the middle"):
            engine.build(_request(tmp_path, "RUN echo has begun; sleep 3600"), say)


def test_the_callers_logins_are_those_of_dockers_configuration(
    buildkit: Engine, hostile_environment: Path
) -> None:
    folder = hostile_environment / ".docker"
    folder.mkdir()
    logins = {"there.example": {"auth": "bWU6cGFzcw=="}, "token.example": {"identitytoken": "t0ken"}}
    (folder / "config.json").write_text(json.dumps({"auths": logins}))
    found = [buildkit.credentials(host) for host in ("there.example", "token.example", "else.example")]
    assert found == [("me", "pass"), ("", "t0ken"), ("", "")]
