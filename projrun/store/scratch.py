"""A directory outside the store for what a program with secrets has in clear; it goes when the program has gone.

    <folder>/<name>/         of one run: params.json, metrics.jsonl as the program writes it, bytecode
    <folder>/<name>/alive    locked as long as the run's process lives, or the one that ends the program after it

It is removed by the run's process; when that was killed, by the one that ends the program; when both were, by the
next run that makes one, ``gc`` and ``env prune``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

from projrun.core.errors import StoreError
from projrun.core.files import make_private
from projrun.core.locks import Held, is_held, take

_LOCK = "alive"
_UNBEGUN_SECONDS = 3600.0  # after which a directory that never got its name is nobody's


class Scratch:
    """The directory of one run; see :func:`make`."""

    def __init__(self, path: Path, lock: Held) -> None:
        self.path = path
        self.lock = lock

    def close(self) -> None:
        """Removes it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.lock.close()


def folder_in(cache: Path) -> Path:
    """Where the user's directories are: a cache may be used by several users, and these are for nobody else."""
    return cache / f"scratch-{os.getuid()}"


def make(folder: Path) -> Scratch:
    """One that is its owner's alone. Removes those of dead runs. Raises StoreError."""
    name = os.urandom(8).hex()
    aside = folder / f".{name}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        make_private(folder)
        sweep(folder)
        # Locked before it has its name: whoever sees it sees whether it is used.
        aside.mkdir(mode=0o700)
        try:
            lock = take(aside / _LOCK)
            return Scratch(aside.rename(folder / name), lock)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
    except OSError as error:
        raise StoreError(
            f"the folder for what a program with secrets reads and writes cannot be used: {folder}",
            why=error.strerror or str(error),
            hint="choose another folder for what projrun keeps to itself: PROJRUN_CACHE=DIR",
        ) from error


def dead(folder: Path) -> list[Path]:
    """The directories that nobody uses any more: their run's process was killed, and the one that ends for it."""
    found = []
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            with contextlib.suppress(OSError):
                if path.name.startswith("."):
                    unused = time.time() - path.lstat().st_mtime > _UNBEGUN_SECONDS
                else:
                    unused = not is_held(path / _LOCK)
                if unused:
                    found.append(path)
    return found


def sweep(folder: Path) -> None:
    """Removes them. What cannot be removed stays."""
    for path in dead(folder):
        shutil.rmtree(path, ignore_errors=True)
