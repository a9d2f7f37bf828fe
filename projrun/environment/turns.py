"""Taking turns in the cache: what several processes want, one does; the others say whom they wait for.

What it does may take a folder, which is made under the lock, so that the lock tells when it was left behind.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from projrun.core.errors import EnvironmentFailure, system_reason
from projrun.core.locks import exclusive, is_held
from projrun.core.report import Reporter


@contextlib.contextmanager
def turn(lock: Path, report: Reporter, *, doing: str, failed: str) -> Iterator[None]:
    """Holds ``lock``, a file of the cache, for the block. ``doing`` says what a holder does, for those who wait.

    Raises EnvironmentFailure, which begins with ``failed``, when the cache cannot be written, by the block either.
    """

    def waiting(holder: str) -> None:
        report.phase("environment", f"waiting for {holder}, which {doing}")

    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(lock, holder=f"process {os.getpid()}", waiting=waiting) as held:
            if held.notice:
                report.phase("environment", held.notice)
            yield
    except OSError as error:
        raise EnvironmentFailure(
            f"{failed} in {lock.parent}",
            why=system_reason(error, lock.parent),
            hint="make room or get the right to write there, or choose another folder: PROJRUN_CACHE=DIR",
        ) from error


@contextlib.contextmanager
def aside(folder: Path, prefix: str, name: str) -> Iterator[Path]:
    """A new folder in ``folder`` for the block, whose caller holds the lock of ``name``. Raises OSError."""
    import shutil  # nobody who finds all there comes here

    made = folder / f"{prefix}{name}-{os.urandom(4).hex()}"
    made.mkdir()
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def left_behind(
    folder: Path, prefix: str, lock_of: Callable[[str], Path], own: str | None = None
) -> Iterator[Path]:
    """The folders of :func:`aside` whose makers were killed: nobody holds the lock of their name any more.

    That of ``own`` is held by the caller, who has none yet.
    """
    for made in folder.glob(f"{prefix}*"):
        name = made.name.removeprefix(prefix).rpartition("-")[0]
        if name == own or not is_held(lock_of(name)):
            yield made
