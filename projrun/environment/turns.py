"""Taking turns in the cache: what several processes want, one does; the others say whom they wait for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from projrun.core.errors import EnvironmentFailure
from projrun.core.locks import exclusive
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
            why=f"{error.filename or lock.parent}: {error.strerror or error}",
            hint="make room or get the right to write there, or choose another folder: PROJRUN_CACHE=DIR",
        ) from error
