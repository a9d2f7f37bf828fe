"""``projrun run ADDRESS`` and ``-v REF``: any commit of any repository, and never in the user's own tree."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import TRAIN, Workspace
from tests.git_servers import http_server, ssh_server
from tests.repositories import Repository
from tests.source.checkouts import needs_lfs

pytestmark = pytest.mark.slow

SAY = "print('{}')\n"
LFS = shutil.which("git-lfs")
# Everything that a run must leave as it was.
State = dict[str, object]


def address(workspace: Workspace) -> str:
    return f"file://{workspace.root.parent}/remote.git"


def release(workspace: Workspace, word: str) -> str:
    """A pushed commit whose entry point ``free`` says ``word``."""
    workspace.repository.write("free.py", SAY.format(word))
    return workspace.publish()


def state(workspace: Workspace) -> State:
    """The user's files, index, refs, configuration and work trees."""
    files = {
        str(path.relative_to(workspace.root)): (path.lstat().st_mtime_ns, path.read_bytes())
        for path in sorted(workspace.root.rglob("*"))
        if path.is_file() and "objects" not in path.parts
    }
    return {**files, "refs": workspace.repository.git("for-each-ref")}


def checkouts(workspace: Workspace) -> list[Path]:
    folder = workspace.home / "cache/checkouts"
    return [path for path in folder.iterdir() if path.is_dir()] if folder.exists() else []


def source_of(document: Any) -> Any:
    return document["recipe"]["source"]


@pytest.fixture
def history(workspace: Workspace) -> dict[str, str]:
    """Commits that say one, two and three: ``v1`` is an annotated tag of one, ``side`` a branch at two."""
    commits = {"one": release(workspace, "one")}
    workspace.repository.git("tag", "-a", "-m", "the first", "v1")
    commits["two"] = release(workspace, "two")
    workspace.repository.git("branch", "side")
    commits["three"] = release(workspace, "three")
    workspace.repository.git("push", "-q", "origin", "v1", "side")
    return commits


@pytest.mark.parametrize("here", [True, False], ids=["own directory", "address"])
def test_every_kind_of_ref_runs_its_commit(workspace: Workspace, history: dict[str, str], here: bool) -> None:
    source = "." if here else address(workspace)
    before = state(workspace)
    refs = {
        "v1": ("one", "tag"),
        "side": ("two", "branch"),
        history["one"]: ("one", "commit"),
        history["two"][:8]: ("two", "commit"),
        history["one"][:10].upper(): ("one", "commit"),
        "HEAD~2": ("one", "expression"),
        "v1^{commit}": ("one", "expression"),
        "HEAD": ("three", "default"),
    }
    for ref, (word, kind) in refs.items():
        document = workspace.run(source, "-v", ref, "-e", "free")
        recorded = source_of(document)
        assert recorded["commit"] == history[word], ref
        assert (recorded["ref"], recorded["resolved_as"], recorded["checkout"]) == (ref, kind, True)
        assert recorded["address"] == (None if here else address(workspace))
        assert document["recipe"]["flags"] == document["outcome"]["flags"] == []
        assert workspace.projrun("logs", document["run"], "-s", "stdout").out == f"{word}\n"
    assert state(workspace) == before
    assert checkouts(workspace) == []


def test_an_address_without_a_version_is_its_head(workspace: Workspace, history: dict[str, str]) -> None:
    workspace.repository.write("free.py", "not pushed, not committed")
    document = workspace.run(address(workspace), "-e", "free")
    assert source_of(document)["commit"] == history["three"]
    assert source_of(document)["branch"] == "main"
    assert source_of(document)["remote"] == address(workspace)
    assert document["recipe"]["spec"]["root"] == address(workspace)


def test_the_same_project_has_its_runs_together_wherever_they_ran(workspace: Workspace) -> None:
    workspace.run("-e", "free")
    workspace.run("-v", "HEAD", "-e", "free")
    assert len(workspace.projrun("runs", "--json").data) == 2


