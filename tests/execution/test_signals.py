"""What reaches us reaches the child's whole group: once, and then with more force."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from projrun.execution.ladder import Graces, Ladder
from tests.execution.places import Place
from tests.execution.programs import python, runner

# A child and a grandchild that each leave one line in a file for a signal.
FAMILY = """
import os, signal, sys, time
def note(number, frame):
    with open(sys.argv[1], "ab", buffering=0) as file: file.write(b"%s %d\\n" % (name, number))
for number in (1, 2, 3, 15, signal.SIGUSR1): signal.signal(number, note)
ready, told = os.pipe()
name = b"grandchild" if os.fork() == 0 else b"child"
if name == b"child": os.read(ready, 1); os.write(1, b"ready\\n")
else: os.write(told, b"1")
end = time.monotonic() + 600
while time.monotonic() < end and not os.path.exists(sys.argv[2]): time.sleep(0.01)
os._exit(5)
"""


def notes(path: Path, count: int) -> list[str]:
    """The lines of a file, when there are as many as expected (or after a long while)."""
    for _ in range(3000):
        lines = path.read_text().splitlines() if path.exists() else []
        if len(lines) >= count:
            return sorted(lines)
        time.sleep(0.01)
    return sorted(lines)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_reaches_the_whole_group_once(place: Place, number: int) -> None:
    hits, leave = place.folder / "hits", place.folder / "leave"
    with runner(place.python(FAMILY, str(hits), str(leave)), graces={"first": 600}) as running:
        assert running.line() == b"ready\n"
        running.signal(number)
        expected = [f"child {number}", f"grandchild {number}"]
        assert notes(hits, 2) == expected
        leave.touch()
        _, outcome = running.finish()
    assert notes(hits, 2) == expected
    assert (outcome["status"], outcome["exit_code"], outcome["signal"]) == ("interrupted", 5, None)
    assert outcome["received"] == number
    assert outcome["reason"].startswith(f"projrun was told to stop by {signal.Signals(number).name};")


def test_a_scheduler_s_warning_is_passed_on_and_stops_nothing(place: Place) -> None:
    hits, leave = place.folder / "hits", place.folder / "leave"
    with runner(place.python(FAMILY, str(hits), str(leave)), graces={"first": 0.0}) as running:
        running.line()
        running.signal(signal.SIGUSR1)
        number = int(signal.SIGUSR1)
        assert notes(hits, 2) == [f"child {number}", f"grandchild {number}"]
        leave.touch()
        _, outcome = running.finish()
    assert (outcome["status"], outcome["received"]) == ("failed", None)


def test_an_unhandled_interrupt_ends_with_130(place: Place) -> None:
    code = "import os, signal, time; signal.signal(2, signal.SIG_DFL); os.write(1, b'ready\\n'); time.sleep(600)"
    with runner(place.python(code)) as running:
        running.line()
        running.signal(signal.SIGINT)
        _, outcome = running.finish()
    assert (outcome["status"], outcome["exit_code"], outcome["signal"]) == ("interrupted", 130, 2)


STUBBORN = """
import os, signal, time
for number in (2, 15): signal.signal(number, lambda n, f: os.write(1, b"%d\\n" % n))
os.write(1, b"ready\\n")
while True: time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_answers_no_signal_is_killed(place: Place, number: int) -> None:
    with runner(place.python(STUBBORN), graces={"first": 0.2, "term": 0.2}) as running:
        running.line()
        running.signal(number)
        _, outcome = running.finish()
    assert (outcome["status"], outcome["exit_code"], outcome["signal"]) == ("interrupted", 137, 9)
    assert outcome["received"] == number


def test_a_second_ctrl_c_takes_the_next_step_at_once(place: Place) -> None:
    with runner(place.python(STUBBORN), graces={"first": 600, "term": 600}) as running:
        assert running.line() == b"ready\n"
        for answer in (b"2\n", b"15\n", b""):
            running.signal(signal.SIGINT)
            assert running.line() == answer
            time.sleep(0.15)  # nobody types faster
        _, outcome = running.finish()
    assert outcome["signal"] == 9


