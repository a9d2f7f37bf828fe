"""One process from its request to its outcome."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projrun.execution.ladder import Graces
from projrun.execution.local import execute
from projrun.execution.model import Request
from tests.execution.places import Place
from tests.execution.programs import Recorded, python, runner

QUICK = Graces(first=0.2, term=0.2, kill=5.0, drain=0.2)


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.01)


def ended(pid: int) -> bool:
    """Whether a process is gone, waiting a while for it to go."""
    for _ in range(500):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        state = Path(f"/proc/{pid}/stat")
        with contextlib.suppress(OSError):
            if state.read_bytes().rpartition(b")")[2].split()[0] == b"Z":
                return True
        time.sleep(0.02)
    return False


words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@given(st.lists(words, max_size=5))
@settings(max_examples=15, deadline=None)
def test_argv_arrives_exactly(arguments: list[str]) -> None:
    sink = Recorded()
    outcome = execute(python("import sys; print(ascii(sys.argv[1:]), end='')", *arguments), sink.write)
    assert outcome.status == "finished"
    assert sink.of("stdout").decode() == ascii(arguments)


def test_the_environment_is_the_variables_and_the_secrets_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/from/the/caller")
    monkeypatch.setenv("TOKEN", "hunter2")
    monkeypatch.delenv("ABSENT", raising=False)
    sink = Recorded()
    request = Request(("/usr/bin/env",), cwd="/", variables={"A": "1", "B": "x=y\nz"}, secrets=("TOKEN", "ABSENT"))
    execute(request, sink.write)
    assert sorted(sink.of("stdout").splitlines()) == [b"A=1", b"B=x=y", b"TOKEN=hunter2", b"z"]


def test_streams_are_told_apart_and_bytes_are_untouched(place: Place) -> None:
    code = "import os; os.write(1, bytes(range(256))); os.write(2, b'\\r\\xffno newline')"
    sink = Recorded()
    execute(place.python(code), sink.write)
    assert sink.of("stdout") == bytes(range(256))
    assert sink.of("stderr") == b"\r\xffno newline"


def test_there_is_nothing_to_read_and_the_group_is_its_own(tmp_path: Path) -> None:
    code = "import os, sys; print([sys.stdin.read(), os.getpgid(0) == os.getsid(0) == os.getpid(), os.getcwd()])"
    sink = Recorded()
    execute(python(code, cwd=str(tmp_path)), sink.write)
    assert sink.of("stdout").decode() == f"{['', True, os.path.realpath(tmp_path)]}\n"


def test_the_outcome_tells_times_and_use(place: Place) -> None:
    before = time.time()
    outcome = execute(place.python("b = bytearray(80_000_000)\nfor _ in range(10**6): pass"), Recorded().write)
    assert (outcome.status, outcome.exit_code, outcome.reason) == ("finished", 0, "")
    assert before <= outcome.started <= outcome.ended <= time.time()
    assert outcome.usage.user + outcome.usage.system > 0
    assert outcome.usage.wall > 0
    assert 80_000_000 < outcome.usage.peak_memory < 8_000_000_000


def test_started_is_called_once_the_process_runs(place: Place) -> None:
    calls: list[str] = []
    execute(
        place.python("print('here')"), lambda *_: calls.append("output"), started=lambda: calls.append("started")
    )
    assert calls == ["started", "output"]


@pytest.mark.parametrize(("seconds", "told"), [(0.0, ["lasts"]), (3600.0, [])])
def test_a_program_that_lasts_is_told_of_once_and_a_short_one_never(
    place: Place, monkeypatch: pytest.MonkeyPatch, seconds: float, told: list[str]
) -> None:
    monkeypatch.setattr("projrun.execution.local._LASTING_SECONDS", seconds)
    calls: list[str] = []
    execute(place.python("print('here')"), Recorded().write, lasting=lambda: calls.append("lasts"))
    assert calls == told


@pytest.mark.parametrize("code", [1, 2, 111, 255])
def test_an_exit_code_passes_through(place: Place, code: int) -> None:
    outcome = execute(place.python(f"raise SystemExit({code})"), Recorded().write)
    assert (outcome.status, outcome.exit_code, outcome.signal) == ("failed", code, None)
    assert outcome.reason == f"it ended with exit code {code}"


def test_a_signal_of_its_own_is_a_failure() -> None:
    outcome = execute(python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), Recorded().write)
    assert (outcome.status, outcome.exit_code, outcome.signal) == ("failed", 137, 9)
    assert outcome.received is None
    assert "SIGKILL (Killed)" in outcome.reason


def test_a_stream_that_is_closed_early_ends_nothing(place: Place) -> None:
    code = "import os, time; os.close(1); time.sleep(0.3); os.write(2, b'still here')"
    sink = Recorded()
    assert execute(place.python(code), sink.write).status == "finished"
    assert sink.pieces == [("stderr", b"still here")]


def test_output_is_passed_on_as_it_comes(place: Place) -> None:
    answer = place.folder / "answer"
    code = (
        "import os, sys, time\nprint('asks', flush=True)\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.01)"
    )
    outcome = execute(place.python(code, str(answer), timeout=60), lambda *_: answer.touch())
    assert outcome.status == "finished"


# -- what cannot be started


def not_started(request: Request) -> tuple[int, str]:
    sink = Recorded()
    outcome = execute(request, sink.write)
    assert outcome.status == "not-started"
    assert sink.pieces == []
    return outcome.exit_code, outcome.reason


def test_a_program_is_looked_up_on_the_path_of_the_request(tmp_path: Path) -> None:
    for directory in ("one", "two"):
        (tmp_path / directory).mkdir()
    (tmp_path / "one" / "tool").write_text("not executable")
    program = tmp_path / "two" / "tool"
    program.write_text("#!/bin/sh\necho found $0\n")
    program.chmod(0o755)
    sink = Recorded()
    execute(Request(("tool",), str(tmp_path), {"PATH": "one:two"}), sink.write)
    execute(Request(("two/tool",), str(tmp_path), {"PATH": ""}), sink.write)
    assert sink.of("stdout").decode() == f"found {program}\nfound two/tool\n"
    code, reason = not_started(Request(("tool",), str(tmp_path), {"PATH": "one"}))
    assert (code, reason) == (126, f"{tmp_path}/one/tool is not executable (chmod +x makes it so)")


def test_what_is_not_found_is_127(tmp_path: Path) -> None:
    assert not_started(Request(("tool",), str(tmp_path), {"PATH": "/nowhere"})) == (
        127,
        "tool was not found on the environment's PATH",
    )
    (tmp_path / "python3").touch()
    (tmp_path / "tools").touch()
    assert not_started(Request(("tool",), str(tmp_path), {"PATH": f"/nowhere:{tmp_path}"})) == (
        127,
        "tool was not found on the environment's PATH (did you mean tools?)",
    )
    assert not_started(Request(("./tool",), str(tmp_path))) == (127, f"{tmp_path}/./tool does not exist")
    assert not_started(Request(("",), str(tmp_path))) == (127, "the command is empty")
    assert not_started(Request((), str(tmp_path))) == (127, "the command is empty")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"echo no first line", "lacks a first line such as #!/bin/sh"),
        (b"#!/nowhere/python\n", "the interpreter that it names"),
        (b"\x7fELF broken", "is not a program of this system"),
    ],
)
def test_what_cannot_be_executed_is_126(tmp_path: Path, content: bytes, reason: str) -> None:
    program = tmp_path / "tool"
    program.write_bytes(content)
    program.chmod(0o755)
    code, told = not_started(Request(("./tool",), str(tmp_path)))
    assert code == 126
    assert reason in told


def test_a_directory_is_no_program_and_a_file_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not_started(Request(("./",), str(tmp_path))) == (126, f"{tmp_path}/./ is a directory")
    assert not_started(Request(("true",), str(tmp_path / "file"))) == (
        126,
        f"cannot work in the directory {tmp_path}/file: Not a directory",
    )
    assert not_started(Request(("true",), str(tmp_path / "gone"))) == (
        126,
        f"cannot work in the directory {tmp_path}/gone: No such file or directory",
    )


def test_arguments_beyond_the_limit_of_the_system_are_explained() -> None:
    code, reason = not_started(python("pass", "x" * 50_000_000))
    assert code == 126
    assert "longer than the system allows" in reason
    assert "50000000 in the longest argument" in reason


def test_what_no_argv_can_hold_is_explained() -> None:
    assert not_started(python("pass", "a\0b"))[0] == 126
    assert not_started(python("pass", variables={"A=B": "c"}))[0] == 126
    assert not_started(Request(("a\0b",), "/"))[0] == 127


# -- timeouts and what is left behind


def test_a_timeout_interrupts_first(place: Place) -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, lambda *_: (print('tidied up'), sys.exit(0)))\n"
        "open(sys.argv[1], 'w').close()\n"
        "time.sleep(600)"
    )
    sink = Recorded()
    ready = place.folder / "ready"
    request = place.python(code, str(ready), timeout=0.1)
    outcome = execute(request, sink.write, started=lambda: wait_for(ready))
    assert (outcome.status, outcome.exit_code, outcome.signal) == ("timeout", 124, None)
    assert outcome.reason == "it had not finished after 0.1 s; it ended with exit code 0"
    assert sink.of("stdout") == b"tidied up\n"


def test_what_answers_no_signal_is_killed(place: Place) -> None:
    code = (
        "import signal, sys, time\n"
        "for n in (2, 15): signal.signal(n, signal.SIG_IGN)\n"
        "open(sys.argv[1], 'w').close()\n"
        "time.sleep(600)"
    )
    ready = place.folder / "ready"
    request = place.python(code, str(ready), timeout=0.1)
    outcome = execute(request, Recorded().write, started=lambda: wait_for(ready), graces=QUICK)
    assert (outcome.status, outcome.exit_code, outcome.signal) == ("timeout", 124, 9)


def test_a_descendant_that_holds_the_output_is_ended() -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-I', '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid)"
    )
    sink = Recorded()
    outcome = execute(python(code), sink.write, graces=QUICK)
    assert (outcome.status, outcome.exit_code, outcome.stragglers) == ("finished", 0, True)
    assert ended(int(sink.of("stdout")))


def test_a_descendant_without_the_output_that_ignores_term_is_killed() -> None:
    code = (
        "import subprocess, sys\n"
        "rest = 'import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(600)'\n"
        "argv = [sys.executable, '-I', '-c', rest]\n"
        "child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)\n"
        "child.stdout.readline()\n"
        "print(child.pid)"
    )
    sink = Recorded()
    outcome = execute(python(code), sink.write, graces=QUICK)
    assert (outcome.status, outcome.stragglers) == ("finished", True)
    assert ended(int(sink.of("stdout")))


def test_a_descendant_that_finishes_in_time_is_heard() -> None:
    code = (
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-I', '-c', 'import time; time.sleep(0.3); print(\"last words\")'])"
    )
    sink = Recorded()
    outcome = execute(python(code), sink.write, graces=Graces(drain=60))
    assert (outcome.status, outcome.stragglers) == ("finished", False)
    assert sink.of("stdout") == b"last words\n"


def test_a_descendant_in_a_session_of_its_own_cannot_hold_us() -> None:
    code = (
        "import subprocess, sys\n"
        "rest = 'import time; time.sleep(600)'\n"
        "child = subprocess.Popen([sys.executable, '-I', '-c', rest], start_new_session=True)\n"
        "print(child.pid)"
    )
    sink = Recorded()
    outcome = execute(python(code), sink.write, graces=QUICK)
    os.kill(int(sink.of("stdout")), signal.SIGKILL)
    assert (outcome.status, outcome.stragglers) == ("finished", True)


def test_output_that_is_taken_slowly_is_not_lost(place: Place) -> None:
    sink = Recorded()

    def write(stream: str, data: bytes) -> None:
        time.sleep(0.05)
        sink.write(stream, data)

    outcome = execute(place.python("import os; os.write(1, b'x' * 150_000)"), write, graces=Graces(drain=0.0))
    assert (outcome.stragglers, len(sink.of("stdout"))) == (False, 150_000)


def test_a_child_that_cannot_be_killed_does_not_hold_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projrun.execution.ladder.os.killpg", lambda _group, _number: None)
    sink = Recorded()
    request = Request(("sh", "-c", "echo $$; exec sleep 600"), "/", timeout=0.1)
    outcome = execute(request, sink.write, graces=Graces(first=0.1, term=0.1, kill=0.5))
    os.kill(int(sink.of("stdout")), signal.SIGKILL)
    os.waitpid(int(sink.of("stdout")), 0)
    assert (outcome.status, outcome.exit_code, outcome.signal) == ("timeout", 124, None)
    assert outcome.reason == "it had not finished after 0.1 s; it could not be killed, and may still run"


# -- our own failures


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_when_output_cannot_be_taken_the_child_is_stopped(error: BaseException) -> None:
    pids: list[int] = []

    def write(_stream: str, data: bytes) -> None:
        pids.append(int(data.split()[0]))
        raise error

    code = "import os\nos.write(1, b'%d\\n' % os.getpid())\nwhile True: os.write(1, b'x' * 4096)"
    with pytest.raises(type(error)) as raised:
        execute(python(code), write)
    assert raised.value is error
    assert len(pids) == 1
    assert ended(pids[0])


def test_when_the_start_cannot_be_recorded_the_child_is_stopped(place: Place) -> None:
    def started() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        execute(place.python("import time; time.sleep(600)"), Recorded().write, started=started)


# -- other places to run in


def test_outside_the_main_thread_a_run_is_as_good(place: Place) -> None:
    outcomes = []
    sink = Recorded()

    def run() -> None:
        outcomes.append(execute(place.python("print('from a thread')"), sink.write))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert [outcome.status for outcome in outcomes] == ["finished"]
    assert sink.of("stdout") == b"from a thread\n"


def test_without_pidfd_a_thread_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    sink = Recorded()
    outcome = execute(python("import os; os.close(2); print('out'); raise SystemExit(3)"), sink.write)
    assert (outcome.status, outcome.exit_code) == ("failed", 3)
    assert outcome.usage.peak_memory > 0
    assert sink.of("stdout") == b"out\n"
    outcome = execute(Request(("sleep", "600"), "/", timeout=0.1), sink.write, graces=QUICK)
    assert (outcome.status, outcome.exit_code) == ("timeout", 124)


def test_no_descriptor_is_left_open(place: Place) -> None:
    listing = Path("/dev/fd")
    before = len(list(listing.iterdir()))
    for terminals in ((), ("stdout", "stderr")):
        execute(place.python("print(1)", terminals=terminals), Recorded().write)
        execute(place.request(("/nowhere",), "/"), Recorded().write)
    assert len(list(listing.iterdir())) == before


def test_handlers_are_what_they_were(place: Place) -> None:
    before = [signal.getsignal(number) for number in signal.valid_signals()]
    execute(place.python("pass"), Recorded().write)
    assert [signal.getsignal(number) for number in signal.valid_signals()] == before


# -- amounts


def memory_for(megabytes: int) -> int:
    """The peak memory of a runner whose child writes that much."""
    code = f"import os\nblock = b'x' * (1 << 20)\nfor _ in range({megabytes}): os.write(1, block)"
    with runner(python(code), stdout=subprocess.DEVNULL) as running:
        outcome = running.finish()[1]
    assert outcome["status"] == "finished"
    memory = outcome["own_memory"]
    assert isinstance(memory, int)
    return memory


def test_a_gigabyte_of_output_takes_no_more_memory_than_a_megabyte() -> None:
    much = memory_for(1024)
    assert much < memory_for(1) + 4_000_000
    assert much < 80_000_000


def test_all_of_much_output_arrives(place: Place) -> None:
    total = 0

    def write(_stream: str, data: bytes) -> None:
        nonlocal total
        total += len(data)

    code = "import os\nfor _ in range(50): assert os.write(1, b'x' * (1 << 20)) == 1 << 20"
    assert execute(place.python(code), write).status == "finished"
    assert total == 50 << 20


def test_nothing_slow_to_import_is_imported() -> None:
    code = (
        "import sys, projrun.execution.local\n"
        "slow = {'asyncio', 'concurrent.futures', 'difflib', 'urllib.request', 'http', 'multiprocessing'}\n"
        "print(sorted(slow & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