@pytest.mark.parametrize("form", ["remote.git", "file"])
def test_a_bare_repository_and_its_subdirectory(workspace: Workspace, tmp_path: Path, form: str) -> None:
    inner = workspace.root / "deep/project"
    inner.mkdir(parents=True)
    for name in ("ProjectSpec.yaml", "requirements.lock", "data", "train.py"):
        path = workspace.root / name
        (shutil.copytree if path.is_dir() else shutil.copy)(path, inner / name)
    (inner / "free.py").write_text(SAY.format("from below"))
    workspace.publish()
    bare = str(tmp_path / "remote.git") if form == "remote.git" else address(workspace)
    for words in ([f"{bare}#deep/project"], [bare, "--subdirectory", "deep/project"]):
        document = workspace.run(*words, "-e", "free")
        assert source_of(document)["subdirectory"] == "deep/project"
        assert document["recipe"]["spec"]["root"].endswith("remote.git#deep/project")
        assert workspace.projrun("logs", document["run"], "-s", "stdout").out == "from below\n"
    assert workspace.projrun("run", "-v", "HEAD", "-q", "-e", "free", cwd=inner).out == "from below\n"
    # Wherever it is typed, --subdirectory counts from the root of the repository.
    words = ["--subdirectory", "deep/project", "-q", "-e", "free"]
    assert workspace.projrun("run", *words, cwd=inner).out == "from below\n"


def test_where_there_is_no_project_the_nearest_are_named(workspace: Workspace, tmp_path: Path) -> None:
    outer = Repository.create(tmp_path / "outer")
    outer.write("inner/ProjectSpec.yaml", "version: 1\n")
    outer.commit()
    done = workspace.projrun("run", str(outer.path), "-v", "HEAD")
    assert done.code == 111
    assert "there is no ProjectSpec.yaml in commit" in done.err
    assert "--subdirectory inner" in done.err
    plain = workspace.projrun("run", cwd=outer.path)
    assert plain.code == 111
    assert "there is one in inner" in plain.err
    assert "projrun run inner" in plain.err
    broken = workspace.projrun("run", str(outer.path), "-v", "HEAD", "--subdirectory", "inner")
    assert broken.code == 111
    assert f"{outer.path}@{outer.git('rev-parse', 'HEAD')[:10]}:inner/ProjectSpec.yaml" in broken.err
    assert "checkouts" not in done.err + broken.err
    assert not workspace.store.exists()


def test_a_ref_that_is_missing_or_ambiguous_names_what_there_is(
    workspace: Workspace, history: dict[str, str]
) -> None:
    workspace.repository.git("tag", "side", history["one"])
    for source in (".", address(workspace)):
        missing = workspace.projrun("run", source, "-v", "sied")
        assert missing.code == 112
        assert "side" in missing.err
    ambiguous = workspace.projrun("run", "-v", "side")
    assert ambiguous.code == 112
    assert "refs/heads/side" in ambiguous.err
    assert "refs/tags/side" in ambiguous.err
    assert workspace.run("-v", "refs/heads/side", "-e", "free")["recipe"]["source"]["commit"] == history["two"]
    assert workspace.projrun("run", "-v", "--upload-pack=touch /tmp/x").code == 112
    assert workspace.projrun("run", "ext::sh -c true").code == 112


def test_an_older_commit_is_run_while_the_tree_is_dirty(workspace: Workspace, history: dict[str, str]) -> None:
    workspace.repository.write("free.py", "raise SystemExit('edited')\n")
    workspace.repository.write("new.py", "x = 1\n")
    workspace.repository.git("add", "free.py")
    before = state(workspace)
    document = workspace.run("-v", "v1", "-e", "free")
    assert document["recipe"]["flags"] == []
    assert source_of(document)["changes"] == []
    assert state(workspace) == before


def test_a_commit_that_is_on_no_remote_is_flagged_and_kept(workspace: Workspace, tmp_path: Path) -> None:
    workspace.repository.write("free.py", SAY.format("mine"))
    commit = workspace.repository.commit()
    document = workspace.run("-v", commit, "-e", "free")
    assert [flag["code"] for flag in document["recipe"]["flags"]] == ["unpushed"]
    assert source_of(document)["snapshot"]
    assert list((workspace.store / "sources.git/indexes").iterdir()) == []
    workspace.repository.git("reset", "-q", "--hard", "HEAD~1")
    assert workspace.projrun("restore", "last", str(tmp_path / "back")).code == 0
    assert (tmp_path / "back/free.py").read_text() == SAY.format("mine")


def test_runs_of_one_address_at_the_same_time_do_not_collide(
    workspace: Workspace, history: dict[str, str]
) -> None:
    words = ("run", "-q", address(workspace), "-e", "free", "-v")
    running = [(word, workspace.start(*words, commit)) for word, commit in history.items() for _ in range(2)]
    for word, process in running:
        out, err = process.communicate()
        assert (process.returncode, out.decode()) == (0, f"{word}\n"), err.decode()
    assert checkouts(workspace) == []
    assert len(list((workspace.home / "cache/mirrors").glob("*.git"))) == 1


