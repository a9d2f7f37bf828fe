"""The file behind the index, opened: to be written, to be read alone where it cannot be, or in memory."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from projrun.core.files import open_plain, shared_mode
from projrun.core.locks import exclusive
from projrun.store import abilities
from projrun.store.database import VERSION, are_whole, make_tables

_BUSY_SECONDS = 5.0
_NOT_SHARED = "memory cannot be shared in {}: the index of the runs is kept without a write-ahead log"
_OF_A_NETWORK = "{} is on a network file system ({}): the index of the runs is kept without a write-ahead log"
_HEADER = 20  # bytes that tell how a database is written: https://www.sqlite.org/fileformat2.html, 1.3
_BY_LOG = b"\2\2"
_TICK = 2.0  # seconds: the longest in which a file may be written to twice and have one time stamp


@contextmanager
def opened(path: Path, tell: Callable[[str], None] | None = None) -> Iterator[sqlite3.Connection]:
    """The database at ``path``, made if absent or another version's. Raises sqlite3.Error, OSError.

    ``tell`` gets a sentence, once in the life of the file, when it cannot be made as usual.
    """
    abilities.require_locks(path.with_name("store.json"))
    with _connected(path) as connection:
        if _version(connection) != VERSION:
            with exclusive(path.with_suffix(".lock"), holder=f"process {os.getpid()}"):
                if _version(connection) != VERSION:
                    with suppress(PermissionError):  # another one of the group made it
                        path.chmod(shared_mode(path.parent, 0o600))
                    why_not = _why_no_log(path.parent)
                    if tell is not None and why_not:
                        tell(why_not)
                    _make(connection, "DELETE" if why_not else "WAL")
        elif _journal(connection) == "wal" and (network := abilities.network_of(path.parent)):
            # It came there with its store: two machines have no memory to share, and would not know it.
            if _journal(connection, "DELETE") != "delete":
                raise sqlite3.OperationalError("database is locked")
            if tell is not None:
                tell(_OF_A_NETWORK.format(path.parent, network))
        if _acts(connection):
            raise sqlite3.DatabaseError("the index holds more than tables")
        yield connection


@contextmanager
def read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """The database at ``path`` for one who may not write it, and leaves no file there.

    Raises sqlite3.Error and OSError, also at the end when somebody wrote to it meanwhile and what was read may be
    of two moments.
    """
    abilities.require_locks(path.with_name("store.json"))
    _refuse_irregular(path)
    by_log = journal_of(path) == "wal"
    if by_log and abilities.network_of(path.parent):
        raise OSError(errno.EINVAL, "it was made elsewhere, and is of one machine alone", str(path))
    # A log takes memory that is shared through a file, which is not to be made here. Without one nobody writes, or
    # the file changes under our eyes.
    still = _settled(path) if by_log and not _has_log(path) else None
    how = "mode=ro" if still is None else "mode=ro&immutable=1"
    with _connected(f"{path.absolute().as_uri()}?{how}") as connection:
        if _version(connection) != VERSION or _acts(connection):
            raise sqlite3.DatabaseError("it is another version's")
        yield connection
    if still is not None and _stamp(path) != still:
        raise OSError(errno.EAGAIN, "it was written meanwhile", str(path))


@contextmanager
def in_memory(kept: sqlite3.Connection | None = None) -> Iterator[sqlite3.Connection]:
    """A database for this process alone, for a store that cannot be written: empty, or a copy of one."""
    with _connected(":memory:") as connection:
        if kept is None:
            _make(connection, "MEMORY")
        else:
            kept.backup(connection)
        yield connection


def journal_of(path: Path) -> str | None:
    """How changes are written to the database at ``path``: ``wal`` or ``delete``; None when none can be read."""
    try:
        with open(open_plain(path), "rb") as file:
            header = file.read(_HEADER)
    except OSError:
        return None
    if len(header) < _HEADER:
        return None
    return "wal" if header.endswith(_BY_LOG) else "delete"


def remove_damaged(path: Path) -> None:
    """Takes the database at ``path`` away, unless somebody else has mended it by now. Raises OSError."""
    with exclusive(path.with_suffix(".lock"), holder=f"process {os.getpid()}"):
        if not _is_sound(path):
            for name in (f"{path.name}-wal", f"{path.name}-shm", path.name):
                path.with_name(name).unlink(missing_ok=True)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error tells of a broken or foreign file, and not of one that is busy or cannot be written."""
    if not isinstance(error, sqlite3.OperationalError):
        return isinstance(error, sqlite3.DatabaseError)
    return any(words in str(error) for words in ("no such", "has no column", "columns but", "malformed"))


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block's changes or none; other writers wait."""
    connection.execute("BEGIN IMMEDIATE")
    with _ended(connection):
        yield


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """What the block reads is of one moment."""
    connection.execute("BEGIN")
    with _ended(connection):
        yield


@contextmanager
def _ended(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _is_sound(path: Path) -> bool:
    try:
        with _connected(path) as connection:
            if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",) or _acts(connection):
                return False
            return are_whole(connection)
    except sqlite3.Error as error:
        return not is_damage(error)


def _refuse_irregular(path: Path) -> None:
    """Raises OSError when a file of the database is no file: SQLite would follow a link, and write there."""
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm", f"{path.name}-journal"):
        try:
            mode = path.with_name(name).lstat().st_mode
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a file", str(path.with_name(name)))


def _has_log(path: Path) -> bool:
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def _stamp(path: Path) -> tuple[int, int, int, int]:
    """What changes when a file is written to."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _settled(path: Path) -> tuple[int, int, int, int]:
    """The same, when the file's last change is so long ago that the next one has another time."""
    recent = _TICK - (time.time() - path.stat().st_mtime)
    if 0 < recent <= _TICK:
        time.sleep(recent)
    return _stamp(path)


def _acts(connection: sqlite3.Connection) -> bool:
    """Whether the database does something when it is asked: views and triggers are none of ours."""
    counted = connection.execute("SELECT count(*) FROM sqlite_master WHERE type IN ('view', 'trigger')")
    return bool(counted.fetchone()[0])


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _journal(connection: sqlite3.Connection, wanted: str = "") -> str:
    """How a database's changes are written; with ``wanted`` as it is from now on."""
    return str(connection.execute(f"PRAGMA journal_mode{wanted and f' = {wanted}'}").fetchone()[0])


def _why_no_log(folder: Path) -> str:
    """Why an index there can have no write-ahead log; empty where it can. Raises OSError."""
    if not abilities.shares_memory(folder):
        return _NOT_SHARED.format(folder)
    network = abilities.network_of(folder)
    return _OF_A_NETWORK.format(folder, network) if network else ""


def _make(connection: sqlite3.Connection, journal: str) -> None:
    _journal(connection, journal)
    with transaction(connection):
        make_tables(connection)


@contextmanager
def _connected(where: Path | str) -> Iterator[sqlite3.Connection]:
    if isinstance(where, Path):
        _refuse_irregular(where)
    is_uri = isinstance(where, str) and where.startswith("file:")
    connection = sqlite3.connect(where, timeout=_BUSY_SECONDS, isolation_level=None, uri=is_uri)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA trusted_schema = OFF")  # it may be anybody's
        connection.execute("PRAGMA temp_store = MEMORY")
        yield connection
    finally:
        connection.close()
