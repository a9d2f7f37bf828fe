"""Reaching an engine, what it has, and every way in which it is not there."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from projrun.core.engine import address, failures
from projrun.core.engine.client import connect
from projrun.core.engine.model import RUN_LABEL
from projrun.core.errors import EngineFailure
from tests import images
from tests.engine import Engine

ROOT = Path(__file__).resolve().parents[3]
slow = pytest.mark.slow


def context(home: Path, name: str, host: str) -> Path:
    """A context as Docker keeps it; gives the folder of its certificates."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    folder = home / ".docker" / "contexts"
    (folder / "meta" / digest).mkdir(parents=True)
    document = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
    (folder / "meta" / digest / "meta.json").write_text(json.dumps(document))
    return folder / "tls" / digest / "docker"


# -- where it is


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("unix:///run/a.sock", "unix:///run/a.sock"),
        ("tcp://10.0.0.1:2375", "tcp://10.0.0.1:2375"),
        ("10.0.0.1:99", "tcp://10.0.0.1:99"),
        ("tcp://[::1]", "tcp://[::1]:2375"),
        ("http://there:1", "tcp://there:1"),
        ("ssh://me@there", "ssh://me@there"),
    ],
)
def test_an_address_is_read_as_docker_reads_it(monkeypatch: pytest.MonkeyPatch, host: str, url: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    assert address.find().url == url


@pytest.mark.parametrize("host", ["fd://", "npipe:////./pipe/docker", "tcp://", "unix://"])
def test_an_address_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(EngineFailure, match="cannot be read"):
        address.find()


def test_a_path_for_an_address_is_told_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "/run/docker.sock")
    with pytest.raises(EngineFailure, match=r"cannot be read: /run/docker\.sock") as raised:
        address.find()
    assert raised.value.hint == "export DOCKER_HOST=unix:///run/docker.sock"


def test_a_variable_goes_before_a_context_and_that_before_the_usual_place(
    hostile_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert address.find().url == "unix:///var/run/docker.sock"
    certificates = context(hostile_environment, "far", "tcp://far:1")
    context(hostile_environment, "near", "unix:///near.sock")
    certificates.mkdir(parents=True)
    (hostile_environment / ".docker" / "config.json").write_text('{"currentContext": "near"}')
    assert address.find().url == "unix:///near.sock"
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    found = address.find()
    assert (found.url, found.tls is not None and found.tls.verify) == ("tcp://far:1", True)
    monkeypatch.setenv("DOCKER_HOST", "tcp://me:secret@first:1")
    assert (address.find().shown, address.find().origin) == ("tcp://first:1", "DOCKER_HOST")
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    with pytest.raises(EngineFailure, match="there is no Docker context nowhere"):
        address.find()


# -- where it is not


def failure() -> EngineFailure:
    with pytest.raises(EngineFailure) as raised:
        connect()
    return raised.value


def test_no_engine_is_told_with_how_to_start_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/s")
    error = failure()
    assert (error.what, error.exit_code) == (f"there is no container engine at unix://{tmp_path}/s", 113)
    assert "DOCKER_HOST names it" in error.why
    assert "start docker" in error.hint or "open -a Docker" in error.hint


def test_a_socket_of_one_s_own_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "docker.sock"))
        assert failure().hint.startswith(f"export DOCKER_HOST=unix://{tmp_path}/docker.sock")


def test_nothing_that_listens_and_what_is_no_engine_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
    assert "Connection refused" in failure().why
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    assert "ca.pem" in failure().why or "Connection refused" in failure().why