def sleeping(workspace: Workspace) -> tuple[subprocess.Popen[bytes], int]:
    """A run in a private checkout whose program waits, and the program's own process id."""
    workspace.entry_point('["sh", "-c", "echo $$; exec sleep 600"]')
    workspace.publish()
    process = workspace.start("run", "-q", "-v", "HEAD")
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def test_what_a_killed_run_left_goes_with_the_next(workspace: Workspace) -> None:
    process, program = sleeping(workspace)
    process.kill()
    process.communicate()
    os.kill(program, signal.SIGKILL)
    assert len(checkouts(workspace)) == 1
    workspace.entry_point("echo next")
    workspace.publish()
    workspace.run("-v", "HEAD")
    assert checkouts(workspace) == []


def test_a_run_that_is_stopped_leaves_no_checkout(workspace: Workspace) -> None:
    process, _ = sleeping(workspace)
    assert len(checkouts(workspace)) == 1
    process.terminate()
    process.communicate()
    assert process.returncode == 143
    assert checkouts(workspace) == []


def test_the_checkout_is_a_repository_of_its_own(workspace: Workspace, history: dict[str, str]) -> None:
    workspace.entry_point('["git", "describe", "--tags", "--long"]')
    workspace.publish()
    assert workspace.projrun("run", "-q", "-v", "HEAD").out.startswith("v1-3-g")


def test_an_unknown_subdirectory_and_a_directory_that_is_none(workspace: Workspace, tmp_path: Path) -> None:
    assert workspace.projrun("run", f"{address(workspace)}#nowhere").code == 111
    (tmp_path / "plain").mkdir()
    plain = workspace.projrun("run", str(tmp_path / "plain"), "-v", "main")
    assert plain.code == 112
    assert "not a git repository" in plain.err


def test_a_dry_run_of_a_version_leaves_nothing(workspace: Workspace, history: dict[str, str]) -> None:
    plan = workspace.projrun("run", "--dry-run", "--json", "-v", "v1", "-e", "free").data
    assert plan["source"]["commit"] == history["one"]
    assert plan["root"] == str(workspace.root)
    assert plan["flags"] == plan["refused"] == []
    assert checkouts(workspace) == []
    assert not workspace.store.exists()


# What goes in, and what comes out


def test_data_that_no_commit_holds_comes_from_the_own_directory(workspace: Workspace) -> None:
    spec = (workspace.root / "ProjectSpec.yaml").read_text()
    workspace.repository.git("rm", "-q", "data/table.csv")
    workspace.repository.write(".gitignore", "results/\ndata/big/*.csv\n")
    workspace.repository.write("data/big/README", "what it is")
    unpinned = re.sub(r", sha256: \w+", "", spec.replace("data/table.csv", "data/big"))
    workspace.spec(unpinned)
    big = workspace.repository.write("data/big/1.csv", "a,b\n1,2\n")
    workspace.repository.write("train.py", TRAIN + "open('data/big/1.csv', 'a').write('of the run alone')\n")
    workspace.publish()
    document = workspace.run("-v", "HEAD")
    assert document["recipe"]["inputs"][0]["copied"]
    assert document["recipe"]["inputs"][0]["files"] == 2
    assert big.read_text() == "a,b\n1,2\n"
    changed = document["outcome"]["inputs"]
    assert [(one["path"], one["detail"]) for one in changed] == [("data/big", "written in it: 1.csv")]
    assert [flag["code"] for flag in document["outcome"]["flags"]] == ["input-changed"]


def test_data_of_a_newer_commit_never_comes_along(workspace: Workspace) -> None:
    old = workspace.repository.git("rev-parse", "HEAD")
    workspace.repository.write("data/newer.csv", "new")
    workspace.publish()
    document = workspace.run("-v", old, "-P", "table=data/newer.csv")
    assert [one["path"] for one in document["recipe"]["inputs"]] == ["data/table.csv"]


OUTPUTS = """\
import os, pathlib
pathlib.Path("out/sub").mkdir(parents=True)
pathlib.Path("out/sub/deep.txt").write_text("deep")
pathlib.Path("out/tool.sh").write_text("#!/bin/sh")
pathlib.Path("out/tool.sh").chmod(0o755)
os.symlink("tool.sh", "out/link")
pathlib.Path("model.bin").write_bytes(b"\\x00model")
"""


