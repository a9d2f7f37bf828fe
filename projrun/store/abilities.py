"""What SQLite asks of a file system, and some mounted from a network do not have."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
from pathlib import Path

_BYTES = 4096
_FULL = (errno.ENOSPC, errno.EDQUOT)


def shares_memory(folder: Path) -> bool:
    """Whether processes can share memory through its files. Raises OSError when none can be made there.

    SQLite itself finds out too late: it has then marked the file as one that has such a log, and cannot read it.
    (https://www.sqlite.org/wal.html, "Use of WAL Without Shared-Memory")
    """
    import mmap  # only when an index is made

    file = folder / f".shared.{os.urandom(4).hex()}"
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        # Not truncated to that size: on a full disk the write to memory would kill us.
        if os.write(descriptor, bytes(_BYTES)) < _BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        with mmap.mmap(descriptor, _BYTES) as memory:
            memory[0] = 1
        return os.pread(descriptor, 1, 0) == b"\1"
    except OSError as error:
        if error.errno in _FULL:
            raise
        return False
    finally:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            file.unlink()


def require_locks(file: Path) -> None:
    """Raises OSError where parts of a file cannot be locked; a file that is not there tells nothing.

    SQLite takes that refusal for somebody else's lock, and would wait in vain.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)  # no pipe's writer
    except FileNotFoundError:
        return
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


# What several machines can see at once. Of FUSE nobody can tell where it leads to, but for what is of one disk.
_NETWORKS = re.compile(
    r"nfs\d*|cifs|smb\d*|smbfs|9p|afs|coda|ceph|lustre|gpfs|mmfs|beegfs|fhgfs|orangefs|pvfs2|panfs|glusterfs|davfs"
    r"|ncpfs|ocfs2|gfs2?|cvfs|wekafs|vboxsf|vmhgfs|prl_fs|virtiofs|fuse(?!\.(bindfs|fuse-overlayfs|mergerfs)$)(\..*)?"
)
_ESCAPED = re.compile(r"\\([0-7]{3})")


def network_of(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The kind of network file system that a folder lies on (``nfs4``); None on a disk of this machine's own.

    As Linux tells, in ``mounts`` (man 5 proc_pid_mountinfo); elsewhere it is not known, and None.
    """
    try:
        lines = os.fsdecode(mounts.read_bytes()).split("\n")
    except OSError:
        return None
    place = f"{os.path.realpath(folder)}/"
    longest, kind = 0, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        words = before.split(" ")
        if len(words) < 5 or not after:
            continue
        point = _ESCAPED.sub(lambda code: chr(int(code[1], 8)), words[4]).rstrip("/") + "/"
        # The last of several at one place covers the others.
        if len(point) >= longest and place.startswith(point):
            longest, kind = len(point), after.split(" ")[0]
    return kind if _NETWORKS.fullmatch(kind) else None
