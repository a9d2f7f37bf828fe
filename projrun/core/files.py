"""Files that are whole or absent: written aside, flushed, renamed in."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from projrun.core.errors import UsageError

# Bytes of a JSON document: that of a project of 100,000 changed files is a third of it.
LARGEST_DOCUMENT = 64 << 20
_DEEPEST = 800  # levels; from a thousand on Python writes it no more

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


def remove_tree(place: Path) -> None:
    """Removes a directory with all that is in it, as far as that is possible; mostly there is none."""
    if os.path.lexists(place):
        import shutil  # slow to import

        shutil.rmtree(place, ignore_errors=True)


def open_plain(path: Path) -> int:
    """A descriptor to read a file by. Raises OSError for what is none: a link, a directory, a pipe, a device.

    What lies in a store may be anybody's doing: a link would lead elsewhere, and a pipe would wait for ever.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.EINVAL, "it is a link and not a file", str(path)) from error
        raise
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    kind = next((kind for is_one, kind in _KINDS if is_one(mode)), "something else")
    raise OSError(errno.EINVAL, f"it is {kind} and not a file", str(path))


def read_plain(path: Path, limit: int = LARGEST_DOCUMENT) -> bytes:
    """A whole file, opened by :func:`open_plain`. Raises OSError, also for one of more than ``limit`` bytes."""
    with open(open_plain(path), "rb") as file:
        large = os.fstat(file.fileno()).st_size > limit
        data = b"" if large else file.read(limit + 1)
    if large or len(data) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit >> 20} MiB", str(path))
    return data


def is_directory(path: Path) -> bool:
    """Whether a directory is there, and no link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def is_shared(directory: Path) -> bool:
    """Whether a directory is a group's: the group may write there, and has what is made there (setgid)."""
    try:
        mode = directory.stat().st_mode
    except OSError:
        return False
    return bool(mode & stat.S_ISGID and mode & stat.S_IWGRP)


def shared_mode(directory: Path, mode: int) -> int:
    """``mode`` of a file that is its owner's alone; in a group's directory, with as much for the group."""
    return mode | 0o060 if not mode & 0o077 and is_shared(directory) else mode


def make_private(directory: Path, *, parents: bool = False) -> None:
    """Makes a directory that is its owner's alone, below a group's directory the group's too. Raises OSError."""
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        if not directory.is_dir():
            raise
        return
    except FileNotFoundError:
        if not parents:
            raise
        make_private(directory.parent, parents=True)
        make_private(directory)
        return
    if is_shared(directory.parent):
        directory.chmod(0o2770)


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


def share_file(descriptor: int, directory: Path, mode: int) -> None:
    """Lets the group have a file that was made with ``mode`` in a group's directory, whatever the umask."""
    wanted = shared_mode(directory, mode)
    if wanted != mode:
        with contextlib.suppress(PermissionError):  # another one's file, who has seen to it
            os.fchmod(descriptor, wanted)


def create(path: Path, *, mode: int = 0o600) -> BinaryIO:
    """A new file to be written to, its owner's alone; in a group's directory the group's too. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    file = open(descriptor, "wb")  # noqa: SIM115 - the caller closes it
    share_file(descriptor, path.parent, mode)
    return file


def write_atomic(path: Path, data: bytes, *, mode: int = 0o644, durable: bool = True) -> None:
    """Writes ``data`` so that a reader, or a crash, sees the old file or the new one and nothing between.

    ``durable`` waits for the disk: for records, not for caches.
    """
    with written_aside(path) as aside, create(aside, mode=mode) as file:
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
    """Reads a JSON document by :func:`read_plain`. Raises OSError, and ValueError if it is none or too deep."""
    data = read_plain(path)
    try:
        document = json.loads(data, parse_constant=_no_number, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if data.count(b"[") + data.count(b"{") > _DEEPEST and _depth(document) > _DEEPEST:
        raise ValueError("it is nested too deeply")
    return document


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _depth(document: Any) -> int:
    """How deep lists and mappings lie in each other; found out without descending, for what can be endless."""
    depth, level = 0, [document]
    while level:
        depth += 1
        containers = [one for one in level if isinstance(one, (dict, list))]
        level = [inner for one in containers for inner in (one.values() if isinstance(one, dict) else one)]
    return depth