@pytest.fixture
def writing(workspace: Workspace) -> Workspace:
    """A project whose run writes a file and a directory."""
    workspace.repository.write("write.py", OUTPUTS)
    workspace.repository.write(".gitignore", "out/\nmodel.bin\nresults/\n")
    workspace.entry_point("python write.py", more="    outputs: [out, model.bin]\n")
    workspace.publish()
    return workspace


def content(workspace: Workspace, sha256: str) -> bytes:
    return (workspace.store / "objects" / sha256[:2] / sha256[2:]).read_bytes()


def test_outputs_of_a_private_checkout_are_kept_in_the_store(writing: Workspace) -> None:
    document = writing.run("-v", "HEAD")
    assert document["outcome"]["flags"] == []
    directory, model = document["outcome"]["outputs"]
    assert model["object"] == model["sha256"]
    assert content(writing, model["object"]) == b"\x00model"
    entries = {one["path"]: one for one in json.loads(content(writing, directory["object"]))["entries"]}
    assert set(entries) == {"link", "sub", "sub/deep.txt", "tool.sh"}
    assert entries["link"] == {"path": "link", "kind": "link", "target": "tool.sh"}
    assert entries["tool.sh"]["executable"]
    assert content(writing, entries["sub/deep.txt"]["sha256"]) == b"deep"
    assert not (writing.root / "out").exists()
    assert not (writing.root / "model.bin").exists()


def test_outputs_of_a_run_in_place_stay_where_they_are_and_are_kept(writing: Workspace) -> None:
    outputs = writing.run()["outcome"]["outputs"]
    assert all(one["object"] for one in outputs)
    assert all((writing.root / one["path"]).exists() for one in outputs)


def test_outputs_are_brought_back_when_asked_for(writing: Workspace) -> None:
    writing.repository.write("out/sub/deep.txt", "older")
    writing.repository.write("out/mine.txt", "mine")
    document = writing.run("-v", "HEAD", "--bring-outputs")
    assert document["outcome"]["flags"] == []
    assert (writing.root / "out/sub/deep.txt").read_text() == "deep"
    assert (writing.root / "out/mine.txt").read_text() == "mine"
    assert os.access(writing.root / "out/tool.sh", os.X_OK)
    assert (writing.root / "out/link").readlink() == Path("tool.sh")
    assert (writing.root / "model.bin").read_bytes() == b"\x00model"


