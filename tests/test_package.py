"""What is shipped is whole: the schemas are in the wheel, in the sdist, and in a checkout."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from uv import find_uv_bin

from projrun.core.values import Struct
from projrun.environment.lock import parse, problems

# Under its other name, tomli, before Python 3.11.
tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

ROOT = Path(__file__).resolve().parent.parent
SCHEMAS = sorted(path.name for path in (ROOT / "schemas").glob("*.json"))


class Built(Struct, frozen=True):
    """Two wheels of one checkout: straight from it, and by way of the sdist."""

    direct: Path
    by_sdist: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    place = tmp_path_factory.mktemp("package")
    unwanted = shutil.ignore_patterns(".*cache", ".git", ".venv*", "__pycache__", "dist", ".hypothesis", "results")
    shutil.copytree(ROOT, place / "checkout", symlinks=True, ignore=unwanted)
    for words in (["--wheel", "--outdir", "direct"], ["--outdir", "both"]):
        done = subprocess.run(
            [sys.executable, "-m", "build", "--no-isolation", *words, "checkout"],
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return Built(*(next((place / folder).glob("*.whl")) for folder in ("direct", "both")))


def test_the_lock_of_the_checkout_is_whole_and_in_step() -> None:
    text = (ROOT / "requirements-dev.lock").read_text()
    assert problems(text, "requirements-dev.lock") == ()
    pins: dict[str, list[str]] = {}
    for line in parse(text, "requirements-dev.lock"):
        pins.setdefault(canonicalize_name(line.name), []).append(line.version)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for declared in (*project["project"]["dependencies"], *project["dependency-groups"]["dev"]):
        requirement = Requirement(declared)
        versions = pins[canonicalize_name(requirement.name)]
        assert all(requirement.specifier.contains(version) for version in versions), declared


def test_a_checkout_reads_the_public_schemas() -> None:
    assert {"project-spec.v1.json", "recipe.v1.json"} <= set(SCHEMAS)
    assert (ROOT / "projrun" / "schemas").is_symlink()
    for name in SCHEMAS:
        assert (ROOT / "projrun" / "schemas" / name).samefile(ROOT / "schemas" / name)


def test_the_wheel_by_way_of_the_sdist_is_the_same(built: Built) -> None:
    direct, by_sdist = zipfile.ZipFile(built.direct), zipfile.ZipFile(built.by_sdist)
    with direct, by_sdist:
        assert sorted(direct.namelist()) == sorted(by_sdist.namelist())
        for name in direct.namelist():
            assert direct.read(name) == by_sdist.read(name), name


def test_the_wheel_holds_the_package_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.direct) as wheel:
        names = set(wheel.namelist())
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "projrun").rglob("*.py")}
    assert modules | {"projrun/py.typed"} | {f"projrun/schemas/{name}" for name in SCHEMAS} <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"projrun"}


def test_an_installed_wheel_finds_its_schemas_and_starts(built: Built, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    install: list[str | Path] = [
        find_uv_bin(),
        "pip",
        "install",
        "-q",
        "--offline",
        "--no-index",
        "--no-deps",
        "--python",
        python,
    ]
    subprocess.run([*install, built.by_sdist], check=True)
    # What projrun depends on comes from here; a .pth file of a .pth file's folder is not read, so not projrun.
    site = next((tmp_path / "venv" / "lib").glob("python3*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    code = (
        "import json, pathlib, projrun; folder = pathlib.Path(projrun.__file__).parent / 'schemas'; "
        "print(json.dumps({path.name: json.loads(path.read_text()) for path in folder.glob('*.json')}))"
    )
    found = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == {
        name: json.loads((ROOT / "schemas" / name).read_text()) for name in SCHEMAS
    }

    projrun = python.with_name("projrun")
    version = subprocess.run([projrun, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert version.stdout.startswith("projrun ")
    checked = subprocess.run(
        [projrun, "check", ROOT / "examples" / "wine"], cwd=tmp_path, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stdout.decode() + checked.stderr.decode()
