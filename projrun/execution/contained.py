"""Starts a request in a container, by a process of its own that tends it, and tells how that ended.

That process (:mod:`projrun.execution.tender`) is the child that the executor watches: its streams are the
container's, signals go on to the program inside, and its end is the container's. What it cannot do is clean up
after its own kill; that is done here.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from projrun.core import process
from projrun.core.engine import address, http
from projrun.core.engine.model import LOCK_LABEL
from projrun.core.errors import EngineFailure
from projrun.core.locks import Held
from projrun.core.report import STDERR, STDOUT
from projrun.core.values import replace
from projrun.environment.model import Container
from projrun.execution.channels import Channels
from projrun.execution.ending import Ending, code_text, signal_text
from projrun.execution.model import Request, Usage
from projrun.execution.program import CANNOT_EXECUTE, NOT_FOUND, CannotStartError
from projrun.execution.tended import Order, Report

ENGINE_FAILED = 125

# What it would be told while it cannot hear yet is kept for it.
_KEPT_BACK = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2),
    *(signal.SIGTSTP, signal.SIGCONT),
)
# Without site, which takes longer than all else; the package is where it is, installed or not.
_MAIN = "import sys; sys.path.insert(0, sys.argv[1]); from projrun.execution.tender import main; main()"
_ROOT = str(Path(__file__).resolve().parents[2])
_REMOVAL_SECONDS = 30.0
# A container may yet come to be after the process that asked for it has died.
_REMOVALS, _BETWEEN_SECONDS = 5, 0.2


def start(request: Request, container: Container, channels: Channels, kept: Sequence[Held] = ()) -> Contained:
    """Starts the process that makes, starts and tends the container. It holds ``kept`` as long, if we are killed.

    Raises CannotStartError.
    """
    document = made_from(request, container)
    try:
        place = address.find()
    except EngineFailure as error:
        raise CannotStartError(ENGINE_FAILED, f"{error.what}: {error.brief}") from error
    if place.scheme == "ssh":
        reason = (
            f"the container engine at {place.shown} is another machine's, and does not see the files of this one"
        )
        raise CannotStartError(ENGINE_FAILED, reason)
    for mount in container.mounts:
        if place.scheme == "unix" and not os.path.lexists(mount.source):  # Podman would make a directory of it
            reason = f"{mount.source} is to be mounted into the container, but does not exist"
            raise CannotStartError(ENGINE_FAILED, reason)
    reading, writing = os.pipe()
    query = f"&platform={container.platform}" if container.platform else ""
    order = Order(
        place=list(place.http),
        name=container.name,
        query=query,
        document=document,
        secrets=list(request.secrets),
        lock=container.lock,
        report=writing,
        scratch=request.scratch,
    )
    try:
        child = _started(request, channels, writing, kept)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it has died already, which will be noticed
        child.stdin.write(json.dumps(order._asdict()).encode() + b"\n")
        child.stdin.flush()
    return Contained(child, container, place.http, reading)


class Contained:
    """A container that is tended, as a child of ours."""

    def __init__(self, child: process.Popen[bytes], container: Container, place: http.Place, report: int) -> None:
        self.process = child
        self._container = container
        self._place = place
        self._report = report

    def ended(self, ending: Ending) -> Ending:
        """The container's end, in the place of that of the process that tended it."""
        report = self._reported()
        if report is None:
            return self._untended(ending)
        left = self._left_text if report.left else ""
        if report.refused is not None:
            raise CannotStartError(report.refused, report.failure + left)
        usage = Usage(ending.usage.wall, report.user, report.system, report.peak_memory)
        if report.code is None:
            return replace(
                ending,
                code=ENGINE_FAILED,
                signal=None,
                text=report.failure + left,
                usage=usage,
                stragglers=report.left,
            )
        return replace(ending, code=report.code, signal=report.signal, text=self._text(report) + left, usage=usage)

    def abandoned(self) -> None:
        """Removes the container."""
        if self._reported() is None:
            self._removed()

    def _reported(self) -> Report | None:
        """What the process that tended it wrote at its end. Closes the ways to it."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        with open(self._report, "rb") as file:
            text = file.read()
        try:
            return Report(**json.loads(text))
        except (ValueError, TypeError):  # it was ended before it could, or while it did
            return None

    def _untended(self, ending: Ending) -> Ending:
        """What is to be said when the process that tends it has died: of a kill of ours, or somebody else's."""
        left = "" if self._removed() else self._left_text
        if ending.cause is not None and ending.signal == signal.SIGKILL:
            return replace(ending, text=ending.text + left)
        ended = ending.text.removeprefix("it ")
        fate = left or "; the container was removed"
        return replace(
            ending,
            code=ENGINE_FAILED,
            signal=None,
            text=f"projrun's own process that tends the container {ended}{fate}",
        )

    @property
    def _left_text(self) -> str:
        return f"; the container {self._container.name} may still be there (projrun env prune removes it)"

    def _text(self, report: Report) -> str:
        assert report.code is not None
        text = code_text(report.code) if report.signal is None else signal_text(report.signal)
        limit = self._container.memory
        told = f" (its limit is {limit / (1 << 20):g} MiB)" if limit else ""
        if report.killed:
            return f"out of memory{told}; {text}"
        if report.signal is None and report.code == 128 + signal.SIGKILL:
            # An engine tells no signal from an exit code, and may not have heard why there was one.
            want = f", perhaps for want of memory{told}" if limit else ""
            return f"{text}, which is also that of a program ended by SIGKILL{want}"
        return text

    def _removed(self) -> bool:
        """Ends and removes the container. Tells whether none is left."""
        path = f"/containers/{self._container.name}?force=1&v=1"
        for attempt in range(_REMOVALS):
            if attempt:
                time.sleep(_BETWEEN_SECONDS)
            try:
                http.ask(self._place, "DELETE", path, timeout=_REMOVAL_SECONDS)
            except http.Refused as error:
                if error.status not in (404, 409):
                    return False
            except OSError:
                return False
            else:
                break
        with contextlib.suppress(OSError):
            Path(self._container.lock).unlink()
        return True


