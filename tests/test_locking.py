"""``projrun lock``: what is asked for becomes a lock that is pinned, hashed, and kept in step."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from projrun.core.errors import EnvironmentFailure, ProjrunError, UsageError
from projrun.core.values import Struct, field
from projrun.environment import lock, platforms
from projrun.environment.inventory import leftovers
from projrun.environment.model import Means
from projrun.locking import Compiled, LockOptions, compile_lock
from tests.index_server import Index, serving
from tests.wheels import lock_of, make_wheel, sha256_of

THIS_PYTHON = ".".join(map(str, sys.version_info[:2]))
REPOSITORY = Path(__file__).parent.parent
HERE = f"cp{sys.version_info[0]}{sys.version_info[1]}"


class Told(Struct):
    """A reporter that keeps what it is told."""

    text: str = ""

    def phase(self, name: str, text: str) -> None:
        self.text += f"{name}: {text}\n"

    def write(self, stream: str, data: bytes) -> None:
        self.text += data.decode()


class Shelf(Struct, frozen=True):
    """A project to be locked, and an index with wheels made by hand."""

    root: Path
    cache: Path
    index: Index
    told: Told = field(default_factory=Told)

    def spec(self, environment: str) -> None:
        self.write(
            "ProjectSpec.yaml",
            f"version: 1\nname: shelf\nenvironment: {{{environment}}}\nentry_points: {{main: ls}}\n",
        )

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def wheel(self, name: str, version: str = "1.0", **more: Any) -> Path:
        return make_wheel(self.index.folder, name, version, **more)

    def lock(self, **wishes: Any) -> Compiled:
        means = Means(self.cache, wishes.pop("offline", False))
        return compile_lock(LockOptions(self.root, means, **wishes), self.told)

    @property
    def text(self) -> str:
        return (self.root / "requirements.lock").read_text()

    @property
    def pins(self) -> list[str]:
        return [f"{one.name}=={one.version}" for one in lock.parse(self.text, "requirements.lock")]


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    monkeypatch.setenv("PATH", f"{sys.base_prefix}/bin:/usr/bin:/bin")
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    with serving(tmp_path / "archives") as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        made = Shelf(root, tmp_path / "cache", index)
        made.spec(f'python: "{THIS_PYTHON}", lock: requirements.lock, requirements: requirements.in')
        yield made


def changes(compiled: Compiled) -> list[tuple[str, ...]]:
    return [(one.name, "/".join(one.before), "/".join(one.after), one.detail) for one in compiled.changes]


def test_every_line_is_pinned_hashed_and_says_who_needs_it(shelf: Shelf) -> None:
    alpha, beta = shelf.wheel("alpha", requires=["beta<2"]), shelf.wheel("beta")
    shelf.wheel("beta", "2.0")
    shelf.write("requirements.in", "-r more/base.in\n-c limits.txt\n")
    shelf.write("more/base.in", "alpha\n")
    shelf.write("limits.txt", "beta<3\n")
    compiled = shelf.lock()
    assert (compiled.file, compiled.written, compiled.to_add) == ("requirements.lock", True, "")
    assert changes(compiled) == [("alpha", "", "1.0", ""), ("beta", "", "1.0", "")]
    platform = platforms.name_of({"sys_platform": sys.platform, "platform_machine": platforms_machine()})
    lines = [row for row in shelf.text.splitlines(keepends=True) if not row.lstrip().startswith("#")]
    assert "".join(lines) == lock_of(alpha, beta)
    assert shelf.text.startswith(f"# projrun lock\n# python {THIS_PYTHON}, platform {platform}, builder uv\n")
    assert "    # via -r more/base.in\n" in shelf.text
    assert "    # via\n    #   -c limits.txt\n    #   alpha\n" in shelf.text
    assert str(shelf.root) not in shelf.text
    assert "127.0.0.1" not in shelf.text


def platforms_machine() -> str:
    import platform

    return platform.machine()


def test_the_same_input_gives_the_same_bytes_and_no_change(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("alpha")
    shelf.write("requirements.in", "alpha\n")
    shelf.lock()
    first, changed = shelf.text, (shelf.root / "requirements.lock").stat().st_mtime_ns
    again = shelf.lock()
    assert (again.changes, again.written) == ((), False)
    assert (shelf.root / "requirements.lock").stat().st_mtime_ns == changed
    (shelf.root / "requirements.lock").unlink()
    Shelf(shelf.root, tmp_path / "other cache", shelf.index).lock()
    assert shelf.text == first


def test_versions_are_kept_until_an_upgrade_is_asked_for(shelf: Shelf) -> None:
    for name in ("alpha", "beta", "gamma"):
        shelf.wheel(name)
    shelf.write("requirements.in", "alpha\nbeta\ngamma\n")
    shelf.lock()
    for name in ("alpha", "beta", "gamma"):
        shelf.wheel(name, "2.0")
        shelf.wheel(name, "1.5")
    assert shelf.lock().changes == ()
    assert changes(shelf.lock(upgrade=("alpha", "beta==1.5"))) == [
        ("alpha", "1.0", "2.0", ""),
        ("beta", "1.0", "1.5", ""),
    ]
    shelf.write("requirements.in", "alpha\nbeta\n")
    assert changes(shelf.lock(upgrade_all=True)) == [("beta", "1.5", "2.0", ""), ("gamma", "1.0", "", "")]


def test_a_package_that_cannot_be_upgraded_is_said_and_nothing_written(shelf: Shelf) -> None:
    shelf.wheel("alpha")
    shelf.write("requirements.in", "alpha\n")
    shelf.lock()
    before = shelf.text
    with pytest.raises(UsageError, match="does not hold alpa") as raised:
        shelf.lock(upgrade=("alpa",))
    assert "alpha" in raised.value.hint
    with pytest.raises(UsageError, match="not a package"):
        shelf.lock(upgrade=("alpha @ https://host.invalid/a.whl",))
    with pytest.raises(EnvironmentFailure, match="cannot be resolved"):
        shelf.lock(upgrade=("alpha==7",))
    assert shelf.text == before


def test_pins_without_hashes_are_kept_and_hashed(shelf: Shelf) -> None:
    shelf.wheel("alpha")
    shelf.wheel("alpha", "2.0")
    shelf.write("requirements.in", "alpha\n")
    shelf.write("requirements.lock", "alpha==1.0\n")
    assert changes(shelf.lock()) == [("alpha", "1.0", "1.0", "hashes, where there were none")]
    assert shelf.pins == ["alpha==1.0"]


def test_a_file_that_is_no_lock_is_not_overwritten(shelf: Shelf) -> None:
    shelf.write("requirements.in", "alpha\n")
    shelf.write("requirements.lock", "import alpha\nprint(alpha)\n")
    with pytest.raises(EnvironmentFailure, match="is no lock, and would be overwritten") as raised:
        shelf.lock()
    assert shelf.text.startswith("import alpha")
    typed, _, _ = raised.value.hint.partition(" && ")
    subprocess.run(typed, shell=True, cwd=shelf.root, check=True)
    assert "alpha" in (shelf.root / "requirements.lock.old").read_text()


def test_a_lock_that_was_spoiled_is_compiled_again_and_keeps_its_versions(shelf: Shelf) -> None:
    for name in ("alpha", "beta", "gamma"):
        shelf.wheel(name)
    shelf.write("requirements.in", "alpha\nbeta\ngamma\n")
    shelf.lock()
    good = shelf.text
    for name in ("alpha", "beta", "gamma"):
        shelf.wheel(name, "2.0")
    begins = good.index("gamma==")
    conflict = f"<<<<<<< HEAD\n{good[begins:]}=======\ngamma==2.0\n>>>>>>> other\n"
    for spoiled in (f"what is this?\n{good}", good.replace("beta==1.0", "beta==1.0 !"), good[:begins] + conflict):
        shelf.write("requirements.lock", spoiled)
        with pytest.raises(EnvironmentFailure) as raised:
            lock.parse(spoiled, "requirements.lock")
        assert raised.value.hint.endswith("projrun lock")
        shelf.lock()
        assert lock.problems(shelf.text, "requirements.lock") == ()
        assert "alpha==1.0" in shelf.pins


# Resolves the requirements of a project until it is killed.
RESOLVE = """
import sys
from pathlib import Path
from projrun.core.report import Silent
from projrun.environment.model import Means
from projrun.locking import LockOptions, compile_lock
compile_lock(LockOptions(Path(sys.argv[1]), Means(Path(sys.argv[2]))), Silent())
"""


def test_what_a_killed_resolution_left_is_removed_by_the_next_of_any_requirements(shelf: Shelf) -> None:
    def left() -> list[Path]:
        return list((shelf.cache / "resolutions").glob(".resolving-*"))

    shelf.wheel("alpha")
    shelf.wheel("beta")
    shelf.write("requirements.in", "alpha\n")
    shelf.index.stall()
    doomed = subprocess.Popen(
        [sys.executable, "-c", RESOLVE, shelf.root, shelf.cache], cwd=REPOSITORY, start_new_session=True
    )
    assert shelf.index.asked_for_archive.wait(60)
    (folder,) = left()
    assert leftovers(shelf.cache) == ()  # it lives
    os.killpg(doomed.pid, signal.SIGKILL)
    doomed.wait()
    assert leftovers(shelf.cache) == (folder,)
    shelf.index.may_send.set()
    shelf.write("requirements.in", "beta\n")
    shelf.lock()
    assert left() == []


def test_a_lock_that_is_a_link_stays_one_inside_the_project(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("alpha")
    shelf.write("requirements.in", "alpha\n")
    shelf.write("locks/here.lock", "")
    (shelf.root / "requirements.lock").symlink_to("locks/here.lock")
    shelf.lock()
    assert (shelf.root / "requirements.lock").is_symlink()
    assert "alpha==1.0" in (shelf.root / "locks" / "here.lock").read_text()
    (shelf.root / "requirements.lock").unlink()
    (shelf.root / "requirements.lock").symlink_to(tmp_path / "outside")
    with pytest.raises(ProjrunError):
        shelf.lock()
    shelf.spec(f'python: "{THIS_PYTHON}", requirements: requirements.in')
    with pytest.raises(EnvironmentFailure, match="not inside the project"):
        shelf.lock()
    assert not (tmp_path / "outside").exists()


def test_a_spec_without_a_lock_is_told_the_line_to_add_and_left_alone(shelf: Shelf) -> None:
    shelf.wheel("alpha")
    shelf.write("requirements.in", "alpha\n")
    shelf.spec(f'python: "{THIS_PYTHON}", requirements: requirements.in')
    before = (shelf.root / "ProjectSpec.yaml").read_text()
    assert shelf.lock().to_add == "lock: requirements.lock"
    assert shelf.pins == ["alpha==1.0"]
    assert (shelf.root / "ProjectSpec.yaml").read_text() == before


PYPROJECT = """\
[project]
name = "My.Shelf"
version = "1"
dependencies = ["alpha"]

