"""``kill -9`` of a run that knows secrets, wherever it is: no byte of the store tells one, then or before."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import LOCKED, Workspace
from tests.cli.test_killed import is_running, kill, opened
from tests.cli.test_secrets_everywhere import contents
from tests.cli.test_stopping import run_directory, wait_for
from tests.execution.test_guard import until

pytestmark = pytest.mark.slow

TOKEN, PIN = "s3cr3t-t0ken-of-the-variable", "9071-of-the-parameter"

# Tells its secrets wherever it is offered a place, and is then there.
TELL = """\
import json, os, pathlib, sys, time
token, pin = os.environ["TOKEN"], json.load(open(sys.argv[1]))["pin"]
print(token, pin, flush=True)
with open(os.environ["PROJRUN_METRICS"], "a") as file:
    for step in range(1000):
        file.write(json.dumps({"name": "loss " + token, "value": step}) + "\\n")
        file.write(json.dumps({"step": step, pin: 2}) + "\\n")
    file.write('{"name": "half a line ' + token[:12])
    file.flush()
    if "stay" in sys.argv:
        pathlib.Path(os.environ["PROJRUN_RUN_DIR"], "ready").write_text(str(os.getpid()))
        while True:
            time.sleep(60)
if "huge" in sys.argv:
    open("huge.bin", "wb").truncate(20_000_000_000)
"""

# Writes its file as a whole, over and over: longer, shorter, and as another file.
ANEW = """\
import json, os, pathlib, sys, time
file, token = pathlib.Path(os.environ["PROJRUN_METRICS"]), os.environ["TOKEN"]
copy = pathlib.Path(os.environ["PROJRUN_RUN_DIR"], "metrics.jsonl")
for count in (3, 1, 2, 4):
    aside = file.with_name("aside") if count == 2 else file
    lines = [json.dumps({"name": f"{count} {token}", "value": one}) + "\\n" for one in range(count)]
    aside.write_text("".join(lines))
    aside.replace(file)
    while not copy.exists() or f"{count} ***" not in copy.read_text():
        time.sleep(0.01)