def test_outputs_are_never_brought_through_a_link(writing: Workspace, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("precious")
    (writing.root / "out").symlink_to(elsewhere)
    (writing.root / "model.bin").symlink_to(elsewhere / "precious")
    document = writing.run("-v", "HEAD", "--bring-outputs")
    assert [flag["code"] for flag in document["outcome"]["flags"]] == ["output-not-brought"]
    assert sorted(path.name for path in elsewhere.iterdir()) == ["precious"]
    assert (elsewhere / "precious").read_text() == "precious"
    assert (writing.root / "model.bin").read_bytes() == b"\x00model"


def test_there_is_nowhere_to_bring_the_outputs_of_an_address(writing: Workspace) -> None:
    for source in (address(writing), str(writing.root.parent / "remote.git")):
        done = writing.projrun("run", source, "--bring-outputs")
        assert done.code == 2
        assert "an address has no directory to bring them to" in done.err
        assert "projrun restore" in done.err
    assert not writing.store.exists()
    assert not (writing.home / "cache/mirrors").exists()  # it is told before anything is fetched


# Without a network


def test_offline_runs_what_was_fetched_and_says_what_was_not(
    workspace: Workspace, history: dict[str, str]
) -> None:
    never = workspace.projrun("run", "--offline", address(workspace), "-v", "v1")
    assert never.code == 112
    assert "never fetched" in never.err
    workspace.run(address(workspace), "-v", "v1", "-e", "free")
    shutil.rmtree(workspace.root.parent / "remote.git")
    asked = len(workspace.index.requests)
    document = workspace.run("--offline", address(workspace), "-v", "v1", "-e", "free")
    assert source_of(document)["commit"] == history["one"]
    assert len(workspace.index.requests) == asked
    missing = workspace.projrun("run", "--offline", address(workspace), "-v", history["two"])
    assert missing.code == 112
    assert history["two"][:12] in missing.err


@pytest.mark.usefixtures("nothing_built")
def test_offline_asks_no_package_index(workspace: Workspace) -> None:
    done = workspace.projrun("run", "--offline", "-e", "free")
    assert done.code == 113
    assert "tinydep" in done.err
    assert "run once without --offline" in done.err
    assert workspace.index.requests == []


# History that is gone


def test_a_run_keeps_its_commit_whatever_becomes_of_the_remote(
    workspace: Workspace, history: dict[str, str], tmp_path: Path
) -> None:
    document = workspace.run(address(workspace), "-v", "side", "-e", "free")
    remote = Repository(tmp_path / "remote.git")
    remote.git("branch", "-D", "side")
    remote.git("tag", "-d", "v1")
    remote.git("update-ref", "refs/heads/main", history["one"])
    remote.git("reflog", "expire", "--expire=now", "--all")
    remote.git("gc", "-q", "--prune=now")
    workspace.run(address(workspace), "-e", "free")  # the mirror hears of it
    for mirror in (workspace.home / "cache/mirrors").glob("*.git"):
        Repository(mirror).git("gc", "-q", "--prune=now")
    again = workspace.run(address(workspace), "-v", history["two"], "-e", "free")
    assert source_of(again)["commit"] == history["two"]
    shutil.rmtree(remote.path)
    done = workspace.projrun("restore", document["run"], str(tmp_path / "back"))
    assert done.code == 0, done.err
    assert (tmp_path / "back/free.py").read_text() == SAY.format("two")
    assert not (tmp_path / "back/.git").exists()


def test_a_clean_pushed_run_is_restored_from_its_remote(workspace: Workspace, tmp_path: Path) -> None:
    document = workspace.run("-e", "free")
    shutil.rmtree(workspace.root)
    done = workspace.projrun("restore", document["run"], str(tmp_path / "back"), cwd=tmp_path)
    assert done.code == 0, done.err
    assert (tmp_path / "back/train.py").read_text() == TRAIN
    offline = workspace.projrun("restore", "--offline", document["run"], str(tmp_path / "two"), cwd=tmp_path)
    assert offline.code == 0  # the mirror has it since


def test_a_commit_that_is_nowhere_any_more_is_named(workspace: Workspace, tmp_path: Path) -> None:
    document = workspace.run("-e", "free")
    commit = source_of(document)["commit"]
    shutil.rmtree(workspace.root)
    shutil.rmtree(tmp_path / "remote.git")
    done = workspace.projrun("restore", document["run"], str(tmp_path / "back"), cwd=tmp_path)
    assert done.code == 112
    assert commit in done.err
    assert not (tmp_path / "back").exists()
    rerun = workspace.projrun("run", address(workspace), "-v", commit, cwd=tmp_path)
    assert rerun.code == 112


# Real servers


def test_ssh_simply_works(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = release(workspace, "over ssh")
    with ssh_server(tmp_path / "ssh") as server:
        monkeypatch.setenv("GIT_SSH_COMMAND", server.command)
        url = server.url(tmp_path / "remote.git")
        document = workspace.run(url, "-v", commit[:10], "-e", "free")
    assert source_of(document)["commit"] == commit
    assert source_of(document)["remote"] == url
    assert workspace.projrun("logs", document["run"], "-s", "stdout").out == "over ssh\n"


SECRET = "t0p/s3cret@x"  # must be found nowhere


@contextlib.contextmanager
def protected(workspace: Workspace) -> Iterator[tuple[str, str]]:
    """A server that wants a password: the address with it, and without."""
    with http_server(workspace.root.parent, login=("ada", SECRET)) as server:
        clear = f"{server.url}/remote.git"
        yield clear.replace("//", "//ada:t0p%2Fs3cret%40x@"), clear


def everything_written(workspace: Workspace) -> bytes:
    """All that is in the store and the cache, and all their names; what git packs is unpacked."""
    kept = b""
    for place in (workspace.store, workspace.home / "cache"):
        for path in place.rglob("*"):
            kept += os.fsencode(path) + b"\n"
            if path.is_file():
                kept += path.read_bytes()
    return kept


def test_a_password_of_an_address_is_nowhere(workspace: Workspace) -> None:
    commit = release(workspace, "behind a password")
    with protected(workspace) as (url, clear):
        done = workspace.projrun("run", "--json", url, "-v", "main", "-e", "free")
        assert done.code == 0, done.err
        assert source_of(done.data)["commit"] == commit
        assert source_of(done.data)["address"] == source_of(done.data)["remote"] == clear
        wrong = workspace.projrun("run", url.replace("s3cret", "s3cre7"), "-v", "other")
        assert wrong.code == 112
    run = done.data["run"]
    shown = workspace.projrun("show", run).out + workspace.projrun("logs", run).out
    assert clear in shown
    told = (done.out + done.err + wrong.out + wrong.err + shown).encode() + everything_written(workspace)
    for form in (b"s3cret", b"s3cre7", b"ada:"):
        assert form not in told


def test_the_log_of_a_run_tells_what_was_fetched(workspace: Workspace) -> None:
    document = workspace.run(address(workspace), "-v", "main", "-e", "free")
    log = workspace.projrun("logs", document["run"], "-s", "projrun").out
    assert f"fetch: asking {address(workspace)} for main" in log
    assert "projrun: git: Receiving objects: 100% (" in log
    assert "%" not in log.replace("100% (", "")
    assert "in a private checkout" in log


def test_a_submodule_with_a_relative_address_comes_along(workspace: Workspace, tmp_path: Path) -> None:
    inner = Repository.create(tmp_path / "inner")
    inner.write("said.txt", "from the submodule\n")
    commit = inner.commit()
    subprocess.run(["git", "clone", "-q", "--bare", str(inner.path), str(tmp_path / "inner.git")], check=True)
    workspace.repository.git("submodule", "add", "-q", f"file://{tmp_path}/inner.git", "lib")
    workspace.repository.git("config", "-f", ".gitmodules", "submodule.lib.url", "../inner.git")
    workspace.entry_point("cat lib/said.txt")
    workspace.publish()
    for source in (address(workspace), "."):
        document = workspace.run(source, "-v", "HEAD")
        assert document["recipe"]["flags"] == document["outcome"]["flags"] == []
        assert [one["commit"] for one in source_of(document)["submodules"]] == [commit]
        assert workspace.projrun("logs", document["run"], "-s", "stdout").out == "from the submodule\n"
    fetched = workspace.run(address(workspace))
    shutil.rmtree(tmp_path / "inner.git")
    shutil.rmtree(tmp_path / "remote.git")
    done = workspace.projrun("restore", fetched["run"], str(tmp_path / "back"), "--offline")
    assert done.code == 0, done.err
    assert (tmp_path / "back/lib/said.txt").read_text() == "from the submodule\n"
    assert list((tmp_path / "back").rglob(".git")) == []


def test_a_usual_run_loads_nothing_that_fetches(workspace: Workspace) -> None:
    workspace.run("-e", "free")
    program = (
        "import sys, atexit\n"
        "heavy = {'projrun.checkouts', 'projrun.source.mirror', 'projrun.source.transport', 'shutil', 'urllib'}\n"
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules)), file=sys.stderr))\n"
        "sys.argv = ['projrun', 'run', '-q', '-e', 'free']\n"
        "from projrun.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=workspace.root, capture_output=True, check=True)
    assert "projrun" not in done.stderr.decode().splitlines()[-1]