def test_a_machine_whose_name_nobody_knows_is_told_in_the_words_of_the_resolver(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://nowhere.invalid:2375")
    with pytest.raises(EngineFailure, match="there is no container engine") as raised:
        connect()
    assert "Unknown error" not in raised.value.why
    assert raised.value.why.startswith("tcp://nowhere.invalid:2375 (DOCKER_HOST names it): ")


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user, which only root may")
def test_no_permission_is_told_with_what_gives_it(tmp_path: Path) -> None:
    code = """
import os, sys
sys.path.insert(0, sys.argv[1])
from projrun.core.engine.client import connect
from projrun.core.errors import EngineFailure
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try: connect()
except EngineFailure as error: print(error.what, error.why, error.hint, sep="\\n")
"""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        place = tmp_path / "s"
        listener.bind(str(place))
        listener.listen()
        place.chmod(0)
        for folder in [tmp_path, *list(tmp_path.parents)[:-1]]:
            if folder.owner() == "root" and folder.stat().st_mode & 0o077 == 0:
                folder.chmod(0o711)
        variables = {"DOCKER_HOST": f"unix://{place}", "PATH": os.environ["PATH"]}
        done = subprocess.run(
            [sys.executable, "-I", "-c", code, str(ROOT)],
            env=variables,
            capture_output=True,
            text=True,
            check=True,
        )
    what, why, hint = done.stdout.splitlines()
    assert what == f"the container engine at unix://{place} may not be used by this user"
    assert why.endswith("Permission denied")
    assert "usermod -aG docker" in hint
    assert "rootless" in hint


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("write /layer: no space left on device", "no space left"),
        ("no matching manifest for linux/s390x in the manifest list entries", "none for that platform"),
        ("manifest for x:1 not found: manifest unknown: manifest unknown", "no such image"),
        ("pull access denied for x, repository does not exist or may require 'docker login'", "no such image"),
        ("unauthorized: authentication required", "wants a login"),
        ('Get "https://r/v2/": dial tcp: lookup r: no such host', "registry cannot be reached"),
        ("Cannot mkdir", "could not do it"),
    ],
)
def test_what_an_engine_says_is_told_apart(message: str, told: str) -> None:
    error = failures.refused(500, message, "pulling x:1")
    assert error.what.startswith("pulling x:1: ")
    assert told in error.what
    assert (error.why, bool(error.hint)) == (message, True)


# -- what it is and has


@slow
def test_an_engine_here_is_local_and_says_what_it_is(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    about = connect().about
    version = engine.api.version()
    assert (about.version, about.api, about.address) == (version["Version"], version["ApiVersion"], engine.host)
    assert (about.is_local, about.platform) == (True, f"{version['Os']}/{version['Arch']}")
    assert about.buildkit == (about.name == "Docker")
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")
    assert connect().about.buildkit is False


@slow
def test_images_are_found_named_and_removed(engine: Engine) -> None:
    config = {"Entrypoint": ["/bin/echo"], "User": "7", "Labels": {"a": "b"}, "WorkingDir": "/tmp"}
    identity = images.derived(engine, images.SLIM, "projrun-test/client:1", config=config)
    client = connect()
    found = client.image("projrun-test/client:1")
    assert found is not None
    assert found == client.image(identity)
    assert (found.id, found.entrypoint, found.user, found.labels) == (identity, ("/bin/echo",), "7", {"a": "b"})
    assert (found.working_directory, "PATH" in found.variables) == ("/tmp", True)
    client.tag(identity, "projrun-test/client:2")
    client.remove_image("projrun-test/client:1")
    assert client.image("projrun-test/client:1") is None
    client.remove_image(identity)
    client.remove_image(identity)
    assert client.image("projrun-test/client:2") is None


@slow
def test_a_short_program_runs_and_leaves_nothing(engine: Engine) -> None:
    client, image = connect(), images.slim(engine)
    labels = {RUN_LABEL: "test-client"}
    words = ["sh", "-c", "echo $1; id -u; echo no >&2; exit 3", "sh", "given"]
    done = client.run_once(image, words, user="12:34", timeout=60, labels=labels)
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"given\n12\n", b"no\n")
    with pytest.raises(EngineFailure, match="could not do it"):
        client.run_once(image, ["sleep", "600"], user="0", timeout=0.5, labels=labels)
    with pytest.raises(EngineFailure):
        client.run_once(image, ["/nowhere"], user="0", timeout=60, labels=labels)
    assert client.containers(f"{RUN_LABEL}=test-client") == ()


@slow
def test_containers_are_found_by_label_and_removed(engine: Engine) -> None:
    client = connect()
    made = engine.api.create_container(
        images.slim(engine), ["true"], labels={"projrun.test": "x"}, name="projrun-x"
    )
    (found,) = client.containers("projrun.test=x")
    assert (found.id, found.name, found.state, found.labels["projrun.test"]) == (
        made["Id"],
        "projrun-x",
        "created",
        "x",
    )
    assert found.created > 1_500_000_000
    client.remove_container("projrun-x")
    client.remove_container("projrun-x")
    assert client.containers("projrun.test") == ()


def test_nothing_of_a_run_waits_for_a_library() -> None:
    code = (
        "import sys\n"
        "import projrun.core.engine.client, projrun.execution.contained, projrun.execution.tender\n"
        "heavy = {'docker', 'requests', 'urllib3', 'http', 'email', 'ssl', 'h2', 'tarfile'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
