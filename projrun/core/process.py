"""The one door for starting processes. Everything is an argv list; nothing goes through a shell here."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from projrun.core.values import Struct

PIPE = subprocess.PIPE
DEVNULL = subprocess.DEVNULL
STDOUT = subprocess.STDOUT

Popen = subprocess.Popen
TimeoutExpired = subprocess.TimeoutExpired

# What describes the caller's own Python or git must never steer a tool that works on another project.
_FOREIGN_PREFIXES = ("PYTHON", "GIT_", "VIRTUAL_ENV", "CONDA_", "__PYVENV")
_OF_TOOLS = ("UV_", "PIP_", "GIT_", "SSH_", "HTTP_", "HTTPS_", "ALL_", "http_", "https_", "all_", "NETRC")
_GIT_KEPT = (
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_ASKPASS",
    "GIT_SSL_CAINFO",
    "GIT_SSL_NO_VERIFY",
    "GIT_EXEC_PATH",
)


class Completed(Struct, frozen=True):
    """A finished process: its exit code (negative: killed by that signal) and all it wrote."""

    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def ok(self) -> bool:
        return self.returncode == 0

    @property
    def text(self) -> str:
        return os.fsdecode(self.stdout)

    @property
    def error_text(self) -> str:
        return self.stderr.decode(errors="replace").strip()


# Variables that no tool gets: the program's own secrets.
_withheld: ContextVar[frozenset[str]] = ContextVar("withheld", default=frozenset())


@contextlib.contextmanager
def withholding(names: Iterable[str]) -> Iterator[None]:
    """For the block, in this thread, tools do without these variables: a package that is built could read them.

    Those that tell a tool itself where packages come from stay.
    """
    own = frozenset(name for name in names if not name.startswith(_OF_TOOLS))
    token = _withheld.set(_withheld.get() | own)
    try:
        yield
    finally:
        _withheld.reset(token)


def tool_environment(extra: Mapping[str, str] | None = None, *, whole: bool = False) -> dict[str, str]:
    """The caller's variables without those that describe another Python or another git repository.

    And without what is withheld, unless ``whole``: for a tool that asks others for its passwords.
    """
    withheld = frozenset() if whole else _withheld.get()
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in withheld and (name in _GIT_KEPT or not name.startswith(_FOREIGN_PREFIXES))
    }
    return {**kept, **(extra or {})}


def run(
    argv: Sequence[str | Path],
    *,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout: float | None = None,
) -> Completed:
    """Runs a tool to its end and returns all it wrote.

    ``env`` defaults to :func:`tool_environment`. Raises FileNotFoundError or PermissionError when the
    program cannot be started and TimeoutExpired after ``timeout`` seconds.
    """
    words = [os.fspath(word) for word in argv]
    done = subprocess.run(
        words,
        cwd=cwd,
        env=dict(tool_environment() if env is None else env),
        input=stdin,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    return Completed(done.returncode, done.stdout, done.stderr)


def stream(
    argv: Sequence[str | Path],
    write: Callable[[bytes], None],
    *,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
) -> int:
    """Runs a tool and hands its output, both streams as one, to ``write`` as it comes. Returns its exit code.

    Of a tool that a signal ended, the last line of the output says so.
    """
    words = [os.fspath(word) for word in argv]
    with subprocess.Popen(
        words,
        cwd=cwd,
        env=dict(tool_environment() if env is None else env),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
    ) as process:
        assert process.stdout is not None
        try:
            while chunk := os.read(process.stdout.fileno(), 65536):
                write(chunk)
        except BaseException:
            process.kill()  # an interrupt must not wait for a download to end
            raise
    if process.returncode < 0:
        number = -process.returncode
        write(
            f"\nerror: {Path(words[0]).name} was ended by signal {number} ({signal.strsignal(number)})\n".encode()
        )
    return process.returncode


def start(argv: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Starts a process and returns at once; ``options`` are Popen's own. For the executor, which watches it."""
    return subprocess.Popen(list(argv), **options)
