"""``projrun export-lock``: what a run executed in, for other tools, and the same again from it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.pylock import Pylock

from projrun.core.errors import EnvironmentFailure
from projrun.environment import installed, lock, platforms
from projrun.environment.model import Means
from projrun.environment.text import parse_toml
from projrun.exporting import ExportOptions, export_lock
from tests.cli.conftest import THIS_PYTHON, Workspace, built_before, published, workspace
from tests.conftest import NO_INDEX
from tests.wheels import lock_of, make_source_distribution, make_wheel, sha256_of

pytestmark = pytest.mark.slow

__all__ = ["built_before", "published", "workspace"]

HERE = platforms.name_of({"sys_platform": sys.platform, "platform_machine": os.uname().machine})
Installed = list[tuple[str, str, str]]


class Quiet:
    """A reporter that nobody hears."""

    def phase(self, name: str, text: str) -> None:
        pass

    def write(self, stream: str, data: bytes) -> None:
        pass


@pytest.fixture
def project(workspace: Workspace) -> Workspace:
    """A project with a lock for several platforms, whose packages need each other."""
    archives = workspace.index.folder
    alpha = make_wheel(archives, "alpha", requires=["beta; python_version > '3'", "gone; extra == 'x'"])
    beta = make_wheel(archives, "beta")
    other = make_wheel(archives, "elsewhere")
    apart = lock_of(other).replace(" \\", ' ; sys_platform == "win32" \\')
    workspace.repository.write("requirements.lock", lock_of(alpha, beta) + apart)
    workspace.entry_point('python -c "import alpha, beta"')
    return workspace


def export(workspace: Workspace, run: str | None, form: str = "requirements", **means: Any) -> str:
    where = Means(workspace.home / "cache", **means)
    return export_lock(ExportOptions(workspace.root, workspace.store, where, run, form), Quiet())


def recorded(workspace: Workspace) -> Installed:
    found = workspace.last()["recipe"]["environment"]["installed"]
    return [(one["name"], one["version"], one["sha256"]) for one in found]


def change_recipe(workspace: Workspace, change: Callable[[Any], None]) -> None:
    """Alters the recipe of the last run, as no run ever does."""
    path = Path(workspace.last()["directory"], "recipe.json")
    recipe = json.loads(path.read_text())
    change(recipe)
    path.chmod(0o600)
    path.write_text(json.dumps(recipe))


def pip(workspace: Workspace, folder: Path, *words: str | Path) -> Installed:
    """What plain pip installs into a new virtual environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    command = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "-q", *words]
    variables = {**os.environ, "PIP_INDEX_URL": workspace.index.url, "PIP_CONFIG_FILE": os.devnull}
    subprocess.run(command, check=True, env=variables)
    return installed_in(folder)


def uv(folder: Path, *words: str | Path) -> Installed:
    """What uv installs into a new virtual environment."""
    program = Path(sys.executable).parent / "uv"
    subprocess.run([program, "venv", "-q", "--python", sys.executable, folder], check=True)
    python = ["--python", str(folder / "bin" / "python")]
    subprocess.run([program, "pip", "sync", "-q", *words, *python], check=True, cwd=folder.parent)
    return installed_in(folder)


def installed_in(folder: Path) -> Installed:
    found = installed.read([installed.site_packages(folder, THIS_PYTHON)])
    return [(one.name, one.version, one.sha256) for one in found]


