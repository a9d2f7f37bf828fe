"""The tests' own engine, images and registry do what other tests rely on."""

from __future__ import annotations

import platform

import pytest

from tests import images
from tests.engine import Engine

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
    files: dict[str, str | bytes | tuple[str | bytes, int]] = {
        "/opt/greet": '#!/bin/sh\necho hello $NAME "$@" as $(id -u)\n',
        "/opt/data/x": (b"y", 0o600),
    }
    config = {"Entrypoint": ["/opt/greet"], "Env": ["NAME=world"], "User": "77"}
    image = images.derived(engine, images.SLIM, "projrun-test/greet:1", files, config)
    assert said(engine, image, "and all") == "hello world and all as 77\n"
    assert engine.api.inspect_image("projrun-test/greet:1")["Id"] == image
