"""Runs in containers, as a user has them: what the program finds in there, what is recorded, what is refused."""

from __future__ import annotations

import base64
import json
import os
import random
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests import images
from tests.cli.conftest import Workspace
from tests.cli.test_secrets_everywhere import SPY, contents
from tests.engine import Engine

pytestmark = pytest.mark.slow

DOCKERFILE = f"FROM {images.SLIM}\nARG WORD=none\nCOPY packages /opt/packages\nRUN echo building with $WORD\n"


@pytest.fixture
def slim(engine: Engine) -> str:
    """The id of a small image, which the engine has as images.SLIM."""
    return images.slim(engine)


@pytest.fixture
def project(workspace: Workspace, slim: str) -> Workspace:
    """A clean, pushed project with a Dockerfile whose context is the file ``packages`` alone."""
    workspace.repository.write("Dockerfile", DOCKERFILE)
    workspace.repository.write(".dockerignore", "*\n!packages\n")
    workspace.repository.write("packages", "one\n")
    workspace.entry_point("cat /opt/packages", environment="{docker: {file: Dockerfile}}")
    workspace.publish()
    return workspace


def in_image(workspace: Workspace, script: str, options: str = "", more: str = "") -> None:
    """Lets the project run a script of the shell in the small image.

    ``options`` go to ``docker``, ``more`` beside it: ``, network: none`` and ``, secrets: [TOKEN]``.
    """
    workspace.repository.write("script.sh", script)
    docker = f"{{docker: {{image: '{images.SLIM}'{options}}}{more}}}"
    workspace.entry_point("sh script.sh {run_dir}", environment=docker)


def container_of(document: Any) -> Any:
    return document["recipe"]["environment"]["container"]


def test_an_image_is_built_once_and_all_that_it_is_made_of_is_recorded(
    project: Workspace, engine: Engine, slim: str
) -> None:
    first = project.run()
    environment, container = first["recipe"]["environment"], container_of(first)
    assert environment["kind"] == "docker"
    assert environment["reused"] is False
    assert environment["key"] in project.projrun("env", "list", "--json").out
    assert container["image"]["id"] == engine.api.inspect_image(container["image"]["id"])["Id"]
    assert [(base["reference"], base["line"], base["digest"]) for base in container["bases"]] == [
        (images.SLIM, 1, slim)
    ]
    assert container["build"]["dockerfile"] == DOCKERFILE
    log = project.store / "objects" / container["build"]["log"]["sha256"][:2]
    assert log.exists()
    assert "base-unpinned" in {flag["code"] for flag in first["recipe"]["flags"]}
    logged = project.projrun("logs", first["run"]).out
    assert "building with none" in logged
    assert "\none\n" in logged

    project.repository.write("train.py", "# not in the context\n")
    os.utime(project.root / "packages", (1, 1))
    second = project.run()
    assert second["recipe"]["environment"]["key"] == environment["key"]
    assert second["recipe"]["environment"]["reused"] is True
    assert container_of(second)["image"] == container["image"]
    assert "building with" not in project.projrun("logs", second["run"]).out

    project.repository.write("packages", "two\n")
    third = project.run()
    assert third["recipe"]["environment"]["key"] != environment["key"]
    assert project.projrun("logs", third["run"]).out.splitlines()[-2] == "two"


