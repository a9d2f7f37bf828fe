"""Every byte of an environment is compared with what was installed, and what differs is named."""

from __future__ import annotations

import importlib.util
import marshal
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from projrun.core.errors import EnvironmentFailure
from projrun.core.hashing import sha256_bytes
from projrun.environment import built, manifest, verification
from projrun.environment.model import Environment
from projrun.environment.verification import Finding
from tests.environment.conftest import Project
from tests.wheels import make_wheel

SOURCE = "def answer():\n    return {'a': 1, 'b': (2.5, -0.0, 1j, frozenset({1, 2})), 'c': [x for x in (1, 2)]}\n"


@pytest.fixture
def environment(project: Project) -> Environment:
    """An environment whose packages were imported, so that there is bytecode."""
    project.lock(
        make_wheel(
            project.archives, "alpha", files={"alpha/part.py": SOURCE}, scripts={"say-alpha": "alpha:main"}
        ),
        make_wheel(project.archives, "beta"),
    )
    made = project.ensure()
    for options in ((), ("-O",), ("-OO",)):
        words = [made.bin / "python", *options, "-I", "-c", "import alpha.part, beta"]
        subprocess.run(words, check=True)
    return made


def folder_of(environment: Environment) -> Path:
    return next((environment.bin.parent / "lib").glob("python*/site-packages"))


def found_in(environment: Environment) -> list[tuple[str, str]]:
    return told(list(verification.verify(environment.bin.parent, marker(environment))))


def told(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(one.kind, one.message) for one in findings]


def marker(environment: Environment) -> built.Built:
    there = built.told(environment.bin.parent)
    assert there is not None
    return there


def test_nothing_is_found_where_nothing_changed(environment: Environment) -> None:
    assert len(list(folder_of(environment).rglob("*.pyc"))) >= 9
    assert found_in(environment) == []


def edit(folder: Path) -> None:
    (folder / "beta/__init__.py").write_text("VERSION = 'edited'\n")


def edit_as_if_nothing_were(folder: Path) -> None:
    file = folder / "alpha/part.py"
    before = file.stat()
    file.write_text(SOURCE.replace("2.5", "3.5"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def remove_one(folder: Path) -> None:
    (folder / "alpha/part.py").unlink()


def add_some(folder: Path) -> None:
    (folder / "six/below").mkdir(parents=True)
    (folder / "six/below/__init__.py").touch()
    (folder / "empty").mkdir()


def forget_a_package(folder: Path) -> None:
    shutil.rmtree(folder / "beta-1.0.dist-info")


def rewrite_a_record(folder: Path) -> None:
    """An edit whose RECORD says the same, as a careful tool would do it."""
    record = folder / "beta-1.0.dist-info/RECORD"
    record.write_text(record.read_text().replace("beta/__init__.py,sha256=", "beta/__init__.py,sha256=x"))


def change_the_kept_lock(folder: Path) -> None:
    (folder.parent.parent.parent / built.LOCK).write_text("")


def lead_python_elsewhere(folder: Path) -> None:
    python = folder.parent.parent.parent / "bin/python"
    target = python.readlink()
    python.unlink()
    python.symlink_to(f"//{target}")


def replace_python(folder: Path) -> None:
    """With a program that leaves a trace when it is run, and says that all bytecode is as it should be."""
    python = folder.parent.parent.parent / "bin/python"
    python.unlink()
    python.write_text(f"#!/bin/sh\ntouch {folder.parent.parent.parent.parent}/was-run\nyes true | head -n 1000\n")
    python.chmod(0o755)


EDITED = [("altered", "beta/__init__.py was altered")]
WRONG_RECORD = ("record", "beta/__init__.py does not have the hash that its RECORD says")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (edit, [*EDITED, WRONG_RECORD]),
        (
            edit_as_if_nothing_were,
            [
                ("altered", "alpha/part.py was altered"),
                ("record", "alpha/part.py does not have the hash that its RECORD says"),
                *[("bytecode", "alpha/__pycache__/part.")] * 3,
            ],
        ),
        (remove_one, [("missing", "alpha/part.py is missing"), ("record", "alpha/part.py is missing")]),
        (add_some, [("extra", "empty was added"), ("extra", "six/below/__init__.py was added")]),
        (
            forget_a_package,
            [
                *[("missing", "beta-1.0.dist-info")] * len(["folder", "METADATA", "WHEEL", "RECORD"]),
                ("distribution", "beta 1.0 is not installed, and was when it was built"),
            ],
        ),
        (
            rewrite_a_record,
            [
                ("altered", "beta-1.0.dist-info/RECORD was altered"),
                WRONG_RECORD,
                ("distribution", "beta is installed as 1.0, and was with another RECORD when it was built"),
            ],
        ),
        (
            change_the_kept_lock,
            [
                ("altered", "projrun-lock was altered"),
                ("marker", "projrun-lock is not the lock that the key was made of"),
            ],
        ),
        (lead_python_elsewhere, [("altered", "bin/python was altered")]),
        (
            replace_python,
            [
                ("marker", "the environment cannot be used: its python does not lead to its interpreter"),
                ("altered", "bin/python was altered"),
            ],
        ),
    ],
)
def test_what_differs_is_named(
    environment: Environment, spoil: Callable[[Path], None], expected: list[tuple[str, str]]
) -> None:
    spoil(folder_of(environment))
    found = [one for one in found_in(environment) if "INSTALLER" not in one[1] and "REQUESTED" not in one[1]]
    assert len(found) == len(expected), found
    for (kind, message), (its_kind, beginning) in zip(found, expected, strict=True):
        assert kind == its_kind
        assert message.startswith(beginning)
    assert not (environment.bin.parent.parent / "was-run").exists(), "nothing of a suspect is run"


