"""The interpreter that is asked for is found wherever version tools keep theirs, and no other is taken for it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from projrun.core.errors import EnvironmentFailure, as_flag
from projrun.environment.interpreters import Wanted, find, installed
from projrun.environment.model import REFUSED

THIS = ".".join(map(str, sys.version_info[:3]))
SERIES = ".".join(map(str, sys.version_info[:2]))
REAL = Path(sys.executable).resolve()

Stand = Callable[..., Path]


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """Makes files that answer as an interpreter of some version would. PATH is empty but for a shell's."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    for name in ("PYENV_ROOT", "ASDF_DATA_DIR", "MISE_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("projrun.environment.places._SYSTEM", ())
    monkeypatch.setattr("projrun.environment.places._MACOS", ())
    monkeypatch.setattr("projrun.environment.places._OPT", tmp_path / "opt")

    def make(path: Path, version: str, **facts: object) -> Path:
        answer = {
            "version": version,
            "implementation": "cpython",
            "soabi": "abi",
            "platform": "here",
            "usual": True,
            "markers": {},
            **facts,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\necho asked >> {path.parent}/asked\necho '{json.dumps(answer)}'\n")
        path.chmod(0o755)
        return path

    return make


@pytest.mark.parametrize(
    ("wanted", "fitting", "not_fitting"),
    [
        ("3.11", ["3.11.0", "3.11.14"], ["3.1.11", "3.12.0", "3.11.0rc1"]),
        ("3.1", ["3.1.4"], ["3.11.4"]),
        ("3.11.7", ["3.11.7"], ["3.11.70", "3.11.8"]),
        ("3.15.0a1", ["3.15.0a1"], ["3.15.0a2", "3.15.0"]),
        (">=3.10,<3.13", ["3.10.0", "3.12.9"], ["3.9.9", "3.13.0", "3.12.0rc1"]),
        ("==3.11.*", ["3.11.4"], ["3.12.0"]),
    ],
)
def test_which_versions_fit(wanted: str, fitting: list[str], not_fitting: list[str]) -> None:
    assert [version for version in fitting + not_fitting if Wanted(wanted).fits(version)] == fitting


def test_a_text_that_is_no_version_is_refused(
    tmp_path: Path, stand_in: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(stand_in(tmp_path / "bin" / "python3", "3.11.0").parent))
    with pytest.raises(EnvironmentFailure, match="'three' is not a Python version"):
        find("three", tmp_path)


def test_this_interpreter_is_found_and_describes_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(REAL.parent))
    found = find(SERIES, tmp_path)
    assert found.path.exists()
    assert found.version.startswith(f"{SERIES}.")
    assert found.implementation == "cpython"
    from packaging.markers import default_environment

    exact = find(THIS, tmp_path)
    assert dict(exact.markers) == dict(default_environment())


@pytest.mark.parametrize(
    "place",
    [
        ".pyenv/versions/3.11.7",
        ".asdf/installs/python/3.11.7",
        ".local/share/mise/installs/python/3.11.7",
        ".local/share/uv/python/cpython-3.11.7-linux-x86_64-gnu",
        "miniconda3",
        "anaconda3/envs/work",
        "miniforge3/envs/work",
    ],
)
def test_the_own_folders_of_version_tools_are_searched(
    place: str, hostile_environment: Path, tmp_path: Path, stand_in: Stand
) -> None:
    executable = stand_in(hostile_environment / place / "bin" / "python3.11", "3.11.7")
    assert find("3.11", tmp_path).path == executable


@pytest.mark.parametrize(
    ("variable", "below"),
    [
        ("PYENV_ROOT", "versions/x/bin"),
        ("ASDF_DATA_DIR", "installs/python/x/bin"),
        ("MISE_DATA_DIR", "installs/python/x/bin"),
        ("UV_PYTHON_INSTALL_DIR", "x/bin"),
        ("XDG_DATA_HOME", "uv/python/x/bin"),
        ("CONDA_PREFIX", "bin"),
    ],
)
def test_version_tools_that_live_elsewhere_are_searched(
    variable: str, below: str, tmp_path: Path, stand_in: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "tool"))
    executable = stand_in(tmp_path / "tool" / below / "python3.11", "3.11.7")
    assert find("3.11.7", tmp_path).path == executable


