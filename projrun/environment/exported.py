"""An environment's lock for others to use: as requirements lines, and as a Dockerfile."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path

from projrun.core.errors import EnvironmentFailure
from projrun.core.values import Struct
from projrun.environment import lock, platforms
from projrun.environment.lock import LockLine, normalised
from projrun.environment.model import Interpreter

_LOCK_IN_IMAGE = "/opt/projrun/requirements.lock"
# A shell gets its command as one argument, which has 128 KiB at most: MAX_ARG_STRLEN of execve(2).
_LONGEST_COMMAND = 100_000
_ARCHITECTURES = {"linux-x86_64": "linux/amd64", "linux-aarch64": "linux/arm64"}


class Contents(Struct, frozen=True):
    """What is exported. ``lines`` are all of a project's lock; of a ``run`` those that applied, without markers.

    ``interpreter`` is what they are for, ``key`` the environment's, ``directory`` the built environment when it is
    here. ``version`` is the commit of a run's source, ``created`` when it was recorded (ISO 8601).
    """

    project: str
    lines: tuple[LockLine, ...]
    interpreter: Interpreter
    source_distributions: tuple[str, ...]
    key: str
    directory: Path | None = None
    run: str | None = None
    version: str | None = None
    created: str | None = None

    @property
    def applying(self) -> tuple[LockLine, ...]:
        """The lines for the interpreter alone, without markers."""
        markers = self.interpreter.markers
        return tuple(line._replace(marker="") for line in self.lines if line.applies(markers))

    @property
    def platform(self) -> str:
        """The name of the interpreter's platform."""
        return platforms.name_of(self.interpreter.markers)


def requirements(contents: Contents) -> str:
    """The lock as requirements lines."""
    return f"{_header(contents, 'requirements')}{lock.text_of(contents.lines)}"


def dockerfile(contents: Contents) -> str:
    """A Dockerfile (https://docs.docker.com/reference/dockerfile/) of an image with interpreter and packages.

    The lock is in it, written by a shell: every builder takes that, and not every one a here-document. Raises
    EnvironmentFailure for a run on a platform that no image has.
    """
    image = "alpine" if "musl" in contents.interpreter.soabi else "slim"
    words = ["FROM", f"python:{contents.interpreter.version}-{image}"]
    if contents.run is not None:
        architecture = _ARCHITECTURES.get(contents.platform)
        if architecture is None:
            raise EnvironmentFailure(
                f"run {contents.run} executed on {contents.platform}, which no image has",
                why="What applied there is not what applies in an image.",
                hint="without RUN, the project's lock is exported with its markers",
            )
        words.insert(1, f"--platform={architecture}")
    rows = [_header(contents, "dockerfile") + " ".join(words)]
    if contents.lines:
        rows += [*_writing(lock.text_of(contents.lines)), f"RUN {_install(contents)}"]
    return "\n".join(rows) + "\n"


def _writing(text: str) -> Iterator[str]:
    """The instructions that write a file of these lines. Each is a command of the shell, short enough for one."""
    words = [_quoted(line) for line in text.splitlines()]
    begin = f"RUN mkdir -p {posixpath.dirname(_LOCK_IN_IMAGE)} && printf '%s\\n'"
    while words:
        count = next(_fitting(words))
        rows = [begin, *(f"    {word}" for word in words[:count]), f"    >>{_LOCK_IN_IMAGE}"]
        yield " \\\n".join(rows)
        words, begin = words[count:], "RUN printf '%s\\n'"


def _fitting(words: Sequence[str]) -> Iterator[int]:
    """How many of the words make one command."""
    total = 0
    for index, word in enumerate(words):
        total += len(word.encode()) + 8  # what is between two of them
        if total > _LONGEST_COMMAND and index:
            yield index
    yield len(words)


def _quoted(line: str) -> str:
    """A line as one word of the shell; ``shlex.quote`` leaves quotes away where it can."""
    return "'" + line.replace("'", "'\\''") + "'"


def _install(contents: Contents) -> str:
    allowed = {normalised(name) for name in contents.source_distributions}
    wheels = sorted({line.name for line in contents.lines} - allowed) if allowed else [":all:"]
    words = ["python -m pip install --no-cache-dir --no-deps --require-hashes"]
    words += [f"--only-binary {','.join(wheels)}"] if wheels else []
    return " ".join((*words, f"-r {_LOCK_IN_IMAGE}"))


def _header(contents: Contents, form: str) -> str:
    run = f" {contents.run}" if contents.run else ""
    facts = f"{contents.project}, python {contents.interpreter.version}, platform {contents.platform}"
    return f"# projrun export-lock{run} --format {form}\n# {facts}\n"