def test_what_was_written_down_is_itself_looked_at(environment: Environment) -> None:
    directory = environment.bin.parent
    edit(folder_of(environment))
    listed = directory / manifest.FILES
    before = sha256_bytes(b"VERSION = '1.0'\n\n\ndef main():\n    print('beta', VERSION)\n")
    after = sha256_bytes((folder_of(environment) / "beta/__init__.py").read_bytes())
    text = listed.read_text()
    assert before in text
    listed.write_text(text.replace(before, after))
    assert [kind for kind, _ in found_in(environment)] == ["marker", "record"]


def cached(environment: Environment, level: str = "") -> Path:
    """The bytecode of alpha/part.py; the tests run in the environment's own version of Python."""
    return Path(
        importlib.util.cache_from_source(str(folder_of(environment) / "alpha/part.py"), optimization=level)
    )


@pytest.mark.parametrize("level", ["", "1", "2"])
def test_bytecode_that_its_source_does_not_say_is_found(environment: Environment, level: str) -> None:
    """Python would run it: its header fits the source."""
    file = cached(environment, level)
    head = file.read_bytes()[:16]
    code = compile(SOURCE.replace("2.5", "9.9"), str(folder_of(environment) / "alpha/part.py"), "exec")
    file.write_bytes(head + marshal.dumps(code))
    (found,) = found_in(environment)
    assert found[0] == "bytecode"
    assert found[1].startswith("alpha/__pycache__/part.cpython-")


def test_bytecode_that_ends_the_interpreter_is_found_and_the_rest_looked_at(environment: Environment) -> None:
    files = sorted((folder_of(environment) / "alpha/__pycache__").glob("*.pyc"))
    (folder_of(environment) / "alpha/__pycache__/nothing.pyc").write_bytes(b"not bytecode")
    for file in (files[0], files[-1]):
        # Nested deeper than the reader of code objects can go; what that raises differs by version.
        file.write_bytes(file.read_bytes()[:16] + b")\x01" * 200_000)
    assert [kind for kind, _ in found_in(environment)] == ["bytecode", "bytecode"]


def test_bytecode_that_is_never_run_does_not_count(environment: Environment) -> None:
    file = cached(environment)
    data = file.read_bytes()
    other = bytearray(data)
    other[-5] ^= 1
    stale = other[:8] + b"\0\0\0\0" + other[12:]
    file.write_bytes(stale)  # of another time than the source's
    (file.parent / "part.cpython-27.pyc").write_bytes(other)
    (file.parent / "gone.cpython-311.pyc").write_bytes(other)
    assert found_in(environment) == []
    unchecked = data[:4] + (1).to_bytes(4, "little") + importlib.util.source_hash(b"old") + bytes(other[16:])
    file.write_bytes(unchecked)  # one that is run whatever the source says (PEP 552)
    assert [kind for kind, _ in found_in(environment)] == ["bytecode"]


def test_every_file_is_compared_with_the_archives(project: Project, environment: Environment) -> None:
    def compared() -> list[tuple[str, str]]:
        directory = environment.bin.parent
        return told(
            list(verification.verify_archives(directory, marker(environment), project.means, project.report))
        )

    before = len(project.index.requests)
    assert compared() == []
    asked = [path for path in project.index.requests[before:] if path.startswith("/files/")]
    assert len(asked) == 2, "the archives are fetched anew"
    edit(folder_of(environment))
    remove_one(folder_of(environment))
    assert compared() == [
        ("archive", "alpha/part.py is in the archive and not here"),
        ("archive", "beta/__init__.py is not what the archive has"),
    ]
    assert not list((project.cache / "environments").glob(".building-*"))


def test_a_damaged_cache_of_uv_is_found_when_it_is_built(project: Project, hostile_environment: Path) -> None:
    """uv checks an archive when it downloads it, not what it unpacked from it when that is installed again."""
    wheel = make_wheel(project.archives, "alpha")
    project.lock(wheel)
    project.ensure()
    (unpacked,) = hostile_environment.rglob("alpha/__init__.py")
    unpacked.write_text("VERSION = 'damaged in the cache'\n")
    project.lock(wheel, text="# the same again\n")
    with pytest.raises(EnvironmentFailure, match="not what its packages say") as raised:
        project.ensure()
    assert "uv cache clean" in raised.value.hint
