"""The door to the git program.

Nothing of the caller's shell steers it, and nothing a repository's own configuration names is executed:
looking at a stranger's directory must be safe. git's variables and options are those of git(1), git-config(1).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

from projrun.core import process
from projrun.core.errors import SourceError
from projrun.core.regex import regex
from projrun.core.steps import Steps, finished
from projrun.core.values import Struct
from projrun.spec.model import SPEC_NAME

# These say which configuration is the user's and where to stop searching, not which repository is meant.
_KEPT = (
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    "GIT_EXEC_PATH",
)
# No lock is taken and no index written; nothing is asked; a partial clone fetches nothing.
_READ_ONLY = {
    "LC_ALL": "C",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PAGER": "cat",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
}
# The first two start programs; the others would let an edit pass unseen.
_HARDENING = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.checkStat=default",
    "core.trustctime=true",
)
_SETTINGS = ("config", "--list", "-z", "--show-scope", "--show-origin")
_OWN_SCOPES = ("system", "global")
_OBJECT = regex("[0-9a-f]{40}|[0-9a-f]{64}")

T = TypeVar("T")

# What git says, in the C locale, of a directory that it then leaves out.
_UNLISTED = "could not open directory"


class Repository(Struct, frozen=True):
    """A work tree and its configuration.

    ``values`` has every setting by its name, sections and keys in lower case, the last value last.
    ``disarmed`` are the settings that switch off what the repository's own configuration would execute.
    ``tracked`` is True when it is known to track a specification in the directory that was asked about.
    """

    worktree: Path
    values: Mapping[str, tuple[str, ...]]
    disarmed: tuple[str, ...] = ()
    tracked: bool = False

    def read(self, *words: str, stdin: bytes = b"", accept: Sequence[int] = (0,)) -> process.Completed:
        """Runs a git command that only looks, at the root of the work tree.

        Raises SourceError when its exit code is none that we ``accept``.
        """
        return run((*_options(self.disarmed), *words), self.worktree, stdin=stdin, accept=accept)

    def reading(self, words: Sequence[str], meanwhile: Callable[[], T]) -> Steps[tuple[process.Completed, T]]:
        """As :meth:`read`, and what ``meanwhile`` gives, which is called while git runs."""
        with _running([(*_options(self.disarmed), *words)], self.worktree) as running:
            found = meanwhile()
            yield lambda: _have_ended(running)
            (completed,) = _completed(running)
        if not completed.ok:
            raise failure(completed, self.worktree)
        _check_listed(completed, self.worktree)
        return completed, found


def environment() -> dict[str, str]:
    """The variables every git process gets: the caller's, without any that point at another repository."""
    kept = {name: value for name, value in process.tool_environment().items() if not name.startswith("GIT_")}
    kept.update({name: os.environ[name] for name in _KEPT if name in os.environ})
    return {**kept, **_READ_ONLY}


def run(
    words: Sequence[str],
    directory: Path,
    *,
    variables: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    accept: Sequence[int] | None = (0,),
) -> process.Completed:
    """Runs git in ``directory`` with more ``variables``.

    Raises SourceError when git is not installed, or when its exit code is none that we ``accept`` (None: any).
    """
    try:
        completed = process.run(
            command(words), cwd=directory, env={**environment(), **(variables or {})}, stdin=stdin
        )
    except OSError as error:
        raise not_started(error, directory) from error
    if accept is not None and completed.returncode not in accept:
        raise failure(completed, directory)
    _check_listed(completed, directory)
    return completed


def discover(directory: Path) -> Repository | None:
    """The work tree around ``directory``; None outside of any, in a bare repository and inside ``.git``.

    Raises SourceError when there is a repository that git does not trust or cannot read.
    """
    return finished(discovering(directory))


