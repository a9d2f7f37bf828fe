"""From a request to a running process, or to the reason why there is none."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Mapping, Sequence

from projrun.core import process
from projrun.core.locks import Held
from projrun.core.nearest import nearest
from projrun.core.report import STDERR, STDOUT
from projrun.core.values import Struct
from projrun.execution import system
from projrun.execution.channels import Channels
from projrun.execution.ending import Ending
from projrun.execution.guard import Guard
from projrun.execution.model import Request

# As POSIX shells have it: found but cannot be executed, and not found.
CANNOT_EXECUTE, NOT_FOUND = 126, 127
# Among all the programs of a system there is one that is somewhat like anything.
_LIKENESS = 0.75


class CannotStartError(Exception):
    """The program cannot be started; ``exit_code`` is 126 or 127, ``reason`` one line for people."""

    def __init__(self, exit_code: int, reason: str) -> None:
        super().__init__(reason)
        self.exit_code = exit_code
        self.reason = reason


class Program(Struct, frozen=True):
    """A program that runs on this machine; its end is what it seems to be."""

    process: process.Popen[bytes]
    guard: Guard

    def ended(self, ending: Ending) -> Ending:
        self._let_go()
        return ending

    def abandoned(self) -> None:
        """Nothing is left of it, or nothing that can be killed."""
        self._let_go()

    def _let_go(self) -> None:
        if system.group_lives(self.process.pid):
            self.guard.leave()
        else:
            self.guard.dismiss()


def start(request: Request, channels: Channels, kept: Sequence[Held] = ()) -> Program:
    """Starts the program in a session and process group of its own, with nothing to read.

    Should we be killed the program is ended, and until it is ``kept`` stay held. Raises CannotStartError.
    """
    variables = _variables(request)
    cwd = _working_directory(request.cwd)
    executable = find(request.argv, cwd, variables.get("PATH", os.defpath))
    guard = Guard(channels.childs(STDOUT), kept, request.scratch)
    try:
        child = process.start(
            request.argv,
            executable=executable,
            cwd=cwd,
            env=variables,
            stdin=process.DEVNULL,
            stdout=channels.childs(STDOUT),
            stderr=channels.childs(STDERR),
            start_new_session=True,
        )
    except OSError as error:
        guard.dismiss()
        raise CannotStartError(CANNOT_EXECUTE, _exec_reason(error, request, variables)) from error
    except ValueError as error:  # a NUL byte, or a variable's name that holds "="
        guard.dismiss()
        raise CannotStartError(
            CANNOT_EXECUTE, f"the command or its variables cannot be passed on: {error}"
        ) from error
    except BaseException:
        guard.dismiss()
        raise
    guard.watch(child.pid)
    return Program(child, guard)


def find(argv: tuple[str, ...], cwd: str, path: str) -> str:
    """The file to execute: ``argv[0]`` on ``path``, or relative to ``cwd`` when it holds a slash.

    Raises CannotStartError when there is none that may be executed.
    """
    name = argv[0] if argv else ""
    if not name:
        raise CannotStartError(NOT_FOUND, "the command is empty")
    if "\0" in name:
        raise CannotStartError(NOT_FOUND, f"{name!r} is no program's name: it holds a NUL byte")
    if "/" in name:
        refusal = _refusal(os.path.join(cwd, name))  # noqa: PTH118  (text that may be no valid path yet)
        if refusal is None:
            return name
        raise refusal
    first: CannotStartError | None = None
    for directory in path.split(os.pathsep):
        candidate = os.path.join(cwd, directory, name)  # noqa: PTH118
        refusal = _refusal(candidate)
        if refusal is None:
            return candidate
        if refusal.exit_code == CANNOT_EXECUTE and first is None:
            first = refusal
    raise first or CannotStartError(
        NOT_FOUND, f"{name} was not found on the environment's PATH{_near(name, path)}"
    )


def _near(name: str, path: str) -> str:
    """Asks whether the program of the first folder that has one of about that name is meant."""
    for directory in path.split(os.pathsep):
        with contextlib.suppress(OSError), os.scandir(directory or ".") as entries:
            close = nearest(name, sorted(entry.name for entry in entries), _LIKENESS)
            if close:
                return f" (did you mean {close}?)"
    return ""


def _refusal(file: str) -> CannotStartError | None:
    try:
        mode = os.stat(file).st_mode  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return CannotStartError(NOT_FOUND, f"{file} does not exist")
    except (OSError, ValueError) as error:
        return CannotStartError(CANNOT_EXECUTE, f"{file} cannot be looked at: {_strerror(error)}")
    if stat.S_ISDIR(mode):
        return CannotStartError(CANNOT_EXECUTE, f"{file} is a directory")
    if not os.access(file, os.X_OK):
        return CannotStartError(CANNOT_EXECUTE, f"{file} is not executable (chmod +x makes it so)")
    return None


def _variables(request: Request) -> dict[str, str]:
    secrets = {name: os.environ[name] for name in request.secrets if name in os.environ}
    return {**request.variables, **secrets}


def _working_directory(cwd: str) -> str:
    try:
        directory = os.path.abspath(cwd)  # noqa: PTH100  (a Path would drop nothing here, but cost more)
        if not stat.S_ISDIR(os.stat(directory).st_mode):  # noqa: PTH116
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    except (OSError, ValueError) as error:
        raise CannotStartError(
            CANNOT_EXECUTE, f"cannot work in the directory {cwd}: {_strerror(error)}"
        ) from error
    return directory


def _exec_reason(error: OSError, request: Request, variables: Mapping[str, str]) -> str:
    name = request.argv[0]
    if error.errno == errno.E2BIG:
        longest = max(len(os.fsencode(word)) for word in request.argv)
        total = sum(len(os.fsencode(word)) + 1 for word in (*request.argv, *variables, *variables.values()))
        return (
            f"the arguments of {name} are longer than the system allows: {total} bytes with the variables, "
            f"{longest} in the longest argument (put large values into a file)"
        )
    if error.errno == errno.ENOEXEC:
        return f"{name} is not a program of this system, and as a script it lacks a first line such as #!/bin/sh"
    if error.errno == errno.ENOENT:
        return f"{name} is there, but the interpreter that it names (its #! line, or its loader) is not"
    return f"{name} cannot be executed: {_strerror(error)}"


def _strerror(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
