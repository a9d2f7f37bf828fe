"""Small programs to execute, and ways to do so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import projrun
from projrun.core.values import Struct, as_dict, field
from projrun.execution.model import Request

ROOT = Path(projrun.__file__).parents[1]


class Recorded(Struct):
    """A sink that keeps everything."""

    pieces: list[tuple[str, bytes]] = field(default_factory=list)

    def write(self, stream: str, data: bytes) -> None:
        self.pieces.append((stream, data))

    def of(self, stream: str) -> bytes:
        return b"".join(data for name, data in self.pieces if name == stream)


def python(code: str, *words: str, **fields: Any) -> Request:
    """A request to run Python code with arguments, and nothing in its environment but what is given."""
    return Request(argv=(sys.executable, "-I", "-c", code, *words), cwd=fields.pop("cwd", "/"), **fields)


@contextmanager
def runner(
    request: Request, *, graces: dict[str, float] | None = None, within: tuple[str, ...] = (), **options: Any
) -> Iterator[Runner]:
    """A process that executes ``request``; killed at the end of the block should it still be there.

    ``within`` is a command that becomes it.
    """
    document = {**as_dict(request), "graces": graces or {}}
    argv = [*within, sys.executable, "-m", "tests.execution.runner_process", json.dumps(document)]
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    with subprocess.Popen(argv, cwd=ROOT, **streams) as process:
        try:
            yield Runner(process)
        finally:
            process.kill()


class Runner(Struct):
    """A running runner."""

    process: subprocess.Popen[bytes]

    def line(self) -> bytes:
        """The next line of the child's stdout."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def finish(self) -> tuple[bytes, dict[str, Any]]:
        """The rest of the child's stdout, and the outcome."""
        out, errors = self.process.communicate(timeout=120)
        last = errors.rstrip(b"\n").rpartition(b"\n")[2]
        assert last.startswith(b"{"), errors.decode()
        return out, json.loads(last)
