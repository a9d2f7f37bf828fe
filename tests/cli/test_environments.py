"""Several environments in one project, chosen by an entry point or on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import THIS_PYTHON, Workspace
from tests.wheels import lock_of, make_wheel

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_built")]

SPEC = f"""\
version: 1
name: several
environments:
  default: {{python: "{THIS_PYTHON}", lock: requirements.lock, variables: {{WHERE: default}}}}
  other: {{python: "{THIS_PYTHON}", lock: other.lock, variables: {{WHERE: other}}, secrets: [TOKEN]}}
entry_points:
  main: python tell.py
  train: {{command: python tell.py, environment: other}}
"""

TELL = """\
import json, os, tinydep
print(json.dumps([tinydep.VERSION, os.environ["WHERE"], os.environ.get("TOKEN")]))
"""


@pytest.fixture
def several(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A project with two environments that differ in their lock, their variables and their secrets."""
    workspace.repository.write("other.lock", lock_of(make_wheel(tmp_path / "archives", "tinydep", "2.0")))
    workspace.repository.write("tell.py", TELL)
    workspace.spec(SPEC)
    workspace.publish()
    monkeypatch.setenv("TOKEN", "secret-of-other")
    return workspace


@pytest.mark.parametrize(
    ("words", "name", "version", "token"),
    [
        ((), "default", "1.5", None),
        (("-e", "train"), "other", "2.0", "*****"),
        (("--environment", "other"), "other", "2.0", "*****"),
        (("-e", "train", "--environment", "default"), "default", "1.5", None),
    ],
)
def test_an_entry_point_runs_in_the_one_it_names_unless_another_is_asked_for(
    several: Workspace, words: tuple[str, ...], name: str, version: str, token: str | None
) -> None:
    document = several.run(*words)
    environment = document["recipe"]["environment"]
    assert environment["name"] == name
    assert [(one["name"], one["version"]) for one in environment["installed"]] == [("tinydep", version)]
    told = json.loads(several.projrun("logs", "last", "-s", "stdout").out)
    assert told[:2] == [version, name]
    assert (told[2] is None) == (token is None)
    assert document["recipe"]["variables"]["secrets"] == (["TOKEN"] if token else [])
    assert "secret-of-other" not in json.dumps(document)


def test_a_secret_is_wanted_by_its_own_environment_alone(
    several: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOKEN")
    assert several.projrun("run").code == 0
    refused = several.projrun("run", "-e", "train")
    assert refused.code == 113
    assert "TOKEN" in refused.err


def test_an_unknown_environment_names_the_nearest(several: Workspace) -> None:
    for verb in (["run"], ["lock"], ["export-lock"], ["env", "build"]):
        done = several.projrun(*verb, "--environment", "othr")
        assert done.code == 2
        assert "there is no environment 'othr'" in done.err
        assert "the project declares default, other" in done.err
        assert done.err.endswith("try: --environment other\n")


def test_the_plan_and_the_record_name_it(several: Workspace) -> None:
    plan = several.projrun("run", "--dry-run", "--json", "-e", "train").data
    assert plan["environment"]["name"] == "other"
    assert "environment  other, built" in several.projrun("run", "-e", "train").err
    assert "other, lock " in several.projrun("show", "last").out


def test_check_looks_at_each_lock(several: Workspace) -> None:
    several.repository.write("other.lock", "tinydep==2.0\n")
    done = several.projrun("check")
    assert done.code == 111
    assert "other.lock:1:1: tinydep has no hash" in done.out + done.err


def test_a_strict_run_judges_the_one_it_would_use(several: Workspace) -> None:
    several.repository.write("other.lock", "tinydep==2.0\n")
    several.publish()
    assert several.projrun("run", "--strict").code == 0
    assert several.projrun("run", "--strict", "-e", "train").code == 113


def test_each_lock_is_compiled_checked_and_exported_by_the_name_of_its_environment(several: Workspace) -> None:
    several.repository.write("other.in", "tinydep>=2\n")
    several.spec(SPEC.replace("lock: other.lock", "lock: other.lock, requirements: other.in"))
    several.repository.write("other.lock", "tinydep==1.5\n")
    stale = several.projrun("lock", "--check", "--environment", "other")
    assert stale.code == 113
    assert "projrun lock --environment other" in stale.out + stale.err
    assert several.projrun("lock", "--environment", "other").code == 0
    exported = several.projrun("export-lock", "--environment", "other")
    assert "tinydep==2.0" in exported.out
    assert "tinydep==1.5" in several.projrun("export-lock").out
    unnamed = several.projrun("lock")
    assert unnamed.code == 113
    assert "environment.requirements" in unnamed.err


def test_a_lock_of_several_with_no_default_must_be_named(several: Workspace) -> None:
    text = SPEC.replace("  default:", "  first:").replace(
        "main: python", "main: {environment: first, command: python"
    )
    several.spec(text.replace("first, command: python tell.py", "first, command: python tell.py}"))
    done = several.projrun("lock")
    assert done.code == 2
    assert "the project declares first, other" in done.err
    assert "--environment first" in done.err


def test_env_verbs_take_the_name_of_an_environment(several: Workspace) -> None:
    built = several.projrun("env", "build", "--environment", "other")
    assert built.code == 0, built.err
    assert built.out.startswith("other, built")
    key = several.projrun("run", "--dry-run", "--json", "-e", "train").data["environment"]["key"]
    assert several.projrun("env", "show", "--json", "--environment", "other").data["key"] == key
    assert several.projrun("env", "verify", "--environment", "other").code == 0
    assert several.projrun("env", "verify").code == 113  # the default one is not built
    explained = several.projrun("env", "explain", key[:10], "--json")
    assert "lock: tinydep" in [change["what"] for change in explained.data["changes"]]
