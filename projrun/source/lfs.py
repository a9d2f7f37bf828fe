"""Files that Git LFS keeps elsewhere: found by attribute and pointer, fetched by git-lfs, checked by digest.

The format of a pointer is that of docs/spec.md in git-lfs; content lies in ``lfs/objects`` of a git directory.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from projrun.core.errors import SourceError
from projrun.core.hashing import sha256_file
from projrun.core.report import Reporter
from projrun.core.values import Struct
from projrun.source import address, git
from projrun.source.model import Address
from projrun.source.transport import contact
from projrun.source.worktree import Entry, WorkTree, common, shown

# A pointer is smaller than this, by its specification.
_LARGEST_POINTER = 1024
_VERSION = re.compile(rb"version https?://(git-lfs\.github\.com/spec/|hawser\.github\.com/spec/|git-media\.io/v/)")
_OID = re.compile(rb"^oid sha256:([0-9a-f]{64})\s*$", re.MULTILINE)
_SIZE = re.compile(rb"^size ([0-9]+)\s*$", re.MULTILINE)
_EXTENSION = re.compile(rb"^ext-", re.MULTILINE)
_CONFIG = ".lfsconfig"
_AS_FILE = f"commit {_CONFIG} as a plain file that says everything itself"
_ADDRESSES = re.compile(r"lfs\.(push)?url|remote\.(.*\.)?lfs(push)?url", re.DOTALL)
_LOCAL = ("file", "path")
_FILTER = (
    ("process", "git-lfs filter-process"),
    ("smudge", "git-lfs smudge -- %f"),
    ("clean", "git-lfs clean -- %f"),
)
# The user's own storage is for repositories of the user's. Without a word of progress it would look stuck.
_FETCHING = (("lfs.storage", "lfs"), ("lfs.fetchRecentAlways", "false"), ("lfs.forceProgress", "true"))
# By now everything is here: nothing is left out, and whatever is still missing must not be asked for.
_ALL_HERE = ("filter.lfs.required=true", "lfs.url=file:///dev/null", "lfs.fetchInclude=", "lfs.fetchExclude=")


class Pointer(Struct, frozen=True):
    """What stands for a file of Git LFS: that file's path, the SHA-256 of its content, and its size in bytes."""

    path: str
    digest: str
    size: int

    def held_in(self, git_directory: Path) -> Path:
        """Where git-lfs keeps the content in a git directory, if it has it."""
        return git_directory / "lfs/objects" / self.digest[:2] / self.digest[2:4] / self.digest


def pointers(tree: WorkTree, entries: Sequence[Entry]) -> tuple[Pointer, ...]:
    """The files whose attribute is ``filter=lfs`` and whose blob is a pointer, before they are written.

    Raises SourceError for a pointer that asks for an extension: a program of somebody's configuration.
    """
    managed = _managed(tree, entries)
    small = _small(tree, managed)
    if not small:
        return ()
    found = []
    for entry, content in zip(small, _contents(tree, small), strict=True):
        oid, size = _OID.search(content), _SIZE.search(content)
        if not _VERSION.match(content) or oid is None or size is None:
            continue
        if _EXTENSION.search(content):
            raise SourceError(
                f"{shown(entry.path)} needs an extension of Git LFS",
                why="that is a program of whoever committed it, and projrun runs none",
                hint="commit the file again with no lfs.extension configured",
            )
        found.append(Pointer(entry.path, oid[1].decode(), int(size[1])))
    return tuple(found)


def fetch(tree: WorkTree, wanted: Sequence[Pointer], base: Address, *, offline: bool, report: Reporter) -> None:
    """Puts the content of ``wanted`` into the work tree's own ``.git/lfs``.

    Content that the repository of ``tree.objects`` holds is taken from there, the rest comes from ``base``.
    Raises SourceError when git-lfs is not installed or content cannot be had.
    """
    _check_installed(tree, wanted[0])
    missing = [pointer for pointer in wanted if not _taken(pointer, tree)]
    if not missing:
        return
    if offline:
        raise _missing(missing, f"--offline was asked for, and {base.shown} has not been asked for it before")
    size = sum(pointer.size for pointer in {pointer.digest: pointer for pointer in missing}.values())
    report.phase("fetch", f"{len(missing)} files of Git LFS, {size / 1_000_000:,.1f} MB, from {base.shown}")
    said = _download(tree, base, report)
    still = [pointer for pointer in missing if not _whole(pointer, tree.git_directory)]
    if still:
        raise _missing(still, _reason(said) or f"{base.shown} does not have it")
    _keep(missing, tree, base)


