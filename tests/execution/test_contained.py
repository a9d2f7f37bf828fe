"""What only a run in a container has: a user and a home of its own, limits, an engine that fails, nothing left."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from projrun.environment.model import Mount
from projrun.execution.local import execute
from projrun.execution.model import Outcome, Request
from tests import images
from tests.core.engine.podman import podman_service
from tests.execution.places import Inside
from tests.execution.programs import Recorded, runner

pytestmark = pytest.mark.slow

ENDLESS = "import os, time\nos.write(1, b'ready\\n')\nwhile True: time.sleep(600)"


def run(request: Request) -> tuple[Outcome, Recorded]:
    sink = Recorded()
    return execute(request, sink.write), sink


def eventually_nothing_is_left(inside: Inside) -> None:
    for _ in range(1500):
        if inside.left() == []:
            break
        time.sleep(0.02)
    assert inside.left() == []


# -- what the program finds


def test_the_program_finds_what_it_was_given(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/from/the/caller")
    monkeypatch.setenv("GIT_TOKEN", "hunter2")
    monkeypatch.delenv("ABSENT", raising=False)
    words = ["", " ", "a\nb", "'$HOME'", "ü", "--x=y", "*"]
    code = """
import json, os, stat, sys
home = os.stat(os.environ["HOME"])
open(os.environ["HOME"] + "/file", "w").close()
open(sys.argv[1] + "/made", "w").close()
print(json.dumps({
    "argv": sys.argv[2:], "cwd": os.getcwd(), "ids": [os.getuid(), os.getgid(), home.st_uid, home.st_gid],
    "mode": stat.S_IMODE(home.st_mode), "variables": dict(os.environ), "stdin": sys.stdin.read(),
    "terminals": [os.isatty(number) for number in range(3)],
}))
"""
    outside = inside.folder.parent / "outside"
    outside.mkdir(mode=0o777)
    outside.chmod(0o777)
    container = inside.container(user="4321:1234", mounts=(Mount(str(outside), "/seen", writable=True),))
    variables = {"HOME": "/projrun/home", "A": "x=y\nz"}
    secrets = ("GIT_TOKEN", "ABSENT")
    request = inside.python(code, "/seen", *words, container=container, variables=variables, secrets=secrets)
    outcome, sink = run(request)
    assert outcome.status == "finished", sink.of("stderr")
    found = json.loads(sink.of("stdout"))
    assert found["argv"] == words
    assert (found["cwd"], found["stdin"], found["terminals"]) == ("/", "", [False] * 3)
    assert found["ids"] == [4321, 1234, 4321, 1234]
    assert found["mode"] == 0o700
    assert {name: found["variables"][name] for name in ("A", "GIT_TOKEN")} == {
        "A": "x=y\nz",
        "GIT_TOKEN": "hunter2",
    }
    assert not {"PYTHONPATH", "ABSENT"} & found["variables"].keys()
    made = (outside / "made").stat()
    assert (made.st_uid, made.st_gid) == (4321, 1234)


def test_what_is_mounted_to_be_read_cannot_be_written(inside: Inside) -> None:
    container = inside.container(mounts=(Mount(str(inside.folder), "/seen"),), user="0:0")
    outcome, sink = run(inside.python("open('/seen/file', 'w')", container=container))
    assert outcome.exit_code == 1
    assert b"Read-only file system" in sink.of("stderr")
    assert list(inside.folder.iterdir()) == []


def test_the_image_s_entrypoint_comes_first_and_its_volumes_go(inside: Inside) -> None:
    config = {"Entrypoint": ["/bin/echo", "first"], "Volumes": {"/kept": {}}}
    image = images.derived(inside.engine, images.SLIM, "projrun-test/entrypoint:1", config=config)
    before = inside.engine.api.volumes()["Volumes"]
    container = inside.container(image=image, entrypoint=("/bin/echo", "first"))
    outcome, sink = run(Request(("then", "these"), "/", container=container))
    assert (outcome.status, sink.of("stdout")) == ("finished", b"first then these\n")
    assert inside.engine.api.volumes()["Volumes"] == before


def test_limits_and_network_are_those_asked_for(inside: Inside) -> None:
    code = """
import os, pathlib
shm = os.statvfs("/dev/shm")
print(shm.f_blocks * shm.f_frsize, sorted(os.listdir("/sys/class/net")))
for name in ("memory/memory.limit_in_bytes", "memory.max"):
    path = pathlib.Path("/sys/fs/cgroup", name)
    if path.exists(): print(path.read_text().strip())
