"""Running, looking and doing again from Python: real programs, in real processes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

import projrun

pytestmark = pytest.mark.slow

PATH = f"{sys.base_prefix}/bin:/usr/bin:/bin"
THIS_PYTHON = ".".join(map(str, sys.version_info[:3]))

SPEC = f"""\
version: 1
name: demo
environment: {{python: "{THIS_PYTHON}", lock: requirements.lock}}
"""

ENTRY_POINTS = """\
entry_points:
  train:
    parameters:
      depth: {type: int, default: 3}
      rate: {type: float, default: 0.5}
      words: {type: list, items: str, default: [a]}
      extra: {type: json, default: {"a": 1}}
      loud: {type: bool, default: false, flag: --loud}
    command: python3 train.py {depth} {rate} {words} {extra} {loud}
    outputs: [model.txt, parts]
    metrics: [metrics.json]
  fail: {command: sh -c 'exit 3'}
  wait: {command: "sh -c 'touch ready; exec sleep 60'"}
  note: {command: sh -c 'echo $$ > pid; read line < fifo'}
"""

TRAIN = """\
import json, os, pathlib, sys
print("depth", sys.argv[1])
print("caf\\u00e9", file=sys.stderr)
sys.stdout.flush()
os.write(1, b"raw \\xff\\n")
pathlib.Path("model.txt").write_text("model " + sys.argv[1] + "\\n")
pathlib.Path("parts").mkdir(exist_ok=True)
pathlib.Path("parts/a.txt").write_text("a")
metrics = '{"rmse": 0.25, "n": 9007199254740993, "odd": NaN, "big": 1e400, "tiny": 1e-400}'
pathlib.Path("metrics.json").write_text(metrics)
with open(os.environ["PROJRUN_METRICS"], "a") as file:
    for step in range(3):
        print(json.dumps({"name": "loss", "step": step, "value": 1 / (step + 1)}), file=file)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("demo")
    (place / "ProjectSpec.yaml").write_text(SPEC + ENTRY_POINTS)
    (place / "requirements.lock").touch()
    (place / "train.py").write_text(TRAIN)
    os.mkfifo(place / "fifo")
    yield place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept") / "store"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def one_environment_for_all(cache: Path, hostile_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJRUN_CACHE", str(cache))
    monkeypatch.setenv("PATH", PATH)