[project.optional-dependencies]
draw = ["plot"]
all = ["my-shelf[draw]"]

[dependency-groups]
test = ["testing", {include-group = "more"}]
more = ["delta<2"]
"""


def test_a_pyproject_is_locked_with_the_extras_and_groups_of_the_spec(shelf: Shelf) -> None:
    for name in ("alpha", "plot", "testing", "delta"):
        shelf.wheel(name)
    shelf.wheel("delta", "2.0")
    shelf.write("pyproject.toml", PYPROJECT)
    environment = f'python: "{THIS_PYTHON}", lock: requirements.lock, requirements: pyproject.toml'
    shelf.spec(environment)
    shelf.lock()
    assert shelf.pins == ["alpha==1.0"]
    shelf.spec(f"{environment}, extras: [All], groups: [test]")
    (missing, *others) = shelf.lock(check=True).problems
    assert (missing.file, missing.line, missing.message) == (
        "pyproject.toml",
        7,
        "plot is not in requirements.lock",
    )
    assert {one.line for one in others} == {11, 12}
    shelf.lock()
    assert shelf.pins == ["alpha==1.0", "delta==1.0", "plot==1.0", "testing==1.0"]
    assert "extras All, groups test\n" in shelf.text
    assert "# via my-shelf (pyproject.toml:test)\n" in shelf.text
    assert shelf.lock(check=True).problems == ()
    for key, name in (("extras", "drow"), ("groups", "mor")):
        shelf.spec(f"{environment}, {key}: [{name}]")
        with pytest.raises(EnvironmentFailure, match=f"has no .* '{name}'") as raised:
            shelf.lock()
        assert "did you mean" in raised.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[project]\nname = "x"\ndynamic = ["dependencies"]\n', "the dependencies are dynamic"),
        (
            '[project]\nname = "x"\ndependencies = ["a @ https://u:s3cret@host.invalid/a.whl"]\n',
            "released package",
        ),
        ('[project]\nname = "x"\n[dependency-groups]\ntest = [{include-group = "test"}]\n', "is broken"),
        ('[project]\nname = "x"\n[dependency-groups]\ntest = [3]\n', "is broken"),
    ],
)
def test_a_pyproject_that_cannot_be_locked_says_why(shelf: Shelf, text: str, message: str) -> None:
    shelf.write("pyproject.toml", text)
    groups = "[test]" if "groups" in text else "[]"
    shelf.spec(f'python: "{THIS_PYTHON}", requirements: pyproject.toml, groups: {groups}')
    with pytest.raises(EnvironmentFailure) as raised:
        shelf.lock()
    assert message in raised.value.what + raised.value.why
    assert "s3cret" not in str(vars(raised.value))


def test_index_settings_belong_to_the_machine_and_are_never_told(shelf: Shelf) -> None:
    shelf.write(
        "requirements.in",
        "--index-url https://me:s3cret@host.invalid/simple\n--find-links=https://me:s3cret@host.invalid\n"
        "--no-binary alpha\na @ git+https://me:s3cret@host.invalid/a\nalpha\n",
    )
    with pytest.raises(EnvironmentFailure, match=r"requirements\.in cannot be locked") as raised:
        shelf.lock()
    assert [row.split(":")[1] for row in raised.value.why.splitlines()] == ["1", "2", "3", "4"]
    shelf.write("requirements.in", "-r https://me:s3cret@host.invalid/more.in\n")
    with pytest.raises(EnvironmentFailure, match="is not a file of the project") as remote:
        shelf.lock()
    assert "s3cret" not in str(vars(raised.value)) + str(vars(remote.value)) + shelf.told.text
    assert shelf.index.requests == []


def test_the_credentials_of_the_index_are_not_in_the_lock(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.wheel("alpha")
    shelf.write("requirements.in", "alpha\n")
    monkeypatch.setenv("UV_DEFAULT_INDEX", shelf.index.url.replace("//", "//me:s3cret@"))
    shelf.lock()
    assert "s3cret" not in shelf.text + shelf.told.text
    shelf.write("requirements.in", "alpha>8\n")
    with pytest.raises(EnvironmentFailure) as raised:
        shelf.lock()
    assert "s3cret" not in str(vars(raised.value)) + shelf.told.text


def applying(text: str, platform: str, version: str = "") -> list[str]:
    own = {
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "python_version": THIS_PYTHON,
        "python_full_version": version or f"{THIS_PYTHON}.1",
    }
    markers = platforms.markers(platform, own)
    return [f"{one.name}=={one.version}" for one in lock.parse(text, "x.lock") if one.applies(markers)]


@pytest.fixture
def two_platforms(shelf: Shelf) -> Shelf:
    shelf.wheel("alpha", requires=['beta; sys_platform == "linux"', 'gamma; sys_platform == "darwin"'])
    shelf.wheel("beta")
    shelf.wheel("beta", "2.0", tag=f"{HERE}-{HERE}-macosx_11_0_arm64")
    shelf.wheel("gamma")
    for tag in ("manylinux_2_17_x86_64", "macosx_11_0_arm64"):
        shelf.wheel("delta", tag=f"py3-none-{tag}")
    shelf.wheel("delta", "2.0", tag="py3-none-manylinux_2_17_x86_64")
    shelf.write("requirements.in", "alpha\ndelta\n")
    return shelf


def test_a_lock_for_two_platforms_has_what_fits_each(two_platforms: Shelf) -> None:
    shelf = two_platforms
    shelf.lock(platforms=("linux-x86_64", "macos-arm64"))
    assert shelf.text.startswith("# projrun lock --platform linux-x86_64 --platform macos-arm64\n")
    assert applying(shelf.text, "linux-x86_64") == ["alpha==1.0", "beta==1.0", "delta==2.0"]
    assert applying(shelf.text, "macos-arm64") == ["alpha==1.0", "delta==1.0", "gamma==1.0"]
    assert applying(shelf.text, "windows-x86_64") == []
    assert applying(shelf.text, "linux-x86_64", "3.98.1") == []
    before = shelf.text
    assert shelf.lock().written is False  # the platforms of the lock are kept, as its versions are
    assert shelf.lock(check=True).problems == ()
    assert shelf.text == before


def test_settings_that_uv_is_told_of_by_name_hold_for_several_platforms_too(
    two_platforms: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "uv.toml"
    settings.write_text(f'[[index]]\nurl = "{two_platforms.index.url}"\ndefault = true\n')
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    monkeypatch.setenv("UV_CONFIG_FILE", str(settings))
    two_platforms.lock(platforms=("linux-x86_64", "macos-arm64"))
    assert applying(two_platforms.text, "macos-arm64") == ["alpha==1.0", "delta==1.0", "gamma==1.0"]
    settings.write_text("[")
    with pytest.raises(EnvironmentFailure, match=r"uv\.toml is not a configuration that uv can read"):
        two_platforms.lock(platforms=("linux-x86_64", "macos-arm64"))


def test_an_unknown_platform_is_answered_with_the_nearest(shelf: Shelf) -> None:
    shelf.write("requirements.in", "")
    with pytest.raises(UsageError, match="'linux-x86-64'") as raised:
        shelf.lock(platforms=("linux-x86-64",))
    assert "linux-x86_64" in raised.value.hint


def test_a_range_of_versions_is_locked_for_all_of_them(shelf: Shelf) -> None:
    shelf.wheel("alpha", requires=['beta; python_full_version >= "3.12"', 'gamma; sys_platform == "win32"'])
    shelf.wheel("beta")
    shelf.wheel("gamma")
    shelf.spec('python: ">=3.10,<3.15", lock: requirements.lock, requirements: requirements.in')
    shelf.write("requirements.in", "alpha\n")
    shelf.lock()
    assert "# python >=3.10,<3.15, every platform, builder uv\n" in shelf.text
    assert [(one.name, one.marker) for one in lock.parse(shelf.text, "x.lock")] == [
        ("alpha", ""),
        ("beta", 'python_full_version >= "3.12"'),
        ("gamma", 'sys_platform == "win32"'),
    ]
    assert shelf.lock(check=True).problems == ()


def test_a_check_names_the_lines_that_are_out_of_step_and_writes_nothing(shelf: Shelf) -> None:
    shelf.wheel("alpha", requires=["beta"])
    shelf.wheel("beta")
    shelf.wheel("gamma")
    shelf.write("requirements.in", "alpha\ngamma\n")
    with pytest.raises(EnvironmentFailure, match=r"requirements\.lock is not there") as raised:
        shelf.lock(check=True)
    assert raised.value.hint == "projrun lock"
    shelf.lock()
    before = shelf.text
    assert shelf.lock(check=True).problems == ()

    def problems(**wishes: Any) -> list[str]:
        return [f"{one.place}: {one.message}" for one in shelf.lock(check=True, **wishes).problems]

    asked = len(shelf.index.requests)
    shelf.write("requirements.in", "alpha>1\ngamma\n")
    assert problems() == ["requirements.in:1:1: alpha>1 is asked for, but requirements.lock:3 pins 1.0"]
    assert len(shelf.index.requests) == asked  # no network for what the files tell by themselves
    shelf.write("requirements.in", "gamma\n")  # a requirement that was taken out takes what it needed with it
    assert problems() == [
        "requirements.lock:3:1: alpha 1.0 is needed by nothing that is asked for",
        "requirements.lock:6:1: beta 1.0 is needed by nothing that is asked for",
    ]
    shelf.write("requirements.lock", before.replace("beta", "betta"))
    shelf.write("requirements.in", "alpha\ngamma\n")
    assert problems() == [
        "requirements.in: beta 1.0 is needed, and is not in requirements.lock",
        "requirements.lock:6:1: betta 1.0 is needed by nothing that is asked for",
    ]
    shelf.write("requirements.lock", "alpha==1.0\n")
    assert problems() == ["requirements.lock:1:1: alpha has no hash"]


def test_more_wheels_of_a_locked_release_are_not_out_of_step(shelf: Shelf) -> None:
    shelf.wheel("alpha")
    shelf.write("requirements.in", "alpha\n")
    shelf.lock()
    shelf.wheel("alpha", tag="py3-none-win_amd64")
    assert shelf.lock(check=True).problems == ()


@pytest.mark.parametrize("added", [True, False])
def test_a_hash_that_no_file_of_the_index_has_is_named(shelf: Shelf, added: bool) -> None:
    archive = shelf.wheel("alpha")
    shelf.write("requirements.in", "alpha\n")
    shelf.lock()
    foreign = f"--hash=sha256:{'ab' * 32}"
    own = f"--hash=sha256:{sha256_of(archive)}"
    shelf.write("requirements.lock", shelf.text.replace(own, f"{own} \\\n    {foreign}" if added else foreign))
    (problem,) = shelf.lock(check=True).problems
    assert problem.message == "alpha 1.0 would have other files"
    assert problem.file == "requirements.lock"


def test_a_check_offline_tells_what_can_be_told(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("alpha")
    shelf.write("requirements.in", "alpha\n")
    shelf.lock()
    requests = len(shelf.index.requests)
    elsewhere = Shelf(shelf.root, tmp_path / "another cache", shelf.index)
    shelf.write("requirements.in", "alpha\nbeta\n")
    found = elsewhere.lock(check=True, offline=True)
    assert [one.message for one in found.problems] == ["beta is not in requirements.lock"]
    shelf.write("requirements.in", "alpha\n")
    assert elsewhere.lock(check=True, offline=True).problems == ()
    assert len(shelf.index.requests) == requests


def test_a_check_offline_says_what_it_could_not_tell(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.wheel("alpha")
    shelf.write("requirements.in", "alpha\n")
    shelf.lock()
    monkeypatch.setenv("UV_CACHE_DIR", str(shelf.cache / "empty"))
    found = shelf.lock(check=True, offline=True)
    assert found.problems == ()
    assert "cannot be told offline" in found.untold


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ("system: true", "there is nothing to lock: the environment is system: true"),
        (f'python: "{THIS_PYTHON}", lock: requirements.lock', "nothing says what the lock is compiled from"),
    ],
)
def test_a_project_with_nothing_to_compile_says_what_to_write(
    shelf: Shelf, environment: str, message: str
) -> None:
    shelf.spec(environment)
    with pytest.raises(EnvironmentFailure) as raised:
        shelf.lock()
    assert raised.value.what == message
    assert "ProjectSpec.yaml" in raised.value.hint


def test_a_project_with_an_image_says_how_the_lock_in_it_is_compiled(shelf: Shelf) -> None:
    shelf.spec("docker: {image: 'a:1'}")
    with pytest.raises(EnvironmentFailure, match="there is nothing to lock: the environment is docker") as raised:
        shelf.lock()
    assert raised.value.hint.startswith("uv pip compile --universal")


def test_a_pylock_is_compiled_too_and_kept_in_step(shelf: Shelf) -> None:
    alpha = shelf.wheel("alpha", requires=["beta"])
    shelf.wheel("beta")
    shelf.write("requirements.in", "alpha\n")
    environment = f'python: "{THIS_PYTHON}", lock: pylock.toml, requirements: requirements.in'
    shelf.spec(environment)
    compiled = shelf.lock()
    assert changes(compiled) == [("alpha", "", "1.0", ""), ("beta", "", "1.0", "")]
    text = (shelf.root / "pylock.toml").read_text()
    assert text.startswith("# projrun lock\n")
    assert f'sha256 = "{sha256_of(alpha)}"' in text
    shelf.wheel("alpha", "2.0")
    assert shelf.lock().written is False
    assert shelf.lock(check=True).problems == ()
    assert changes(shelf.lock(upgrade=("alpha",))) == [("alpha", "1.0", "2.0", ""), ("beta", "1.0", "", "")]
    shelf.write("requirements.in", "")
    (problem,) = shelf.lock(check=True).problems
    assert (problem.file, problem.message) == ("pylock.toml", "alpha 2.0 is needed by nothing that is asked for")
    with pytest.raises(EnvironmentFailure, match="one platform and one series"):
        shelf.lock(platforms=("linux-x86_64",))
    shelf.write("pylock.toml", text.replace('created-by = "projrun"', 'created-by = "pdm"'))
    with pytest.raises(EnvironmentFailure, match="made by another tool"):
        shelf.lock()


def test_a_lock_that_cannot_be_written_is_said_so(shelf: Shelf) -> None:
    shelf.write("requirements.in", "")
    shelf.write("locks", "in the way")
    shelf.spec(f'python: "{THIS_PYTHON}", lock: locks/a.lock, requirements: requirements.in')
    with pytest.raises(ProjrunError, match="cannot be written"):
        shelf.lock()


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_nothing_asked_for_is_an_empty_lock(shelf: Shelf, text: str) -> None:
    shelf.write("requirements.in", text)
    shelf.lock()
    assert shelf.pins == []
    assert shelf.lock(check=True).problems == ()
