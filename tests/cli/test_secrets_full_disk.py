"""Metrics that hold a secret, and a disk without room for what is to stand in their place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import LOCKED, Workspace
from tests.cli.test_secrets_everywhere import contents
from tests.mounts import Small, small

pytestmark = pytest.mark.slow

TOKEN = "s3cr3t-t0ken-of-the-variable"
# Reports a secret where it is told to, and fills the disk.
REPORT = """\
import json, os, pathlib, signal, sys, time
way, filler = sys.argv[1], pathlib.Path(sys.argv[2])
beside = pathlib.Path(os.environ["PROJRUN_RUN_DIR"], "metrics.jsonl")
file = beside if way == "beside" else pathlib.Path(os.environ["PROJRUN_METRICS"])
lines = [json.dumps({"name": "loss " + os.environ["TOKEN"], "value": step}) + "\\n" for step in range(2000)]
file.write_text("".join(lines))
while way == "offered" and not (beside.exists() and beside.read_text().count("***") == 2000):
    time.sleep(0.01)
"""
FULL = """\
descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
try:
    while os.write(descriptor, bytes(4096)):
        pass
except OSError:
    pass
"""
# The log cannot be written, so projrun gives up, and there is room again when it does.
GIVEN_UP = """\
def told(number, frame):
    filler.unlink()
    os._exit(1)
signal.signal(signal.SIGTERM, told)
while True:
    print("x" * 4000, flush=True)
"""


@pytest.fixture
def disk(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    monkeypatch.setenv("TOKEN", TOKEN)
    environment = LOCKED.replace("}", ", secrets: [TOKEN]}")
    more = "    parameters: {way: str, filler: str}\n"
    workspace.entry_point("python report.py {way} {filler}", environment=environment, more=more)
    with small(tmp_path / "disk") as disk:
        yield disk


def reported(workspace: Workspace, disk: Small, way: str, program: str, code: int) -> tuple[Any, Path]:
    """The outcome, and the run's directory."""
    workspace.repository.write("report.py", program)
    store, filler = disk.path / "store", disk.path / "filler"
    done = workspace.projrun("run", "-q", "--store", str(store), "-P", f"way={way}", "-P", f"filler={filler}")
    assert done.code == code, done.err
    filler.unlink(missing_ok=True)
    (run,) = (store / "runs").iterdir()
    assert [path for path, data in contents(disk.path) if TOKEN.encode() in data] == []
    return json.loads((run / "outcome.json").read_bytes()), run


def flag_of(outcome: Any, code: str) -> str:
    return next(str(flag["message"]) for flag in outcome["flags"] if flag["code"] == code)


def test_without_room_what_was_copied_meanwhile_stays(workspace: Workspace, disk: Small) -> None:
    outcome, run = reported(workspace, disk, "offered", REPORT + FULL, 0)
    assert "could not be gone over for secrets: No space left on device" in flag_of(outcome, "metrics-secret")
    assert (run / "metrics.jsonl").read_text().count("loss ***") == 2000
    assert outcome["metrics"] == [{"name": "loss ***", "value": 1999, "file": "PROJRUN_METRICS"}]


def test_without_room_nothing_stays_of_what_a_program_wrote_itself_to_the_store(
    workspace: Workspace, disk: Small
) -> None:
    outcome, run = reported(workspace, disk, "beside", REPORT + FULL, 0)
    assert "could not be gone over for secrets: No space left on device" in flag_of(outcome, "metrics-secret")
    assert (run / "metrics.jsonl").read_bytes() == b""
    assert outcome["metrics"] == []


@pytest.mark.parametrize("way", ["offered", "beside"])
def test_a_run_that_is_given_up_keeps_its_metrics_without_the_secret(
    workspace: Workspace, disk: Small, way: str
) -> None:
    outcome, run = reported(workspace, disk, way, REPORT + FULL + GIVEN_UP, 125)
    assert outcome["status"] == "failed"
    assert "the log of the run cannot be written" in outcome["error"]["what"]
    assert flag_of(outcome, "metrics-secret").endswith("held a declared secret, which is masked")
    assert outcome["metrics"] == [{"name": "loss ***", "value": 1999, "file": "PROJRUN_METRICS"}]
    assert (run / "metrics.jsonl").read_text().count("loss ***") == 2000
