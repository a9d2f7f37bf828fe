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
from projrun.core.files import read_json, write_json
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


def with_record_line(line: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        record = folder / "beta-1.0.dist-info/RECORD"
        record.write_text(record.read_text() + line + "\n")

    return spoil


def spoil_metadata(folder: Path) -> None:
    with (folder / "beta-1.0.dist-info/METADATA").open("ab") as file:
        file.write(b"Summary: \xff\n")


OTHER_RECORD = [
    ("altered", "beta-1.0.dist-info/RECORD was altered"),
    ("distribution", "beta is installed as 1.0, and was with another RECORD when it was built"),
]
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
        *(
            (
                with_record_line(f"beta/__init__.py,{algorithm}=AAAA,1"),
                [
                    OTHER_RECORD[0],
                    ("record", f"beta/__init__.py has a hash in its RECORD that does not count: {algorithm}"),
                    OTHER_RECORD[1],
                ],
            )
            for algorithm in ("shake_128", "md5", "sha1", "nonsense")
        ),
        (
            with_record_line("beta/__init__.py,sha512=AAAA,1"),
            [OTHER_RECORD[0], WRONG_RECORD, OTHER_RECORD[1]],
        ),
        (
            with_record_line("x" * 140_000 + ",sha256=AAAA,1"),
            [
                OTHER_RECORD[0],
                ("record", "beta-1.0.dist-info/RECORD cannot be read: field larger than field limit (131072)"),
                OTHER_RECORD[1],
            ],
        ),
        (
            spoil_metadata,
            [
                ("altered", "beta-1.0.dist-info/METADATA was altered"),
                ("record", "beta-1.0.dist-info/METADATA does not have the hash that its RECORD says"),
                ("distribution", "the metadata of beta 1.0 cannot be read: It is not UTF-8"),
            ],
        ),
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


def compared(project: Project, environment: Environment) -> list[tuple[str, str]]:
    directory, there = environment.bin.parent, marker(environment)
    return told(list(verification.verify_archives(directory, there, project.means, project.report)))


def test_every_file_is_compared_with_the_archives(project: Project, environment: Environment) -> None:
    before = len(project.index.requests)
    assert compared(project, environment) == []
    asked = [path for path in project.index.requests[before:] if path.startswith("/files/")]
    assert len(asked) == 2, "the archives are fetched anew"
    edit(folder_of(environment))
    remove_one(folder_of(environment))
    assert compared(project, environment) == [
        ("archive", "alpha/part.py is in the archive and not here"),
        ("archive", "beta/__init__.py is not what the archive has"),
    ]
    assert not list((project.cache / "environments").glob(".building-*"))


def forge(environment: Environment) -> None:
    """Writes the list of the files and the marker's digest of it as the files are now."""
    directory = environment.bin.parent
    digest = manifest.write(directory, verification.entries_now(directory).values())
    document = read_json(directory / built.MARKER)
    write_json(directory / built.MARKER, {**document, "files": digest})


@pytest.mark.parametrize("builder", ["uv", "pip"])
def test_what_was_forged_along_with_its_list_is_found_by_the_archives(project: Project, builder: str) -> None:
    wheel = make_wheel(project.archives, "alpha", scripts={"say-alpha": "alpha:main"})
    project.lock(wheel)
    environment = project.having(builder=builder).ensure()
    assert compared(project, environment) == []
    folder = folder_of(environment)
    (folder / "evil.pth").write_text("import os\n")
    (folder / "namespace").mkdir()
    script = environment.bin / "say-alpha"
    script.write_text(script.read_text() + "import os\n")
    (environment.bin / "git").symlink_to("say-alpha")
    settings = environment.bin.parent / "pyvenv.cfg"
    settings.write_text(settings.read_text().replace("packages = false", "packages = true"))
    forge(environment)
    assert {kind for kind, _ in found_in(environment)} <= {"record"}
    expected = [
        ("archive", "bin/git is in no archive"),
        ("archive", "bin/say-alpha is not what the archive has"),
        ("archive", "evil.pth is in no archive"),
        ("archive", "namespace is in no archive"),
        ("archive", "pyvenv.cfg is not what the archive has"),
    ]
    assert compared(project, environment) == expected
    document = read_json(environment.bin.parent / built.MARKER)
    write_json(environment.bin.parent / built.MARKER, {**document, "builder_version": "0.1"})
    assert compared(project, environment) == expected[2:4], (
        "another version of the builder writes scripts otherwise"
    )


def test_the_key_is_that_of_what_was_written_down_of_it(environment: Environment) -> None:
    place = environment.bin.parent / built.MARKER
    document = read_json(place)
    write_json(place, {**document, "inputs": {**document["inputs"], "builder": "pip"}})
    assert [kind for kind, _ in found_in(environment)] == ["marker"]


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