for name in ("cpu/cpu.cfs_quota_us", "cpu.max"):
    path = pathlib.Path("/sys/fs/cgroup", name)
    if path.exists(): print(path.read_text().split()[0])
"""
    container = inside.container(memory=64 << 20, cpus=0.5, shm_size=8 << 20)
    outcome, sink = run(inside.python(code, container=container))
    assert outcome.status == "finished", sink.of("stderr")
    assert sink.of("stdout").decode().splitlines() == [f"{8 << 20} ['lo']", str(64 << 20), "50000"]


# -- how it ends


def test_out_of_memory_is_told_with_the_limit(inside: Inside) -> None:
    code = "import time; time.sleep(0.1); b = bytearray(200_000_000)"
    outcome, _ = run(inside.python(code, container=inside.container(memory=32 << 20)))
    assert (outcome.status, outcome.exit_code) == ("failed", 137)
    # On a busy machine the engine's control groups may be gone before anybody can look at them.
    assert re.search(
        r"out of memory \(its limit is 32 MiB\)|for want of memory \(its limit is 32 MiB\)", outcome.reason
    )


def test_out_of_memory_is_told_of_a_descendant_too(inside: Inside) -> None:
    code = (
        "import subprocess, sys, time\n"
        "subprocess.run([sys.executable, '-I', '-c', 'b = bytearray(200_000_000)'])\n"
        "time.sleep(0.5)\n"
        "sys.exit(5)"
    )
    outcome, _ = run(inside.python(code, container=inside.container(memory=32 << 20)))
    assert (outcome.status, outcome.exit_code, outcome.signal) == ("failed", 5, None)
    assert outcome.reason == "out of memory (its limit is 32 MiB); it ended with exit code 5"
    assert outcome.usage.peak_memory >= 30 << 20


def test_a_kill_of_its_own_has_the_exit_code_of_one(inside: Inside) -> None:
    outcome, _ = run(inside.python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    assert (outcome.status, outcome.exit_code, outcome.signal) == ("failed", 137, None)
    assert outcome.reason == "it ended with exit code 137, which is also that of a program ended by SIGKILL"


def test_descendants_end_with_the_program(inside: Inside) -> None:
    code = "import subprocess, sys; subprocess.Popen(['sleep', '600'], start_new_session=True)"
    outcome, _ = run(inside.python(code))
    assert (outcome.status, outcome.stragglers) == ("finished", False)


def test_it_is_paused_and_goes_on_with_the_runner(inside: Inside) -> None:
    leave = inside.folder / "leave"
    code = (
        "import os, sys, time\nos.write(1, b'ready\\n')\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.01)"
    )
    container = inside.container()
    request = inside.python(code, str(leave), timeout=600, container=container)

    def paused() -> bool:
        return bool(inside.engine.api.inspect_container(container.name)["State"]["Paused"])

    with runner(request) as running:
        assert running.line() == b"ready\n"
        running.signal(signal.SIGTSTP)
        _, status = os.waitpid(running.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        for _ in range(1000):
            if paused():
                break
            time.sleep(0.02)
        assert paused()
        leave.touch()
        running.signal(signal.SIGCONT)
        _, outcome = running.finish()
    assert outcome["status"] == "finished"


# -- what does not start


def not_started(request: Request) -> tuple[int, str]:
    outcome, sink = run(request)
    assert (outcome.status, sink.pieces) == ("not-started", [])
    return outcome.exit_code, outcome.reason


def test_what_is_not_found_or_no_program_is_told_apart(inside: Inside) -> None:
    plain, broken = inside.folder / "plain", inside.folder / "broken"
    plain.write_text("not executable")
    broken.write_text("#!/nowhere/python\n")
    broken.chmod(0o755)
    at = str(inside.folder)
    assert not_started(inside.request(("tool",), at)) == (127, "tool was not found on the environment's PATH")
    assert not_started(inside.request(("./tool",), at)) == (127, f"{at}/./tool does not exist")
    assert not_started(inside.request(("./plain",), at)) == (
        126,
        f"{at}/./plain is not executable (chmod +x makes it so)",
    )
    assert not_started(inside.request(("./",), at)) == (126, f"{at}/./ is a directory")
    code, reason = not_started(inside.request(("./broken",), at))
    assert (code, "the interpreter that it names" in reason) == (126, True)
    code, reason = not_started(inside.request(("true",), str(plain)))
    assert (code, reason.startswith(f"cannot work in the directory {plain}")) == (126, True)


def test_what_no_engine_can_be_told_is_told_by_us(inside: Inside) -> None:
    assert not_started(inside.request((), "/")) == (127, "the command is empty")
    assert not_started(inside.request(("",), "/")) == (127, "the command is empty")
    assert not_started(inside.request(("echo", "a\0b"), "/"))[0] == 126
    assert not_started(inside.request(("echo", "\udcff"), "/"))[0] == 126
    assert not_started(inside.request(("echo",), "/", {"A=B": "c"}))[0] == 126


def test_arguments_beyond_the_limit_of_the_system_are_explained(inside: Inside) -> None:
    code, reason = not_started(inside.request(("echo", "x" * 500_000), "/"))
    assert (code, "longer than the system allows" in reason) == (126, True)


def test_what_the_engine_refuses_has_its_reason(inside: Inside) -> None:
    def refusal(**fields: object) -> str:
        code, reason = not_started(inside.python("pass", container=inside.container(**fields)))
        assert code == 125
        return reason

    gone = inside.folder / "gone"
    missing = (Mount(str(gone), "/seen"),)
    assert refusal(mounts=missing) == f"{gone} is to be mounted into the container, but does not exist"
    assert not gone.exists()
    assert "there is no such image" in refusal(image=f"sha256:{'0' * 64}")
    network = refusal(network="nowhere")
    assert "docker.network: network nowhere not found" in network
    assert "docker network ls" in network
    gpus = refusal(gpus="all")
    assert "docker.gpus" in gpus
    assert "NVIDIA container toolkit" in gpus
    user = refusal(user="nosuchuser")
    assert "docker.user: unable to find user nosuchuser" in user
    assert 'user: "UID:GID"' in user
    assert "docker.memory" in refusal(memory=1 << 20)
    assert "docker.cpus" in refusal(cpus=100_000.0)


# -- kills


def test_when_the_runner_is_killed_the_container_goes(inside: Inside) -> None:
    with runner(inside.python(ENDLESS)) as running:
        assert running.line() == b"ready\n"
        assert inside.left() != []
        running.signal(signal.SIGKILL)
        running.process.wait()
        eventually_nothing_is_left(inside)


def test_when_the_runner_is_killed_a_program_may_tidy_up(inside: Inside) -> None:
    code = (
        "import os, signal, sys, time\n"
        "def tidy(*_): open(sys.argv[1], 'w').close(); os._exit(0)\n"
        "signal.signal(15, tidy)\n"
        "os.write(1, b'ready\\n')\n"
        "while True: time.sleep(600)"
    )
    tidied = inside.folder / "tidied"
    with runner(inside.python(code, str(tidied))) as running:
        assert running.line() == b"ready\n"
        running.signal(signal.SIGKILL)
        running.process.wait()
        eventually_nothing_is_left(inside)
    assert tidied.exists()


def tender_of(process: int) -> int:
    """The process that tends the container for a runner: its only child."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=True
    )
    return int(listed.stdout.split()[0])


