"""``--strict``, ``strict: true`` and ``--dirty``: what is refused, and that nothing has happened by then."""

from __future__ import annotations

import hashlib
import marshal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import LOCKED, TABLE, TRAIN, Done, Workspace
from tests.cli.test_sources import checkouts, state
from tests.repositories import Repository
from tests.wheels import lock_of, make_wheel

pytestmark = pytest.mark.slow

EXACT = f"{{path: data/table.csv, sha256: {hashlib.sha256(TABLE.encode()).hexdigest()}}}"


@pytest.mark.usefixtures("nothing_built")
def refused(workspace: Workspace, *words: str) -> tuple[int, list[str], Done]:
    """Exit code and reasons of a run that is refused, with nothing built, recorded or left behind."""
    before = state(workspace)
    done = workspace.projrun("run", "--json", *words)
    assert not (workspace.store / "runs").exists()
    assert workspace.index.requests == []
    assert checkouts(workspace) == []
    assert state(workspace) == before
    error = done.data["error"]
    assert error["kind"] == "strict"
    assert error["exit_code"] == done.code
    for reason in error["reasons"]:
        assert reason["message"] in done.err
        assert reason["mend"]
        assert reason["mend"] in done.err
    return done.code, [reason["code"] for reason in error["reasons"]], done


def of_environment(environment: str) -> Callable[[Workspace], None]:
    def change(workspace: Workspace) -> None:
        text = (workspace.root / "ProjectSpec.yaml").read_text()
        workspace.spec(text.replace(LOCKED, environment))
        workspace.repository.write("requirements.in", "tinydep>=2\n")
        workspace.publish()

    return change


def edit(workspace: Workspace) -> None:
    workspace.repository.write("train.py", TRAIN + "# edited\n")
    workspace.repository.write("new.py", "")


def commit_only(workspace: Workspace) -> None:
    edit(workspace)
    workspace.repository.commit()


def unhash(workspace: Workspace) -> None:
    workspace.repository.write("requirements.lock", "tinydep==1.5\n")
    workspace.publish()


def unpin(workspace: Workspace) -> None:
    text = (workspace.root / "ProjectSpec.yaml").read_text()
    workspace.spec(text.replace(EXACT, "data/table.csv"))
    workspace.publish()


def alter(workspace: Workspace) -> None:
    workspace.repository.write("data/table.csv", "a,b\n9,9\n")
    workspace.publish()


def remove(workspace: Workspace) -> None:
    workspace.repository.git("rm", "-q", "data/table.csv")
    workspace.publish()


@pytest.mark.parametrize(
    ("change", "code", "reason", "named"),
    [
        (edit, 112, "dirty", ["train.py", "new.py", "git add -A && git commit"]),
        (commit_only, 112, "unpushed", ["git push"]),
        (of_environment("{system: true}"), 113, "system-environment", ["lock: requirements.lock"]),
        (
            of_environment(LOCKED.replace("lock: requirements.lock", "requirements: requirements.in")),
            113,
            "lock-missing",
            ["projrun lock"],
        ),
        (
            of_environment(LOCKED.replace("}", ", requirements: requirements.in}")),
            113,
            "lock-out-of-step",
            ["requirements.in:1", "projrun lock"],
        ),
        (
            of_environment('{python: ">=3.10", lock: requirements.lock}'),
            113,
            "interpreter-range",
            ["ProjectSpec.yaml"],
        ),
        (unhash, 113, "environment-refused", ["requirements.lock:1", "no hash", "projrun lock"]),
        (of_environment('{python: "2.1", lock: requirements.lock}'), 113, "environment-refused", ["2.1"]),
        (unpin, 114, "input-unpinned", ["projrun data pin table"]),
        (alter, 114, "input-refused", ["pin"]),
        (remove, 114, "input-refused", ["data/table.csv"]),
    ],
)
def test_each_reason_alone_is_refused_with_what_mends_it(
    workspace: Workspace, change: Callable[[Workspace], None], code: int, reason: str, named: list[str]
) -> None:
    change(workspace)
    found, reasons, done = refused(workspace, "--strict")
    assert (found, reasons) == (code, [reason])
    for words in named:
        assert words in done.err