@pytest.fixture(scope="module")
def run(project: Path, place: Path, cache: Path) -> Iterator[projrun.Run]:
    """A run of the project with parameters of every kind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJRUN_CACHE", str(cache))
        patch.setenv("PATH", PATH)
        given = {
            "depth": np.int64(7),
            "rate": float("inf"),
            "words": ("a b", "-c"),
            "extra": {"a": [1, None]},
            "loud": True,
        }
        yield projrun.run(project, "train", given, store=place, name="first", tags={"draft": ""}, note="a note")


def test_a_run_tells_what_it_was_given(run: projrun.Run, place: Path) -> None:
    expected = {"depth": 7, "rate": float("inf"), "words": ["a b", "-c"], "extra": {"a": [1, None]}, "loud": True}
    assert dict(run.parameters) == expected
    assert (run.status, run.exit_code, run.project, run.entry_point) == ("finished", 0, "demo", "train")
    assert {one["origin"] for one in (run.recipe or {})["parameters"]} == {"python"}
    assert (run.name, run.tags, run.note) == ("first", {"draft": ""}, "a note")
    assert run.recipe == json.loads((run.directory / "recipe.json").read_bytes())
    assert run.outcome == json.loads((run.directory / "outcome.json").read_bytes())
    assert run.directory.parent.parent == place
    assert run.started and run.ended and run.duration
    assert abs((run.ended - run.started).total_seconds() - run.duration) < 0.001
    assert (run.why_incomplete, run.verdict, run.dirty) == (None, None, False)
    assert any(flag.code for flag in run.flags)
    assert run == run.reload() == projrun.Store(place).run(run.id[:7])
    assert len({run, run.reload()}) == 1


def test_its_metrics_are_numbers(run: projrun.Run) -> None:
    assert run.metrics["rmse"] == 0.25
    assert run.metrics["n"] == 2**53 + 1
    assert run.metrics["odd"] != run.metrics["odd"]
    assert run.metrics["big"] == Decimal("1e400")
    assert run.metrics["tiny"] == Decimal("1e-400")
    loss = run.metrics("loss")
    assert list(loss) == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    assert (len(loss), loss.last, loss.min, loss.max) == (3, 1 / 3, 1 / 3, 1.0)
    assert run.metrics["loss"] == 1 / 3
    assert {name: str(kind) for name, kind in loss.dataframe().dtypes.items()} == {
        "step": "Int64",
        "value": "float64",
    }
    assert list(run.metrics("big").dataframe()["value"]) == [Decimal("1e400")]
    with pytest.raises(projrun.UsageError, match="no metric 'los'"):
        run.metrics("los")


def test_its_log_is_had_by_stream(run: projrun.Run) -> None:
    assert run.log("stdout").bytes() == b"depth 7\nraw \xff\n"
    assert run.log("stdout").text() == "depth 7\nraw \\xff\n"
    assert str(run.log("stderr")) == "café\n"
    assert {line.stream for line in run.log()} >= {"projrun", "stdout", "stderr"}
    (line,) = run.log("stderr").lines(follow=True)
    assert line.time is not None
    assert run.started and run.started <= line.time
    with pytest.raises(projrun.UsageError, match="no stream 'sdtout'"):
        run.log("sdtout")


def test_its_outputs_can_be_read_and_saved(run: projrun.Run, tmp_path: Path) -> None:
    assert list(run.outputs)[:2] == ["model.txt", "parts"]
    assert run.outputs["model.txt"].text() == "model 7\n"
    assert run.outputs["parts"].bytes("a.txt") == b"a"
    assert run.outputs["model.txt"].kept
    assert run.outputs["model.txt"].save(tmp_path / "m" / "copy.txt").read_text() == "model 7\n"
    assert run.outputs["parts"].save(tmp_path) == tmp_path / "parts"
    assert run.outputs["parts"].save(tmp_path / "b.txt", "a.txt").read_text() == "a"
    for wrong in (
        run.outputs["parts"].open,
        lambda: run.outputs["parts"].open("../model.txt/x"),
        lambda: run.outputs["parts"].open("none"),
        lambda: run.outputs["model.txt"].save(tmp_path / "b.txt"),
    ):
        with pytest.raises(projrun.UsageError):
            wrong()
    (run.directory.parent.parent / "objects").chmod(0o700)
    digest = run.outputs["parts"].save(tmp_path / "c").joinpath("a.txt")
    assert digest.read_text() == "a"


def test_a_damaged_output_is_not_given(project: Path, tmp_path: Path) -> None:
    found = projrun.run(project, "train", store=tmp_path / "store")
    sha256 = found.outputs["model.txt"].sha256
    assert sha256
    kept = tmp_path / "store" / "objects" / sha256[:2] / sha256[2:]
    kept.chmod(0o600)
    kept.write_text("model 8\n")
    with pytest.raises(projrun.StoreError, match="damaged"):
        found.outputs["model.txt"].open()


def test_what_it_is_called_can_be_changed(run: projrun.Run) -> None:
    changed = run.relabel(name="second", tags={"paper": "one"}, without=["draft"])
    assert (changed.name, changed.tags, changed.note) == ("second", {"paper": "one"}, "a note")
    assert changed.relabel(name="first", note=None, tags={"draft": ""}, without="paper").note is None
    with pytest.raises(projrun.UsageError):
        run.relabel(tags={"": "x"})


def test_a_program_that_fails_is_a_run_and_no_error(project: Path, place: Path) -> None:
    failed = projrun.run(project, "fail", store=projrun.Store(place))
    assert (failed.status, failed.exit_code) == ("failed", 3)
    assert dict(failed.metrics) == {}


def test_what_is_wrong_is_an_error_and_prints_nothing(
    project: Path, place: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(projrun.UsageError) as told:
        projrun.run(project, "train", {"dept": 3}, store=place)
    assert told.value.hint == "did you mean 'depth'?"
    for wrong in ({"depth": 2.5}, {"depth": "x"}, {"extra": object()}, {"extra": {1, 2}}):
        with pytest.raises(projrun.UsageError):
            projrun.run(project, "train", wrong, store=place)
    for labels in ({"name": "\udcff"}, {"tags": {"": "x"}}, {"seed": -1}):
        with pytest.raises(projrun.UsageError):
            projrun.run(project, "train", store=place, **labels)
    (tmp_path / "ProjectSpec.yaml").write_text("version: 9\n")
    with pytest.raises(projrun.SpecError) as faulty:
        projrun.run(tmp_path, store=place)
    assert faulty.value.problems
    if sys.version_info >= (3, 11):
        assert told.value.__notes__[-1] == "try: did you mean 'depth'?"
        assert "ProjectSpec.yaml:1:" in faulty.value.__notes__[-1]
    with pytest.raises(projrun.ProjrunError):
        projrun.run(project, "train", store=place, strict=True)
    assert capfd.readouterr() == ("", "")


def test_the_output_of_the_program_is_shown_when_it_is_asked_for(project: Path, place: Path) -> None:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        projrun.run(project, "train", store=place, echo=True)
    assert (out.getvalue(), err.getvalue()) == ("depth 3\nraw \\xff\n", "café\n")


def test_twenty_runs_leave_nothing_behind(project: Path, place: Path) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    projrun.run(project, "fail", store=place)

    def left() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    before = left()
    ids = {projrun.run(project, "fail", store=place).id for _ in range(10)}
    found: list[projrun.Run] = []
    thread = threading.Thread(
        target=lambda: found.extend(projrun.run(project, "fail", store=place) for _ in range(10))
    )
    thread.start()
    thread.join()
    assert len(ids | {one.id for one in found}) == 20
    assert {one.exit_code for one in found} == {3}
    assert left() == before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == handlers


LOOP = """\
import sys, projrun
for entry_point in ("wait", "fail"):
    try:
        print(projrun.run(sys.argv[1], entry_point, store=sys.argv[2]), flush=True)
    except (KeyboardInterrupt, projrun.Interrupted) as stop:
        print(type(stop).__name__, stop)
        break
