"""``projrun lock`` and ``projrun export-lock`` as they are typed."""

from __future__ import annotations

import pytest

from projrun.environment import lock
from tests.cli.conftest import LOCKED, THIS_PYTHON, Workspace
from tests.test_example_wine import CALLER
from tests.wheels import make_wheel

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_built")]

COMPILED = LOCKED.replace("}", ", requirements: requirements.in}")


@pytest.fixture
def compiled(workspace: Workspace) -> Workspace:
    """A project whose lock has not been compiled yet."""
    make_wheel(workspace.index.folder, "alpha", requires=["tinydep"])
    workspace.entry_point("python -c 'import alpha'", environment=COMPILED)
    workspace.repository.write("requirements.in", "alpha\n")
    (workspace.root / "requirements.lock").unlink()
    return workspace


def test_what_changed_is_printed_and_nothing_when_nothing_did(compiled: Workspace) -> None:
    first = compiled.projrun("lock", cwd=compiled.root / "data")
    assert (first.code, first.out) == (0, "added        alpha 1.0\nadded        tinydep 1.5\n")
    assert "lock         resolving requirements.in" in first.err
    assert compiled.projrun("lock", "-q").out == ""
    assert compiled.projrun("lock", "-q").err == ""
    compiled.run()


def test_a_lock_that_was_spoiled_is_mended_by_what_the_error_says(compiled: Workspace) -> None:
    compiled.projrun("lock")
    lock_file = compiled.root / "requirements.lock"
    good = lock_file.read_text()
    lock_file.write_text(f"!! what is this\n{good}")
    refused = compiled.projrun("run")
    assert (refused.code, "try: compile it again: projrun lock\n" in refused.err) == (113, True)
    mended = compiled.projrun("lock")
    assert (mended.code, mended.out) == (0, "")
    assert "requirements.lock is written anew, with the same versions" in mended.err
    assert lock_file.read_text() == good
    compiled.run()


def test_a_check_exits_with_113_and_names_the_lines(compiled: Workspace) -> None:
    compiled.projrun("lock")
    assert compiled.projrun("lock", "--check", "-q").code == 0
    compiled.repository.write("requirements.in", "tinydep\n")
    done = compiled.projrun("lock", "--check")
    assert done.code == 113
    assert done.out == ("requirements.lock:3:1: alpha 1.0 is needed by nothing that is asked for (projrun lock)\n")
    document = compiled.projrun("lock", "--check", "--json")
    assert document.code == 113
    assert [one["line"] for one in document.data["problems"]] == [3]
    assert document.data["written"] is False
    from_above = compiled.projrun("lock", "--check", "project", cwd=compiled.root.parent)
    assert from_above.out.startswith("project/requirements.lock:3:1: ")


def test_an_upgrade_is_told_as_data_too(compiled: Workspace) -> None:
    compiled.projrun("lock")
    make_wheel(compiled.index.folder, "tinydep", "1.6")
    done = compiled.projrun("lock", "--upgrade-package", "tinydep", "--json")
    assert done.data == {
        "lock": "requirements.lock",
        "written": True,
        "changes": [{"name": "tinydep", "before": ["1.5"], "after": ["1.6"], "detail": ""}],
        "problems": [],
        "to_add": None,
        "untold": None,
    }


def test_a_spec_without_a_lock_is_told_its_line(compiled: Workspace) -> None:
    compiled.entry_point("ls", environment=COMPILED.replace("lock: requirements.lock, ", ""))
    assert "add to the environment in ProjectSpec.yaml: lock: requirements.lock" in compiled.projrun("lock").err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--check", "--upgrade"], 2, "--check goes with no upgrade"),
        (["--platform", "linux"], 2, "there is no platform 'linux'"),
        (["--builder", "vu"], 2, "'vu' is not one of 'uv', 'pip'"),
        (["--offline", "--allow-download"], 2, "--allow-download does not go with --offline"),
        (["nowhere"], 111, "nowhere does not exist"),
    ],
)
def test_what_cannot_be_done_is_said(compiled: Workspace, words: list[str], code: int, message: str) -> None:
    done = compiled.projrun("lock", *words)
    assert done.code == code
    assert message in done.err
    assert not (compiled.root / "requirements.lock").exists()


def test_a_lock_is_exported_to_standard_output_or_a_file(compiled: Workspace) -> None:
    compiled.projrun("lock")
    compiled.run()
    text = compiled.projrun("export-lock", "last").out
    assert [one.name for one in lock.parse(text, "x")] == ["alpha", "tinydep"]
    target = compiled.home / "bill.json"
    target.write_text("old")
    done = compiled.projrun("export-lock", "--format", "cyclonedx", "-o", str(target))
    assert (done.code, done.out) == (0, "")
    assert '"bomFormat": "CycloneDX"' in target.read_text()
    assert compiled.projrun("export-lock", "last", "-o", "/dev/stdout").out == text
    refused = compiled.projrun("export-lock", "-o", str(compiled.home / "nowhere" / "x"))
    assert refused.code == 2
    assert "cannot be written" in refused.err
    assert compiled.projrun("export-lock", "zzzz").code == 2
    assert f"python {THIS_PYTHON}" in text


@pytest.mark.network
def test_a_lock_of_the_real_index_is_had_for_two_platforms(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    for name, value in CALLER.items():
        if name.startswith("UV_"):
            monkeypatch.setenv(name, value)
    workspace.entry_point("python -c 'import numpy'", environment=COMPILED)
    workspace.repository.write("requirements.in", "numpy\n")
    (workspace.root / "requirements.lock").unlink()
    done = workspace.projrun("lock", "--platform", "linux-x86_64", "--platform", "macos-arm64")
    assert done.code == 0, done.err
    text = (workspace.root / "requirements.lock").read_text()
    assert {one.name for one in lock.parse(text, "x")} == {"numpy"}
    assert "://" not in text
    assert workspace.projrun("lock", "--check").code == 0
    exported = workspace.projrun("export-lock", "--format", "pylock")
    assert 'name = "numpy"' in exported.out, exported.err
