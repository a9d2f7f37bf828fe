"""The set-up of a checkout, as far as it goes without an index."""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from pathlib import Path

import pytest

import dev

SERIES = f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_an_older_python_can_read_it_and_say_so() -> None:
    ast.parse(Path(dev.__file__).read_text(), feature_version=(3, 6))


def test_a_wheel_of_pip_installs_itself_into_an_environment_without_one(tmp_path: Path) -> None:
    found = importlib.util.find_spec("ensurepip")
    if found is None or found.origin is None:
        pytest.skip("this Python comes without ensurepip, and so without pip's wheel")
    bundled = Path(found.origin).parent / "_bundled"
    assert list(bundled.glob("pip-*.whl"))
    assert dev.with_wheel(tmp_path / "venv", dev.OWN_PYTHON, bundled)
    assert dev.quiet([tmp_path / "venv" / "bin" / "pip", "--version"])


def test_no_wheel_no_environment(tmp_path: Path) -> None:
    assert not dev.with_wheel(tmp_path / "venv", dev.OWN_PYTHON, tmp_path)
    assert not (tmp_path / "venv").exists()


def test_an_environment_fits_its_place_and_its_interpreter_only(tmp_path: Path) -> None:
    directory = tmp_path / "venv"
    assert dev.bare(directory, dev.OWN_PYTHON)
    (directory / "bin" / "pip").touch()
    identity = dev.describe(dev.OWN_PYTHON)
    assert dev.fits(directory, identity)
    assert not dev.fits(directory, ["3.10.99", "/elsewhere"])
    (directory / dev.STAMP).write_text(json.dumps({"directory": "/elsewhere/venv"}))
    assert not dev.fits(directory, identity)
    (directory / dev.STAMP).write_text("torn {")
    assert dev.fits(directory, identity)
    (directory / "bin" / "python").unlink()
    (directory / "bin" / "python").symlink_to("/nowhere/python3")
    assert not dev.fits(directory, identity)


def test_a_folder_that_is_no_environment_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").touch()
    with pytest.raises(SystemExit, match="in the way"):
        dev.make(tmp_path, dev.OWN_PYTHON)
    assert (tmp_path / "notes").exists()


def test_an_interpreter_of_pyenv_is_found_without_its_shim(
    hostile_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(hostile_environment))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    place = hostile_environment / ".pyenv" / "versions" / f"{SERIES}.0" / "bin"
    place.mkdir(parents=True)
    (place / f"python{SERIES}").symlink_to(dev.OWN_PYTHON)
    found = dev.interpreter(SERIES)
    assert found in (f"/usr/bin/python{SERIES}", str(place / f"python{SERIES}"))
    assert dev.interpreter("3.9999") is None


def test_what_leads_python_or_pip_elsewhere_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, "/elsewhere")
    assert "/elsewhere" not in {value for name, value in dev.variables().items() if name != "PIP_INDEX_URL"}
    assert dev.variables()["PIP_INDEX_URL"] == "/elsewhere"
