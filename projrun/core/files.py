"""Files that are whole or absent: written aside, flushed, renamed in."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from projrun.core.errors import UsageError

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def irregular(path: Path) -> str:
    """What is there instead of a file: ``a directory``, ``a pipe``. Empty for a file and when nothing is there."""
    try:
        mode = path.stat().st_mode
    except OSError:
        # Not pathlib's, which raises in a directory that is closed.
        return "a link that leads nowhere" if os.path.islink(path) else ""  # noqa: PTH114
    return next((kind for is_one, kind in _KINDS if is_one(mode)), "")


def check_free(place: Path) -> None:
    """Raises UsageError unless nothing is at ``place`` but perhaps an empty directory: nothing is written over."""
    what = irregular(place)
    try:
        if not what and not os.path.lexists(place):
            return
        taken = what != "a directory" or any(place.iterdir())
    except OSError as error:
        raise UsageError(
            f"{place} cannot be read",
            why=error.strerror or str(error),
            hint="name a directory where you may write",
        ) from error
    if taken:
        raise UsageError(
            f"{place} is {'not empty' if what == 'a directory' else what or 'a file'}",
            why="what is restored gets a place of its own, so that nothing is overwritten",
            hint="name a directory that does not exist yet",
        )


def check_absent(place: Path) -> None:
    """Raises UsageError when something is at ``place``, a dead link too: nothing is written over."""
    if os.path.lexists(place):
        raise UsageError(
            f"{place} is there already",
            why="nothing is overwritten",
            hint="name another directory, or move it out of the way",
        )


def clear(place: Path, *, whole: bool) -> None:
    """Removes what is in a directory, and with ``whole`` the directory as well. Raises OSError."""
    import shutil  # only after a failure

    for entry in list(place.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    if whole:
        place.rmdir()


def read_regular(path: Path, limit: int) -> bytes:
    """At most ``limit`` bytes of a file. Raises OSError, also for a pipe or device: those can have no end."""
    if kind := irregular(path):
        raise OSError(errno.EINVAL, f"it is {kind} and not a file", str(path))
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # in case it is a pipe since
    with open(descriptor, "rb") as file:
        return file.read(limit)


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Gives a name beside ``path`` to write to; renamed to ``path`` at the end, removed on failure."""
    aside = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
    try:
        yield aside
        aside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise


def write_atomic(path: Path, data: bytes, *, mode: int = 0o644, durable: bool = True) -> None:
    """Writes ``data`` so that a reader, or a crash, sees the old file or the new one and nothing between.

    ``durable`` waits for the disk: for records, not for caches.
    """
    with written_aside(path) as aside:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(descriptor, "wb", closefd=True) as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())


def encode_json(document: Any, *, indent: int | None = 2) -> bytes:
    """JSON as projrun writes it: UTF-8, strict (no NaN), one newline at the end.

    Text that is not valid Unicode (a file name of raw bytes) keeps its surrogate escapes as ``\\udcXX``.
    """
    text = json.dumps(document, indent=indent, allow_nan=False, ensure_ascii=False)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(document, indent=indent, allow_nan=False).encode() + b"\n"


def write_json(path: Path, document: Any, *, mode: int = 0o644, durable: bool = True) -> None:
    """Writes a JSON document with :func:`write_atomic`."""
    write_atomic(path, encode_json(document), mode=mode, durable=durable)


def read_json(path: Path) -> Any:
    """Reads a JSON document. Raises OSError, or ValueError when it is not JSON."""
    return json.loads(path.read_bytes())