"""


@pytest.mark.parametrize(
    ("number", "told"),
    [(signal.SIGINT, "KeyboardInterrupt the run was interrupted"), (signal.SIGTERM, "Interrupted")],
)
def test_a_signal_ends_the_program_and_the_loop(project: Path, tmp_path: Path, number: int, told: str) -> None:
    (project / "ready").unlink(missing_ok=True)
    words = [sys.executable, "-c", LOOP, str(project), str(tmp_path / "store")]
    loop = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until((project / "ready").exists)
    loop.send_signal(number)
    out, err = loop.communicate(timeout=60)
    assert out.startswith(told), out + err
    assert (err, len(out.splitlines())) == ("", 1)
    assert projrun.Store(tmp_path / "store").run("last").status == "interrupted"


def test_a_living_run_can_be_waited_for(project: Path, tmp_path: Path) -> None:
    (project / "pid").unlink(missing_ok=True)
    words = [
        sys.executable,
        "-m",
        "projrun",
        "run",
        str(project),
        "-e",
        "note",
        "--store",
        str(tmp_path / "store"),
    ]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until((project / "pid").exists)
    living = projrun.Store(tmp_path / "store").run("last")
    assert (living.status, living.ended, living.outcome, dict(living.metrics)) == ("running", None, None, {})
    assert living.wait(timeout=0.05).status == "running"
    with pytest.raises(projrun.DataError, match="no outputs"):
        living.outputs  # noqa: B018
    (project / "fifo").write_text("go on\n")
    assert living.wait().status == "finished"
    assert living.status == "running"  # it is what it was
    assert process.wait() == 0


def test_a_run_is_done_again_and_judged(run: projrun.Run, tmp_path: Path) -> None:
    found = projrun.reproduce(run, tolerances={"rmse": 0.01})
    assert found.layers["outputs"] == "verified"
    assert found.run.directory.parent == run.directory.parent
    assert found.document == found.run.verdict
    assert found.document["reproduces"]["run"] == run.id
    assert bool(found) is found.reproduced is (found.verdict == "reproduced")
    with pytest.raises(projrun.UsageError, match="no such metric"):
        projrun.reproduce(run, tolerances={"rsme": "1%"})
    with pytest.raises(projrun.UsageError):
        projrun.reproduce(tmp_path / "recipe.json")


def until(holds: Callable[[], bool]) -> None:
    """Waits for what another process does."""
    patience = threading.Event()
    for _ in range(3000):
        if holds():
            return
        patience.wait(0.02)
    raise AssertionError("it never came")