def discovering(directory: Path) -> Steps[Repository | None]:
    """As :func:`discover`, in steps."""
    around = os.path.dirname(os.path.realpath(directory))  # noqa: PTH120
    # A .git need be no repository, and git would go on above it: it is told not to, which it cannot be in
    # a place of such a name. pathlib's isdir raises in a directory that is closed.
    if os.pathsep not in around and os.path.isdir(directory / ".git"):  # noqa: PTH112
        with _running([_SETTINGS], directory, {"GIT_CEILING_DIRECTORIES": around}) as running:
            yield lambda: _have_ended(running)
            (listed,) = _completed(running)
        if listed.ok and (root := _at_its_root(directory, listed.text)) is not None:
            return root
    # At the root of a work tree nobody needs to know what it tracks.
    asked = () if os.path.lexists(directory / ".git") else ("--revs-only", f":./{SPEC_NAME}")
    with _running(
        [("rev-parse", "--is-inside-work-tree", "--show-toplevel", *asked), _SETTINGS], directory
    ) as both:
        yield lambda: _have_ended(both)
        place, listed = _completed(both)
    inside, _, told = place.text.removesuffix("\n").partition("\n")
    if inside == "false" or (not place.ok and _is_no_repository(place.error_text)):
        return None
    for completed in (place, listed):
        if not completed.ok:
            raise failure(completed, directory)
    values, disarmed = _read_settings(listed.text)
    toplevel, _, last = told.rpartition("\n") if asked else (told, "", "")
    if _OBJECT.fullmatch(last):
        return Repository(Path(toplevel), values, disarmed, tracked=True)
    return Repository(Path(told), values, disarmed)


def _at_its_root(directory: Path, listed: str) -> Repository | None:
    """The work tree of a directory that has its repository in it; None when that is not what git tells by that.

    git reads the settings of the repository that it has found, and names their file as it is from the root of the
    work tree: when that is the usual one, and nothing sets another work tree, this is the root.
    """
    values, disarmed = _read_settings(listed)
    fields = listed.split("\0")
    usual = ("local", "file:.git/config") in zip(fields[::3], fields[1::3], strict=False)
    if (
        not usual
        or "core.worktree" in values
        or values.get("core.bare", ("",))[-1].lower() not in ("false", "no", "off", "0")
    ):
        return None
    return Repository(Path(os.path.realpath(directory)), values, disarmed)


