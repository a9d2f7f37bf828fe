"""Executes one request in a process of its own, for tests that send it signals or measure it.

    python -m tests.execution.runner_process REQUEST

REQUEST is JSON: a Request's fields, and ``graces``. What the child writes goes to our streams of the same
name; the outcome, with our own peak memory in bytes, is the last line of stderr.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path

from projrun.core.values import as_dict
from projrun.environment.model import Container, Mount
from projrun.execution import system
from projrun.execution.ladder import Graces
from projrun.execution.local import execute
from projrun.execution.model import Request


def main() -> None:
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):  # ignored when the tests run in the background
        signal.signal(number, signal.SIG_DFL)
    document = json.loads(sys.argv[1])
    graces = Graces(**document.pop("graces", {}))
    if document["container"] is not None:
        mounts = tuple(Mount(**mount) for mount in document["container"]["mounts"])
        document["container"] = Container(**{**document["container"], "mounts": mounts})
    outcome = execute(Request(**document), write, graces=graces)
    record = {**as_dict(outcome), "own_memory": own_memory()}
    os.write(2, b"\n" + json.dumps(record).encode() + b"\n")


def write(stream: str, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1 if stream == "stdout" else 2, view) :]


def own_memory() -> int:
    """The peak of this program alone: ru_maxrss also holds that of the process that started it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return system.peak_memory(resource.getrusage(resource.RUSAGE_SELF))
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