file.write_text(json.dumps({"name": "last", "value": 1}) + "\\n")
"""


@pytest.fixture
def telling(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("TOKEN", TOKEN)
    monkeypatch.setenv("PROJRUN_SECRET_PIN", PIN)
    workspace.repository.write("tell.py", TELL)
    return workspace


def tells(workspace: Workspace, options: str = "{params_file}", more: str = "") -> None:
    environment = LOCKED.replace("}", ", secrets: [TOKEN]}")
    more = f"    parameters: {{pin: {{type: str, secret: true}}}}\n{more}"
    workspace.entry_point(f"python tell.py {options}", environment=environment, more=more)


def bytes_that_tell(top: Path) -> list[str]:
    words = (TOKEN.encode(), PIN.encode())
    return [str(path.relative_to(top)) for path, data in contents(top) if any(word in data for word in words)]


def scratch(workspace: Workspace) -> list[Path]:
    return list((workspace.home / "cache").glob("scratch-*/*"))


def copied(workspace: Workspace, run: Path) -> Any:
    """What a living or lost run shows of its metrics, when all of it has come."""
    until(lambda: len(_lines(run)) == 2000)
    return workspace.projrun("metrics", run.name, "--json").data


def _lines(run: Path) -> list[str]:
    try:
        return (run / "metrics.jsonl").read_text().splitlines()[:2000]
    except OSError:
        return []


def begun(workspace: Workspace, process: subprocess.Popen[bytes]) -> tuple[Path, int]:
    wait_for(lambda: (found := run_directory(workspace, "ready")) and (found / "ready").read_text(), process)
    run = run_directory(workspace, "ready")
    assert run is not None
    return run, int((run / "ready").read_text())


@pytest.mark.parametrize("who", ["runner", "program", "both"])
def test_killed_while_the_program_runs(telling: Workspace, who: str) -> None:
    tells(telling, "{params_file} stay")
    process = telling.start("run")
    run, program = begun(telling, process)
    living = copied(telling, run)
    assert [one["name"] for one in living["metrics"]] == ["loss ***", "***"]
    assert bytes_that_tell(telling.store) == []
    (place,) = scratch(telling)
    assert place.stat().st_mode & 0o777 == 0o700
    assert {TOKEN in path.read_text() for path in place.glob("metrics.jsonl")} == {True}
    if who == "both":
        os.kill(process.pid, signal.SIGSTOP)  # so that it cannot tell of the program's end
    if who != "runner":
        os.kill(program, signal.SIGKILL)
    if who != "program":
        kill(process)
        until(lambda: not is_running(program))
        assert telling.projrun("show", run.name, "--json").data["status"] == "lost"
    else:
        process.communicate(timeout=60)
        assert process.returncode == 137
    until(lambda: not scratch(telling))  # by whoever outlives the runner
    assert [one["name"] for one in copied(telling, run)["metrics"]] == ["loss ***", "***"]
    assert copied(telling, run)["metrics"][0]["count"] == 1000
    assert bytes_that_tell(telling.home) == []


def test_killed_with_the_one_that_ends_the_program(telling: Workspace) -> None:
    """Nobody is left who could tidy up: the next run does, or who prunes."""
    tells(telling, "{params_file} stay")
    for sweep in (("run", "-q"), ("gc", "--yes"), ("env", "prune")):
        tells(telling, "{params_file} stay")
        process = telling.start("run")
        run, program = begun(telling, process)
        os.kill(process.pid, signal.SIGSTOP)
        for pid in (*children_of(process.pid), process.pid):
            os.kill(pid, signal.SIGKILL)
        process.communicate(timeout=60)
        until(lambda: not is_running(program))  # noqa: B023 - called at once
        assert len(scratch(telling)) == 1
        assert bytes_that_tell(telling.store) == []
        (run / "ready").unlink()
        tells(telling, "{params_file}")
        done = telling.projrun(*sweep)
        assert done.code == 0, done.err
        assert scratch(telling) == []
        assert bytes_that_tell(telling.home) == []


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_killed_before_and_after_the_program(telling: Workspace) -> None:
    """While inputs are hashed, and while outputs are."""
    huge = telling.root / "huge.bin"
    (telling.root / ".git/info/exclude").write_text("huge.bin\n")
    for phase, more in (("before", "    inputs: [huge.bin]\n"), ("after", "    outputs: [huge.bin]\n")):
        tells(telling, "{params_file} huge", more)
        with huge.open("wb") as file:
            file.truncate(20_000_000_000 if phase == "before" else 0)
        process = telling.start("run")
        wait_for(lambda: opened(process, huge), process)  # noqa: B023 - called at once
        kill(process)
        assert telling.last()["status"] == "lost"
        assert bytes_that_tell(telling.store) == []
        huge.unlink()
    tells(telling)
    telling.run()
    assert scratch(telling) == []
    assert bytes_that_tell(telling.home) == []


def test_bytecode_of_a_killed_run_for_the_record_is_not_in_the_store(telling: Workspace) -> None:
    """A file that git ignores may hold a secret, and Python keeps what it made of it."""
    telling.repository.write(".gitignore", "results/\n.env\nprivate.py\nhuge.bin\n")
    telling.repository.write(
        "stay.py", f"import sys; sys.path.insert(0, {str(telling.root)!r}); import private\n{TELL}"
    )
    (telling.root / "private.py").write_text(f"TOKEN = {TOKEN!r}\n")
    environment = LOCKED.replace("}", ", secrets: [TOKEN]}")
    more = "    parameters: {pin: {type: str, secret: true}}\n"
    telling.entry_point("python stay.py {params_file} stay", environment=environment, more=more)
    telling.publish()
    process = telling.start("run", "--strict")
    run, program = begun(telling, process)
    (place,) = scratch(telling)
    assert [path for path, data in contents(place) if path.suffix == ".pyc" and TOKEN.encode() in data]
    kill(process)
    until(lambda: not is_running(program) and not scratch(telling))
    assert run.is_dir()
    assert bytes_that_tell(telling.store) == []


def test_what_is_reported_anew_is_kept_as_it_is_at_the_end(telling: Workspace) -> None:
    telling.repository.write("anew.py", ANEW)
    environment = LOCKED.replace("}", ", secrets: [TOKEN]}")
    telling.entry_point("python anew.py", environment=environment)
    outcome = telling.run()["outcome"]
    assert outcome["metrics"] == [{"name": "last", "value": 1, "file": "PROJRUN_METRICS"}]
    assert "metrics-secret" not in [flag["code"] for flag in outcome["flags"]]
    assert bytes_that_tell(telling.home) == []


def test_a_run_with_a_secret_is_done_again(telling: Workspace) -> None:
    """The places of its own are no difference."""
    tells(telling)
    run = telling.run()
    flags = [flag["code"] for flag in run["outcome"]["flags"]]
    assert "metrics-secret" in flags
    done = telling.projrun("reproduce", run["run"], "--json")
    assert done.code == 0, done.err
    differences = telling.projrun("diff", run["run"], "last", "--json").data
    assert "params.json" not in json.dumps(differences)