def test_conda_environments_anywhere_are_found_by_condas_own_list(
    hostile_environment: Path, tmp_path: Path, stand_in: Stand
) -> None:
    executable = stand_in(tmp_path / "anywhere" / "bin" / "python3.11", "3.11.7")
    (hostile_environment / ".conda").mkdir()
    (hostile_environment / ".conda" / "environments.txt").write_text(f"/gone\n{tmp_path / 'anywhere'}\n")
    assert find("3.11", tmp_path).path == executable


def test_a_shim_is_never_run_and_what_it_hides_is_found(
    hostile_environment: Path, tmp_path: Path, stand_in: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    shims = stand_in(hostile_environment / ".pyenv" / "shims" / "python3.11", "3.11.99").parent
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "python3.11").symlink_to(shims / "python3.11")
    monkeypatch.setenv("PATH", f"{shims}:{linked}")
    hidden = stand_in(hostile_environment / ".pyenv" / "versions" / "3.11.7" / "bin" / "python3.11", "3.11.7")
    assert find("3.11", tmp_path).path == hidden
    assert not (shims / "asked").exists()


@pytest.mark.parametrize("below", ["versions", "installs/python"])
def test_a_version_tool_that_only_its_shims_on_path_tell_of_is_searched(
    below: str, tmp_path: Path, stand_in: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    shims = stand_in(tmp_path / "tool" / "shims" / "python3", "3.11.99").parent
    hidden = stand_in(tmp_path / "tool" / below / "3.11.7" / "bin" / "python3.11", "3.11.7")
    monkeypatch.setenv("PATH", f"{tmp_path / 'nothing'}:{shims}")
    assert find("3.11", tmp_path).path == hidden
    assert not (shims / "asked").exists()


def test_the_first_that_fits_on_path_comes_before_newer_ones_elsewhere(
    hostile_environment: Path, tmp_path: Path, stand_in: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = stand_in(hostile_environment / ".pyenv" / "versions" / "b" / "bin" / "python3.11", "3.11.12")
    stand_in(hostile_environment / ".pyenv" / "versions" / "a" / "bin" / "python3.11", "3.11.9")
    assert find("3.11", tmp_path).path == newest
    stand_in(tmp_path / "one" / "python3", "3.10.0")
    first = stand_in(tmp_path / "two" / "python3", "3.11.1")
    stand_in(tmp_path / "three" / "python3", "3.11.3")
    monkeypatch.setenv("PATH", f"{tmp_path}/one:{tmp_path}/two::{tmp_path}/three")
    assert find("3.11", tmp_path).path == first


def test_an_interpreter_is_asked_once_and_again_when_it_was_replaced(
    tmp_path: Path, stand_in: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable = stand_in(tmp_path / "bin" / "python3", "3.11.1")
    monkeypatch.setenv("PATH", str(executable.parent))
    asked = executable.parent / "asked"
    assert find("3.11", tmp_path) == find("3.11", tmp_path)
    assert asked.read_text() == "asked\n"
    stand_in(executable, "3.11.22")
    assert find("3.11", tmp_path).version == "3.11.22"
    (tmp_path / "interpreters.json").write_text("{broken")
    assert find("3.11", tmp_path).version == "3.11.22"


def test_names_that_promise_another_series_are_not_run(
    tmp_path: Path, stand_in: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = stand_in(tmp_path / "other" / "python3.9", "3.9.1")
    (other.parent / "python3").symlink_to(other)
    wanted = stand_in(tmp_path / "bin" / "python3.11", "3.11.1")
    monkeypatch.setenv("PATH", f"{other.parent}:{wanted.parent}")
    assert find("3.11", tmp_path).path == wanted
    assert not (other.parent / "asked").exists()


@pytest.mark.parametrize(
    "facts", [{"usual": False}, {"implementation": "pypy"}, {"version": "3.11.0rc1"}, {"version": None}]
)
def test_unusual_builds_are_not_chosen(
    facts: dict[str, object], tmp_path: Path, stand_in: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    unusual = stand_in(tmp_path / "a" / "python3", **{"version": "3.11.9", **facts})
    usual = stand_in(tmp_path / "b" / "python3", "3.11.1")
    monkeypatch.setenv("PATH", f"{unusual.parent}:{usual.parent}")
    assert find("3.11", tmp_path).path == usual


def test_a_broken_interpreter_is_passed_over(
    tmp_path: Path, stand_in: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = stand_in(tmp_path / "a" / "python3", "3.11.1")
    broken.write_text("#!/bin/sh\necho not json\nexit 1\n")
    (broken.parent / "python").symlink_to("python")
    (broken.parent / "python3.11").write_text("not a program")
    (broken.parent / "python3.11").chmod(0o755)
    good = stand_in(tmp_path / "b" / "python3", "3.11.2")
    monkeypatch.setenv("PATH", f"{broken.parent}:{good.parent}")
    assert find("3.11", tmp_path).path == good


@pytest.mark.parametrize("option", ["--symlinks", "--copies"])
def test_a_virtual_environment_stands_for_its_base(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv = tmp_path / "venv"
    subprocess.run([REAL, "-m", "venv", "--without-pip", option, venv], check=True)
    monkeypatch.setenv("PATH", str(venv / "bin"))
    assert find(THIS, tmp_path).path == REAL


def test_what_there_is_is_listed_when_nothing_fits(
    hostile_environment: Path, tmp_path: Path, stand_in: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = stand_in(tmp_path / "bin" / "python3", "3.9.1")
    new = stand_in(hostile_environment / ".pyenv" / "versions" / "3.13.0" / "bin" / "python3.13", "3.13.0")
    monkeypatch.setenv("PATH", str(old.parent))
    with pytest.raises(EnvironmentFailure, match=r"no Python 3\.11 on this machine") as raised:
        find("3.11", tmp_path)
    assert raised.value.why.split() == ["Found:", "3.9.1", str(old), "3.13.0", str(new)]
    assert "uv python install 3.11" in raised.value.hint
    flag = as_flag(REFUSED, raised.value)
    assert flag.message == "no Python 3.11 on this machine: found 3.9.1, 3.13.0"
    assert [one.version for one in installed(tmp_path)] == ["3.9.1", "3.13.0"]
    shutil.rmtree(new.parent)
    old.unlink()
    with pytest.raises(EnvironmentFailure) as raised:
        find("3.11", tmp_path)
    assert raised.value.why == "No Python was found on PATH or in the usual folders."


def test_a_library_that_was_replaced_under_an_interpreter_is_asked_again(
    tmp_path: Path, stand_in: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `pyenv install --force` of another version leaves it: the executable is the same, libpython is not."""
    library = tmp_path / "lib" / "libpython3.11.so.1.0"
    executable = stand_in(tmp_path / "bin" / "python3.11", "3.11.7", library=str(library))
    told = executable.read_text().partition("echo '")[2].removesuffix("'\n")
    executable.write_text(f"#!/bin/sh\n/bin/cat {library}\n")  # the version is that of the library
    library.parent.mkdir()
    library.write_text(told)
    monkeypatch.setenv("PATH", str(executable.parent))
    found = find("3.11", tmp_path)
    assert (found.version, found.library) == ("3.11.7", library)
    library.unlink()
    library.write_text(told.replace("3.11.7", "3.11.8") + "\n")
    assert find("3.11", tmp_path).version == "3.11.8"


def test_the_library_that_this_interpreter_loads_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sysconfig

    monkeypatch.setenv("PATH", str(REAL.parent))
    library = find(THIS, tmp_path).library
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        assert library is not None
        assert library.name == sysconfig.get_config_var("INSTSONAME")
    else:
        assert library is None