def test_the_program_finds_fixed_places_and_owns_what_it_makes(workspace: Workspace, slim: str) -> None:
    script = (
        "pwd; echo $HOME; echo $PROJRUN_RUN_DIR; echo $1; id -u\n"
        "touch $HOME/x && echo home is writable; ls -A $HOME\n"
        "echo made > made; echo there > $1/there\n"
        "echo no > data/table.csv || echo the input is read-only\n"
        "echo $LANG $FOREIGN; cat /proc/1/comm; echo said >&2\n"
        """echo '{"name": "inside", "value": 0.5}' >> "$PROJRUN_METRICS"\n"""
    )
    in_image(workspace, script)
    text = (workspace.root / "ProjectSpec.yaml").read_text()
    text = text.replace("entry_points:", "data: {table: data/table.csv}\nentry_points:")
    text = text.replace("script.sh {run_dir}", "script.sh {run_dir} {table}")
    workspace.spec(text + "    parameters: {table: {type: path, default: 'data:table'}}\n")
    done = workspace.projrun("run", "-q", variables={"FOREIGN": "x", "LANG": "de_DE.UTF-8"})
    assert done.code == 0, done.err
    out = done.out.splitlines()
    assert out[:5] == ["/project", "/projrun/home", "/projrun/run", "/projrun/run", str(os.getuid())]
    assert out[5:9] == ["home is writable", "x", "the input is read-only", "C.UTF-8"]
    assert (workspace.root / "made").read_text() == "made\n"
    assert (workspace.root / "made").stat().st_uid == os.getuid()
    run = next((workspace.store / "runs").iterdir())
    assert (run / "there").stat().st_uid == os.getuid()
    reported = json.loads((run / "outcome.json").read_text())["metrics"]
    assert reported == [{"name": "inside", "value": 0.5, "file": "PROJRUN_METRICS"}]
    assert (workspace.root / "data" / "table.csv").read_text() == "a,b\n1,2\n"
    streams = {mark[2] for mark in map(json.loads, (run / "output.index").read_text().splitlines())}
    assert {"stdout", "stderr"} <= streams


def test_nothing_of_a_run_is_left(workspace: Workspace, slim: str, engine: Engine) -> None:
    in_image(workspace, "exit 3\n")
    run = workspace.run(code=3)["run"]
    assert engine.containers(f"projrun.run={run}") == []


def test_a_run_has_the_bridge_and_a_strict_one_no_network(workspace: Workspace, slim: str, engine: Engine) -> None:
    listing = "ls /sys/class/net; test -r data/table.csv\n"
    in_image(workspace, listing)
    loose = workspace.run() if engine.bridged else None
    workspace.spec((workspace.root / "ProjectSpec.yaml").read_text().replace(images.SLIM, slim))
    workspace.publish()
    strict = workspace.run("--strict")
    assert container_of(strict)["configuration"]["network"] == "none"
    assert program_output(workspace, strict) == ["lo"]
    if loose:
        assert container_of(loose)["configuration"]["network"] == "bridge"
        assert "eth0" in program_output(workspace, loose)


def test_what_the_spec_says_of_a_container_holds_and_is_recorded(
    workspace: Workspace, slim: str, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "open").mkdir(mode=0o777)
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "outside" / "file").write_text("from outside\n")
    script = (
        "cat /outside/file; touch /outside/new || echo read-only; touch /open/new; echo $ONE $TWO $PATH\n"
        "id -u; id -g; df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2; ls /sys/class/net\n"
    )
    options = (
        f", mounts: [{{source: {tmp_path}/outside, target: /outside}}, "
        f"{{source: {tmp_path}/open, target: /open, writable: true}}], shm_size: 8m, cpus: 0.5, memory: 64m"
        ", user: '1234:5678', network: none, platform: linux/amd64"
    )
    in_image(workspace, script, options, ", variables: {ONE: one}, inherit: [TWO]")
    done = workspace.projrun("run", "--json", variables={"TWO": "two"})
    assert done.code == 0, done.err
    run = done.data
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    seen = ["from outside", "read-only", f"one two {path}", "1234", "5678", "8192", "lo"]
    assert program_output(workspace, run) == seen
    assert (tmp_path / "open" / "new").stat().st_uid == 1234
    configuration = container_of(run)["configuration"]
    assert configuration["mounts"] == [
        {"source": f"{tmp_path}/outside", "target": "/outside", "writable": False},
        {"source": f"{tmp_path}/open", "target": "/open", "writable": True},
    ]
    assert (configuration["shm_size"], configuration["memory"], configuration["cpus"]) == (8 << 20, 64 << 20, 0.5)
    assert (configuration["user"], configuration["network"]) == ("1234:5678", "none")
    assert "memory 64 MiB, shm_size 8 MiB" in workspace.projrun("show", "last").out
    assert "mount-unpinned" in {flag["code"] for flag in run["recipe"]["flags"]}


