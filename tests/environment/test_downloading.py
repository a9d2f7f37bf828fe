"""A Python that is missing is downloaded when that is allowed, and only then; uv's real download, from a file."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from projrun.core.errors import EnvironmentFailure
from projrun.environment.build import ensure
from projrun.environment.inventory import leftovers
from projrun.environment.model import EnvironmentPlan, Means
from projrun.environment.plan import plan
from projrun.locking import LockOptions, compile_lock
from tests.environment.conftest import Project
from tests.environment.pythons import THIS, downloads, pack
from tests.wheels import make_wheel


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    name = f"cpython-{THIS}+20240101-x86_64-unknown-linux-gnu-install_only.tar.gz"
    return pack(tmp_path_factory.mktemp("release") / "20240101" / name)


@pytest.fixture
def bare(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Project:
    """The project on a machine that has no Python, and downloads into a folder of its own."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    for name in ("PYENV_ROOT", "ASDF_DATA_DIR", "MISE_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("projrun.environment.places._SYSTEM", ())
    monkeypatch.setattr("projrun.environment.places._MACOS", ())
    monkeypatch.setattr("projrun.environment.places._OPT", tmp_path / "opt")
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "pythons"))
    project.lock(make_wheel(project.archives, "alpha"))
    return project


def planned(project: Project, means: Means) -> EnvironmentPlan:
    return plan(project.spec, project.root, means, project.report)


def test_nothing_is_downloaded_unless_it_is_allowed(bare: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", "/nowhere.json")
    for means in (Means(bare.cache), Means(bare.cache, offline=True, allow_download=True)):
        with pytest.raises(EnvironmentFailure, match=f"no Python {THIS} on this machine") as raised:
            planned(bare, means)
        assert "uv python install" in raised.value.hint
        assert "--allow-download" in raised.value.hint


@pytest.mark.slow
def test_a_lock_can_be_compiled_for_a_python_that_is_downloaded(
    bare: Project, monkeypatch: pytest.MonkeyPatch, archive: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", str(downloads(archive, tmp_path / "downloads.json")))
    bare.write(
        "ProjectSpec.yaml",
        f'version: 1\nname: bare\nenvironment: {{python: "{THIS}", requirements: requirements.in}}\n'
        "entry_points: {main: ls}\n",
    )
    bare.write("requirements.in", "alpha\n")
    (bare.root / "requirements.lock").unlink()
    with pytest.raises(EnvironmentFailure, match=f"no Python {THIS} on this machine"):
        compile_lock(LockOptions(bare.root, Means(bare.cache)), bare.report)
    compiled = compile_lock(LockOptions(bare.root, Means(bare.cache, allow_download=True)), bare.report)
    assert [change.name for change in compiled.changes] == ["alpha"]
    assert any(f"downloading Python {THIS}" in phase for phase in bare.report.phases)
    assert leftovers(bare.cache) == ()


def test_a_range_does_not_say_what_to_download(bare: Project) -> None:
    with pytest.raises(EnvironmentFailure, match="which to download is not said") as raised:
        planned(bare.having(python=">=3.10"), Means(bare.cache, allow_download=True))
    assert "name a series" in raised.value.hint


def test_a_download_that_fails_says_why(bare: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text("{}")
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", str(tmp_path / "none.json"))
    with pytest.raises(EnvironmentFailure, match=f"Python {THIS} cannot be downloaded") as raised:
        planned(bare, Means(bare.cache, allow_download=True))
    assert THIS in raised.value.why
    assert not list(bare.cache.rglob(".downloading-*"))


@pytest.mark.slow
def test_uv_downloads_what_is_missing_and_it_is_found_from_then_on(
    bare: Project, archive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", str(downloads(archive, tmp_path / "downloads.json")))
    means = Means(bare.cache, allow_download=True)
    made = ensure(planned(bare, means), means, bare.report)
    assert made.plan.interpreter.version == THIS
    assert made.plan.interpreter.path.is_relative_to(tmp_path / "pythons")
    assert [one.name for one in made.installed] == ["alpha"]
    assert f"downloading Python {THIS}, which is not on this machine" in bare.report.phases
    assert THIS in bare.report.output.decode()
    again = ensure(planned(bare, Means(bare.cache)), Means(bare.cache), bare.report)
    assert again.reused


@pytest.mark.slow
@pytest.mark.parametrize("builder", ["uv", "pip"])
def test_a_real_interpreter_of_conda_is_found_and_built_upon(
    bare: Project, archive: Path, hostile_environment: Path, builder: str
) -> None:
    prefix = hostile_environment / "miniforge3" / "envs" / "science"
    prefix.parent.mkdir(parents=True)
    with tarfile.open(archive) as tar:
        tar.extractall(prefix.parent, filter="tar")
    (prefix.parent / "python").rename(prefix)
    (prefix / "conda-meta").mkdir()
    made = bare.having(builder=builder).ensure()
    assert made.plan.interpreter.path.parent == prefix / "bin"
    assert [one.name for one in made.installed] == ["alpha"]
