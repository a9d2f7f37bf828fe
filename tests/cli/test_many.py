"""Two hundred runs that start in the same second, from several processes, on file systems good and bad."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from projrun.store.store import Store
from tests.cli.conftest import Workspace
from tests.mounts import lacking
from tests.schemas import validate_store

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PROCESSES, RUNS = 8, 25

# Says what became of every run: its id, or the error as it would be told.
RUNNER = f"""
import json, sys
from pathlib import Path
from typing import Any
from projrun import runner
from projrun.options import Options
from projrun.core.errors import ProjrunError
from projrun.core.report import Silent
project, store, cache, first = sys.argv[1:]
print("ready", flush=True)
sys.stdin.read()
for number in range(int(first), int(first) + {RUNS}):
    options = Options(project, Path(store), Path(cache), given=(f"n={{number}}",))
    try:
        print(json.dumps({{"run": runner.run(options, Silent()).id, "n": number}}), flush=True)
    except ProjrunError as error:
        print(json.dumps({{"error": [error.what, error.why, error.hint], "run": error.run}}), flush=True)
"""


@contextlib.contextmanager
def usual(place: Path, *_: str) -> Iterator[Path]:
    place.mkdir()
    yield place


# What there is to tell of the index, and how often: once of 200 runs, and by every listing that has none.
NOT_SHARED, NOT_KEPT = b"projrun: run: memory cannot be shared in ", "note: the index cannot be used, "


@pytest.mark.parametrize(
    ("missing", "not_shared", "not_kept"),
    [((), 0, 0), (("flock", "shared-memory"), 1, 0), (("flock", "posix"), 0, 1)],
    ids=["nothing", "flock-wal", "locks"],
)
def test_two_hundred_runs_at_once_are_recorded_or_told(
    workspace: Workspace, tmp_path: Path, missing: tuple[str, ...], not_shared: int, not_kept: int
) -> None:
    workspace.entry_point("echo {n}", more="    parameters: {n: int}\n")
    workspace.publish()
    workspace.run("-P", "n=-1")  # builds the environment
    with (lacking if missing else usual)(tmp_path / "there", *missing) as place:
        store = Store(place / "store")
        told = _run_all(workspace.root, store.path, workspace.home / "cache")
        assert [one["error"] for one in told if "error" in one] == []  # to be told would do; nothing has to fail
        runs = {one["run"]: one["n"] for one in told}
        assert sorted(runs.values()) == list(range(PROCESSES * RUNS))
        assert len(runs) == PROCESSES * RUNS
        listing = workspace.projrun("runs", "--limit", "0", "--json", "--store", str(store.path))
        assert {row["id"]: row["parameters"]["n"] for row in listing.data} == runs
        assert {row["status"] for row in listing.data} == {"finished"}
        assert listing.err.count(NOT_KEPT) == len(listing.err.splitlines()) == not_kept
        assert all(store.read(run).why_incomplete is None for run in runs)
        logs = [(store.runs_directory / run / "output.log").read_bytes() for run in runs]
        assert all(log.count(b"\n") >= 4 for log in logs)
        assert sum(NOT_SHARED in log for log in logs) == not_shared
        assert sorted(path.name for path in store.runs_directory.iterdir()) == sorted(runs)
        assert validate_store(store.path) == 3 * PROCESSES * RUNS


def _run_all(project: Path, store: Path, cache: Path) -> list[dict[str, Any]]:
    words = [str(project), str(store), str(cache)]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", RUNNER, *words, str(first)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for first in range(0, PROCESSES * RUNS, RUNS)
    ]
    for one in started:
        assert one.stdout is not None
        assert one.stdout.readline() == b"ready\n"
    for one in started:
        assert one.stdin is not None
        one.stdin.close()
        one.stdin = None
    told = []
    for one in started:
        out, err = one.communicate(timeout=300)
        assert (one.returncode, err) == (0, b"")
        told += [json.loads(line) for line in out.splitlines()]
    return told