def put_in(tree: WorkTree, wanted: Sequence[Pointer]) -> None:
    """Has git write the files, with the content that :func:`fetch` brought, and checks what was written.

    git-lfs stays the filter of this work tree, so that ``git status`` finds its files unchanged; with and
    without the filter, because the index is younger than they are.
    """
    for name, value in _FILTER:
        tree.git("config", f"filter.lfs.{name}", value)
    tree.git("read-tree", "--reset", "-u", tree.commit, settings=_ALL_HERE)
    for pointer in wanted:
        if not _is(pointer, tree.path / pointer.path):
            raise SourceError(
                f"{shown(pointer.path)} is not what its Git LFS pointer names",
                why=f"expected {pointer.size} bytes with the SHA-256 {pointer.digest}",
                hint="git lfs version; git lfs env",
            )
    # git compares, by the filter, a file that was written in the second that the index was, or after it.
    index = tree.git_directory / "index"
    later = int(index.stat().st_mtime) + 1
    os.utime(index, (later, later))


def check_config(tree: WorkTree, entries: Sequence[Entry], base: Address) -> None:
    """Raises SourceError when the commit's ``.lfsconfig`` sends git-lfs to a place an address may not name."""
    for entry in entries:
        if entry.path != _CONFIG:
            continue
        if not entry.mode.startswith("100"):
            raise SourceError(
                f"{_CONFIG} is not a file", why="its content would come from somewhere else", hint=_AS_FILE
            )
        told = tree.git("config", f"--blob={entry.name}", "--no-includes", "--list", "-z", accept=None)
        if not told.ok:
            raise SourceError(
                f"{_CONFIG} cannot be read", why=told.error_text, hint=f"git config -f {_CONFIG} --list"
            )
        for setting in told.text.split("\0"):
            key, _, value = setting.partition("\n")
            if key.startswith(("include.", "includeif.")):
                raise SourceError(
                    f"{_CONFIG} includes another file",
                    why=f"{shown(value)} is none of the commit's",
                    hint=_AS_FILE,
                )
            if _ADDRESSES.fullmatch(key):
                _check_address(key, value, base)


def _check_address(key: str, value: str, base: Address) -> None:
    hint = f"correct it in {_CONFIG} and commit"
    try:
        found = address.parse(value)
    except SourceError as error:
        raise SourceError(f"{key} of {_CONFIG} is refused", why=error.what, hint=hint) from error
    if found.kind in _LOCAL and base.kind not in _LOCAL:
        why = f"{found.shown} is a local path, and {base.shown} is elsewhere"
        raise SourceError(f"{key} of {_CONFIG} is refused", why=why, hint=hint)
    if found.kind == "path" and not value.startswith("/"):
        # A directory that happens to be here, of whatever name, says nothing about what git-lfs makes of it.
        raise SourceError(f"{key} of {_CONFIG} is refused", why="it is a path that starts nowhere", hint=hint)


def _managed(tree: WorkTree, entries: Sequence[Entry]) -> list[Entry]:
    files = {entry.path: entry for entry in entries if entry.mode.startswith("100")}
    attributes = [entry for path, entry in files.items() if path.rpartition("/")[2].lower() == ".gitattributes"]
    if not any(b"lfs" in content for content in _contents(tree, attributes)):
        return []  # spares asking about every file
    asked = b"".join(os.fsencode(path) + b"\0" for path in files)
    fields = tree.git("check-attr", "--cached", "-z", "--stdin", "filter", stdin=asked).text.split("\0")
    return [files[path] for path, value in zip(fields[::3], fields[2::3], strict=False) if value == "lfs"]


