"""The build context: the files that git sees and .dockerignore keeps, as a digest and as a tar.

Of a file its path, its content and whether it can be executed count; of a link where it leads. Owners, times and
all other modes are everybody's own, so none of them are in the digest, and in the tar they are always the same.
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
import tarfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, NamedTuple

from projrun.core.errors import EnvironmentFailure
from projrun.core.hashing import sha256_file, sha256_value
from projrun.core.paths import escape_reason, is_below
from projrun.core.remembered import Remembered
from projrun.core.values import Struct
from projrun.environment.docker.ignoring import Patterns
from projrun.environment.model import Means
from projrun.environment.text import read_text
from projrun.spec.model import DockerSpec

IGNORE = ".dockerignore"
BESIDE = ".projrun.Dockerfile"  # the name in the tar of a Dockerfile that is no file of the context
_TIME = 946684800  # 2000-01-01; archives of some kinds cannot hold a time before 1980
_FILE, _PROGRAM, _LINK = "file", "program", "link"
_MODES = {_FILE: 0o644, _PROGRAM: 0o755, _LINK: 0o777}


class Entry(NamedTuple):
    """A file or link. ``path`` is that in the tar, ``place`` the one on disk.

    ``kind``: file, program or link; ``content`` is a SHA-256, of a link where it leads.
    """

    path: str
    kind: str
    content: str
    place: str


class Context(Struct, frozen=True):
    """A build context. ``dockerfile`` is where the Dockerfile is in it; ``text`` is what that says.

    ``products`` are what entry points declare to write, as paths in it.
    """

    directory: Path
    dockerfile: str
    text: str
    entries: tuple[Entry, ...]
    patterns: Patterns
    products: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """The digest of all that counts."""
        return sha256_value([[entry.path, entry.kind, entry.content] for entry in self.entries])

    def left_out(self, path: str) -> bool:
        """Whether ``path`` is there and not in the context."""
        inside = path.strip("/")
        return bool(inside) and not self._has(inside) and os.path.lexists(self.directory / inside)

    def left_out_by(self, path: str) -> str:
        """What leaves ``path`` out: ``file:line`` of a pattern, or in words; "" when only git can tell."""
        names = [path]
        if os.path.isdir(self.directory / path):  # noqa: PTH112 - text
            below = ((folder, files[0]) for folder, _, files in os.walk(self.directory / path) if files)
            first = next(below, None)
            if first is None:
                return "there is no file in it"
            names.append(os.path.relpath(os.path.join(*first), self.directory))  # noqa: PTH118 - text
        if any(is_below(name, self.products) for name in names):
            return "an entry point declares to write it"
        return next(filter(None, map(self.patterns.place_for, names)), "")

    def _has(self, path: str) -> bool:
        return any(entry.path == path or entry.path.startswith(f"{path}/") for entry in self.entries)


def look(root: Path, spec: DockerSpec, means: Means) -> Context:
    """The build context of ``spec`` in the project at ``root``, as it is now. Raises EnvironmentFailure."""
    file = spec.file or "Dockerfile"
    text = read_text(root, file, "docker.file")
    directory = directory_of(root, spec.context)
    patterns = patterns_of(root, file, directory)
    own = os.path.relpath(os.path.realpath((root / file).parent), directory)
    own = os.path.normpath(os.path.join(own, os.path.basename(file)))  # noqa: PTH118, PTH119 - text
    here = os.path.relpath(directory, os.path.realpath(root))
    products = [os.path.relpath(path, here) for path in spec.products]  # else each run would ask for another image
    paths = sorted(
        path for path in means.tree(directory) if not patterns.leaves_out(path) and not is_below(path, products)
    )
    with Remembered(None if means.thorough else means.cache) as remembered:
        remembered.look_below(os.fsencode(directory))
        digest = functools.partial(_digest, remembered)
        entries = [entry for path in paths if (entry := _entry(path, directory / path, digest)) is not None]
        if not any(entry.path == own and entry.kind != _LINK for entry in entries):
            entries += filter(None, [_entry(BESIDE, Path(os.path.realpath(root / file)), digest)])
            own = BESIDE
    return Context(directory, own, text, tuple(sorted(entries)), patterns, tuple(products))


def write(context: Context, file: Path) -> None:
    """Writes the context as a tar. Raises EnvironmentFailure when some of it is no more what was looked at."""
    with tarfile.open(file, "w", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape") as archive:
        made: set[str] = set()
        for entry in context.entries:
            for folder in _folders_above(entry.path):
                if folder not in made:
                    made.add(folder)
                    archive.addfile(_header(folder, tarfile.DIRTYPE, 0o755))
            try:
                found = _added(archive, entry)
            except OSError as error:
                raise _unreadable(entry.path, error) from error
            if found != (entry.kind, entry.content):
                raise EnvironmentFailure(
                    f"{entry.path} changed while the build context was read",
                    why="Somebody writes to it, and the environment's key stands for what it was before.",
                    hint=f"wait until it is written, and run again; or name it in {IGNORE}",
                )


def _added(archive: tarfile.TarFile, entry: Entry) -> tuple[str, str]:
    """Adds a file or link as it is now, and gives its kind and content."""
    header = _header(entry.path, tarfile.REGTYPE, _MODES[entry.kind])
    if entry.kind == _LINK:
        header.type, header.linkname = tarfile.SYMTYPE, os.readlink(entry.place)  # noqa: PTH115 - text
        archive.addfile(header)
        return _LINK, header.linkname
    with _opened(entry.place) as file:
        known = os.fstat(file.fileno())
        header.size = known.st_size
        reader = _Hashed(file)
        archive.addfile(header, reader)
        return _kind(known.st_mode), reader.digest.hexdigest()


class _Hashed:
    """A file that is hashed as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def _opened(place: str) -> IO[bytes]:
    return open(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def _header(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(path)
    header.type, header.mode, header.mtime = kind, mode, _TIME
    return header


def _folders_above(path: str) -> Iterable[str]:
    parts = path.split("/")[:-1]
    return ("/".join(parts[:count]) for count in range(1, len(parts) + 1))


def _kind(mode: int) -> str:
    return _PROGRAM if mode & stat.S_IXUSR else _FILE


def _entry(path: str, place: Path, digest: Callable[[str, os.stat_result], str]) -> Entry | None:
    """What is at ``place``; None for nothing, and for what is no file and no link: git has none of these."""
    where = os.fspath(place)
    try:
        known = os.lstat(where)
        if stat.S_ISLNK(known.st_mode):
            return Entry(path, _LINK, os.readlink(where), where)  # noqa: PTH115 - text
        if stat.S_ISREG(known.st_mode):
            return Entry(path, _kind(known.st_mode), digest(where, known), where)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _unreadable(path, error) from error
    return None


def _digest(remembered: Remembered, place: str, known: os.stat_result) -> str:
    """The digest of a file, which is not read when it is as it was the last time."""
    path = os.fsencode(place)
    found = remembered.digest(path, known, alone=False)
    if found is None:
        began = time.time_ns()
        found = sha256_file(Path(place))
        remembered.note(path, known, found, began)
    return found


def directory_of(root: Path, relative: str) -> Path:
    """Where the context is, links resolved. Raises EnvironmentFailure when it can be none."""
    reason = escape_reason(root, relative)
    directory = Path(os.path.realpath(root / relative))
    if reason is None and not directory.is_dir():
        reason = "it is no directory" if directory.exists() else "there is no such directory"
    if reason:
        raise EnvironmentFailure(
            f"{relative} cannot be a build context",
            why=f"{reason}.",
            hint="name a directory of the project: environment.docker.context",
        )
    return directory


def patterns_of(root: Path, file: str, directory: Path) -> Patterns:
    """Those of the Dockerfile's own file of patterns, else those of the context. Raises EnvironmentFailure."""
    context = os.path.relpath(directory, os.path.realpath(root))
    for name in (f"{file}{IGNORE}", os.path.normpath(os.path.join(context, IGNORE))):  # noqa: PTH118 - text
        if os.path.lexists(root / name):
            return Patterns(read_text(root, name, "docker.file"), name)
    return Patterns("", IGNORE)


def _unreadable(path: str, error: OSError) -> EnvironmentFailure:
    return EnvironmentFailure(
        f"{path} of the build context cannot be read",
        why=f"{error.strerror or error}.",
        hint=f"chmod u+r it, or name it in {IGNORE}",
    )
