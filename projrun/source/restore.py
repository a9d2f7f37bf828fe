"""The files of a snapshot, back on disk exactly as they were. The one module that needs GitPython.

Objects are read as they are stored and checked against their names, so no attribute, filter or setting changes
a byte. The formats of commits and trees are described in "Git Objects" in the book Pro Git.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from projrun.core.errors import SourceError, system_reason
from projrun.core.files import check_free, clear
from projrun.core.paths import absolute
from projrun.source.sources_git import check_ours

_BLOCK = 1 << 20
_DIRECTORY, _LINK = 0o040000, 0o120000
_FILE_MODES = {0o100644: 0o666, 0o100664: 0o666, 0o100755: 0o777}

# Gives the content of an object, by its kind and name, in pieces.
_Read = Callable[[str, str], Generator[bytes, None, None]]


def restore(sources_git: Path, commit: str, destination: Path) -> None:
    """Writes the files of a snapshot to ``destination``, which must be empty or not be there.

    Contents, executable bits, links and names come back as they were captured; times do not. Raises
    SourceError when the snapshot is not in the store or damaged, and when the place is taken or cannot be
    written; what was written by then is removed again.
    """
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise SourceError(
            f"{commit!r} is not the name of a snapshot",
            why="a snapshot's name is 40 hex digits",
            hint="projrun show RUN tells the snapshot of a run",
        )
    destination = absolute(destination)
    made = not os.path.lexists(destination)
    _take_place(destination)
    try:
        with _reading(sources_git.absolute()) as read:
            _write_files(read, commit, os.fsencode(destination))
    except BaseException as error:
        clear(destination, whole=made)
        if isinstance(error, OSError):
            raise SourceError(
                f"the snapshot cannot be restored to {destination}",
                why=error.strerror or str(error),
                hint="make room there, or name another directory",
            ) from error
        raise


def _take_place(destination: Path) -> None:
    check_free(destination)
    try:
        destination.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(
            f"{destination} cannot be written",
            why=system_reason(error, destination),
            hint="name a directory where you may write",
        ) from error


@contextlib.contextmanager
def _reading(sources_git: Path) -> Iterator[_Read]:
    """Gives the content of an object of ``sources_git``, in pieces, and checks it against its name."""
    try:
        import git
    except ImportError as error:  # also how GitPython says that there is no git program
        why = str(error).strip().splitlines()[0]
        raise SourceError("snapshots cannot be read", why=why, hint="install git 2.26 or later") from error
    if not (sources_git / "objects").is_dir():
        raise SourceError(
            f"there are no snapshots in {sources_git}",
            why="it is not a git repository",
            hint="give the store that has them with --store DIR",
        )
    check_ours(sources_git)
    command = git.Git(sources_git)
    command.update_environment(**_alone(sources_git))

    def read(kind: str, name: str) -> Generator[bytes, None, None]:
        try:
            _, header, size, stream = command.stream_object_data(name)
        except (ValueError, OSError) as error:
            raise _damaged(sources_git, f"the {kind} {name} is missing or damaged") from error
        found = os.fsdecode(header)  # bytes, whatever GitPython's annotation says
        digest = hashlib.sha1(f"{found} {size}\0".encode(), usedforsecurity=False)
        try:
            while piece := stream.read(_BLOCK):
                digest.update(piece)
                yield piece
        finally:
            # Whatever is left stands between us and the next object.
            while stream.read(_BLOCK):
                pass
            del stream
        if found != kind or digest.hexdigest() != name:
            raise _damaged(sources_git, f"the {kind} {name} is damaged")

    try:
        yield read
    finally:
        command.clear_cache()


def _alone(sources_git: Path) -> dict[str, str]:
    """Variables that let git see this repository and nothing else, whatever the caller's are."""
    return {
        "GIT_DIR": str(sources_git),
        "GIT_COMMON_DIR": str(sources_git),
        "GIT_OBJECT_DIRECTORY": str(sources_git / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": "",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": "0",
        "GIT_CONFIG_PARAMETERS": "",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "LC_ALL": "C",
    }


def _damaged(sources_git: Path, why: str) -> SourceError:
    return SourceError(
        f"the snapshot cannot be read from {sources_git}", why=why, hint=f"git -C {sources_git} fsck --full"
    )


def _strange(what: str, why: str) -> SourceError:
    return SourceError(what, why=why, hint="projrun made no such snapshot: restore from the store of the run")


def _write_files(read: _Read, commit: str, root: bytes) -> None:
    head = b"".join(read("commit", commit))
    waiting = [(root, head[5:45].decode())]
    while waiting:
        directory, tree = waiting.pop()
        for mode, name, entry in _entries(b"".join(read("tree", tree))):
            path = directory + b"/" + name
            # Every call below fails on a name that is there already, so no link is ever followed.
            if mode == _DIRECTORY:
                os.mkdir(path)  # noqa: PTH102 - a name of any bytes
                waiting.append((path, entry))
            elif mode == _LINK:
                os.symlink(b"".join(read("blob", entry)), path)  # noqa: PTH211 - a name of any bytes
            elif mode in _FILE_MODES:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODES[mode])
                with open(descriptor, "wb") as file, contextlib.closing(read("blob", entry)) as pieces:
                    file.writelines(pieces)
            else:
                raise _strange(f"{os.fsdecode(path)!r} is no file", f"its mode in the snapshot is {mode:o}")


def _entries(tree: bytes) -> Iterator[tuple[int, bytes, str]]:
    """The entries of a tree: mode, name, object name. Refuses names that would leave it, or make a repository."""
    place = 0
    while place < len(tree):
        end = tree.index(b"\0", place)
        mode, _, name = tree[place:end].partition(b" ")
        if name in (b"", b".", b"..") or b"/" in name or name.lower() == b".git":
            raise _strange(f"the snapshot holds a file named {os.fsdecode(name)!r}", "that is never captured")
        yield int(mode, 8), name, tree[end + 1 : end + 21].hex()
        place = end + 21
