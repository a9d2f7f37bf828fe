"""A child that thinks it has a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from projrun.execution.local import execute
from projrun.store.log import RunLog
from tests.execution.programs import Recorded, python, runner


def set_size(terminal: int, rows: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@pytest.mark.parametrize("terminals", [(), ("stdout",), ("stderr",), ("stdout", "stderr")])
def test_the_streams_that_are_asked_for_are_terminals(terminals: tuple[str, ...]) -> None:
    sink = Recorded()
    code = "import os; os.write(1, b'%d' % os.isatty(1)); os.write(2, b'%d' % os.isatty(2))"
    outcome = execute(python(code, terminals=terminals), sink.write)
    assert (outcome.status, outcome.stragglers) == ("finished", False)
    assert sink.of("stdout") == b"%d" % ("stdout" in terminals)
    assert sink.of("stderr") == b"%d" % ("stderr" in terminals)


def test_the_bytes_of_a_terminal_are_the_child_s_own() -> None:
    data = bytes(range(256)) * 300
    sink = Recorded()
    code = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 300)"
    execute(python(code, terminals=("stdout",)), sink.write)
    assert sink.of("stdout") == data


def test_the_screen_gets_every_drawing_and_the_log_the_last(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "for percent in range(0, 101, 10):\n"
        "    if sys.stderr.isatty(): print(f'\\r{percent:3}%', end='', file=sys.stderr, flush=True)\n"
        "print(file=sys.stderr)"
    )
    screen = Recorded()
    with RunLog(tmp_path, terminals=("stderr",)) as log:

        def write(stream: str, data: bytes) -> None:
            screen.write(stream, data)
            log.write(stream, data)

        execute(python(code, terminals=("stderr",)), write)
    drawn = b"".join(b"\r%3d%%" % percent for percent in range(0, 101, 10)) + b"\n"
    assert screen.of("stderr") == drawn
    assert (tmp_path / "output.log").read_bytes() == b"100%\n"


def test_without_a_terminal_of_ours_the_child_s_has_the_usual_size() -> None:
    code = "import os; print(tuple(os.get_terminal_size(1)))"
    with runner(python(code, terminals=("stdout",)), stdin=subprocess.DEVNULL) as running:
        out, _ = running.finish()
    assert out == b"(80, 24)\n"


def test_the_child_s_terminal_is_as_large_as_ours_and_stays_so() -> None:
    code = (
        "import os, signal, time\n"
        "show = lambda *_: os.write(1, b'(%d, %d)\\n' % os.get_terminal_size(1))\n"
        "signal.signal(signal.SIGWINCH, lambda *_: (show(), os._exit(0)))\n"
        "show()\n"
        "time.sleep(600)"
    )
    ours, slave = pty.openpty()
    set_size(ours, 50, 133)
    try:
        with runner(python(code, terminals=("stdout",)), stdin=slave) as running:
            assert running.line() == b"(133, 50)\n"
            set_size(ours, 20, 70)
            running.signal(signal.SIGWINCH)
            out, outcome = running.finish()
    finally:
        os.close(ours)
        os.close(slave)
    assert out == b"(70, 20)\n"
    assert outcome["status"] == "finished"


def test_without_pseudo_terminals_there_are_pipes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> tuple[int, int]:
        raise OSError(2, "No such file or directory: '/dev/ptmx'")

    monkeypatch.setattr(os, "openpty", refuse)
    sink = Recorded()
    execute(python("import os; print(os.isatty(1))", terminals=("stdout",)), sink.write)
    assert sink.of("stdout") == b"False\n"
