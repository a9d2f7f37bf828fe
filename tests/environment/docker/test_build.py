"""Images are built or pulled once, whole, and found again by what they are made from."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from uuid import uuid4

import pytest

from projrun.core.errors import EngineFailure, EnvironmentFailure
from projrun.core.values import replace
from projrun.environment import build, uses
from projrun.environment.docker import marker
from projrun.environment.model import Environment
from projrun.environment.plan import plan
from projrun.spec.model import DockerMount, EnvironmentSpec
from tests import images
from tests.environment.docker.conftest import Project
from tests.images import DEBIAN, PYTHON, SLIM
from tests.registry_server import registry

pytestmark = pytest.mark.slow


def id_of(environment: Environment) -> str:
    assert environment.image
    return environment.image.image.id


def remains(project: Project) -> list[str]:
    """What is in the folder of environments, but for locks and logs."""
    folder = project.cache / "environments"
    return sorted(path.name for path in folder.glob("*") if path.name not in (".locks", ".uses", ".failed"))


def output_of(project: Project, environment: Environment, *words: str) -> str:
    made = project.engine.api.create_container(id_of(environment), list(words))
    try:
        project.engine.api.start(made)
        project.engine.api.wait(made)
        return str(project.engine.api.logs(made).decode())
    finally:
        project.engine.api.remove_container(made, force=True)


def test_a_dockerfile_becomes_an_image_and_the_same_key_builds_nothing(project: Project) -> None:
    project.write(f"FROM {SLIM}\nARG WORD\nCOPY a.txt /a.txt\nRUN echo said $WORD && echo $WORD >> /a.txt\n")
    project.write("hello\n", "a.txt")
    asked = project.having(args={"WORD": "world"})
    assert asked.plan().reason == "it was never built here"
    first = asked.ensure()
    assert not first.reused
    assert first.programs is None
    assert output_of(project, first, "cat", "/a.txt") == "hello\nworld\n"
    assert b"said world" in project.report.output
    assert first.image
    assert first.image.build_log
    assert b"said world" in first.image.build_log.read_bytes()
    assert first.image.engine.startswith("Docker ")
    project.report.output = b""
    again = asked.plan()
    assert again.reason is None
    second = build.ensure(again, project.means, project.report)
    assert (second.reused, id_of(second), project.report.output) == (True, id_of(first), b"")
    assert remains(project) == [again.key]


@pytest.mark.parametrize(
    "change", ["context", "dockerfile", "argument", "secret", "target", "platform", "network", "base"]
)
def test_all_that_goes_in_is_in_the_key(project: Project, change: str) -> None:
    tag = f"changing:{project.root.parent.name.lower()}"
    images.derived(project.engine, SLIM, tag, {"/x": change})
    text = f"FROM {tag} AS one\nARG A\nFROM one AS two\n"
    project.write(text)
    before = project.plan()
    changed = project
    if change == "context":
        project.write("", "new")
    elif change == "dockerfile":
        project.write(f"{text}# a comment\n")
    elif change == "argument":
        changed = project.having(args={"A": "1"})
    elif change == "secret":
        changed = project.having(secrets=("TOKEN",))
    elif change == "target":
        changed = project.having(target="one")
    elif change == "network":
        changed = project.having(build_network="none")
    elif change == "platform":
        changed = project.having(platform=f"{before.inputs['platform']}/v3")
    else:
        images.derived(project.engine, SLIM, tag, {"/x": "other"})
    after = changed.plan()
    assert before.key
    assert after.key not in ("", before.key)
    assert "changing" not in json.dumps({name: value for name, value in after.inputs.items() if name != "bases"})


def test_a_stage_that_the_target_does_not_need_is_not_asked_for(project: Project) -> None:
    project.write(f"FROM nowhere/nothing:1 AS other\nFROM {SLIM} AS wanted\n")
    assert project.having(target="wanted").plan().key


def test_a_build_that_fails_names_the_step_and_leaves_its_log_and_nothing_else(project: Project) -> None:
    project.write(f"FROM {SLIM}\nRUN echo before\nRUN echo told; exit 3\n")
    with pytest.raises(EnvironmentFailure, match="exit 3") as raised:
        project.ensure()
    assert raised.value.exit_code == 113
    log = Path(raised.value.hint.rpartition("all that the builder said: ")[2])
    assert b"told" in log.read_bytes()
    assert b"told" in project.report.output
    assert remains(project) == []
    assert project.plan().reason == "it was never built here"
    project.write("FROM scratch\nCOPY Dockerfile /\n")
    project.ensure()


def test_a_dockerfile_that_is_not_in_the_context_is_called_by_its_own_name(project: Project) -> None:
    project.write(f"FROM {SLIM}\nRUN exit 3\n")
    project.write("*\n", ".dockerignore")
    with pytest.raises(EnvironmentFailure, match="exit 3") as raised:
        project.ensure()
    assert raised.value.hint.startswith("mend that in Dockerfile;")


def failure_of(project: Project) -> EnvironmentFailure:
    with pytest.raises(EnvironmentFailure) as raised:
        project.ensure()
    return raised.value


@pytest.mark.parametrize("buildkit", ["0", "1"])
def test_what_a_build_misses_is_said_to_be_there_or_not(
    project: Project, monkeypatch: pytest.MonkeyPatch, buildkit: str
) -> None:
    monkeypatch.setenv("DOCKER_BUILDKIT", buildkit)
    project.write(f"FROM {SLIM}\nCOPY data.bin /\n")
    missing = failure_of(project)
    assert "data.bin is not in the build context" in missing.what
    assert missing.why.endswith("There is no data.bin in the project.")
    assert missing.hint.startswith("make data.bin, or mend that in Dockerfile; all that the builder said: ")
    project.write("x", "data.bin")
    project.write("# those\n*.bin\n", ".dockerignore")
    ignored = failure_of(project)
    assert ignored.why.endswith("data.bin is there, and .dockerignore:2 ignores it.")
    assert ignored.hint.startswith("mend .dockerignore:2: ")
    project.write("", ".dockerignore")
    declared = failure_of(project.having(products=("data.bin",)))
    assert declared.why.endswith("an entry point declares to write it.")


def test_what_git_ignores_is_asked_of_git(project: Project) -> None:
    (project.root / "sub").mkdir()
    project.write(f"FROM {SLIM}\nCOPY data /data\n")
    (project.root / "sub" / "data").mkdir()
    project.write("x", "sub/data/a.bin")
    asked = project.having(context="sub")
    ignoring = replace(asked.means, tree=lambda directory: ())
    planned = plan(EnvironmentSpec(docker=asked.spec), asked.root, ignoring, asked.report)
    with pytest.raises(EnvironmentFailure, match="data is not in the build context") as raised:
        build.ensure(planned, ignoring, asked.report)
    assert "data is there, and git ignores it" in raised.value.why
    assert raised.value.hint.startswith("git check-ignore -v sub/data ")


def test_a_mount_of_what_is_not_there_is_told_before_anything_is_built(project: Project) -> None:
    project.write(f"FROM {SLIM}\nRUN exit 3\n")
    asked = project.having(mounts=(DockerMount("data-outside", "/data"),))
    with pytest.raises(EnvironmentFailure, match=r"docker\.mounts: there is no data-outside"):
        asked.plan()
    assert {"environment-refused", "mount-unpinned", "base-unpinned"} <= asked.flags().keys()
    assert "docker.mounts" in asked.flags()["environment-refused"]


def test_a_secret_of_the_build_has_to_be_there_and_is_written_nowhere(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(
        f"FROM {SLIM}\nRUN --mount=type=secret,id=TOKEN cat /run/secrets/TOKEN | tee /dev/stderr | wc -c\n"
    )
    asked = project.having(secrets=("TOKEN",))
    with pytest.raises(EnvironmentFailure, match="TOKEN is not set") as raised:
        asked.ensure()
    assert raised.value.hint == "export TOKEN=..."
    assert asked.flags()["secret-missing"] == "export TOKEN=..."
    monkeypatch.setenv("TOKEN", "a-secret-of-22-letters")
    asked.ensure()
    assert b"22" in project.report.output
    assert b"a-secret" not in project.report.output
    kept = [path for path in project.cache.rglob("*") if path.is_file()]
    assert not [path for path in kept if b"a-secret" in path.read_bytes()]


def test_what_is_inside_is_known(project: Project) -> None:
    images.python(project.engine)
    project.write(
        f"FROM {PYTHON}\nRUN mkdir -p /extra/alpha-1.0.dist-info && cd /extra/alpha-1.0.dist-info"
        " && printf 'Name: Alpha\\nVersion: 1.0\\n\\nName: no\\n' > METADATA"
        " && printf 'alpha.py,sha256=abc,3\\nalpha-1.0.dist-info/RECORD,,\\n' > RECORD\nENV PYTHONPATH=/extra\n"
    )
    environment = project.ensure()
    found = {one.name: one for one in environment.installed}
    assert {"alpha", "pip"} <= found.keys()
    assert found["alpha"].version == "1.0"
    assert len(found["alpha"].sha256) == 64
    assert environment.image
    assert environment.image.python == environment.in_process


def test_the_packages_of_the_system_are_known(project: Project) -> None:
    images.debian(project.engine)
    found = project.having(file=None, image=DEBIAN).ensure().image
    assert found
    assert found.python is None
    packages = {package.name: package for package in found.packages}
    assert packages["coreutils"].manager == "dpkg"
    assert packages["coreutils"].version
    assert packages["coreutils"].architecture


def test_an_image_without_a_shell_is_an_environment_too(project: Project) -> None:
    project.write("FROM scratch\nCOPY Dockerfile /\n")
    environment = project.ensure()
    assert environment.installed == ()
    assert environment.image
    assert (environment.image.python, environment.image.packages) == (None, ())


def test_an_image_that_was_removed_is_built_again_and_that_is_flagged(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(f"FROM {SLIM}\nRUN : {uuid4()} && head -c 16 /dev/urandom > /random\n")  # in nobody's cache
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")  # the next builder takes nothing that this one made
    first = project.ensure()
    monkeypatch.delenv("DOCKER_BUILDKIT")
    project.engine.api.remove_image(id_of(first), force=True)
    assert "does not have its image" in (project.plan().reason or "")
    second = project.ensure()
    assert not second.reused
    [flag] = second.flags
    assert flag.code == "environment-rebuilt"
    assert id_of(first) != id_of(second)
    assert id_of(first) in flag.message
    assert id_of(second) in flag.message


def test_an_image_that_is_built_again_as_it_was_is_not_flagged(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")  # its cache is the image itself, which stays
    project.write(f"FROM {SLIM}\nRUN : {uuid4()} && head -c 16 /dev/urandom > /random\n")
    first = project.ensure()
    assert first.plan.directory
    marker.mark_damaged(first.plan.directory, "by hand")
    second = project.ensure()
    assert (second.reused, id_of(second), second.flags) == (False, id_of(first), ())


def test_a_base_that_moves_while_it_is_built_is_an_error(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = f"moving:{project.root.parent.name.lower()}"
    images.derived(project.engine, SLIM, tag, {"/x": "1"})
    project.write(f"FROM {tag}\n")
    planned = project.plan()
    images.derived(project.engine, SLIM, tag, {"/x": "2"})
    with pytest.raises(EnvironmentFailure, match="became another image while the environment was built"):
        build.ensure(planned, project.means, project.report)
    assert remains(project) == []
    assert not project.engine.api.images(marker.tag_of(project.cache, planned.key))


def test_the_project_may_not_change_between_its_key_and_its_build(project: Project) -> None:
    project.write(f"FROM {SLIM}\n")
    planned = project.plan()
    project.write("new", "new")
    with pytest.raises(EnvironmentFailure, match="the project changed while its image was prepared") as raised:
        build.ensure(planned, project.means, project.report)
    assert ".dockerignore" in raised.value.hint


def test_a_builder_that_was_killed_leaves_nothing_that_the_next_trusts(project: Project) -> None:
    project.write(f"FROM {SLIM}\nRUN echo begun; sleep 2; echo made > /made\n")
    killed = project.ensure_elsewhere()
    assert killed.stdout
    while "begun" not in (line := killed.stdout.readline()) or "RUN" in line:
        assert line, "it ended before it began"
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert len(remains(project)) == 1
    assert project.plan().reason == "it was never built here"
    environment = project.ensure()
    assert not environment.reused
    assert output_of(project, environment, "cat", "/made") == "made\n"
    assert remains(project) == [environment.plan.key]


def test_an_image_that_exists_is_looked_into_and_stays_when_others_let_it_go(project: Project) -> None:
    tag = f"existing:{project.root.parent.name.lower()}"
    image = images.derived(project.engine, SLIM, tag, {"/x": "1"}, {"Entrypoint": ["/bin/echo"], "User": "7:7"})
    asked = project.having(file=None, image=tag)
    environment = asked.ensure()
    assert id_of(environment) == image
    assert environment.image
    assert environment.image.build_log is None
    assert (environment.image.image.entrypoint, environment.image.image.user) == (("/bin/echo",), "7:7")
    assert asked.flags()["image-unpinned"].startswith(f"image: {image} ")
    project.engine.api.remove_image(tag)
    pinned = project.having(file=None, image=image)
    assert pinned.flags() == {}
    again = pinned.ensure()
    assert (again.plan.key, again.reused) == (environment.plan.key, True)


def test_the_environment_of_a_run_that_begins_is_there(project: Project) -> None:
    environment = project.having(file=None, image=SLIM).ensure()
    assert environment.plan.directory
    with uses.in_use(environment):
        assert uses.is_used(environment.plan.directory)
    (environment.plan.directory / marker.MARKER).unlink()
    with pytest.raises(EnvironmentFailure, match="was removed before"), uses.in_use(environment):
        pass


def test_a_tag_of_a_registry_becomes_its_digest_and_nothing_newer_is_taken(project: Project) -> None:
    name = f"{project.root.parent.name.lower()}"
    first = images.derived(project.engine, SLIM, f"{name}:1", {"/x": "1"})
    second = images.derived(project.engine, SLIM, f"{name}:2", {"/x": "2"})
    with registry() as served:
        old = served.push(project.engine, first, f"{name}:t")
        new = served.push(project.engine, second, f"{name}:new")
        served.forget(project.engine, f"{name}:t")
        for tag in ("1", "2"):
            project.engine.api.remove_image(f"{name}:{tag}", force=True)
        reference = f"{served.host}/{name}:t"
        project.write(f"FROM {SLIM}\nFROM {reference}\n")
        assert project.plan(resolve=False).key == ""
        assert reference in (project.plan(resolve=False).reason or "")
        assert project.flags() == {"base-unpinned": f"FROM {reference}@{old} in Dockerfile:2"}
        planned = project.plan()
        assert planned.image
        assert [(base.reference, base.digest, base.pinned) for base in planned.image.bases] == [
            (reference, old, False)
        ]
        project.ensure()
        served.move(f"{name}:t", new)
        assert project.plan().key == planned.key
        asked = len(served.requests)
        assert project.ensure().reused
        assert len(served.requests) == asked
        pinned = project.having(file=None, image=f"{reference}@{new}")
        assert pinned.plan(resolve=False).key
        assert pinned.plan().reason == "it was never built here"
        assert id_of(pinned.ensure()) == second
        assert pinned.flags() == {}


def test_an_image_that_is_nowhere_is_told(project: Project) -> None:
    with registry() as served:
        asked = project.having(file=None, image=f"{served.host}/no/such:1")
        with pytest.raises(EngineFailure, match="no such image"):
            asked.plan()
        assert "docker pull" in asked.flags()["image-unpinned"]


def test_what_is_not_here_and_may_not_be_pulled_is_told_with_the_command(project: Project) -> None:
    project.write("FROM nobody/has-this:1\n")
    with pytest.raises(EnvironmentFailure, match="cannot be built or pulled") as raised:
        replace(project, offline=True).ensure()
    assert raised.value.hint.endswith("docker pull nobody/has-this:1")


@pytest.mark.parametrize("address", ["unix:///nothing.sock", "tcp://127.0.0.1:9"])
def test_without_an_engine_it_is_said_so_and_what_is_not_pinned_all_the_same(
    project: Project, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    project.write("FROM one:1\nCOPY --from=two:2 / /\n")
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(EngineFailure, match="no container engine") as raised:
        project.plan()
    assert raised.value.exit_code == 113
    assert set(project.flags()) == {"environment-refused", "base-unpinned"}


def test_an_engine_behind_ssh_is_refused_unasked(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(f"FROM {SLIM}\n")
    monkeypatch.setenv("DOCKER_HOST", "ssh://nobody@nowhere.invalid")
    with pytest.raises(EnvironmentFailure, match=r"ssh://nowhere\.invalid is on another machine"):
        project.plan()


def test_a_platform_that_a_base_is_not_for_is_told(project: Project) -> None:
    tag = f"{project.root.parent.name.lower()}:1"
    image = images.derived(project.engine, SLIM, tag, {"/x": "1"})
    with registry() as served:
        served.push(project.engine, image, tag)
        reference = f"{served.host}/{tag}"
        for asked in (project.having(file=None, image=reference), project):
            project.write(f"FROM {reference}\n")
            with pytest.raises(EnvironmentFailure, match="is not for linux/s390x") as raised:
                asked.having(platform="linux/s390x").plan()
            assert raised.value.exit_code == 113
            assert "It is for linux/" in raised.value.why
    with pytest.raises(EngineFailure, match=f"pulling {reference}") as gone:
        project.having(platform="linux/s390x").plan()
    assert "is wanted for linux/s390x" in gone.value.why


def test_every_base_that_is_not_pinned_is_listed_at_once(project: Project) -> None:
    project.write(
        f"# a comment\nFROM {SLIM}\nCOPY --from={SLIM} /etc /etc\nRUN --mount=from={SLIM},target=/x true\n"
    )
    flags = [flag for flag in project.plan().flags if flag.code == "base-unpinned"]
    assert [flag.message.partition(": ")[0] for flag in flags] == ["Dockerfile:2", "Dockerfile:3", "Dockerfile:4"]
