"""A run sees the variables that the spec lets it see."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from projrun.core.errors import EnvironmentFailure
from projrun.environment.model import Environment, EnvironmentPlan, Interpreter
from projrun.environment.variables import ChildVariables, child_variables
from projrun.spec.model import EnvironmentSpec

BIN = Path("/envs/key/bin")


def environment(kind: str = "lock") -> Environment:
    interpreter = Interpreter(Path("/usr/bin/python3"), "3.11.7", "cpython", "", "", {})
    settings = {"VIRTUAL_ENV": str(BIN.parent)} if kind == "lock" else {}
    return Environment(EnvironmentPlan(kind, "key", {}, interpreter, None), BIN, (), True, settings)


@pytest.fixture(autouse=True)
def caller(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in {
        "HOME": "/home/someone",
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONPATH": "/somewhere",
        "PYTHONHASHSEED": "3",
        "LD_PRELOAD": "x.so",
        "LD_LIBRARY_PATH": "/lib",
        "AWS_KEY": "hunter2",
        "CUDA_VISIBLE_DEVICES": "1",
        "VIRTUAL_ENV": "/other",
        "CONDA_PREFIX": "/conda",
    }.items():
        monkeypatch.setenv(name, value)


def seen(spec: EnvironmentSpec, kind: str = "lock", **extra: str) -> ChildVariables:
    return child_variables(environment(kind), spec, extra)


def test_only_the_allow_list_comes_from_the_caller() -> None:
    assert dict(seen(EnvironmentSpec()).set) == {
        "HOME": "/home/someone",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PATH": "/envs/key/bin:/usr/bin:/bin",
        "VIRTUAL_ENV": "/envs/key",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def test_the_specs_variables_win_over_inherited_ones_and_projruns_own_over_both() -> None:
    spec = EnvironmentSpec(
        variables={"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "0", "A": "spec", "B": "spec"},
        inherit=("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "NOT_THERE"),
    )
    given = seen(spec, B="projrun").set
    assert given["TZ"] == "Asia/Tokyo"
    assert given["PYTHONHASHSEED"] == "0"
    assert (given["A"], given["B"]) == ("spec", "projrun")
    assert given["CUDA_VISIBLE_DEVICES"] == "1"
    assert given["LD_LIBRARY_PATH"] == "/lib"
    assert "NOT_THERE" not in given


def test_no_spec_lets_the_packages_of_the_users_home_in() -> None:
    assert seen(EnvironmentSpec(variables={"PYTHONNOUSERSITE": ""})).set["PYTHONNOUSERSITE"] == "1"


def test_the_environments_programs_come_first_whatever_path_the_spec_sets() -> None:
    assert seen(EnvironmentSpec(variables={"PATH": "/opt/tool"})).set["PATH"] == "/envs/key/bin:/opt/tool"


def test_without_a_path_the_systems_default_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATH")
    assert seen(EnvironmentSpec()).set["PATH"] == f"{BIN}:{os.defpath}"


def test_the_systems_own_folder_keeps_its_place_in_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"/tools:{BIN}")
    given = seen(EnvironmentSpec(system=True), kind="system").set
    assert given["PATH"] == f"/tools:{BIN}"
    assert "VIRTUAL_ENV" not in given
    assert given["PYTHONNOUSERSITE"] == "1"


def test_a_secret_is_named_and_its_value_is_nowhere() -> None:
    given = seen(EnvironmentSpec(secrets=("AWS_KEY",), inherit=("AWS_KEY",)))
    assert given.secrets == ("AWS_KEY",)
    assert "hunter2" not in str(given)


def test_a_secret_that_is_not_set_is_asked_for() -> None:
    with pytest.raises(EnvironmentFailure, match=r"TOKEN is not set") as raised:
        seen(EnvironmentSpec(secrets=("AWS_KEY", "TOKEN")))
    assert raised.value.hint == "export TOKEN=..."


def test_what_steers_python_cannot_be_inherited() -> None:
    with pytest.raises(EnvironmentFailure, match="PYTHONPATH cannot be inherited"):
        seen(EnvironmentSpec(inherit=("PYTHONPATH",)))