@needs_lfs
def test_a_file_of_git_lfs_is_there_with_its_content_and_makes_nothing_dirty(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{os.path.dirname(LFS or '')}")  # noqa: PTH120
    workspace.repository.git("lfs", "install", "--local")
    workspace.repository.git("lfs", "track", "*.bin")
    workspace.repository.write("weights.bin", "the real weights\n")
    workspace.entry_point("cat weights.bin")
    workspace.publish()
    for source in (address(workspace), "."):
        document = workspace.run(source, "-v", "HEAD")
        assert document["recipe"]["flags"] == document["outcome"]["flags"] == []
        assert document["recipe"]["source"]["changes"] == []
        assert workspace.projrun("logs", document["run"], "-s", "stdout").out == "the real weights\n"


def test_line_ends_that_git_would_write_otherwise_make_no_checkout_dirty(workspace: Workspace) -> None:
    workspace.repository.write("dos.txt", "a\r\nb\r\n")
    workspace.repository.commit()
    workspace.repository.write(".gitattributes", "*.txt text\n")
    workspace.repository.git("add", ".gitattributes")
    workspace.repository.git("commit", "-q", "-m", "attributes")
    workspace.repository.git("push", "-q")
    document = workspace.run(address(workspace), "-e", "free")
    assert document["recipe"]["flags"] == document["outcome"]["flags"] == []
