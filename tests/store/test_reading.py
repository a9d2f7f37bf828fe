"""Reading very many runs by several processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.store_generator import generate

# In a process of its own: that of the tests has threads, and would read by itself.
PROGRAM = """
import os, signal, sys
from pathlib import Path
from projrun.store import reading

runs = Path(sys.argv[1]) / "runs"
ids = sorted(os.listdir(runs))
serial = [row for rows in reading.rows_of(runs, ids) for row in rows]
reading._MANY, reading.BATCH = 1, 7
os.sched_getaffinity = lambda process: range(3)
forked = []
fork = os.fork
os.fork = lambda: forked.append(fork()) or forked[-1]
"""
PROGRAMS = {
    "all": """
assert [row for rows in reading.rows_of(runs, ids) for row in rows] == serial
assert len(forked) == 3
""",
    "for gc, rm and check": """
from projrun import auditing, discarding
from projrun.core.report import Silent
from projrun.store.references import all_named
from projrun.store.store import Store

store = Store(runs.parent)
looks = (
    lambda: all_named(runs, store.objects),
    lambda: discarding._done_again(store, set(ids[:1])),
    lambda: auditing.audit(store, Silent()),
)
several = [look() for look in looks]
assert len(forked) >= 9
reading._MANY = 1000
assert [look() for look in looks] == several
""",
    "one is killed": """
found = []
for rows in reading.rows_of(runs, ids):
    if not found:
        os.kill(forked[1], signal.SIGKILL)
    found += rows
assert found == serial
""",
    "nobody takes the rest": """
batches = reading.rows_of(runs, ids)
assert next(batches) == serial[:7]
batches.close()
""",
    "no process can be made": """
def refused():
    raise BlockingIOError(11, "no more processes")
os.fork = refused
assert [row for rows in reading.rows_of(runs, ids) for row in rows] == serial
""",
}
NONE_LEFT = """
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("none left")
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("made") / "store"
    generate(directory, 60)
    return directory


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads in one process there")
@pytest.mark.parametrize("how", PROGRAMS)
def test_several_processes_read_what_one_reads_and_are_gone_then(made: Path, how: str) -> None:
    program = PROGRAM + PROGRAMS[how] + NONE_LEFT
    done = subprocess.run([sys.executable, "-c", program, made], check=False, capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("none left\n", "", 0)