@pytest.mark.parametrize("form", ["requirements", "pylock"])
def test_what_a_run_executed_in_is_had_again_from_its_export(
    project: Workspace, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.run()
    expected = recorded(project)
    assert [name for name, *_ in expected] == ["alpha", "beta"]
    file = tmp_path / ("pylock.toml" if form == "pylock" else "exported.lock")
    file.write_text(export(project, "last", form))
    hashes = ["--require-hashes"] if form == "requirements" else []
    assert uv(tmp_path / "by-uv", *hashes, file) == expected
    assert pip(project, tmp_path / "by-pip", *hashes, "--only-binary", ":all:", "-r", file) == expected
    # And from a project of its own, by both names.
    (project.root / file.name).write_text(file.read_text())
    project.entry_point("python -c pass", environment=f'{{python: "{THIS_PYTHON}", lock: {file.name}}}')
    project.run()
    assert recorded(project) == expected
    assert lock.parse(export(project, "last"), "again")


def test_a_run_is_exported_without_project_environment_and_index(
    project: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project.run()
    run = project.last()["run"]
    monkeypatch.setenv("UV_DEFAULT_INDEX", NO_INDEX)
    where = Means(tmp_path / "no cache")
    text = export_lock(ExportOptions(tmp_path, project.store, where, run[:6]), Quiet())
    assert text.startswith(f"# projrun export-lock {run} --format requirements\n# tiny, python {THIS_PYTHON}")
    assert [(one.name, one.marker) for one in lock.parse(text, "x")] == [("alpha", ""), ("beta", "")]


def test_a_projects_lock_is_exported_with_its_markers_or_resolved_first(project: Workspace) -> None:
    lines = lock.parse(export(project, None), "x")
    assert [(one.name, one.marker) for one in lines] == [
        ("alpha", ""),
        ("beta", ""),
        ("elsewhere", 'sys_platform == "win32"'),
    ]
    project.repository.write("requirements.in", "beta\n")
    project.entry_point("ls", environment=f'{{python: "{THIS_PYTHON}", requirements: requirements.in}}')
    assert [one.name for one in lock.parse(export(project, None), "x")] == ["beta"]


def test_a_difference_between_lock_and_installed_is_refused_and_named(project: Workspace) -> None:
    project.run()

    def other_version(recipe: Any) -> None:
        recipe["environment"]["installed"][0]["version"] = "9.0"

    change_recipe(project, other_version)
    with pytest.raises(EnvironmentFailure, match="did not execute in what its lock names") as raised:
        export(project, "last")
    assert raised.value.why == "alpha is installed as 9.0, not as 1.0"


@pytest.mark.parametrize("break_it", [lambda one: one.pop("inputs"), lambda one: one["lock"].update(text="")])
def test_a_damaged_recipe_is_said_so(project: Workspace, break_it: Callable[[Any], None]) -> None:
    project.run()
    path = Path(project.last()["directory"], "recipe.json")
    whole = path.read_text()
    change_recipe(project, lambda recipe: break_it(recipe["environment"]))
    with pytest.raises(EnvironmentFailure, match="is damaged"):
        export(project, "last")
    change_recipe(project, lambda recipe: recipe.update(document="other"))
    with pytest.raises(EnvironmentFailure, match="has no recipe"):
        export(project, "last")
    path.write_text(whole)


def test_a_system_environment_is_refused_with_what_can_be_done(project: Workspace) -> None:
    project.entry_point("python3 -c pass", environment="{system: true}")
    project.run()
    for run in ("last", None):
        with pytest.raises(EnvironmentFailure, match="which has no lock") as raised:
            export(project, run)
        assert "projrun lock" in raised.value.hint


def test_a_pylock_has_the_files_that_were_locked_and_no_credentials(
    project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.run()
    make_wheel(project.index.folder, "alpha", tag="py2.py3-none-any")  # a release gets more files later on
    monkeypatch.setenv("UV_DEFAULT_INDEX", project.index.url.replace("//", "//me:s3cret@"))
    text = export(project, "last", "pylock")
    assert "s3cret" not in text
    document = Pylock.from_dict(parse_toml(text))
    alpha = sha256_of(project.index.folder / "alpha-1.0-py3-none-any.whl")
    assert [wheel.hashes for wheel in document.packages[0].wheels or ()] == [{"sha256": alpha}]
    assert [str(one) for one in document.environments or ()]
    assert str(document.requires_python) == f"=={'.'.join(THIS_PYTHON.split('.')[:2])}.*"


def test_a_pylock_of_files_that_are_gone_is_refused(project: Workspace, tmp_path: Path) -> None:
    project.run()
    make_wheel(project.index.folder, "alpha", files={"alpha/more.py": ""})
    with pytest.raises(EnvironmentFailure, match="does not have the files that were locked") as raised:
        export(project, "last", "pylock")
    assert raised.value.why == "alpha==1.0"
    (project.index.folder / "alpha-1.0-py3-none-any.whl").unlink()
    with pytest.raises(EnvironmentFailure, match="does not tell the files"):
        export(project, "last", "pylock")


def test_a_bill_of_materials_is_valid_and_says_what_needs_what(project: Workspace) -> None:
    metadata = {"alpha-1.0.dist-info/licenses/LICENSE": "text"}
    alpha = make_wheel(
        project.index.folder, "alpha", requires=["beta"], files=metadata, licence="MIT OR Apache-2.0"
    )
    beta = project.index.folder / "beta-1.0-py3-none-any.whl"
    project.repository.write("requirements.lock", lock_of(alpha, beta))
    project.run()
    text = export(project, "last", "cyclonedx")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    packages = {one["name"]: one for one in bill["components"]}
    assert packages["alpha"]["purl"] == "pkg:pypi/alpha@1.0"
    assert packages["alpha"]["hashes"] == [{"alg": "SHA-256", "content": sha256_of(alpha)}]
    assert packages["alpha"]["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert packages["cpython"]["version"] == THIS_PYTHON
    needs = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}
    assert needs["alpha==1.0"] == ["beta==1.0"]
    assert needs["project"] == ["alpha==1.0", "python"]
    assert bill["metadata"]["component"]["version"] == project.last()["recipe"]["source"]["commit"]
    assert export(project, "last", "cyclonedx") == text  # the same run is the same bill


def test_a_bill_of_what_is_not_built_here_has_the_packages_alone(project: Workspace) -> None:
    text = export(project, None, "cyclonedx")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    needs = {one["ref"]: one.get("dependsOn", []) for one in json.loads(text)["dependencies"]}
    assert needs["project"] == ["alpha==1.0", "beta==1.0", "python"]


def dockerfile(text: str, folder: Path) -> tuple[list[str], str]:
    """The instructions of a Dockerfile, without those that write the lock, and the lock that those write."""
    text = "".join(f"{row}\n" for row in text.splitlines() if not row.startswith("#"))
    *rows, last = text.replace("\\\n", "").split("\n")
    assert last == ""
    place = folder / "written"
    place.mkdir()
    writing = [row for row in rows if "printf" in row]
    for row in writing:
        command = row.removeprefix("RUN ").replace("/opt/projrun", str(place))
        assert len(command.encode()) < 128 << 10
        subprocess.run(["sh", "-c", command], check=True)
    written = place / "requirements.lock"
    return [row for row in rows if row not in writing], written.read_text() if written.exists() else ""


def test_a_dockerfile_installs_what_the_run_had(project: Workspace, tmp_path: Path) -> None:
    project.run()
    (begin, install), text = dockerfile(export(project, "last", "dockerfile"), tmp_path)
    assert text == export(project, "last").split("\n", 2)[2]
    architecture = {"linux-x86_64": "linux/amd64", "linux-aarch64": "linux/arm64"}[HERE]
    assert begin == f"FROM --platform={architecture} python:{THIS_PYTHON}-slim"
    words = shlex.split(install)
    assert words[:5] == ["RUN", "python", "-m", "pip", "install"]
    assert words[-2:] == ["-r", "/opt/projrun/requirements.lock"]
    assert "--require-hashes" in words
    written = tmp_path / "requirements.lock"
    written.write_text(text)
    assert pip(project, tmp_path / "image", *words[5:-1], written) == recorded(project)


def test_a_dockerfile_of_a_project_keeps_its_markers(project: Workspace, tmp_path: Path) -> None:
    (begin, _), text = dockerfile(export(project, None, "dockerfile"), tmp_path)
    assert begin == f"FROM python:{THIS_PYTHON}-slim"
    assert '; sys_platform == "win32"' in text


def test_a_dockerfile_of_a_long_lock_is_for_any_shell(project: Workspace, tmp_path: Path) -> None:
    first = (project.root / "requirements.lock").read_text()
    marker = """; sys_platform != "$HOME `id` it's %s" """.strip()
    rows = [f"thing-{number}==1.0 {marker} \\\n    --hash=sha256:{number:064x}\n" for number in range(3000)]
    project.repository.write("requirements.lock", first + "".join(rows))
    dockerfile_text = export(project, None, "dockerfile")
    _, text = dockerfile(dockerfile_text, tmp_path)
    assert text == export(project, None).split("\n", 2)[2]
    assert text.count("thing-") == 3000
    assert dockerfile_text.count("RUN printf") > 2


def test_a_dockerfile_allows_what_the_spec_allows_to_be_built(project: Workspace, tmp_path: Path) -> None:
    gamma = make_source_distribution(project.index.folder, "gamma")
    beta = project.index.folder / "beta-1.0-py3-none-any.whl"
    project.repository.write("requirements.lock", lock_of(beta, gamma))
    locked = f'{{python: "{THIS_PYTHON}", lock: requirements.lock, source_distributions: [gamma]}}'
    project.entry_point("python -c pass", environment=locked)
    project.run()
    (_, install), _ = dockerfile(export(project, "last", "dockerfile"), tmp_path)
    assert "--only-binary beta -r" in install
    packages = Pylock.from_dict(parse_toml(export(project, "last", "pylock"))).packages
    assert [(one.name, one.sdist is not None) for one in packages] == [("beta", False), ("gamma", True)]


def test_a_dockerfile_of_a_run_on_another_system_is_refused(project: Workspace) -> None:
    project.run()

    def on_a_mac(recipe: Any) -> None:
        recipe["environment"]["interpreter"]["markers"] |= {"sys_platform": "darwin", "platform_machine": "arm64"}

    change_recipe(project, on_a_mac)
    with pytest.raises(EnvironmentFailure, match="macos-arm64, which no image has"):
        export(project, "last", "dockerfile")
    assert export(project, "last")
    assert Pylock.from_dict(parse_toml(export(project, "last", "pylock")))


def test_an_image_of_nothing_installs_nothing(project: Workspace, tmp_path: Path) -> None:
    project.repository.write("requirements.lock", "# nothing\n")
    project.entry_point("python -c pass")
    project.run()
    instructions, text = dockerfile(export(project, "last", "dockerfile"), tmp_path)
    assert (len(instructions), text) == (1, "")
    for form in ("requirements", "pylock", "cyclonedx"):
        assert export(project, "last", form)


def test_musl_takes_the_image_that_has_it(project: Workspace) -> None:
    project.run()

    def on_alpine(recipe: Any) -> None:
        recipe["environment"]["interpreter"]["soabi"] = "cpython-311-x86_64-linux-musl"

    change_recipe(project, on_alpine)
    assert f"python:{THIS_PYTHON}-alpine\n" in export(project, "last", "dockerfile")