def test_out_of_memory_is_told_apart_from_being_killed(workspace: Workspace, slim: str) -> None:
    in_image(workspace, "dd if=/dev/zero of=/dev/null bs=200M count=1\n", ", memory: 32m")
    hungry = workspace.projrun("run")
    assert hungry.code == 137
    assert "memory" in hungry.err.splitlines()[-3] + workspace.projrun("show", "last").out
    starved = workspace.last()["outcome"]
    in_image(workspace, "kill -9 $$\n", ", memory: 32m")
    killed = workspace.run(code=137)["outcome"]
    assert starved["process"] != killed["process"]


@pytest.mark.parametrize(("command", "code"), [("nowhere", 127), ("/etc/passwd", 126)])
def test_a_command_that_cannot_be_run_has_the_exit_code_of_everywhere(
    workspace: Workspace, slim: str, command: str, code: int
) -> None:
    workspace.entry_point(command, environment=f"{{docker: {{image: '{images.SLIM}'}}}}")
    done = workspace.projrun("run", "--json")
    assert done.code == code
    assert done.data["outcome"]["status"] == "not-started"
    assert command in done.data["outcome"]["reason"]


def test_secrets_reach_the_program_and_the_build_and_are_kept_nowhere(
    workspace: Workspace, slim: str, engine: Engine
) -> None:
    secret = "/run/secrets/BUILD_TOKEN"
    quoted = 'echo "${v%%/*}%2F${v#*/}"'  # as an address has it
    workspace.repository.write(
        "Dockerfile",
        f"FROM {images.SLIM}\nRUN --mount=type=secret,id=BUILD_TOKEN wc -c < {secret} > /length; cat {secret};"
        f" v=$(cat {secret}); {quoted}\n",
    )
    workspace.repository.write(
        "script.sh",
        f"cat /length; echo the token is $RUN_TOKEN; v=$RUN_TOKEN; {quoted}\n"
        "env > $1/seen; wc -c < $1/seen > /dev/null\n",
    )
    workspace.entry_point(
        "sh script.sh {run_dir}",
        environment="{docker: {file: Dockerfile, secrets: [BUILD_TOKEN]}, secrets: [RUN_TOKEN]}",
    )
    variables = {"BUILD_TOKEN": "hush-hush/build", "RUN_TOKEN": "hush-hush/run"}
    done = workspace.projrun("run", "--json", variables=variables)
    assert done.code == 0, done.err
    assert program_output(workspace, done.data) == ["15", "the token is ***", "***"]
    assert container_of(done.data)["build"]["secrets"] == ["BUILD_TOKEN"]
    seen = workspace.store / "runs" / done.data["run"] / "seen"
    assert "hush-hush/run" in seen.read_text()  # the program may write what it likes into its directory
    assert "secret-written" in [flag["code"] for flag in done.data["outcome"]["flags"]]
    seen.unlink()
    kept = [path for path in workspace.home.rglob("*") if path.is_file() and b"hush-hush" in path.read_bytes()]
    assert kept == []
    assert "hush-hush" not in json.dumps(engine.api.history(container_of(done.data)["image"]["id"]))