def test_all_reasons_are_listed_at_once_in_the_order_of_the_stages(workspace: Workspace) -> None:
    unpin(workspace)
    of_environment('{python: ">=3.10", requirements: requirements.in}')(workspace)
    commit_only(workspace)
    workspace.repository.write("free.py", "edited")
    code, reasons, done = refused(workspace, "--strict")
    assert code == 112
    assert reasons == ["unpushed", "dirty", "interpreter-range", "lock-missing", "input-unpinned"]
    assert "5 things keep it" in done.err


def test_one_fault_of_the_environment_hides_no_other(workspace: Workspace) -> None:
    of_environment('{python: ">=3.10", lock: requirements.lock, requirements: requirements.in}')(workspace)
    unhash(workspace)
    _, reasons, done = refused(workspace, "--strict")
    assert reasons == ["environment-refused", "interpreter-range", "lock-out-of-step"]
    assert "tinydep has no hash" in done.err
    assert "requirements.in:1:1: tinydep>=2 is asked for, but requirements.lock:1 pins 1.5" in done.err


def test_an_interpreter_that_is_missing_hides_no_fault_of_the_lock(workspace: Workspace) -> None:
    of_environment('{python: "2.1", lock: requirements.lock, requirements: requirements.in}')(workspace)
    unhash(workspace)
    _, reasons, done = refused(workspace, "--strict")
    assert reasons == ["environment-refused", "environment-refused", "lock-out-of-step"]
    assert "no Python 2.1" in done.err
    assert "tinydep has no hash" in done.err


def test_a_plan_lists_an_unpinned_input_beside_one_that_is_missing(workspace: Workspace) -> None:
    text = (workspace.root / "ProjectSpec.yaml").read_text()
    workspace.spec(text.replace(f"table: {EXACT}", "table: data/table.csv\n  more: data/more.csv"))
    workspace.entry_point("python free.py", more="data: {table: data/table.csv, more: data/more.csv}\n")
    plan = workspace.projrun("run", "--dry-run", "--json").data
    assert [flag["code"] for flag in plan["flags"] if flag["code"].startswith("input")] == [
        "input-unpinned",
        "input-refused",
    ]
    assert [found["path"] for found in plan["inputs"]] == ["data/table.csv"]


def test_a_repository_is_asked_for(workspace: Workspace) -> None:
    subprocess.run(["rm", "-rf", str(workspace.root / ".git")], check=True)
    done = workspace.projrun("run", "--strict")
    assert done.code == 112
    assert "git init" in done.err
    assert not workspace.store.exists()


def test_what_is_in_order_runs_in_a_private_checkout(workspace: Workspace) -> None:
    before = state(workspace)
    document = workspace.run("--strict")
    assert document["recipe"]["flags"] == document["outcome"]["flags"] == []
    source = document["recipe"]["source"]
    assert source["checkout"]
    assert source["commit"] == workspace.repository.git("rev-parse", "HEAD")
    assert source["branch"] == "main"
    assert source["remote_branch"] == "origin/main"
    assert source["snapshot"] is None
    assert state(workspace) == before
    assert all(one["object"] for one in document["outcome"]["outputs"])


def test_bytecode_that_was_put_into_the_environment_is_not_run(workspace: Workspace) -> None:
    """Python trusts a .pyc whose header fits, so a run for the record takes none that was there before."""
    assert "training with 1.5" in workspace.projrun("run").out
    (bytecode,) = workspace.home.rglob("site-packages/tinydep/__pycache__/*.pyc")
    code = compile("VERSION = 'replaced'", "tinydep", "exec")
    bytecode.write_bytes(bytecode.read_bytes()[:16] + marshal.dumps(code))
    assert "training with replaced" in workspace.projrun("run").out
    document = workspace.run("--strict")
    log = workspace.projrun("logs", "-s", "stdout").out
    assert log == "training with 1.5\n"
    run = workspace.store / "runs" / document["run"]
    assert document["recipe"]["variables"]["base"]["PYTHONPYCACHEPREFIX"] == str(run / "bytecode")
    assert not (run / "bytecode").exists(), "it is removed when the program has ended"
    verified = workspace.projrun("env", "verify", "--json")
    assert [finding["kind"] for finding in verified.data["findings"]] == ["bytecode"]
    assert bytecode.name in verified.data["findings"][0]["path"]