@contextlib.contextmanager
def without_repository(directory: Path) -> Iterator[dict[str, str]]:
    """Variables that let git walk a directory of no repository, by its rules about ignored files."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="projrun-") as made:
        # The least that git takes for a repository: gitrepository-layout(5).
        Path(made, "HEAD").write_text("ref: refs/heads/none\n")
        Path(made, "objects").mkdir()
        Path(made, "refs").mkdir()
        yield {"GIT_DIR": made, "GIT_WORK_TREE": str(directory)}


def _check_listed(completed: process.Completed, directory: Path) -> None:
    """git only warns when it leaves out the files of a directory; to us they would be lost without a word."""
    lines = [line for line in completed.error_text.splitlines() if _UNLISTED in line]
    if lines:
        raise SourceError(
            f"git cannot look into a directory of {directory}",
            why=lines[0].removeprefix("warning: "),
            hint="make it readable (chmod u+rx), name it in .gitignore, or allow more open files (ulimit -n)",
        )


def failure(completed: process.Completed, directory: Path) -> SourceError:
    """What a failed git command means for the user."""
    said = completed.error_text
    if "dubious ownership" in said or "unsafe repository" in said:
        return SourceError(
            f"git does not trust the repository of {directory}",
            why="it belongs to another user, so its configuration could run programs as you",
            hint=f"if you trust it: git config --global --add safe.directory {_trusted_path(said, directory)}",
        )
    return SourceError(
        f"git cannot read the repository of {directory}",
        why=said or f"it ended with code {completed.returncode}",
        hint=f"git -C {directory} status; git -C {directory} fsck",
    )


def command(words: Sequence[str]) -> list[str]:
    """The argv of a git command, with what switches off the execution of anything a repository names."""
    return [_program(os.environ.get("PATH", os.defpath)), "--no-pager", *_options(_HARDENING), *words]


@cache
def _program(path: str) -> str:
    """git by its whole path, so that starting it tries one place only."""
    for directory in path.split(os.pathsep):
        found = os.path.join(directory, "git")  # noqa: PTH118 - shutil, and a Path, would cost more
        if os.access(found, os.X_OK) and os.path.isfile(found):  # noqa: PTH113
            return found if os.path.isabs(found) else "git"  # noqa: PTH117
    return "git"


def _options(settings: Sequence[str]) -> list[str]:
    return [word for setting in settings for word in ("-c", setting)]


@contextlib.contextmanager
def _running(
    commands: Sequence[Sequence[str]], directory: Path, variables: Mapping[str, str] | None = None
) -> Iterator[list[process.Popen[bytes]]]:
    """Several git commands at once, with more ``variables``; what has not ended with the block is killed."""
    started: list[process.Popen[bytes]] = []
    try:
        for words in commands:
            started.append(_started(words, directory, variables or {}))
        yield started
    finally:
        for child in started:
            with child:
                if child.poll() is None:
                    child.kill()


def _have_ended(running: Sequence[process.Popen[bytes]]) -> bool:
    """Whether all have, with all that they wrote in our pipes."""
    return all(child.poll() is not None for child in running)


def _completed(running: Sequence[process.Popen[bytes]]) -> list[process.Completed]:
    written = [child.communicate() for child in running]
    return [process.Completed(child.returncode, *streams) for child, streams in zip(running, written, strict=True)]


def _started(words: Sequence[str], directory: Path, variables: Mapping[str, str]) -> process.Popen[bytes]:
    try:
        return process.start(
            command(words),
            cwd=directory,
            env={**environment(), **variables},
            stdin=process.DEVNULL,
            stdout=process.PIPE,
            stderr=process.PIPE,
        )
    except OSError as error:
        raise not_started(error, directory) from error


def not_started(error: OSError, directory: Path) -> SourceError:
    """What it means for the user that git could not be started."""
    if not directory.is_dir():
        return SourceError(f"{directory} is not a directory", hint="give the directory of a project")
    if isinstance(error, FileNotFoundError):
        return SourceError(
            "git is not installed",
            why="projrun asks git which commit a run is made of, and no git is on PATH",
            hint="install git 2.26 or later, for example: apt install git",
        )
    return SourceError(f"git cannot be started in {directory}", why=str(error), hint="try there: git status")


def _is_no_repository(said: str) -> bool:
    # A broken link to a repository says "not a git repository: PATH", which is not the same as none.
    return "not a git repository (or any" in said or "safe.bareRepository" in said


def _trusted_path(said: str, directory: Path) -> str:
    parts = said.split("'")
    return parts[1] if len(parts) > 2 else str(directory)


def _read_settings(text: str) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    fields = text.split("\0")
    values: dict[str, tuple[str, ...]] = {}
    filters: set[str] = set()
    for scope, setting in zip(fields[::3], fields[2::3], strict=False):
        name, _, value = setting.partition("\n")
        values[name] = (*values.get(name, ()), value)
        if scope not in _OWN_SCOPES:
            filters |= _filters_set_by(name)
    disarmed = [
        setting
        for name in sorted(filters)
        for setting in (f"filter.{name}.clean=", f"filter.{name}.process=", f"filter.{name}.required=false")
    ]
    return values, tuple(disarmed)


def _filters_set_by(name: str) -> set[str]:
    """The filter drivers that a setting of the repository changes: git runs those when it compares files."""
    if name.startswith("lfs.extension."):
        return {"lfs"}  # commands that git-lfs runs for each file
    if not name.startswith("filter.") or name.count(".") < 2:
        return set()
    driver = name.removeprefix("filter.").rpartition(".")[0]
    if "=" in driver:
        raise SourceError(
            f"the repository configures a filter named {driver!r}",
            why="git has no way to switch a filter of such a name off, and projrun runs no repository's filters",
            hint=f"git config --remove-section 'filter.{driver}'",
        )
    return {driver}