def test_a_build_that_fails_tells_no_secret(workspace: Workspace, slim: str, tmp_path: Path) -> None:
    """Whole, in two writes, encoded, and in the command that failed; nor does a process of projrun's own."""
    secret, token = "/run/secrets/BUILD_TOKEN", "hush-hush/build+1"
    workspace.repository.write(
        "Dockerfile",
        f"FROM {images.SLIM}\nRUN --mount=type=secret,id=BUILD_TOKEN cat {secret}; echo; head -c 9 {secret};"
        f' sleep 0.3; tail -c +10 {secret}; echo; base64 < {secret}; sh -c "echo $(cat {secret}) >&2; exit 3"\n',
    )
    workspace.entry_point("echo hi", environment="{docker: {file: Dockerfile, secrets: [BUILD_TOKEN]}}")
    spy = tmp_path / "spy" / "sitecustomize.py"
    spy.parent.mkdir()
    spy.write_text(SPY.format(place=str(tmp_path / "started")))
    variables = {"BUILD_TOKEN": token, "PYTHONPATH": str(spy.parent)}
    for words in (["run"], ["run", "--json"], ["env", "build"]):
        done = workspace.projrun(*words, variables=variables)
        assert done.code == 113
        told = [done.out, done.err, (tmp_path / "started").read_text()]
        told += [workspace.projrun(*verb.split()).out for verb in ("show last", "show last --json", "logs last")]
        for needle in (token, token[:9] + "uild", base64.b64encode(token.encode()).decode()[:-4]):
            assert not any(needle in text for text in told)
            assert [path for path, data in contents(workspace.home) if needle.encode() in data] == []
        assert "***" in done.err + told[-1]


def test_there_is_no_lock_to_export_and_what_is_inside_is_shown(project: Workspace) -> None:
    run = str(project.run()["run"])
    for words in (["export-lock", "last"], ["export-lock"]):
        done = project.projrun(*words)
        assert done.code == 113
        assert "in an image, which has no lock" in done.err
        command = re.search(r"projrun (env show .*--json)", done.err)
        assert command
        assert project.projrun(*command[1].split()).data["image"]["packages"] == []
    assert run in project.projrun("export-lock", "last").err


def test_what_is_in_an_image_is_a_bill_of_materials(workspace: Workspace, engine: Engine) -> None:
    images.debian(engine)
    workspace.entry_point("echo hi", environment=f"{{docker: {{image: '{images.DEBIAN}'}}}}")
    recipe = workspace.run()["recipe"]
    text = workspace.projrun("export-lock", "last", "--format", "cyclonedx").out
    assert text, workspace.projrun("export-lock", "last", "--format", "cyclonedx").err
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    [image, *inside] = bill["components"]
    assert (image["type"], image["version"]) == ("container", recipe["environment"]["container"]["image"]["id"])
    packages = recipe["environment"]["container"]["packages"]
    assert len(inside) == len(packages) + len(recipe["environment"]["installed"])
    [coreutils] = [one for one in packages if one["name"] == "coreutils"]
    version = quote(coreutils["version"], safe=":")
    assert f"pkg:deb/coreutils@{version}?arch={coreutils['architecture']}" in {one["purl"] for one in inside}


def test_an_entrypoint_is_kept_and_gets_the_command_as_its_words(workspace: Workspace, engine: Engine) -> None:
    greet = '#!/bin/sh\necho entering as $(id -u)\nexec "$@"\n'
    name = "projrun-test/entrypoint:1"
    images.derived(engine, images.SLIM, name, {"/enter": greet}, {"Entrypoint": ["/enter"], "User": "77"})
    workspace.entry_point("echo and then", environment=f"{{docker: {{image: '{name}'}}}}")
    run = workspace.run()
    assert program_output(workspace, run) == [f"entering as {os.getuid()}", "and then"]
    assert container_of(run)["image"]["entrypoint"] == ["/enter"]
    assert re.search(r"^entrypoint +/enter$", workspace.projrun("show", "last").out, re.M)
    assert run["recipe"]["argv"] == ["echo", "and", "then"]


def test_a_version_runs_in_a_private_checkout_with_the_image_of_its_dockerfile(project: Workspace) -> None:
    there = project.run()
    project.repository.write("packages", "later\n")
    project.publish()
    before = project.run("-v", "HEAD~1")
    assert before["recipe"]["environment"]["key"] == there["recipe"]["environment"]["key"]
    assert before["recipe"]["environment"]["reused"] is True
    assert program_output(project, before) == ["one"]
    assert program_output(project, project.run("-v", "HEAD")) == ["later"]