def test_the_spec_cannot_lead_a_strict_run_to_kept_bytecode(workspace: Workspace) -> None:
    variables = "{PYTHONPYCACHEPREFIX: kept, PYTHONDONTWRITEBYTECODE: '1'}"
    text = (workspace.root / "ProjectSpec.yaml").read_text()
    workspace.spec(text.replace("lock: requirements.lock", f"lock: requirements.lock, variables: {variables}"))
    commit_only(workspace)
    document = workspace.run("--strict", "--allow-unpushed")
    recorded = document["recipe"]["variables"]["set"]
    assert recorded["PYTHONPYCACHEPREFIX"].endswith(f"/{document['run']}/bytecode")
    assert recorded["PYTHONDONTWRITEBYTECODE"] == "1"


def test_a_commit_on_no_remote_can_be_allowed_and_is_kept(workspace: Workspace) -> None:
    commit_only(workspace)
    document = workspace.run("--strict", "--allow-unpushed")
    assert [flag["code"] for flag in document["recipe"]["flags"]] == ["unpushed"]
    assert document["recipe"]["source"]["snapshot"]
    workspace.repository.write("free.py", "edited")
    done = workspace.projrun("run", "--strict", "--allow-unpushed")
    assert done.code == 112
    assert "git push" not in done.err


def test_the_projects_rule_cannot_be_switched_off(workspace: Workspace) -> None:
    text = (workspace.root / "ProjectSpec.yaml").read_text()
    workspace.spec(text.replace("name: tiny\n", "name: tiny\nstrict: true\n"))
    workspace.publish()
    edit(workspace)
    for words in ((), ("--dirty", "flag")):
        code, reasons, done = refused(workspace, *words)
        assert (code, reasons) == (112, ["dirty"])
        assert "strict: true" in done.err
    workspace.publish()
    assert workspace.run()["recipe"]["source"]["checkout"]


def test_one_policy_alone_refuses_a_dirty_tree_and_nothing_else(workspace: Workspace) -> None:
    unpin(workspace)
    commit_only(workspace)
    document = workspace.run("--dirty", "refuse")
    assert [flag["code"] for flag in document["recipe"]["flags"]] == ["unpushed", "input-unpinned"]
    assert not document["recipe"]["source"]["checkout"]
    edit(workspace)
    workspace.repository.write("free.py", "edited")
    done = workspace.projrun("run", "--dirty", "refuse")
    assert done.code == 112
    assert "free.py" in done.err


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        (commit_only, 112, "unpushed"),
        (of_environment(LOCKED.replace("}", ", requirements: requirements.in}")), 113, "lock-out-of-step"),
        (of_environment('{python: ">=3.10", lock: requirements.lock}'), 113, "interpreter-range"),
        (unpin, 114, "input-unpinned"),
    ],
)
def test_each_policy_can_be_set_alone(
    workspace: Workspace, change: Callable[[Workspace], None], code: int, reason: str
) -> None:
    change(workspace)
    workspace.repository.write("free.py", "edited")  # dirty, which nobody minds here
    found, reasons, done = refused(workspace, "--refuse", reason)
    assert (found, reasons) == (code, [reason])
    assert f"--refuse {reason} was asked for" in done.err
    assert workspace.run("--refuse", "no-commit", "--refuse", "system-environment")["recipe"]["source"]["dirty"]


def test_an_unknown_policy_names_those_that_there_are(workspace: Workspace) -> None:
    done = workspace.projrun("run", "--refuse", "unpined")
    assert done.code == 2
    assert "input-unpinned" in done.err


def test_a_dry_run_tells_the_reasons_and_refuses_nothing(workspace: Workspace) -> None:
    edit(workspace)
    unpin_text = (workspace.root / "ProjectSpec.yaml").read_text().replace(EXACT, "data/table.csv")
    workspace.spec(unpin_text)
    plan = workspace.projrun("run", "--dry-run", "--strict", "--json")
    assert plan.code == 0
    assert [reason["code"] for reason in plan.data["refused"]] == ["dirty", "input-unpinned"]
    assert "refused" in workspace.projrun("run", "--dry-run", "--strict").out
    assert workspace.projrun("run", "--dry-run", "--json").data["refused"] == []
    assert not workspace.store.exists()


@pytest.mark.parametrize("words", [("-v", "HEAD"), ("address",)])
def test_a_version_can_be_strict_whatever_the_own_tree_is(workspace: Workspace, words: tuple[str, ...]) -> None:
    edit(workspace)
    given = [f"file://{workspace.root.parent}/remote.git" if word == "address" else word for word in words]
    assert workspace.run("--strict", *given)["recipe"]["flags"] == []
    workspace.publish()
    unpin(workspace)
    given = [f"file://{workspace.root.parent}/remote.git" if word == "address" else word for word in words]
    done = workspace.projrun("run", "--strict", *given)
    assert done.code == 114
    assert "has no pin" in done.err
    assert checkouts(workspace) == []


