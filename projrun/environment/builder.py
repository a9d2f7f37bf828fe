"""What a builder of environments does. One file implements it for each tool, and passes the same contract test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from projrun.core.values import Struct
from projrun.environment import lock
from projrun.environment.asked import Asked
from projrun.environment.lock import LockLine
from projrun.environment.model import Interpreter


class BuildRequest(Struct, frozen=True):
    """An environment to be made in ``folder``, which is empty and ours alone.

    ``lines`` are those of ``lock_text``; ``lock_file`` is how the user knows it and ``compile_command`` what
    compiles it again, for errors. ``fresh``: every archive is fetched again and its hash checked; what was
    unpacked before counts for nothing. ``offline``, here and below: only what was downloaded before, and no
    network call.
    """

    folder: Path
    interpreter: Interpreter
    lock_text: str
    lock_file: str
    lines: tuple[LockLine, ...]
    source_distributions: tuple[str, ...] = ()
    compile_command: str = lock.COMPILE
    offline: bool = False
    fresh: bool = False


class Made(Struct, frozen=True):
    """An environment that a builder made in ``directory``.

    ``archives`` gives, for normalised distribution names, the SHA-256 (hex) of the archive each was installed
    from; "" or nothing where that is not known. It may call the tool again, in any thread, while the folder is
    there.
    """

    directory: Path
    archives: Callable[[], Mapping[str, str]] = dict


class ResolutionRequest(Struct, frozen=True):
    """Requirements to be resolved. ``folder`` is empty and ours alone.

    ``previous`` is the text of a lock whose versions are kept, but for ``upgrade`` (``NAME`` or ``NAME==V``) and
    unless ``upgrade_all``. ``universal``: for every platform and every Python from ``python`` on, with markers;
    with ``platforms`` (names of :mod:`projrun.environment.platforms`) for those alone. ``python`` is the version
    to resolve for when it is not the interpreter's own. ``annotate``: comments say who needs what.
    """

    folder: Path
    interpreter: Interpreter
    asked: Asked
    source_distributions: tuple[str, ...] = ()
    offline: bool = False
    previous: str = ""
    upgrade_all: bool = False
    upgrade: tuple[str, ...] = ()
    universal: bool = False
    platforms: tuple[str, ...] = ()
    annotate: bool = False
    python: str = ""

    def as_named(self, text: str) -> str:
        """What a tool wrote, with the project's files called as the user calls them."""
        return self.asked.as_named(text, self.folder)


class LookupRequest(Struct, frozen=True):
    """Locked lines whose files are to be looked up on the package index, for an interpreter of a platform.

    ``platform`` is its name. ``folder`` is empty and ours alone. The interpreter need not be on this machine.
    """

    folder: Path
    interpreter: Interpreter
    platform: str
    lines: tuple[LockLine, ...]
    source_distributions: tuple[str, ...] = ()
    offline: bool = False


class Builder(Protocol):
    """Makes virtual environments out of locks, and locks out of requirements.

    ``create`` and ``resolve`` hand the tool's output to ``write`` as it comes, and raise EnvironmentFailure with
    the tool's own reason first.
    """

    @property
    def name(self) -> str:
        """The name under ``environment.builder``."""

    def version(self) -> str:
        """The tool's version, for the record."""

    def create(self, request: BuildRequest, write: Callable[[bytes], None]) -> Made:
        """Makes the environment somewhere in the request's folder.

        It can be renamed, holds exactly the lines that apply, as files of its own (no hard links), and
        every archive was checked against the lock's hashes.
        """

    def resolve(self, request: ResolutionRequest, write: Callable[[bytes], None]) -> str:
        """The text of a lock, with hashes, without addresses and without paths of this machine."""