def made_from(request: Request, container: Container) -> dict[str, Any]:
    """What the engine is told to make, but for the values of secrets. Raises CannotStartError."""
    words = (*container.entrypoint, *request.argv)
    if not words or not words[0]:
        raise CannotStartError(NOT_FOUND, "the command is empty")
    _check(request)
    return {
        "Image": container.image,
        "Cmd": list(request.argv),
        "User": container.user,
        "WorkingDir": request.cwd,
        "Env": [f"{name}={value}" for name, value in request.variables.items()],
        "Labels": {**container.labels, LOCK_LABEL: container.lock},
        "AttachStdout": True,
        "AttachStderr": True,
        "HostConfig": _host(container),
    }


def _check(request: Request) -> None:
    """Refuses what neither an engine nor a system can be told."""
    problem = ""
    for word in (*request.argv, *request.variables, *request.variables.values()):
        if "\0" in word:
            problem = "embedded null byte"
        elif any("\ud800" <= letter <= "\udfff" for letter in word):
            problem = f"{word!r} is no valid text"
    if any("=" in name for name in request.variables):
        problem = "illegal environment variable name"
    if problem:
        raise CannotStartError(CANNOT_EXECUTE, f"the command or its variables cannot be passed on: {problem}")


def _host(container: Container) -> dict[str, Any]:
    host: dict[str, Any] = {
        "Mounts": [
            {"Type": "bind", "Source": one.source, "Target": one.target, "ReadOnly": not one.writable}
            for one in container.mounts
        ],
        "NetworkMode": container.network,
        "LogConfig": {"Type": "none"},
        "Tmpfs": {container.home: _home_options(container.user)},
    }
    if container.memory is not None:
        host["Memory"] = host["MemorySwap"] = container.memory
    if container.cpus is not None:
        host["NanoCpus"] = round(container.cpus * 1e9)
    if container.shm_size is not None:
        host["ShmSize"] = container.shm_size
    if container.gpus is not None:
        host["DeviceRequests"] = [_gpus(container.gpus)]
    return host


def _home_options(user: str) -> str:
    """Those of the home's tmpfs. Of a user by name it is not known whose it is to be: anybody may write to it."""
    owner, _, group = user.partition(":")
    if not owner.isdigit() or not (group or "0").isdigit():
        return "exec,mode=1777"
    return f"exec,mode=0700,uid={owner},gid={group or 0}"


def _gpus(wanted: str | int | tuple[str, ...]) -> dict[str, Any]:
    request: dict[str, Any] = {"Driver": "", "Capabilities": [["gpu"]]}
    if isinstance(wanted, int):
        return {**request, "Count": wanted}
    if wanted == "all":
        return {**request, "Count": -1}
    return {**request, "DeviceIDs": [wanted] if isinstance(wanted, str) else list(wanted)}


def _started(request: Request, channels: Channels, report: int, kept: Sequence[Held]) -> process.Popen[bytes]:
    secrets = {name: os.environ[name] for name in request.secrets if name in os.environ}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _KEPT_BACK)
    try:
        child = process.start(
            [sys.executable, "-I", "-S", "-c", _MAIN, _ROOT],
            cwd="/",
            env=process.tool_environment(secrets),
            stdin=process.PIPE,
            stdout=channels.childs(STDOUT),
            stderr=channels.childs(STDERR),
            pass_fds=(report, *(number for one in kept for number in one.descriptors)),
            start_new_session=True,
        )
        for one in kept:
            one.share(child.pid)
        return child
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