class Clock:
    """A time that moves when told, and the signals that a ladder sends meanwhile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.sent: list[tuple[float, int]] = []
        monkeypatch.setattr("projrun.execution.ladder.time", self)
        monkeypatch.setattr("projrun.execution.ladder.os.killpg", self._killpg)
        monkeypatch.setattr("projrun.execution.ladder.system.group_lives", lambda _group: True)

    def monotonic(self) -> float:
        return self.now

    def _killpg(self, _group: int, number: int) -> None:
        self.sent.append((self.now - 1000.0, number))

    def run(self, ladder: Ladder, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1.0
            ladder.check()


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (signal.SIGINT, [(0.0, 2), (10.0, 15), (15.0, 9)]),
        (signal.SIGHUP, [(0.0, 1), (10.0, 15), (15.0, 9)]),
        (signal.SIGTERM, [(0.0, 15), (10.0, 9)]),
    ],
)
def test_each_step_has_its_stated_grace(
    monkeypatch: pytest.MonkeyPatch, first: int, expected: list[tuple[float, int]]
) -> None:
    clock = Clock(monkeypatch)
    ladder = Ladder(Graces())
    ladder.attach(1 << 30, None)
    ladder.interrupt(first)
    clock.run(ladder, 20)
    assert ladder.given_up
    assert clock.sent == expected


def test_a_timeout_takes_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    ladder = Ladder(Graces())
    ladder.attach(1 << 30, 30.0)
    clock.run(ladder, 50)
    assert (ladder.cause, ladder.received) == ("timeout", None)
    assert clock.sent == [(30.0, 2), (40.0, 15), (45.0, 9)]


def test_what_outlives_the_child_has_its_grace_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    ladder = Ladder(Graces())
    ladder.attach(1 << 30, 1.0)
    ladder.exited()
    clock.run(ladder, 10)
    assert (ladder.cause, ladder.stragglers) == (None, True)
    assert clock.sent == [(2.0, 15), (7.0, 9)]


def test_a_stop_ends_the_wait_for_what_outlives_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    ladder = Ladder(Graces())
    ladder.attach(1 << 30, None)
    ladder.exited()
    ladder.interrupt(signal.SIGINT)
    assert (ladder.cause, ladder.received, clock.sent) == (None, signal.SIGINT, [(0.0, signal.SIGTERM)])


def test_a_pause_does_not_count_against_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    monkeypatch.setattr("projrun.execution.ladder.os.kill", lambda _pid, _number: None)
    ladder = Ladder(Graces())
    ladder.attach(1 << 30, 30.0)
    ladder.suspend(signal.SIGTSTP)
    clock.now += 1000.0
    ladder.resume(signal.SIGCONT)
    clock.run(ladder, 29)
    assert ladder.cause is None
    clock.run(ladder, 1)
    assert ladder.cause == "timeout"


def test_one_signal_that_arrives_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    ladder = Ladder(Graces())
    ladder.attach(1 << 30, None)
    ladder.interrupt(signal.SIGTERM)
    ladder.interrupt(signal.SIGTERM)
    assert clock.sent == [(0.0, signal.SIGTERM)]


def test_impatience_never_gives_up_on_a_child_that_is_being_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    ladder = Ladder(Graces())
    ladder.attach(1 << 30, None)
    for _ in range(9):
        ladder.interrupt(signal.SIGINT)
        clock.now += 1.0
    assert [number for _, number in clock.sent] == [2, 15, 9]
    assert not ladder.given_up


def test_a_stop_before_the_child_runs_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    ladder = Ladder(Graces())
    ladder.interrupt(signal.SIGINT)
    assert clock.sent == []
    ladder.attach(1 << 30, None)
    assert clock.sent == [(0.0, signal.SIGINT)]


def test_an_interrupt_gets_through_while_the_screen_takes_nothing(place: Place) -> None:
    ready, hit = place.folder / "ready", place.folder / "hit"
    code = """
import os, signal, sys
def stop(number, frame): open(sys.argv[2], "w").close(); os._exit(0)
signal.signal(2, stop)
for count in range(10**9):
    os.write(1, b"x" * 65536)
    if count == 2: open(sys.argv[1], "w").close()
"""
    with runner(python(code, str(ready), str(hit))) as running:
        while not ready.exists():
            time.sleep(0.01)
        running.signal(signal.SIGINT)
        for _ in range(3000):
            if hit.exists():
                break
            time.sleep(0.01)
        assert hit.exists()
        _, outcome = running.finish()
    assert outcome["status"] == "interrupted"


def test_a_signal_that_our_caller_ignores_stays_ignored(place: Place) -> None:
    hits, leave = place.folder / "hits", place.folder / "leave"
    request = place.python(FAMILY, str(hits), str(leave))
    with runner(request, preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN)) as running:
        running.line()
        running.signal(signal.SIGTERM)
        leave.touch()
        _, outcome = running.finish()
    assert (outcome["status"], outcome["received"], hits.exists()) == ("failed", None, False)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at process states in /proc")
def test_ctrl_z_pauses_the_child_too_and_both_go_on(tmp_path: Path) -> None:
    leave = tmp_path / "leave"
    code = (
        "import os, sys, time\n"
        "os.write(1, b'%d\\n' % os.getpid())\n"
        "while not os.path.exists(sys.argv[1]): time.sleep(0.01)"
    )
    with runner(python(code, str(leave), timeout=600)) as running:
        child = int(running.line())
        running.signal(signal.SIGTSTP)
        _, status = os.waitpid(running.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        for _ in range(3000):
            state = Path(f"/proc/{child}/stat").read_bytes().rpartition(b")")[2].split()[0]
            if state == b"T":
                break
            time.sleep(0.01)
        assert state == b"T"
        leave.touch()
        running.signal(signal.SIGCONT)
        _, outcome = running.finish()
    assert outcome["status"] == "finished"
