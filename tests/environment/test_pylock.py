"""A pylock.toml is a lock like any other, or refused in its place."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from packaging.pylock import Pylock

from projrun.core.errors import EnvironmentFailure
from projrun.environment import lock, locked
from projrun.environment.check import check
from projrun.environment.locked import Target
from projrun.environment.pylock import read
from tests.environment.conftest import Project
from tests.wheels import make_source_distribution, make_wheel, sha256_of

A, B = "a" * 64, "b" * 64
MARKERS = {
    "implementation_name": "cpython",
    "implementation_version": "3.11.7",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "6",
    "platform_system": "Linux",
    "platform_version": "1",
    "python_full_version": "3.11.7",
    "python_version": "3.11",
    "sys_platform": "linux",
}
HERE = Target(MARKERS)


def wheel(name: str, digest: str = A, tag: str = "py3-none-any", **more: Any) -> dict[str, Any]:
    file = f"{name}-1.0-{tag}.whl"
    return {"name": file, "url": f"https://host.invalid/{file}", "hashes": {"sha256": digest}, **more}


def package(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "wheels": [wheel(name)], **more}


def document(*packages: dict[str, Any], **more: Any) -> str:
    head = tomli_w.dumps({"lock-version": "1.0", "created-by": "tests", **more})
    tables = [re.sub(r"(?m)^(\[+)", r"\1packages.", tomli_w.dumps(one)) for one in packages]
    return head + ("".join(f"\n[[packages]]\n{table}" for table in tables) or "packages = []\n")


def told(text: str, target: Target = HERE) -> list[str]:
    lines, found = read(text, "pylock.toml", target)
    assert not (lines and found) or len(found) < 5
    return [f"{one.line}: {one.message} | {one.hint}" for one in found]


def test_a_lock_is_a_pylock_by_its_name() -> None:
    assert locked.is_pylock("pylock.toml")
    assert locked.is_pylock("locks/pylock.gpu.toml")
    assert not locked.is_pylock("uv.lock")
    assert not locked.is_pylock("pylock.a.b.toml")


def test_the_packages_that_apply_are_lines_with_the_hashes_of_their_files() -> None:
    text = document(
        package("beta", wheels=[wheel("beta", A), wheel("beta", B, "cp311-cp311-win_amd64")]),
        package("alpha", marker='sys_platform == "linux"'),
        package("gamma", marker='sys_platform == "win32"'),
    )
    lines, found = read(text, "pylock.toml", HERE)
    assert found == ()
    assert [(one.name, one.version, one.marker, one.hashes) for one in lines] == [
        ("alpha", "1.0", "", (f"sha256:{A}",)),
        ("beta", "1.0", "", (f"sha256:{A}", f"sha256:{B}")),
    ]
    assert [text.splitlines()[one.line - 1] for one in lines] == ["[[packages]]"] * 2
    assert lock.parse(lock.text_of(lines), "derived")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[packages", "1: this is not TOML"),
        ("lock-version = '1.0'\ncreated-by = 't'\nx = \n", "3: this is not TOML"),
        (document(package("alpha"), package("Not_Normal")), "15: this is not a pylock.toml"),
        (
            document(package("alpha"), **{"requires-python": ">=3.12"}),
            "3: the lock is for Python >=3.12, not 3.11.7",
        ),
        (document(environments=["sys_platform == 'win32'"]), "3: the lock is for other platforms"),
        (document(package("a", wheels=[wheel("a", tag="cp27-cp27m-any")])), "has no wheel"),
        (document({**package("a"), "requires-python": "<3.11"}), "4: a 1.0 is for Python <3.11"),
        (document(package("a"), package("a")), "15: a is there twice for this interpreter, here and in line 4"),
        (
            document({"name": "a", "vcs": {"type": "git", "url": "https://h.invalid/a", "commit-id": "1"}}),
            "4: a comes from a repository",
        ),
        (document({"name": "a", "directory": {"path": "."}}), "4: a comes from a directory"),
        (
            document({"name": "a", "archive": {"url": "https://h.invalid/a.whl", "hashes": {"sha256": A}}}),
            "4: a comes from an address of its own",
        ),
        (document({"name": "a", "wheels": [wheel("a")]}), "4: a has no version"),
        (document(package("a", wheels=[wheel("a", hashes={"md5": "a" * 32})])), "has no hash that pins it"),
        (document(package("a", wheels=[wheel("a", "xyz")])), "has no hash that pins it"),
    ],
)
def test_what_cannot_be_locked_is_refused_in_its_place(text: str, message: str) -> None:
    (problem,) = told(text)
    assert message in problem
    with pytest.raises(EnvironmentFailure, match=r"pylock\.toml is not a lock"):
        locked.parse(text, "pylock.toml", HERE)


def test_extras_and_groups_are_refused_until_the_spec_says_which() -> None:
    text = document(
        package("alpha"),
        package("plotting", marker="'plot' in extras"),
        package("testing", marker="'test-all' in dependency_groups"),
        **{"extras": ["plot"], "dependency-groups": ["test-all"], "default-groups": ["test-all"]},
    )
    first, second = told(text)
    assert "has extras (plot)" in first
    assert first.endswith("environment.extras: [] in ProjectSpec.yaml")
    assert "has groups (test-all)" in second
    assert second.endswith("environment.groups: [test-all] in ProjectSpec.yaml")

    def names(extras: tuple[str, ...], groups: tuple[str, ...]) -> list[str]:
        return [one.name for one in locked.parse(text, "pylock.toml", Target(MARKERS, extras, groups))]

    assert names((), ()) == ["alpha"]
    assert names(("Plot",), ()) == ["alpha", "plotting"]
    assert names((), ("Test_All",)) == ["alpha", "testing"]
    (unknown,) = told(text, Target(MARKERS, ("plott",), ()))
    assert "the lock has no extra 'plott' | did you mean 'plot'?" in unknown


def test_a_lock_without_extras_was_compiled_with_them_or_has_none_to_choose() -> None:
    wanted = Target(MARKERS, ("plot",))
    assert told(document(package("alpha")), wanted) == []
    (problem,) = told(document(package("alpha")), wanted._replace(settled=False))
    assert "the lock has no extra 'plot'" in problem


def test_a_source_distribution_is_a_file_to_install_only_when_it_is_named() -> None:
    sdist = {"name": "a-1.0.tar.gz", "url": "https://host.invalid/a-1.0.tar.gz", "hashes": {"sha256": B}}
    text = document(package("a", wheels=[wheel("a", tag="cp27-cp27m-any")], sdist=sdist))
    assert "source_distributions" in told(text)[0]
    (line,) = locked.parse(text, "pylock.toml", Target(MARKERS, source_distributions=("A",)))
    assert line.hashes == (f"sha256:{B}",)


def test_credentials_in_an_address_are_refused_and_not_told() -> None:
    file = wheel("a", url="https://me:s3cret@host.invalid/a-1.0-py3-none-any.whl")
    (problem,) = locked.problems(document(package("a", wheels=[file])), "pylock.toml", HERE)
    assert "user name or password" in problem.message
    assert "s3cret" not in str(problem)


def test_without_an_interpreter_only_the_format_is_judged() -> None:
    assert locked.problems(document(package("a"), extras=["x"]), "pylock.toml", None) == ()
    assert locked.problems("x", "pylock.toml", None)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["alpha", "beta", "gamma", "delta"]),
            st.sampled_from([None, 'sys_platform == "linux"', 'sys_platform == "win32"', "'x' in extras"]),
            st.lists(
                st.sampled_from(["py3-none-any", "cp311-cp311-win_amd64"]), min_size=1, max_size=2, unique=True
            ),
        ),
        max_size=4,
        unique_by=lambda one: one[0],
    ),
    st.sets(st.just("x")),
)
def test_what_is_chosen_is_what_the_specification_chooses(
    packages: list[tuple[str, str | None, list[str]]], extras: set[str]
) -> None:
    entries = []
    for name, marker, tags in packages:
        files = [wheel(name, digest, tag) for tag, digest in zip(tags, (A, B), strict=False)]
        entries.append({**package(name, wheels=files), **({"marker": marker} if marker else {})})
    text = document(*entries, extras=["x"])
    lines, found = read(text, "pylock.toml", Target(MARKERS, tuple(extras)))
    try:
        values = Pylock.from_dict(locked_values(text))
        chosen = list(values.select(environment=MARKERS, extras=extras))  # type: ignore[arg-type]
    except Exception:
        assert found
        return
    assert found == ()
    assert {one.name for one in lines} == {one.name for one, _ in chosen}
    for one, file in chosen:
        hashes = next(line.hashes for line in lines if line.name == one.name)
        assert f"sha256:{file.hashes['sha256']}" in hashes  # type: ignore[union-attr]


def locked_values(text: str) -> dict[str, Any]:
    from projrun.environment.text import parse_toml

    return parse_toml(text)


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    for problem in read(text, "pylock.toml", HERE)[1]:
        assert problem.line >= 1


def project_document(project: Project, **more: Any) -> str:
    entries = []
    for archive in sorted(path for path in project.archives.iterdir() if path.is_file()):
        name = archive.name.split("-")[0]
        file = {"name": archive.name, "url": "https://nowhere.invalid/" + archive.name}
        file["hashes"] = {"sha256": sha256_of(archive)}  # type: ignore[assignment]
        kind: dict[str, Any] = {"sdist": file} if archive.suffix == ".gz" else {"wheels": [file]}
        entries.append({"name": name, "version": "1.0", **kind})
    return document(*entries, **more)


def test_an_environment_is_built_from_it_as_from_any_lock(project: Project) -> None:
    make_wheel(project.archives, "alpha")
    make_wheel(project.archives, "beta")
    project.write("pylock.toml", project_document(project))
    project.write("requirements.in", "alpha\nbeta>1\n")
    built = project.having(lock="pylock.toml", requirements="requirements.in")
    first = built.ensure()
    assert [(one.name, one.version) for one in first.installed] == [("alpha", "1.0"), ("beta", "1.0")]
    assert first.plan.lock_text == project_document(project)
    assert [flag.message for flag in first.plan.flags] == [
        "requirements.in:2:1: beta>1 is asked for, but pylock.toml:15 pins 1.0"
    ]
    assert built.ensure().reused
    assert [one.place for one in check(built.spec, project.root, project.cache)] == ["requirements.in:2:1"]
    project.lock(*sorted(project.archives.glob("*.whl")))
    assert project.having(requirements="requirements.in").ensure().installed == first.installed


def test_its_key_changes_with_what_is_chosen_of_it(project: Project) -> None:
    make_wheel(project.archives, "alpha")
    project.write("pylock.toml", project_document(project, extras=["x", "y"]))
    chosen = [project.having(lock="pylock.toml", extras=names) for names in ((), ("x",), ("x", "y"), ("y", "x"))]
    keys = [one.plan().key for one in chosen]
    assert len(set(keys)) == 3
    assert keys[2] == keys[3]
    with pytest.raises(EnvironmentFailure, match=r"pylock\.toml cannot be used as a lock"):
        project.having(lock="pylock.toml").plan()


def test_an_archive_that_is_not_the_locked_one_is_named_with_its_line(project: Project) -> None:
    alpha = make_wheel(project.archives, "alpha")
    project.write("pylock.toml", project_document(project).replace(sha256_of(alpha), "0" * 64))
    with pytest.raises(EnvironmentFailure, match=r"pylock\.toml:4: alpha==1\.0: the archive is not the one"):
        project.having(lock="pylock.toml").ensure()


def test_a_source_distribution_of_it_is_built_when_it_is_named(project: Project) -> None:
    make_source_distribution(project.archives, "gamma")
    project.write("pylock.toml", project_document(project))
    with pytest.raises(EnvironmentFailure, match="cannot be used as a lock"):
        project.having(lock="pylock.toml").ensure()
    named = project.having(lock="pylock.toml", source_distributions=("gamma",))
    assert [one.name for one in named.ensure().installed] == ["gamma"]


def test_the_tags_are_those_of_the_interpreter() -> None:
    from packaging.tags import sys_tags

    from projrun.environment.pylock import _tags

    version = ".".join(map(str, sys.version_info[:3]))
    assert _tags({**MARKERS, "python_full_version": version}) == frozenset(sys_tags())