def test_in_ci_the_default_is_to_flag_and_the_summary_names_every_flag(workspace: Workspace) -> None:
    unpin(workspace)
    edit(workspace)
    done = workspace.projrun("run", variables={"CI": "true"})
    assert done.code == 0
    assert "flagged      2 files not committed: " in done.err
    assert "has no pin" in done.err


def slow_build(workspace: Workspace, *words: str) -> subprocess.Popen[bytes]:
    """A run whose environment is being built, and waits for the index."""
    workspace.index.stall()
    process = workspace.start("run", "-q", "-e", "free", *words)
    assert workspace.index.asked_for_archive.wait(60)
    return process


@pytest.mark.usefixtures("nothing_built")
@pytest.mark.parametrize("words", [("--strict",), ("-v", "HEAD")])
def test_an_edit_during_the_build_never_reaches_a_private_checkout(
    workspace: Workspace, words: tuple[str, ...]
) -> None:
    process = slow_build(workspace, *words)
    workspace.repository.write("free.py", "print('edited')\n")
    workspace.index.may_send.set()
    out, err = process.communicate()
    assert (process.returncode, out) == (0, b"free\n"), err.decode()
    last = workspace.last()
    assert last["outcome"]["flags"] == []
    assert last["recipe"]["source"]["changes"] == []


@pytest.mark.usefixtures("nothing_built")
def test_an_edit_during_the_build_of_a_run_in_place_is_flagged(workspace: Workspace) -> None:
    process = slow_build(workspace)
    workspace.repository.write("free.py", "print('edited')\n")
    workspace.index.may_send.set()
    out, err = process.communicate()
    assert (process.returncode, out) == (0, b"edited\n"), err.decode()
    flags = workspace.last()["outcome"]["flags"]
    assert [flag["code"] for flag in flags] == ["tree-changed"]
    assert "free.py" in flags[0]["message"]


def lose(workspace: Workspace, remote: Path) -> None:
    """The remote's branch goes back to the first commit, and nobody fetches that."""
    old = workspace.repository.git("rev-parse", "HEAD")
    edit(workspace)
    workspace.publish()
    subprocess.run(["git", "-C", remote, "update-ref", "refs/heads/main", old], check=True)


def test_a_commit_that_its_remote_lost_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    lose(workspace, tmp_path / "remote.git")
    code, reasons, done = refused(workspace, "--strict")
    assert (code, reasons) == (112, ["unpushed"])
    assert "is no longer on" in done.err
    assert str(tmp_path / "remote.git") in done.err
    plan = workspace.projrun("run", "--dry-run", "--strict", "--json").data
    assert [reason["code"] for reason in plan["refused"]] == ["unpushed"]
    code, reasons, _ = refused(workspace, "--refuse", "unpushed")
    assert (code, reasons) == (112, ["unpushed"])


def test_a_commit_that_its_remote_lost_is_kept_when_it_is_allowed(workspace: Workspace, tmp_path: Path) -> None:
    lose(workspace, tmp_path / "remote.git")
    document = workspace.run("--strict", "--allow-unpushed")
    source = document["recipe"]["source"]
    assert (source["pushed"], source["remote_branch"]) == (False, None)
    assert [flag["code"] for flag in document["recipe"]["flags"]] == ["unpushed"]
    subprocess.run(["rm", "-rf", workspace.root, tmp_path / "remote.git"], check=True)
    done = workspace.projrun("restore", document["run"], str(tmp_path / "back"), cwd=tmp_path)
    assert done.code == 0, done.err
    assert "# edited" in (tmp_path / "back/train.py").read_text()


def test_a_commit_is_had_back_by_what_is_told_to_type(workspace: Workspace, tmp_path: Path) -> None:
    lose(workspace, tmp_path / "remote.git")
    _, _, done = refused(workspace, "--strict")
    (mend,) = [reason["mend"] for reason in done.data["error"]["reasons"]]
    subprocess.run(mend, shell=True, cwd=workspace.root, check=True)
    assert workspace.projrun("run", "--strict").code == 0


