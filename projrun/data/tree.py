"""SHA-256 of files and of directories as they are on disk.

The digest of a directory is the SHA-256 of one record for each entry below it. The entries of a directory come
by their names as bytes, what is in a directory right after it. A record is ``KIND SPACE CONTENT SPACE NAME NUL``
with the name relative to the top, ``/`` between its parts:

======== ==================================== ===========================================================
KIND     entry                                CONTENT
======== ==================================== ===========================================================
``f``    file                                 SHA-256 of its bytes, hexadecimal
``x``    file that its owner may execute      the same
``d``    directory (empty ones count too)     ``-``
``l``    symbolic link, never followed        SHA-256 of its target's text
``e``    link to a file elsewhere in the      SHA-256 of its target's text, ``+``, SHA-256 of that file
         project
``s``    socket, FIFO or device, never opened ``-``
======== ==================================== ===========================================================

A link whose target is not there, or that leads in a circle, has nothing behind it: ``l``. A link to what no
record covers (a directory elsewhere, anything outside the project) is refused, for it would have no digest.
Owner, times and the other permission bits do not count, nor does what is named ``.git``: git changes it when it
only looks, and no checkout of the project has it.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from projrun.data.remembered import Remembered

_BLOCK = 1 << 20


class Unstable(Exception):
    """A file or directory changed while it was being read. The text names it."""


class Uncovered(Exception):
    """An entry cannot be part of a digest. The text names it and says why."""


class Digest(NamedTuple):
    """What a file or directory holds: ``size`` in bytes, of ``files`` files."""

    sha256: str
    size: int
    files: int


@contextmanager
def regular_file(path: str | bytes, *, follow: bool = True) -> Iterator[int]:
    """A descriptor to read a regular file from. Never waits for a FIFO. Raises OSError or Uncovered."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise Uncovered(f"{os.fsdecode(path)} is {kind_of(mode)}")
        yield descriptor
    finally:
        os.close(descriptor)


def digest_file(path: bytes, remembered: Remembered) -> Digest:
    """Digest of one file, read at most once. Raises OSError, Unstable, or Uncovered when it is no regular file."""
    status = os.stat(path)  # noqa: PTH116 - names of raw bytes
    known = remembered.digest(path, status, alone=True) if stat.S_ISREG(status.st_mode) else None
    return Digest(known, status.st_size, 1) if known else _read(path, remembered, follow=True)


def _read(path: bytes, remembered: Remembered, *, follow: bool) -> Digest:
    began = time.time_ns()
    with regular_file(path, follow=follow) as descriptor:
        before = os.fstat(descriptor)
        digest = hashlib.sha256()
        while block := os.read(descriptor, _BLOCK):
            digest.update(block)
        after = os.fstat(descriptor)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise Unstable(os.fsdecode(path))
    remembered.note(path, after, digest.hexdigest(), began)
    return Digest(digest.hexdigest(), after.st_size, 1)


def digest_directory(path: Path, root: Path, remembered: Remembered) -> Digest:
    """Digest of a directory of the project at ``root``. Raises OSError, Unstable or Uncovered."""
    top = os.fsencode(path)
    remembered.look_below(top)
    inside = os.path.realpath(top)
    project = os.path.realpath(os.fsencode(root))
    total, marks = hashlib.sha256(), hashlib.sha256()
    size = files = 0
    for name, status in walk(top):
        full = os.path.join(top, name)  # noqa: PTH118 - names of raw bytes
        kind, content = "s", "-"
        if stat.S_ISREG(status.st_mode):
            sha256 = remembered.digest(full, status, alone=False)
            found = Digest(sha256, status.st_size, 1) if sha256 else _read(full, remembered, follow=False)
            size, files = size + found.size, files + 1
            kind, content = ("x" if status.st_mode & stat.S_IXUSR else "f"), found.sha256
        elif stat.S_ISDIR(status.st_mode):
            kind = "d"
        elif stat.S_ISLNK(status.st_mode):
            kind, content = _link(full, inside, project, remembered)
        total.update(f"{kind} {content} ".encode() + name + b"\0")
        marks.update(_mark(name, status))
    if marks.digest() != _marks(top):
        raise Unstable(os.fsdecode(top))
    return Digest(total.hexdigest(), size, files)


def stat_mark(path: Path) -> str | None:
    """A digest of the names and stat values of a file, or of all in a directory; None when it cannot be had.

    Equal marks mean that nobody wrote in between. No file is read.
    """
    try:
        status = path.stat()
        own = _mark(b"", status)
        below = _marks(os.fsencode(path)) if stat.S_ISDIR(status.st_mode) else b""
    except OSError:
        return None
    return hashlib.sha256(own + below).hexdigest()


def walk(top: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    """Relative name and own status (links not followed) of every entry below ``top``, in the digest's order.

    Raises OSError.
    """
    pending = _names(top, b"")
    while pending:
        name = pending.pop()
        status = os.lstat(os.path.join(top, name))  # noqa: PTH118 - names of raw bytes
        yield name, status
        if stat.S_ISDIR(status.st_mode):
            pending += _names(top, name + b"/")


def _names(top: bytes, prefix: bytes) -> list[bytes]:
    """The names in a directory, the first one last."""
    names = os.listdir(os.path.join(top, prefix))  # noqa: PTH118, PTH208 - names of raw bytes
    return [prefix + name for name in sorted(names, reverse=True) if name != b".git"]


def _marks(top: bytes) -> bytes:
    marks = hashlib.sha256()
    for name, status in walk(top):
        marks.update(_mark(name, status))
    return marks.digest()


def kind_of(mode: int) -> str:
    """The kind of a file for people: "a FIFO", "a directory", ..."""
    kinds = {
        stat.S_IFDIR: "a directory",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a character device",
        stat.S_IFBLK: "a block device",
    }
    return kinds.get(stat.S_IFMT(mode), "not a regular file")


def _link(path: bytes, inside: bytes, project: bytes, remembered: Remembered) -> tuple[str, str]:
    text = hashlib.sha256(os.readlink(path)).hexdigest()  # noqa: PTH115 - names of raw bytes
    real = os.path.realpath(path)
    if not os.path.exists(path) or _within(real, inside):  # noqa: PTH110 - names of raw bytes
        return "l", text
    if not _within(real, project):
        raise Uncovered(f"{os.fsdecode(path)} is a symbolic link that leads out of the project")
    return "e", f"{text}+{digest_file(real, remembered).sha256}"


def _within(path: bytes, top: bytes) -> bool:
    return path == top or path.startswith(top.rstrip(b"/") + b"/")


def _mark(name: bytes, status: os.stat_result) -> bytes:
    values = (status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return name + b"\0" + repr(values).encode()
