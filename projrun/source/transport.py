"""git talking to another repository: nothing is asked, nothing waits for ever, and no secret is shown.

The user's own git and ssh configuration holds (git-config(1), ssh_config(5)): insteadOf, credential helpers, keys.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from projrun.core import process
from projrun.core.errors import SourceError, UsageError
from projrun.core.report import FETCH, Reporter
from projrun.source import git
from projrun.source.credentials import attempts, without_secrets
from projrun.source.model import Address
from projrun.source.refusals import failure, is_sign_in_failure

# How git finds its way to a host is the caller's to say.
_KEPT = (
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "GIT_SSL_CERT",
    "GIT_SSL_KEY",
    "GIT_SSL_NO_VERIFY",
)
_PROMPTS_OFF = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS_REQUIRE": "never",
    "GCM_INTERACTIVE": "never",
}
_BATCH = "-o BatchMode=yes -o ConnectTimeout=30"
# "user": allowed for an address that the user's insteadOf leads to, not for a redirect of the server's.
_SETTINGS = (
    "protocol.version=2",
    "protocol.allow=never",
    "protocol.ext.allow=never",
    *(f"protocol.{kind}.allow=user" for kind in ("ssh", "https", "http", "file")),
    "http.followRedirects=initial",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "fetch.writeCommitGraph=false",
    # A pack is there as a whole or not at all; loose objects of a killed fetch would look like a commit.
    "fetch.unpackLimit=1",
    "fetch.fsckObjects=true",
    # Flaws of old programs that harm nobody: git-fsck(1).
    *(
        f"fetch.fsck.{flaw}=ignore"
        for flaw in (
            "badDate",
            "badDateOverflow",
            "badEmail",
            "badName",
            "badTimezone",
            "missingEmail",
            "missingNameBeforeEmail",
            "missingSpaceBeforeDate",
            "missingSpaceBeforeEmail",
            "multipleAuthors",
            "zeroPaddedDate",
            "zeroPaddedFilemode",
        )
    ),
)
_LIMIT_VARIABLE = "PROJRUN_GIT_TIMEOUT"
_LIMIT_SECONDS = 120.0
_GRACE_SECONDS = 2.0
_KEPT_OUTPUT = 1 << 16


class _Silence(Exception):
    """git said nothing for longer than the limit."""


def contact(address: Address, words: Sequence[str], directory: Path, report: Reporter) -> process.Completed:
    """Runs a git command that talks to ``address``, in the git directory ``directory``.

    Its progress goes to ``report`` as it comes. The output holds none of the address's secrets. Raises
    SourceError when git cannot be started, or says nothing for PROJRUN_GIT_TIMEOUT seconds (120).
    """
    limit = _limit()
    settings = (*_SETTINGS, f"protocol.{_protocol(address)}.allow=always")
    argv = git.command([word for setting in settings for word in ("-c", setting)] + list(words))
    variables = _environment(address, directory)
    for signing_in in attempts(address):
        telling = _Telling(address, report)
        try:
            completed = _run(argv, directory, {**variables, **signing_in}, telling, limit)
        except OSError as error:
            raise git.not_started(error, directory) from error
        except _Silence as error:
            raise SourceError(
                f"{address.shown} gave no answer",
                why=f"git waited {limit:g} seconds and heard nothing" + telling.last_line(),
                hint=f"try it by hand: git ls-remote {shlex.quote(address.shown)}; or wait longer: "
                f"{_LIMIT_VARIABLE}={limit * 5:g}",
            ) from error
        if completed.ok or not is_sign_in_failure(completed.error_text):
            break
    return completed


def checked(completed: process.Completed, address: Address, directory: Path) -> process.Completed:
    """``completed`` when git succeeded; raises the SourceError that says what to try when it did not."""
    if not completed.ok:
        raise failure(completed, address, directory)
    return completed


class _Telling:
    """Hands on what git says, line by line and without secrets; keeps the end of it."""

    def __init__(self, address: Address, report: Reporter) -> None:
        self._address, self._report = address, report
        self._begun = b""
        self.said = b""

    def take(self, data: bytes) -> None:
        """The next piece; a progress bar ends its lines with a carriage return."""
        data = self._begun + data
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        self._begun = data[end:]
        self._tell(data[:end])

    def finish(self) -> None:
        self._tell(self._begun)
        self._begun = b""

    def last_line(self) -> str:
        lines = self.said.decode(errors="replace").replace("\r", "\n").split("\n")
        return next((f" after {line.strip()!r}" for line in reversed(lines) if line.strip()), "")

    def _tell(self, lines: bytes) -> None:
        if lines:
            clean = without_secrets(lines, self._address)
            self.said = (self.said + clean)[-_KEPT_OUTPUT:]
            self._report.write(FETCH, clean)


def _run(
    argv: Sequence[str], directory: Path, variables: Mapping[str, str], telling: _Telling, limit: float
) -> process.Completed:
    with process.start(
        argv,
        cwd=directory,
        env=variables,
        stdin=process.DEVNULL,
        stdout=process.PIPE,
        stderr=process.PIPE,
        start_new_session=True,  # without a terminal nobody can ask; and all of it can be ended
    ) as child:
        try:
            output = _read(child, telling, limit)
            child.wait(limit)
        except BaseException as error:
            _end(child)
            if isinstance(error, process.TimeoutExpired):
                raise _Silence from error
            raise
    return process.Completed(child.returncode, output, telling.said)


def _read(child: process.Popen[bytes], telling: _Telling, limit: float) -> bytes:
    assert child.stdout is not None
    assert child.stderr is not None
    output = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ, output.extend)
        selector.register(child.stderr, selectors.EVENT_READ, telling.take)
        while selector.get_map():
            ready = selector.select(limit)
            if not ready:
                raise _Silence
            for key, _ in ready:
                piece = os.read(key.fd, 65536)
                if piece:
                    key.data(piece)
                else:
                    selector.unregister(key.fileobj)
    telling.finish()
    return bytes(output)


def _end(child: process.Popen[bytes]) -> None:
    """Ends git and what it started: asked first, so that it removes what it has half written."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
        with contextlib.suppress(process.TimeoutExpired):
            child.wait(_GRACE_SECONDS)
        os.killpg(child.pid, signal.SIGKILL)