def _small(tree: WorkTree, entries: Sequence[Entry]) -> list[Entry]:
    if not entries:
        return []
    asked = "".join(f"{entry.name}\n" for entry in entries).encode()
    sizes = tree.git("cat-file", "--batch-check=%(objectsize)", stdin=asked).text.splitlines()
    return [
        entry
        for entry, size in zip(entries, sizes, strict=True)
        if size.isdigit() and int(size) < _LARGEST_POINTER
    ]


def _contents(tree: WorkTree, entries: Sequence[Entry]) -> list[bytes]:
    if not entries:
        return []
    asked = "".join(f"{entry.name}\n" for entry in entries).encode()
    told = tree.git("cat-file", "--batch=%(objectsize)", stdin=asked).stdout
    found = []
    place = 0
    for entry in entries:
        start = told.index(b"\n", place) + 1
        if not told[place : start - 1].isdigit():
            raise tree.failure(f"fatal: the content of {shown(entry.path)} ({entry.name}) is missing")
        end = start + int(told[place:start])
        found.append(told[start:end])
        place = end + 1
    return found


def _check_installed(tree: WorkTree, example: Pointer) -> None:
    if not git.run(("lfs", "version"), tree.path, accept=None).ok:
        raise SourceError(
            f"{shown(example.path)} is kept in Git LFS, and git-lfs is not installed",
            why="the repository itself holds only a pointer to its content",
            hint="install git-lfs, for example: apt install git-lfs",
        )


def _taken(pointer: Pointer, tree: WorkTree) -> bool:
    """Whether the content is here, by now: an object of the other repository is linked, or else copied."""
    if _whole(pointer, tree.git_directory):
        return True
    lender = common(tree.objects)
    if not _whole(pointer, lender):
        return False
    _share(pointer.held_in(lender), pointer.held_in(tree.git_directory))
    return True


def _whole(pointer: Pointer, git_directory: Path) -> bool:
    return _is(pointer, pointer.held_in(git_directory))


def _is(pointer: Pointer, file: Path) -> bool:
    try:
        return file.lstat().st_size == pointer.size and sha256_file(file) == pointer.digest
    except OSError:
        return False


def _share(held: Path, place: Path) -> None:
    from shutil import copyfile  # slow to import, and seldom needed

    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        place.hardlink_to(held)
    except OSError:  # another file system, or one without links
        copyfile(held, place)


def _download(tree: WorkTree, base: Address, report: Reporter) -> str:
    url = Path(base.url).absolute().as_uri() if base.kind == "path" else base.url
    # In a file, because git-lfs hands on what is in arguments and variables when it looks at a local remote.
    for name, value in (("remote.origin.url", url), *_FETCHING):
        tree.git("config", name, value)
    words = ("lfs", "fetch", "--include=", "--exclude=", "origin", tree.commit)
    # Its exit code says nothing of the files that are wanted: it also fails over pointers that are only text.
    return contact(base, words, tree.git_directory, report).error_text


def _keep(fetched: Sequence[Pointer], tree: WorkTree, base: Address) -> None:
    """Leaves the content in the mirror for the next run. A repository of the user's own is not written to."""
    if base.kind in _LOCAL or tree.objects.parent.name != "mirrors":
        return
    for pointer in fetched:
        with contextlib.suppress(OSError):
            _share_whole(pointer.held_in(tree.git_directory), pointer.held_in(tree.objects))


def _share_whole(held: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.hardlink_to(held)


def _reason(said: str) -> str:
    lines = [line.strip() for line in said.replace("\r", "\n").split("\n") if line.strip()]
    return next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "")


def _missing(pointers: Sequence[Pointer], why: str) -> SourceError:
    more = f" and that of {len(pointers) - 1} more files" if len(pointers) > 1 else ""
    return SourceError(
        f"the content of {shown(pointers[0].path)}{more}, kept in Git LFS, cannot be had",
        why=why,
        hint="see what the server says: git lfs fetch --all, in a clone of the repository",
    )
