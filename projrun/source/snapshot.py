"""A commit in the store that stands for the files of a directory as they are on disk, byte for byte.

git's index and objects do the work, in a bare repository of the store's; the user's is only ever listed.
For each work tree that repository keeps an index, so that a snapshot reads only what changed since the last.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from projrun.core.errors import SourceError, StoreError
from projrun.core.files import create, make_private, write_atomic, written_aside
from projrun.core.hashing import sha256_bytes
from projrun.core.locks import shared
from projrun.core.values import replace
from projrun.source import kept_index
from projrun.source.listing import File, list_files
from projrun.source.model import Source
from projrun.source.sources_git import SourcesGit, WriteFailed

REFS = "refs/projrun/snapshots"


def snapshot(source: Source, sources_git: Path, *, limit: int, passing: bool = False) -> Source:
    """Captures the files of ``source`` as they are now; gives the source with its snapshot.

    Ignored files are left out unless they are tracked. ``sources_git`` is made when it is not there.
    ``limit`` is in bytes, for untracked content that is not yet captured. ``passing``: the work tree will not be
    there again, so nothing is remembered of it. Raises SourceError above it, before
    anything is written, and when a file cannot be read; StoreError when the store cannot be written.
    """
    store = SourcesGit(sources_git.absolute(), source.worktree)
    index = store.path / "indexes" / sha256_bytes(os.fsencode(source.worktree))[:32]
    try:
        commit = _capture(source, store, index, limit)
    except WriteFailed:
        # A file went away while it was read, or the kept index is of no use any more: once more, afresh.
        with contextlib.suppress(OSError):
            index.unlink()
        try:
            commit = _capture(source, store, index, limit)
        except WriteFailed as failed:
            raise failed.for_user(source.worktree, store.path) from failed
    if passing:
        index.unlink(missing_ok=True)
    return replace(source, snapshot=commit)


def holds(sources_git: Path, commit: str) -> bool:
    """Whether a store has that snapshot."""
    return commit.isalnum() and (sources_git / REFS / commit).is_file()


def hold(sources_git: Path, commit: str) -> bool:
    """Has a snapshot count as captured just now; False when the store does not have it."""
    if not holds(sources_git, commit):
        return False
    try:
        os.utime(sources_git / REFS / commit)
    except FileNotFoundError:
        return False
    except OSError:  # another user's, or a store that cannot be written: nobody prunes it either
        pass
    return True


def lock_of(sources_git: Path) -> Path:
    """The lock that those who capture share, and that who prunes has alone."""
    return sources_git / "snapshots.lock"


def check_limit(source: Source, sources_git: Path, *, limit: int) -> None:
    """Raises SourceError when a snapshot would take in more than ``limit`` bytes of new content."""
    store = SourcesGit(sources_git, source.worktree)
    files = _without_store(list_files(source.worktree, repository=source.repository), source, store)
    _check_limit(files, store, _index_of(source, sources_git), limit)


def _index_of(source: Source, sources_git: Path) -> Path:
    return sources_git / "indexes" / sha256_bytes(os.fsencode(source.worktree))[:32]


def _capture(source: Source, store: SourcesGit, index: Path, limit: int) -> str:
    files = _without_store(list_files(source.worktree, repository=source.repository), source, store)
    _check_limit(files, store, index, limit)
    try:
        store.create()
        with shared(lock_of(store.path)):  # else what it is made of could be pruned before it has its name
            commit = _write_commit(files, source, store, index)
    except OSError as error:
        raise StoreError(
            f"the snapshot cannot be written to {store.path}",
            why=error.strerror or str(error),
            hint="make room or get the right to write there, or choose another store with --store DIR",
        ) from error
    return commit


def _write_commit(files: Sequence[File], source: Source, store: SourcesGit, index: Path) -> str:
    make_private(index.parent)
    kept = kept_index.read(index)
    work = kept_index.work(files, kept)
    tree = kept.tree if kept and not any(work) else None
    if tree is None or not hold(store.path, _commit_id(tree, source)):
        with written_aside(index) as aside:
            tree = _write_tree(work, store, kept, aside)
    commit = _commit_id(tree, source)
    if hold(store.path, commit):
        return commit
    commit = store.write("commit-tree", tree, stdin=_message(source)).text.strip()
    # git's own way takes a lock that a killed process leaves behind. The content never differs.
    reference = store.path / REFS / commit
    make_private(reference.parent, parents=True)
    write_atomic(reference, f"{commit}\n".encode(), mode=0o600)
    return commit


def _commit_id(tree: str, source: Source) -> str:
    """The name that the commit of a tree has, whether it is there or not."""
    import hashlib  # brings OpenSSL, and a clean tree needs no snapshot

    who = "projrun <projrun@localhost> 946684800 +0000"
    data = f"tree {tree}\nauthor {who}\ncommitter {who}\n\n".encode() + _message(source)
    kind = hashlib.sha1 if len(tree) == 40 else hashlib.sha256
    return kind(b"commit %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _write_tree(work: kept_index.Work, store: SourcesGit, kept: kept_index.Kept | None, index: Path) -> str:
    """The tree of the files, by way of a copy of the kept index."""
    if kept is None:
        store.write("read-tree", "--empty", index=index)
    else:
        with create(index) as file:
            file.write(kept.data)
        # The copy has its time: git reads a file again that was written when the index was.
        os.utime(index, ns=(kept.written, kept.written))
    if work.outdated:
        store.write("update-index", "-z", "--force-remove", "--stdin", index=index, stdin=_lines(work.outdated))
    if work.changed:
        store.write("update-index", "-z", "--add", "--remove", "--stdin", index=index, stdin=_lines(work.changed))
        now = kept_index.read(index)
        there = frozenset(now.marks) if now else store.indexed(index)
        _check_complete(work.changed - there, store.worktree)
    return store.write("write-tree", index=index).text.strip()


def _check_complete(left_out: Iterable[str], worktree: Path) -> None:
    """git passes over names that it could not check out again, such as ``.GIT``, and calls that a success."""
    refused = [path for path in sorted(left_out) if os.path.lexists(f"{worktree}/{path}")]
    if refused:
        raise SourceError(
            f"{_shown(refused[0])} cannot be captured",
            why="git takes no file of such a name",
            hint=f"rename it, or add a line /{_shown(refused[0])} to .gitignore",
        )


def _lines(paths: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\0" for path in sorted(paths))


def _message(source: Source) -> bytes:
    lines = ["Snapshot", "", f"Base-Commit: {source.commit or 'none'}"]
    if source.branch:
        lines.append(f"Branch: {source.branch}")
    return os.fsencode("\n".join(lines) + "\n")


def _without_store(files: Sequence[File], source: Source, store: SourcesGit) -> list[File]:
    """The files without those of a run store that lies in the work tree: it would hold itself."""
    root = os.path.realpath(source.worktree)
    places = [os.path.relpath(os.path.realpath(place), root) for place in (store.path.parent, store.path)]
    within = tuple(
        f"{place}/" for place in places if place != "." and not place.startswith("../") and place != ".."
    )
    return [file for file in files if file.tracked or not file.path.startswith(within)]


def _check_limit(files: Sequence[File], store: SourcesGit, index: Path, limit: int) -> None:
    untracked = [file for file in files if not file.tracked]
    if sum(file.stat.st_size for file in untracked) <= limit:
        return
    captured = store.indexed(index) - store.touched(index) if index.exists() else frozenset[str]()
    new = [file for file in untracked if file.path not in captured]
    total = sum(file.stat.st_size for file in new)
    if total <= limit:
        return
    largest = sorted(new, key=lambda file: (-file.stat.st_size, file.path))[:3]
    named = ", ".join(f"{_shown(file.path)} ({_megabytes(file.stat.st_size)})" for file in largest)
    line = f"/{_shown(largest[0].path)}"
    raise SourceError(
        f"{_megabytes(total)} of untracked files would be captured, more than the limit of {_megabytes(limit)}",
        why=f"every run keeps the files it was made of; the largest of {len(new)} are {named}",
        hint=f"--snapshot-limit {-(-total // 1_000_000)}MB, or a line such as {line} in .gitignore",
    )


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB" if size >= 100_000 else f"{size:,} bytes"


def _shown(path: str) -> str:
    """A path as it can be printed."""
    return path if path.isprintable() else ascii(path)[1:-1]
