"""Metrics from the program to the record: $PROJRUN_METRICS and metrics files, with real processes."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from projrun.cli.render import number
from tests.cli.conftest import Workspace

pytestmark = pytest.mark.slow

SYSTEM = "{system: true}"
LOG = """\
import json, os
metrics = open(os.environ["PROJRUN_METRICS"], "a", buffering=1)
def log(name, value, step=None):
    metrics.write(json.dumps({"name": name, "value": value, "step": step}) + "\\n")
"""


def run(workspace: Workspace, program: str, *words: str, more: str = "", code: int = 0, secrets: str = "") -> Any:
    """Runs a program by the system's Python; gives the document."""
    workspace.repository.write("main.py", LOG + program)
    workspace.entry_point("python3 main.py", environment=f"{{system: true{secrets}}}", more=more)
    return workspace.run(*words, code=code)


def told(document: Any) -> dict[str, tuple[Any, str]]:
    return {one["name"]: (one["value"], one["file"]) for one in document["outcome"]["metrics"]}


def flags(document: Any) -> dict[str, str]:
    return {
        one["code"]: one["message"] for one in document["outcome"]["flags"] if one["code"].startswith("metric")
    }


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


PROGRAM = """
import subprocess
shell = '''
i=0
while [ $i -lt 100 ]; do
    echo '{"name": "sh'$0'", "value": '$i'}' >> "$PROJRUN_METRICS"; i=$((i+1))
done
'''
started = [subprocess.Popen(["sh", "-c", shell, str(number)]) for number in range(2)]
for step in range(400):
    log("loss", 1 / (step + 1), step)
for one in started:
    one.wait()
log("val", {"acc": 0.75, "huge": 2**60}, 39)
log("odd", float("nan"))
open("m.csv", "w").write("epoch,rate,note\\n1,0.5,a\\n2,0.25,b\\n3,,c\\n")
open("m.yaml", "w").write("of:\\n  yaml: 1e3\\nodd: 7\\n")
"""


def test_truth_values_are_shown_as_a_query_has_them() -> None:
    assert [number(value) for value in (True, False, 1, 0.5)] == ["true", "false", "1", "0.5"]


def test_what_is_reported_in_every_way_is_recorded_and_shown(workspace: Workspace) -> None:
    """Several processes and a shell append at once, and metrics files are read besides."""
    done = run(workspace, PROGRAM, more="    metrics: [m.csv, m.yaml]\n")
    live = "PROJRUN_METRICS"
    assert told(done) == {
        "rate": (0.25, "m.csv"),
        "of.yaml": (1000.0, "m.yaml"),
        "odd": (7, "m.yaml"),
        "loss": (0.0025, live),
        "sh0": (99, live),
        "sh1": (99, live),
        "val.acc": (0.75, live),
        "val.huge": ("1152921504606846976", live),
    }
    assert flags(done) == {"metric-twice": "metric 'odd' of PROJRUN_METRICS is already in 'm.yaml'"}
    (workspace.root / "m.csv").unlink()  # its points are kept
    listed = workspace.projrun("metrics", "last", "--json").data
    known = {one["name"]: one for one in listed["metrics"]}
    keys = ("count", "last", "min", "max", "first_step", "last_step", "origin")
    assert {name: [one[key] for key in keys] for name, one in known.items()} == {
        "loss": [400, 0.0025, 0.0025, 1.0, 0, 399, "PROJRUN_METRICS"],
        "sh0": [100, 99, 0, 99, 0, 99, "PROJRUN_METRICS"],
        "sh1": [100, 99, 0, 99, 0, 99, "PROJRUN_METRICS"],
        "val.acc": [1, 0.75, 0.75, 0.75, 39, 39, "PROJRUN_METRICS"],
        "val.huge": [1, *["1152921504606846976"] * 3, 39, 39, "PROJRUN_METRICS"],
        "odd": [1, "NaN", None, None, 0, 0, "PROJRUN_METRICS"],
        "rate": [2, 0.25, 0.25, 0.5, 1, 2, "m.csv"],
        "of.yaml": [1, 1000.0, 1000.0, 1000.0, None, None, "m.yaml"],
    }
    loss, rate = workspace.projrun("metrics", "last", "loss", "rate", "--series", "--json").data["metrics"]
    assert loss["steps"] == list(range(400))
    assert loss["values"] == [1 / (step + 1) for step in range(400)]
    assert (rate["steps"], rate["values"], rate["times"]) == ([1, 2], [0.5, 0.25], None)
    printed = rows(workspace.projrun("metrics", "last", "loss", "odd", "--series", "--points", "10").out)
    assert len(printed) == 11
    assert printed[-1] == {"name": "odd", "step": "0", "value": "NaN", "time": ""}
    table = [line.split() for line in workspace.projrun("metrics").out.splitlines()]
    assert table[0] == ["metric", "count", "last", "min", "max", "last", "step"]
    assert ["loss", "400", "0.0025", "0.0025", "1", "399"] in table
    (loss_row,) = (row for row in rows(workspace.projrun("metrics", "--csv").out) if row["name"] == "loss")
    assert loss_row["last"] == "0.0025"
    unknown = workspace.projrun("metrics", "last", "lose")
    assert unknown.code == 2
    assert "loss" in unknown.err
    assert workspace.projrun("metrics", "--json", "--csv").code == 2
    assert workspace.projrun("metrics", "--points", "9").code == 2