def test_when_what_tends_it_is_killed_the_container_goes_and_it_is_told(inside: Inside) -> None:
    with runner(inside.python(ENDLESS)) as running:
        assert running.line() == b"ready\n"
        os.kill(tender_of(running.process.pid), signal.SIGKILL)
        _, outcome = running.finish()
    assert (outcome["status"], outcome["exit_code"], outcome["signal"]) == ("failed", 125, None)
    assert outcome["reason"] == (
        "projrun's own process that tends the container was ended by SIGKILL (Killed); the container was removed"
    )


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_when_output_cannot_be_taken_it_is_stopped(inside: Inside, error: BaseException) -> None:
    def write(_stream: str, _data: bytes) -> None:
        raise error

    with pytest.raises(type(error)):
        execute(inside.python(ENDLESS), write)


def test_told_to_stop_before_it_has_started_it_never_does(inside: Inside) -> None:
    request = inside.python("open('/seen/ran', 'w')", container=inside.container(), timeout=0.0)
    outcome, sink = run(request)
    assert (outcome.status, outcome.exit_code, outcome.signal) == ("timeout", 124, 2)
    assert sink.pieces == []


# -- amounts


def test_much_output_of_both_streams_arrives_whole_and_takes_little_memory(inside: Inside) -> None:
    code = """
import os, sys, time
for number in range(25):
    for stream in (1, 2):
        line = b"%d %d " % (stream, number)
        assert os.write(stream, line + b"x" * ((1 << 20) - len(line))) == 1 << 20
"""
    sink = Recorded()
    peaks = []

    def write(stream: str, data: bytes) -> None:
        sink.write(stream, data)
        if len(sink.pieces) % 100 == 0:
            status = Path(f"/proc/{tender_of(os.getpid())}/status").read_text()
            peaks.append(int(re.findall(r"VmHWM:\s+(\d+)", status)[0]))

    assert execute(inside.python(code), write).status == "finished"
    for number, stream in enumerate(("stdout", "stderr"), 1):
        pieces = [sink.of(stream)[at : at + (1 << 20)] for at in range(0, 25 << 20, 1 << 20)]
        assert [piece.split()[:2] for piece in pieces] == [[b"%d" % number, b"%d" % at] for at in range(25)]
        assert len(sink.of(stream)) == 25 << 20
    assert max(peaks) < 40_000  # kB


