"""What every builder promises of an environment. A new builder is one more name in the list of conftest."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import projrun
from projrun.cli.env import build as env_build
from projrun.cli.lock import lock as lock_verb
from projrun.cli.run import run
from projrun.core.errors import EnvironmentFailure
from projrun.core.values import replace
from projrun.environment import installed, lock
from projrun.environment.asked import Asked
from projrun.environment.builder import Builder, BuildRequest, ResolutionRequest
from projrun.environment.builders import BUILDERS
from projrun.environment.interpreters import find
from projrun.environment.pip import Pip
from projrun.environment.requirements import RequirementLine
from projrun.environment.uv import Uv
from tests.environment.conftest import THIS_PYTHON, Project
from tests.wheels import lock_of, make_source_distribution, make_wheel, sha256_of


def build_request(project: Project, text: str, *source_distributions: str) -> BuildRequest:
    folder = project.root / "aside"
    folder.mkdir()
    return BuildRequest(
        folder=folder,
        interpreter=find(THIS_PYTHON, project.cache),
        lock_text=text,
        lock_file="some.lock",
        lines=lock.parse(text, "some.lock"),
        source_distributions=source_distributions,
    )


def asked_for(name: str) -> Asked:
    return Asked("requirements.in", (RequirementLine("requirements.in", 1, name, constraint=False),))


def discard(data: bytes) -> None:
    pass


def installed_in(directory: Path) -> list[str]:
    return [one.name for one in installed.read([installed.site_packages(directory, THIS_PYTHON)])]


def test_every_builder_is_held_to_the_contract_and_can_be_asked_for() -> None:
    schema = json.loads((Path(projrun.__file__).parent / "schemas" / "project-spec.v1.json").read_text())
    assert list(BUILDERS) == ["uv", "pip"]
    assert schema["$defs"]["environment"]["properties"]["builder"]["enum"] == list(BUILDERS)
    for verb in (run, lock_verb, env_build):
        option = next(one for one in verb.params if one.name == "builder")
        assert list(option.type.choices) == list(BUILDERS)  # type: ignore[attr-defined]


def test_its_name_and_version_can_be_recorded(builder: Builder) -> None:
    assert BUILDERS[builder.name] is builder
    assert re.match(r"\d+\.\d+", builder.version())


def test_the_environment_holds_the_lines_that_apply_and_nothing_else(builder: Builder, project: Project) -> None:
    alpha, beta = make_wheel(project.archives, "alpha"), make_wheel(project.archives, "beta")
    text = lock_of(alpha) + lock_of(beta).replace(" \\", ' ; sys_platform == "win32" \\')
    written: list[bytes] = []
    directory = builder.create(build_request(project, text), written.append).directory
    assert installed_in(directory) == ["alpha"]
    assert b"".join(written)


def test_the_environment_can_be_renamed(builder: Builder, project: Project) -> None:
    wheel = make_wheel(project.archives, "alpha", scripts={"say-alpha": "alpha:main"})
    directory = builder.create(build_request(project, lock_of(wheel)), discard).directory
    moved = directory.rename(project.root / "a folder elsewhere")
    for words in (["say-alpha"], ["python", "-c", "import alpha; alpha.main()"]):
        program = moved / "bin" / words[0]
        done = subprocess.run([program, *words[1:]], capture_output=True, text=True, check=True)
        assert done.stdout == "alpha 1.0\n"


def test_the_environment_is_of_exactly_the_interpreter(builder: Builder, project: Project) -> None:
    request = build_request(project, "")
    directory = builder.create(request, discard).directory
    assert (directory / "bin" / "python").resolve() == request.interpreter.path
    assert "include-system-site-packages = false" in (directory / "pyvenv.cfg").read_text()


def test_no_file_has_a_second_name(builder: Builder, project: Project) -> None:
    directory = builder.create(
        build_request(project, lock_of(make_wheel(project.archives, "alpha"))), discard
    ).directory
    assert {path.lstat().st_nlink for path in directory.rglob("*") if path.is_file()} == {1}


def test_a_wrong_hash_is_refused_and_nothing_of_it_installed(builder: Builder, project: Project) -> None:
    wheel = make_wheel(project.archives, "alpha")
    request = build_request(project, lock_of(wheel).replace(sha256_of(wheel), "0" * 64))
    with pytest.raises(EnvironmentFailure, match=r"some\.lock:1: alpha==1\.0: the archive is not"):
        builder.create(request, discard)
    assert not list(request.folder.rglob("alpha*"))


@pytest.mark.parametrize("count", [1, 40])
def test_of_a_wrong_hash_the_one_that_the_archive_has_is_told_and_not_all_that_it_could_have(
    builder: Builder, project: Project, count: int
) -> None:
    wheel = make_wheel(project.archives, "alpha")
    hashes = [f"sha256:{number:064x}" for number in range(count)]
    text = f"alpha==1.0 {' '.join(f'--hash={one}' for one in hashes)}\n"
    with pytest.raises(EnvironmentFailure, match=r"alpha==1\.0: the archive is not") as raised:
        builder.create(build_request(project, text), discard)
    those = f"and the lock has {hashes[0]}" if count == 1 else "which is none of the 40 in the lock"
    assert raised.value.why == f"Its hash is sha256:{sha256_of(wheel)}, {those}."


def test_without_the_network_it_is_said_what_to_do_even_when_all_but_the_archive_is_known(
    builder: Builder, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_TRUSTED_HOST", "127.0.0.1")  # of others pip keeps nothing that came without TLS
    text = lock_of(make_wheel(project.archives, "alpha"))
    request = build_request(project, text)
    asked = ResolutionRequest(request.folder, request.interpreter, asked_for("alpha"))
    assert builder.resolve(asked, discard) == text
    before = len(project.index.requests)
    with pytest.raises(EnvironmentFailure, match=r"some\.lock:1: alpha==1\.0 cannot be installed") as raised:
        builder.create(replace(request, offline=True), discard)
    assert ("PIP_FIND_LINKS=" if builder.name == "pip" else "without --offline") in raised.value.hint
    with pytest.raises(EnvironmentFailure, match="cannot be resolved") as raised:
        builder.resolve(replace(asked, asked=asked_for("beta"), offline=True), discard)
    assert ("PIP_FIND_LINKS=" if builder.name == "pip" else "without --offline") in raised.value.hint
    assert len(project.index.requests) == before


def test_a_source_distribution_is_refused_unless_named(builder: Builder, project: Project) -> None:
    text = lock_of(make_source_distribution(project.archives, "gamma"))
    with pytest.raises(EnvironmentFailure, match=r"some\.lock:1: gamma==1\.0 has no wheel"):
        builder.create(build_request(project, text), discard)


def test_a_named_source_distribution_is_built_and_others_are_not(builder: Builder, project: Project) -> None:
    gamma = make_source_distribution(project.archives, "gamma")
    delta = make_source_distribution(project.archives, "delta-x")
    alpha = make_wheel(project.archives, "alpha")
    directory = builder.create(build_request(project, lock_of(alpha, gamma), "Gamma"), discard).directory
    assert installed_in(directory) == ["alpha", "gamma"]
    directory.parent.rename(project.root / "first")
    refused = f"delta-x==1.0 --hash=sha256:{sha256_of(delta)}\n"
    with pytest.raises(EnvironmentFailure, match=r"some\.lock:\d: "):
        builder.create(build_request(project, lock_of(gamma) + refused, "gamma"), discard)


def test_what_is_fetched_is_told_before_it_has_come(builder: Builder, project: Project) -> None:
    request = build_request(project, lock_of(make_wheel(project.archives, "alpha")))
    written, told = bytearray(), threading.Event()

    def write(data: bytes) -> None:
        written.extend(data)
        if re.search(rb"(Fetching|Collecting) alpha==1\.0", written):
            told.set()

    project.index.stall()
    builds = threading.Thread(target=builder.create, args=(request, write))
    builds.start()
    try:
        assert told.wait(timeout=60)
        assert project.index.asked_for_archive.wait(timeout=60)
        assert builds.is_alive()
    finally:
        project.index.may_send.set()
        builds.join()
    assert b"DEBUG" not in written


def test_it_is_known_which_archive_each_distribution_came_from(builder: Builder, project: Project) -> None:
    alpha, beta = make_wheel(project.archives, "alpha"), make_wheel(project.archives, "beta")
    other = make_wheel(project.archives, "alpha", tag="cp27-cp27m-win32")
    both = f"alpha==1.0 --hash=sha256:{sha256_of(other)} --hash=sha256:{sha256_of(alpha)}\n"
    made = builder.create(build_request(project, both + lock_of(beta)), discard)
    assert made.archives() == {"alpha": sha256_of(alpha), "beta": sha256_of(beta)}


def test_no_setting_of_the_user_changes_what_is_installed(
    builder: Builder, project: Project, monkeypatch: pytest.MonkeyPatch, hostile_environment: Path
) -> None:
    for name, value in (("NO_BINARY", ":all:"), ("TARGET", "/nowhere"), ("NO_DEPS", "0"), ("CONSTRAINT", "/gone")):
        monkeypatch.setenv(f"PIP_{name}", value)
        monkeypatch.setenv(f"UV_{name}", value)
    monkeypatch.setenv("VIRTUALENV_SYSTEM_SITE_PACKAGES", "1")
    monkeypatch.delenv("PIP_CONFIG_FILE")
    file = hostile_environment / ".config" / "pip" / "pip.conf"
    file.parent.mkdir(parents=True)
    file.write_text("[install]\nuser = true\nno-binary = :all:\ncompile = true\n")
    directory = builder.create(
        build_request(project, lock_of(make_wheel(project.archives, "alpha"))), discard
    ).directory
    assert installed_in(directory) == ["alpha"]
    assert "include-system-site-packages = false" in (directory / "pyvenv.cfg").read_text()
    assert not list(directory.rglob("alpha/__pycache__"))


def rich_lock(project: Project) -> str:
    """A lock of all that a wheel can bring, with what no line of it may bring."""
    alpha = make_wheel(
        project.archives,
        "alpha",
        requires=["beta; extra == 'more'"],
        scripts={"say-alpha": "alpha:main"},
        files={
            "alpha-1.0.data/scripts/tool": "#!python\nimport alpha\nalpha.main()\n",
            "alpha-1.0.data/data/share/alpha/table.csv": "1,2\n",
            "alpha-1.0.data/headers/alpha.h": "int alpha;\n",
        },
    )
    parts = [
        make_wheel(project.archives, name, files={f"space/{name}/part.py": "", f"space/{name}/data.txt": name})
        for name in ("beta", "gamma")
    ]
    absent = lock_of(make_wheel(project.archives, "absent")).replace(" \\", ' ; sys_platform == "win32" \\')
    source = lock_of(make_source_distribution(project.archives, "delta"))
    return lock_of(alpha).replace("alpha==", "alpha[more]==") + lock_of(*parts) + absent + source


def test_every_file_is_as_its_record_says(builder: Builder, project: Project) -> None:
    directory = builder.create(build_request(project, rich_lock(project), "delta"), discard).directory
    moved = directory.rename(project.root / "elsewhere")
    packages = installed.site_packages(moved, THIS_PYTHON)
    rows = [
        row
        for record in packages.glob("*.dist-info/RECORD")
        for row in csv.reader(record.read_text().splitlines())
    ]
    assert {"say-alpha", "tool"} <= {Path(path).name for path, digest, _ in rows if digest}
    for path, digest, size in rows:
        if digest:
            data = (packages / path).read_bytes()
            found = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={found}", str(len(data))), path
    done = subprocess.run([moved / "bin" / "tool"], capture_output=True, text=True, check=True)
    assert done.stdout == "alpha 1.0\n"


def test_all_builders_make_the_same_of_a_lock(project: Project) -> None:
    text, sets = rich_lock(project), {}
    for name, one in BUILDERS.items():
        made = one.create(build_request(project, text, "delta"), discard)
        found = installed.read([installed.site_packages(made.directory, THIS_PYTHON)])
        archives = made.archives()
        sets[name] = [(each.name, each.version, each.sha256, archives[each.name]) for each in found]
        made.directory.parent.rename(project.root / name)
    assert sets["uv"] == sets["pip"]
    assert [each[0] for each in sets["pip"]] == ["alpha", "beta", "delta", "gamma"]


def test_what_the_index_does_not_have_is_named(builder: Builder, project: Project) -> None:
    make_wheel(project.archives, "alpha")
    text = f"alpha==9.0 --hash=sha256:{'0' * 64}\n"
    with pytest.raises(
        EnvironmentFailure, match=r"some\.lock:1: alpha==9\.0 is not on the package index"
    ) as raised:
        builder.create(build_request(project, text), discard)
    assert "UV_DEFAULT_INDEX or PIP_INDEX_URL" in raised.value.hint


def test_a_wheel_for_other_machines_is_no_wheel_for_this_one(builder: Builder, project: Project) -> None:
    text = lock_of(make_wheel(project.archives, "alpha", tag="cp27-cp27m-win32"))
    with pytest.raises(EnvironmentFailure, match=r"some\.lock:1: alpha==1\.0 has no wheel") as raised:
        builder.create(build_request(project, text), discard)
    assert "source_distributions" in raised.value.hint


def test_pip_says_that_it_is_not_for_an_old_python(project: Project) -> None:
    request = build_request(project, "")
    old = replace(request, interpreter=replace(request.interpreter, version="3.6.15"))
    with pytest.raises(EnvironmentFailure, match=r"cannot be used with Python 3\.6\.15") as raised:
        Pip().create(old, discard)
    assert "needs Python" in raised.value.why
    assert "--builder uv" in raised.value.hint


def test_without_uv_it_is_said_how_to_get_it_and_what_else_there_is(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", "/nothing")
    with pytest.raises(EnvironmentFailure, match="uv is not installed") as raised:
        Uv().create(build_request(project, ""), discard)
    assert "--builder pip" in raised.value.hint


def test_an_index_that_does_not_answer_is_said_so(
    builder: Builder, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple/")
    text = lock_of(make_wheel(project.archives, "alpha"))
    with pytest.raises(EnvironmentFailure, match="cannot be installed") as raised:
        builder.create(build_request(project, text), discard)
    assert "check the network" in raised.value.hint


def test_a_fresh_one_has_its_archives_fetched_and_checked_again(
    builder: Builder, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_TRUSTED_HOST", "127.0.0.1")  # of others pip keeps nothing that came without TLS
    text = lock_of(make_wheel(project.archives, "alpha"))
    for fresh, asked in ((False, 1), (False, 1), (True, 2)):
        request = build_request(project, text)
        directory = builder.create(replace(request, fresh=fresh), discard).directory
        assert installed_in(directory) == ["alpha"]
        shutil.rmtree(request.folder)
        assert len([path for path in project.index.requests if path.startswith("/files/")]) == asked
