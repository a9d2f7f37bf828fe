"""The build context: what counts for its digest, and what is in its tar."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from projrun.core.errors import EnvironmentFailure
from projrun.environment.docker import context
from projrun.environment.model import Means
from projrun.spec.model import DockerSpec


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "app").mkdir(parents=True)
    (root / "Dockerfile").write_text("FROM scratch\n")
    (root / "app" / "main.py").write_text("print()\n")
    return root


def look(root: Path, **spec: str) -> context.Context:
    return context.look(root, DockerSpec(**{"file": "Dockerfile", **spec}), Means(root.parent / "cache"))  # type: ignore[arg-type]


def paths(found: context.Context) -> list[str]:
    return [entry.path for entry in found.entries]


def members(found: context.Context, place: Path) -> list[tarfile.TarInfo]:
    context.write(found, place)
    with tarfile.open(place) as archive:
        return archive.getmembers()


def test_times_owners_and_other_modes_do_not_count(project: Path) -> None:
    before = look(project).sha256
    os.utime(project / "app" / "main.py", (1, 1))
    (project / "app" / "main.py").chmod(0o600)
    (project / "app").chmod(0o700)
    assert look(project).sha256 == before


@pytest.mark.parametrize("change", ["content", "mode", "name", "link", "new"])
def test_all_else_does(project: Path, change: str) -> None:
    file, before = project / "app" / "main.py", look(project).sha256
    if change == "content":
        file.write_text("print(1)\n")
    elif change == "mode":
        file.chmod(0o755)
    elif change == "name":
        file.rename(project / "app" / "other.py")
    elif change == "link":
        file.rename(project / "app" / "other.py")
        file.symlink_to("other.py")
    else:
        (project / "new").touch()
    assert look(project).sha256 != before


def test_a_file_that_was_written_again_within_the_same_moment_is_read_again(project: Path) -> None:
    file = project / "app" / "main.py"
    before, known = look(project).sha256, file.stat()
    file.write_text("printX)\n")
    os.utime(file, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert look(project).sha256 != before


def test_the_tar_is_the_same_wherever_and_whenever_it_is_made(project: Path, tmp_path: Path) -> None:
    (project / "app" / "run").write_text("#!/bin/sh\n")
    (project / "app" / "run").chmod(0o750)
    (project / "link").symlink_to("/etc/passwd")
    found = members(look(project), tmp_path / "1.tar")
    assert [(one.name, one.mode, one.uid, one.gid, one.uname) for one in found] == [
        ("Dockerfile", 0o644, 0, 0, ""),
        ("app", 0o755, 0, 0, ""),
        ("app/main.py", 0o644, 0, 0, ""),
        ("app/run", 0o755, 0, 0, ""),
        ("link", 0o777, 0, 0, ""),
    ]
    assert found[-1].linkname == "/etc/passwd"
    for path in project.rglob("*"):
        os.utime(path, (5, 5), follow_symlinks=False)
    context.write(look(project), tmp_path / "2.tar")
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()


def test_names_of_any_bytes_and_any_length_are_taken(project: Path, tmp_path: Path) -> None:
    (project / os.fsdecode(b"\xff")).write_text("a")
    deep = project / ("d" * 120) / ("e" * 120)
    deep.mkdir(parents=True)
    (deep / "f").write_text("b")
    context.write(look(project), tmp_path / "x.tar")
    with tarfile.open(tmp_path / "x.tar", errors="surrogateescape") as archive:
        assert {os.fsdecode(b"\xff"), f"{'d' * 120}/{'e' * 120}/f"} <= set(archive.getnames())


def test_what_is_ignored_stays_out_but_the_dockerfile_always_goes_along(project: Path) -> None:
    (project / ".dockerignore").write_text("*\n!app\n")
    (project / "other").write_text("")
    found = look(project)
    assert paths(found) == [".projrun.Dockerfile", "app/main.py"]
    assert (found.dockerfile, found.text) == (".projrun.Dockerfile", "FROM scratch\n")
    assert found.left_out("/other")
    assert not found.left_out("app")
    assert not found.left_out("nothing")
    (project / "Dockerfile.dockerignore").write_text("app\n*ignore\n")  # goes before the other
    assert paths(look(project)) == ["Dockerfile", "other"]


def test_the_dockerfile_may_lie_outside_of_the_context(project: Path) -> None:
    (project / "docker").mkdir()
    (project / "Dockerfile").rename(project / "docker" / "Dockerfile")
    (project / "app" / ".dockerignore").write_text("*.pyc")
    (project / "app" / "x.pyc").touch()
    found = look(project, file="docker/Dockerfile", context="app")
    assert paths(found) == [".dockerignore", ".projrun.Dockerfile", "main.py"]
    assert look(project, file="docker/Dockerfile", context=".").dockerfile == "docker/Dockerfile"


def test_a_dockerfile_that_is_a_link_is_what_it_leads_to(project: Path, tmp_path: Path) -> None:
    (project / "Dockerfile").rename(project / "app" / "real")
    (project / "Dockerfile").symlink_to("app/real")
    found = look(project)
    assert paths(found) == [".projrun.Dockerfile", "Dockerfile", "app/main.py", "app/real"]
    assert members(found, tmp_path / "x.tar")[0].type == tarfile.REGTYPE


def test_only_what_the_tree_names_is_taken(project: Path) -> None:
    (project / "secret").write_text("")
    means = Means(project.parent / "cache", tree=lambda directory: ["app/main.py", "Dockerfile", "gone"])
    assert paths(context.look(project, DockerSpec(file="Dockerfile"), means)) == ["Dockerfile", "app/main.py"]


def test_what_the_project_writes_is_no_part_of_what_its_image_is_built_from(project: Path) -> None:
    for path in ("results/a", "results/b/c", "results2", "sub/m.json", "sub/keep"):
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).touch()
    products = ("results", "sub/m.json")
    found = context.look(project, DockerSpec(file="Dockerfile", products=products), Means(project / "cache"))
    assert not [path for path in paths(found) if path.startswith(("results/", "sub/m"))]
    assert {"results2", "sub/keep"} <= set(paths(found))
    found = context.look(
        project, DockerSpec(file="Dockerfile", context="sub", products=products), Means(project / "cache")
    )
    assert "keep" in paths(found)
    assert "m.json" not in paths(found)


def test_a_pipe_or_socket_is_passed_over(project: Path) -> None:
    os.mkfifo(project / "pipe")
    assert "pipe" not in paths(look(project))


def test_what_changed_since_it_was_looked_at_is_told(project: Path, tmp_path: Path) -> None:
    found = look(project)
    (project / "app" / "main.py").write_text("changed\n")
    with pytest.raises(EnvironmentFailure, match=r"app/main\.py changed while the build context was read"):
        context.write(found, tmp_path / "x.tar")
    (project / "app" / "main.py").unlink()
    with pytest.raises(EnvironmentFailure, match=r"app/main\.py of the build context cannot be read"):
        context.write(found, tmp_path / "x.tar")


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_is_told(project: Path) -> None:
    (project / "app" / "main.py").chmod(0)
    with pytest.raises(EnvironmentFailure, match=r"app/main\.py of the build context cannot be read") as raised:
        look(project)
    assert ".dockerignore" in raised.value.hint


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("..", "above"),
        ("/etc", "absolute"),
        ("nothing", "no such"),
        ("Dockerfile", "no directory"),
        ("out", "link"),
    ],
)
def test_a_context_is_a_directory_of_the_project(project: Path, where: str, reason: str) -> None:
    (project / "out").symlink_to("/")
    with pytest.raises(EnvironmentFailure, match="cannot be a build context") as raised:
        look(project, context=where)
    assert reason in raised.value.why


def test_a_dockerfile_that_is_not_there_is_told(project: Path) -> None:
    with pytest.raises(EnvironmentFailure, match="Dockerfiel cannot be read") as raised:
        look(project, file="Dockerfiel")
    assert "Dockerfile" in raised.value.hint