def test_what_was_not_asked_is_said_in_the_record(workspace: Workspace) -> None:
    workspace.run()  # the packages are there
    document = workspace.run("--strict", "--offline")
    assert [flag["code"] for flag in document["recipe"]["flags"]] == ["remote-unasked"]


def test_a_submodule_whose_remote_lost_its_commit_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    inner = Repository.create(tmp_path / "inner")
    inner.write("a.txt", "1")
    inner.commit()
    inner.push_to(tmp_path / "inner.git")
    git = ("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(tmp_path / "inner.git"), "lib")
    workspace.repository.git(*git)
    workspace.publish()
    assert workspace.projrun("run", "--strict").code == 0
    inner.git("commit", "-q", "--amend", "-m", "rewritten")
    inner.git("push", "-q", "-f", "origin", "HEAD:main")
    before = state(workspace)
    done = workspace.projrun("run", "--strict", "--json")
    assert done.code == 112
    (reason,) = done.data["error"]["reasons"]
    assert reason["code"] == "unpushed"
    assert "of submodule lib is no longer on" in reason["message"]
    subprocess.run(reason["mend"], shell=True, cwd=workspace.root, check=True)
    assert workspace.projrun("run", "--strict").code == 0
    assert state(workspace) == before


def test_a_dry_run_judges_what_would_run(workspace: Workspace) -> None:
    """A lock that git ignores is here and not in the private checkout of a strict run."""
    workspace.repository.git("rm", "-q", "--cached", "requirements.lock")
    workspace.repository.write(".gitignore", "results/\nrequirements.lock\n")
    workspace.publish()
    plan = workspace.projrun("run", "--dry-run", "--strict", "--json").data
    code, reasons, _ = refused(workspace, "--strict")
    assert (code, reasons) == (113, ["environment-refused"])
    assert [reason["code"] for reason in plan["refused"]] == reasons


def test_a_remote_that_cannot_be_asked_is_no_reason_to_believe(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "remote.git").rename(tmp_path / "elsewhere.git")
    code, reasons, done = refused(workspace, "--strict")
    assert (code, reasons) == (112, ["unpushed"])
    assert "cannot be told" in done.err
    assert "--offline" in done.err
    assert workspace.projrun("run").code == 0


def test_an_edit_deep_in_the_environment_is_found_by_a_strict_run(workspace: Workspace, tmp_path: Path) -> None:
    files = {f"tinydep/deep/part{number}.py": "" for number in range(1100)}
    wheel = make_wheel(
        tmp_path / "archives", "tinydep", "1.5", files={**files, "tinydep/deep/er/last.py": "x = 1\n"}
    )
    workspace.repository.write("requirements.lock", lock_of(wheel))
    workspace.publish()
    workspace.run()
    (last,) = (workspace.home / "cache/environments").glob("*/lib/*/site-packages/tinydep/deep/er/last.py")
    with last.open("r+") as file:  # in place: no directory changes
        file.write("y")
    done = workspace.projrun("run", "--strict")
    assert done.code == 0, done.err
    assert "tinydep/deep/er/last.py was altered since it was built" in done.err
    assert "environment-rebuilt" in [flag["code"] for flag in workspace.last()["recipe"]["flags"]]
    assert last.read_text() == "x = 1\n"


@pytest.mark.parametrize("detached", [False, True])
def test_what_is_told_to_type_mends_a_tree_with_outputs_for_good(workspace: Workspace, detached: bool) -> None:
    """Committed outputs would be dirty again after each run; there may be no upstream, and no branch."""
    workspace.repository.write(".gitignore", "")
    workspace.publish()
    workspace.repository.git(*(("checkout", "-q", "--detach") if detached else ("checkout", "-q", "-b", "new")))
    workspace.run()
    workspace.repository.write("free.py", "print('edited')\n")
    for _ in range(2):
        done = workspace.projrun("run", "--strict", "--json")
        if done.code == 0:
            break
        for reason in reversed(done.data["error"]["reasons"]):
            mend = reason["mend"].replace("git commit", "git commit -q -m mended")
            subprocess.run(mend, shell=True, cwd=workspace.root, check=True)
    workspace.run()
    assert workspace.projrun("run", "--strict").code == 0
    assert workspace.repository.git("ls-files", "results") == ""


def test_several_reasons_are_told_in_an_order_to_type_them_in(workspace: Workspace) -> None:
    unpin(workspace)
    edit(workspace)
    _, _, done = refused(workspace, "--strict")
    assert "mend them from the last to the first" in done.err
