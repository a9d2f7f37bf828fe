"""Real file systems for tests: a small one, one that cannot be written, and one that lacks what networks lack."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from projrun.core.values import Struct

# Read before a test gets an environment of its own.
REQUIRED = "mount" in os.environ.get("PROJRUN_TEST_REQUIRE", "").split(",")
ROOT = Path(__file__).resolve().parent.parent


class Small(Struct, frozen=True):
    """A file system in memory of a size that can be changed while it is used."""

    path: Path

    def resize(self, *, size: int | None = None, files: int | None = None) -> None:
        """Sets its room to so many bytes and so many files and folders; None is all that anybody wants."""
        room = f"size={size or 64 << 20},nr_inodes={files or 10_000}"
        _do("mount", "-o", f"remount,{room}", str(self.path))

    @property
    def used(self) -> int:
        """Bytes."""
        found = os.statvfs(self.path)
        return (found.f_blocks - found.f_bfree) * found.f_bsize

    @property
    def files(self) -> int:
        """How many files and folders there are."""
        found = os.statvfs(self.path)
        return found.f_files - found.f_ffree


@contextlib.contextmanager
def small(place: Path) -> Iterator[Small]:
    """A tmpfs at ``place``. Skips, or fails when it is required, where nothing can be mounted."""
    _need(_problem())
    place.mkdir()
    _do("mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=10000,mode=0700", "tmpfs", str(place))
    with _unmounted(place):
        yield Small(place)


@contextlib.contextmanager
def read_only(folder: Path, place: Path) -> Iterator[Path]:
    """The folder, seen at ``place`` and not to be written there, by root either. Skips as :func:`small`."""
    _need(_problem())
    place.mkdir()
    _do("mount", "--bind", str(folder), str(place))
    with _unmounted(place):
        _do("mount", "-o", "remount,bind,ro", str(place))
        yield place


@contextlib.contextmanager
def lacking(place: Path, *what: str) -> Iterator[Path]:
    """A file system at ``place`` that lacks ``what``: see tests/passthrough.py. Skips as :func:`small`."""
    _need(_problem() or _fuse_problem())
    place.mkdir()
    behind = place.with_name(f"{place.name}-behind")
    behind.mkdir()
    words = [sys.executable, "-m", "tests.passthrough", str(behind), str(place), *what]
    with subprocess.Popen(words, cwd=ROOT) as server:
        try:
            with _unmounted(place):
                end = time.monotonic() + 60
                while not place.is_mount():
                    assert server.poll() is None
                    assert time.monotonic() < end
                    time.sleep(0.01)
                yield place
        finally:
            server.kill()  # another mount namespace, a container engine's say, may have a copy of the mount


def _need(problem: str) -> None:
    if problem and REQUIRED:
        pytest.fail(f"{problem}, and PROJRUN_TEST_REQUIRE names mount")
    if problem:
        pytest.skip(problem)


def _problem() -> str:
    if sys.platform != "linux":
        return "file systems are mounted as Linux does it"
    return "" if os.getuid() == 0 else "only root may mount a file system"


def _fuse_problem() -> str:
    if not Path("/dev/fuse").exists():
        return "this kernel has no FUSE"
    if shutil.which("fusermount3") is None:
        return "libfuse is not installed: apt install fuse3"
    return "" if importlib.util.find_spec("mfusepy") else "mfusepy is not installed"


@contextlib.contextmanager
def _unmounted(place: Path) -> Iterator[None]:
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)


def _do(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, check=False)
    _need(f"{' '.join(words[:1])} failed: {done.stderr.decode().strip()}" if done.returncode else "")


def need() -> None:
    """Skips, or fails when it is required, where namespaces and mounts cannot be made."""
    _need(_problem())