def test_the_verbs_for_environments_know_images_and_take_none_but_ours(
    project: Workspace, engine: Engine, slim: str
) -> None:
    own = f"{project.root}\n"  # what other tests build alike has one image with this
    project.repository.write("packages", own)
    run = project.run()
    key, image = run["recipe"]["environment"]["key"], container_of(run)["image"]["id"]
    assert key[:10] in project.projrun("env", "list").out
    shown = project.projrun("env", "show", "last")
    assert shown.code == 0, shown.err
    assert image in shown.out
    assert project.projrun("env", "verify", "last").code == 0
    project.repository.write("packages", "another\n")
    explained = project.projrun("env", "explain", "last")
    assert "context" in explained.out, explained.err
    project.repository.write("packages", own)
    removed = project.projrun("env", "remove", key[:12])
    assert removed.code == 0, removed.err
    left = {one["Id"] for one in engine.api.images()}
    assert image not in left
    assert slim in left
    built = project.projrun("env", "build")
    assert built.code == 0, built.err
    assert project.run()["recipe"]["environment"]["reused"] is True
    # The image goes behind our back: it is built again.
    engine.api.remove_image(container_of(run)["image"]["id"], force=True)
    again = project.run()
    assert again["recipe"]["environment"]["reused"] is False
    pruned = project.projrun("env", "prune", "--older-than", "0s")
    assert pruned.code == 0, pruned.err
    left = {one["Id"] for one in engine.api.images()}
    assert container_of(again)["image"]["id"] not in left
    assert slim in left


def program_output(workspace: Workspace, document: Any) -> list[str]:
    """What the program of a run printed, by lines, from the bytes of the log that are its own."""
    run = workspace.store / "runs" / document["run"]
    log = (run / "output.log").read_bytes()
    marks = [json.loads(line) for line in (run / "output.index").read_text().splitlines()]
    ends = [mark[0] for mark in marks[1:]] + [len(log)]
    pieces = [log[mark[0] : end] for mark, end in zip(marks, ends, strict=True) if mark[2] == "stdout"]
    return b"".join(pieces).decode().splitlines()


def test_a_program_in_a_container_is_seeded_and_its_image_s_own_places_stay(
    workspace: Workspace, engine: Engine
) -> None:
    images.python(engine)
    program = (
        "import os, random, sys\nprint(random.random(), os.environ['PYTHONPATH'], os.environ['PYTHONHASHSEED'])\n"
    )
    workspace.repository.write("draw.py", program)
    workspace.repository.write("Dockerfile", f"FROM {images.PYTHON}\nENV PYTHONPATH=/of/image\nENV WORD=one\n")
    workspace.repository.write(".dockerignore", "*\n")
    workspace.spec(
        "version: 1\nname: tiny\nseeding: [python]\nenvironment: {docker: {file: Dockerfile}}\n"
        "entry_points: {main: python3 draw.py}\n"
    )
    first = workspace.projrun("run", "-q", "--seed", "7")
    assert first.out.split() == [repr(random.Random(7).random()), "/of/image", "7"], first.err
    last = workspace.last()
    assert "not-seeded" not in {flag["code"] for flag in (*last["recipe"]["flags"], *last["outcome"]["flags"])}
    assert not Path(last["directory"], "startup").exists()

    workspace.repository.write("Dockerfile", f"FROM {images.PYTHON}\nENV PYTHONPATH=/of/image\nENV WORD=two\n")
    workspace.run("--seed", "7")
    layers = workspace.projrun("diff", "last~1", "last", "--json").data["layers"]
    changed = {change["what"] for change in layers["image"]["changes"]}
    assert {"id", "build dockerfile"} <= changed and "engine" not in changed
    assert {name for name, layer in layers.items() if layer["state"] == "differs"} == {
        "code",
        "environment",
        "image",
    }