# -- the engine


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inside]:
    folder = tmp_path / "seen"
    folder.mkdir()
    with podman_service() as service:
        monkeypatch.setenv("DOCKER_HOST", service.host)
        yield Inside(service, images.slim(service), folder)


def test_podman_runs_it_too(podman: Inside) -> None:
    container = podman.container(user="4321:1234")
    script = "echo out; echo err >&2; id -u; touch $HOME/file; exit 3"
    request = Request(("sh", "-c", script), "/", {"HOME": "/projrun/home"}, container=container)
    outcome, sink = run(request)
    assert (outcome.status, outcome.exit_code, outcome.reason) == ("failed", 3, "it ended with exit code 3")
    assert (sink.of("stdout"), sink.of("stderr")) == (b"out\n4321\n", b"err\n")
    assert not_started(podman.request(("tool",), "/"))[0] == 127
    gone = podman.folder / "gone"
    container = podman.container(mounts=(Mount(str(gone), "/seen"),))
    assert "does not exist" in not_started(Request(("true",), "/", container=container))[1]
    assert not gone.exists()
    assert podman.left() == []


class Proxy:
    """A socket that leads to the engine until it is cut."""

    def __init__(self, place: Path, engine: str) -> None:
        self._engine = engine.removeprefix("unix://")
        self._ends: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(place))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def cut(self) -> None:
        """Nothing answers any more, and whoever is connected notices."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._ends:
            end.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                ours = self._listener.accept()[0]
                theirs = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                theirs.connect(self._engine)
                self._ends += [ours, theirs]
                for source, target in ((ours, theirs), (theirs, ours)):
                    thread = threading.Thread(target=self._copy, args=(source, target), daemon=True)
                    self._threads.append(thread)
                    thread.start()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    place = inside.folder.parent / "s"
    made = Proxy(place, inside.engine.host)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}")
    yield made
    made.cut()


def test_an_engine_that_goes_away_in_the_middle_is_told(inside: Inside, proxy: Proxy) -> None:
    request = inside.python(ENDLESS)
    assert request.container is not None
    sink = Recorded()

    def write(stream: str, data: bytes) -> None:
        sink.write(stream, data)
        proxy.cut()

    outcome = execute(request, write)
    assert (outcome.status, outcome.exit_code, outcome.signal) == ("failed", 125, None)
    assert "went away in the middle" in outcome.reason
    name = request.container.name
    assert outcome.reason.endswith(f"the container {name} may still be there (projrun env prune removes it)")
    assert sink.of("stdout") == b"ready\n"
    assert any(name in one for one in inside.left())
    inside.engine.api.remove_container(name, force=True)
    Path(request.container.lock).unlink()


def test_what_cannot_be_removed_is_told(inside: Inside, proxy: Proxy) -> None:
    request = inside.python(
        "import signal; signal.signal(2, signal.SIG_IGN); signal.signal(15, signal.SIG_IGN)\n" + ENDLESS
    )
    assert request.container is not None
    with runner(request) as running:
        assert running.line() == b"ready\n"
        tender = tender_of(running.process.pid)
        os.kill(tender, signal.SIGSTOP)
        proxy.cut()
        os.kill(tender, signal.SIGKILL)
        _, outcome = running.finish()
    assert (outcome["status"], outcome["exit_code"]) == ("failed", 125)
    assert "may still be there" in outcome["reason"]
    inside.engine.api.remove_container(request.container.name, force=True)
    Path(request.container.lock).unlink()


def test_no_engine_is_told(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    place = inside.folder / "nothing"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}")
    code, reason = not_started(inside.python("pass"))
    assert code == 125
    assert reason.startswith(f"there is no container engine at unix://{place}: ")
    monkeypatch.setenv("DOCKER_HOST", "ssh://nobody@localhost")
    assert "another machine's" in not_started(inside.python("pass"))[1]