def test_bad_lines_are_kept_aside_and_flagged_even_when_the_program_fails(workspace: Workspace) -> None:
    program = 'metrics.write("bad\\n"); log("a", 1); metrics.write(\'{"name": "b", "val\'); raise SystemExit(3)'
    done = run(workspace, program, code=3)
    assert told(done) == {"a": (1, "PROJRUN_METRICS")}
    assert flags(done).keys() == {"metrics-rejected"}
    assert "2 lines of PROJRUN_METRICS are no metrics: line 1, it is not JSON" in flags(done)["metrics-rejected"]
    kept = [json.loads(line) for line in Path(done["directory"], "metrics.rejected").read_text().splitlines()]
    assert [(one["line"], one["text"]) for one in kept] == [(1, "bad"), (3, '{"name": "b", "val')]


def test_a_secret_in_what_the_program_wrote_is_masked_everywhere(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "s3cr3t-value")
    monkeypatch.setenv("PIN", "48151623")
    program = """
token = os.environ["TOKEN"]
log(f"of {token}", 0.5, 1)
log("n", int(os.environ["PIN"]), 1)
log("plain", 1)
metrics.write("junk " + token[:6]); metrics.flush(); metrics.write(token[6:] + "\\n")
open("t.csv", "w").write(f"step,c {token}\\n1,2\\n2,3\\n")
open("t.yaml", "w").write(f"{token}: 7\\n")
"""
    done = run(
        workspace, program, more="    metrics: [t.csv, t.yaml]\n", secrets=", secrets: [TOKEN, PIN]", code=0
    )
    assert told(done)["of ***"] == (0.5, "PROJRUN_METRICS")
    assert told(done)["plain"] == (1, "PROJRUN_METRICS")
    assert "n" not in told(done)  # a number that is a secret is none of the record's
    assert {"metrics-secret", "metrics-rejected"} <= flags(done).keys()
    workspace.projrun("metrics", "last", "--series")
    # The outputs are the project's own files; those of the store are asked here.
    directory = Path(done["directory"])
    held = {path.name for path in directory.rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()}
    assert held == set()
    assert not [path for path in directory.rglob("*") if path.is_file() and b"48151623" in path.read_bytes()]


def test_a_killed_run_has_what_its_program_wrote(workspace: Workspace) -> None:
    """And while it lived it was shown, and followed."""
    workspace.repository.write(
        "main.py",
        LOG + "log('a', 0.5, 7); log('a', 0.25, 8)\nprint('here', flush=True)\nimport time\ntime.sleep(60)\n",
    )
    workspace.entry_point("python3 main.py", environment=SYSTEM)
    runner = workspace.start("run")
    try:
        following = None
        assert runner.stdout is not None
        while b"here" not in (line := runner.stdout.readline()):
            assert line
        shown = workspace.projrun("show", "last").out
        assert "a = 0.25" in shown
        (one,) = workspace.projrun("metrics", "last", "--json").data["metrics"]
        assert (one["count"], one["last"], one["last_step"]) == (2, 0.25, 8)
        following = workspace.start("metrics", "last", "--follow")
        assert following.stdout is not None
        assert [following.stdout.readline().rstrip() for _ in range(3)] == [
            b"name,step,value,time",
            b"a,7,0.5,",
            b"a,8,0.25,",
        ]
        (directory,) = (workspace.store / "runs").iterdir()
        assert not (directory / "metrics.series").exists()  # nothing is made of what may hold a secret
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(runner.pid)], capture_output=True, text=True, check=True
        ).stdout.split()
        runner.send_signal(signal.SIGKILL)
        runner.wait()
        for child in children:
            try:
                os.kill(int(child), signal.SIGKILL)
            except ProcessLookupError:
                continue
        assert following.wait(10) == 0
    finally:
        for process in (runner, following):
            if process is not None:
                process.kill()
                process.wait()
                assert process.stdout is not None
                assert process.stderr is not None
                process.stdout.close()
                process.stderr.close()
    document = workspace.last()
    assert document["status"] == "lost"
    assert "a = 0.25" in workspace.projrun("show", "last").out
    (one,) = workspace.projrun("metrics", "last", "--json").data["metrics"]
    assert (one["count"], one["last"]) == (2, 0.25)
    assert (directory / "metrics.series").exists()


def test_metrics_of_every_origin_are_compared_when_a_run_is_done_again(workspace: Workspace) -> None:
    program = """
import time
n = time.time_ns() % 1000 / 1e6 + 1
log("same", 1, 1)
log("near", n, 2)
open("m.csv", "w").write("step,row\\n1,%r\\n" % n)
open("m.yaml", "w").write("key: %r\\nlist: [1, 2]\\n" % n)
"""
    run(
        workspace,
        program,
        more="    metrics: [m.csv, m.yaml]\n    tolerance: {near: 0.01, row: 0.01, key: 0.01}\n",
    )
    again = workspace.projrun("reproduce", "last", "--json")
    found = {one["name"]: one["state"] for one in again.data["verdict"]["metrics"]}
    assert found == dict.fromkeys(("same", "near", "row", "key"), "verified")
    assert {one["how"] for one in again.data["verdict"]["outputs"]} == {"metrics"}
    assert again.code == 0
    shown = workspace.projrun("diff", "last~1", "last", "--json").data
    assert {one["what"] for one in shown["layers"]["metrics"]["changes"]} == {"near", "row", "key"}
    assert "PROJRUN_METRICS" not in json.dumps(shown["layers"]["variables"])