def _environment(address: Address, directory: Path) -> dict[str, str]:
    variables = {name: value for name, value in git.environment().items() if name != "GIT_ALLOW_PROTOCOL"}
    variables |= {name: os.environ[name] for name in _KEPT if name in os.environ}
    variables |= {**_PROMPTS_OFF, "GIT_DIR": str(directory)}
    command = _ssh_command(directory) if address.kind == "ssh" else None
    return variables | ({"GIT_SSH_COMMAND": command} if command else {})


def _ssh_command(directory: Path) -> str | None:
    """The user's ssh with prompts off; None when it is a program of whose options nothing is known."""
    chosen = os.environ.get("GIT_SSH_COMMAND")
    if not chosen:
        told = git.run(("config", "--get", "core.sshCommand"), directory, accept=(0, 1))
        chosen = told.text.strip()
    if not chosen and os.environ.get("GIT_SSH"):
        return None
    command = chosen or "ssh"
    try:
        program = shlex.split(command)[0]
    except (ValueError, IndexError):
        return None
    return f"{command} {_BATCH}" if program.rpartition("/")[2] == "ssh" else None


def _protocol(address: Address) -> str:
    return "file" if address.kind == "path" else address.kind


def _limit() -> float:
    text = os.environ.get(_LIMIT_VARIABLE)
    try:
        limit = float(text) if text else _LIMIT_SECONDS
    except ValueError:
        limit = 0.0
    if not 0 < limit < 1e6:
        raise UsageError(
            f"{_LIMIT_VARIABLE}={text} is no time limit",
            why="it is the number of seconds that git may be silent",
            hint=f"for example {_LIMIT_VARIABLE}={_LIMIT_SECONDS:g}",
        )
    return limit
