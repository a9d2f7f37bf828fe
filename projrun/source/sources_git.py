"""The store's own repository for snapshots: git with no conversion, no user's configuration, no user's index."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import NamedTuple

from projrun.core.errors import ProjrunError, SourceError, StoreError
from projrun.core.files import irregular, is_shared, make_private, read_plain, write_atomic
from projrun.core.process import Completed
from projrun.core.regex import regex
from projrun.source import git

# Files are taken as they are: gitattributes(5). What stands here wins over every .gitattributes.
_ATTRIBUTES = b"* -text !eol !crlf -ident !filter !working-tree-encoding\n"
_SETTINGS = (
    "core.autocrlf=false",
    "core.fileMode=true",
    "core.symlinks=true",
    "core.precomposeUnicode=false",
    # Names that are dangerous on other systems only are names all the same.
    "core.protectNTFS=false",
    "core.protectHFS=false",
    "core.splitIndex=false",
    # A recipe names its snapshot, so the one must outlive a power cut if the other does.
    "core.fsync=committed,loose-object",
    "core.fsyncMethod=batch",
)
_VARIABLES = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "projrun",
    "GIT_AUTHOR_EMAIL": "projrun@localhost",
    "GIT_COMMITTER_NAME": "projrun",
    "GIT_COMMITTER_EMAIL": "projrun@localhost",
    # Always the same, so that the same files give the same commit. When it was is the recipe's to tell.
    "GIT_AUTHOR_DATE": "@946684800 +0000",
    "GIT_COMMITTER_DATE": "@946684800 +0000",
}


# git-config(1), core.sharedRepository: the mode of every file that git makes, directories to suit.
_SHARING = regex(r"^\[core\]\n\tsharedRepository = (\d+)\n", re.MULTILINE)
# With less room than this a failure of git's is for want of it.
_ROOM_BYTES, _ROOM_FILES = 256 * 1024, 16


# What git init writes, and what only says how objects are stored.
_OUR_CONFIG = regex(
    r"\[(?:core|gc|pack)\]"
    r"|(?:repositoryformatversion|filemode|bare|symlinks|ignorecase|precomposeunicode|logallrefupdates|sharedRepository"
    r"|auto|autoDetach|threads|pruneExpire|compression)\s*=\s*[\w.-]*",
    re.IGNORECASE,
)
_CONFIG_BYTES = 1 << 16


class WriteFailed(Exception):
    """git could not write a snapshot; it may do at a second attempt."""

    def __init__(self, completed: Completed) -> None:
        super().__init__(completed.error_text)
        self.said = completed.error_text

    def for_user(self, worktree: Path, store: Path) -> ProjrunError:
        """The same for the user: that the disk of the store is full, or else the file, if git named one."""
        lost = "invalid object" in self.said  # it was written aside, and moving it in failed in silence
        if lost or _is_full(store, self.said):
            return StoreError(
                f"the snapshot cannot be written to {store}",
                why=f"{'git lost what it wrote, as on a full disk' if lost else 'the disk is full'}; "
                f"it says: {self.said.splitlines()[0]}",
                hint="free some space, or choose another store: --store DIR",
            )
        named = re.search(r"^fatal: Unable to process path (.*)$", self.said, re.MULTILINE)
        reasons = [line.removeprefix("error: ") for line in self.said.splitlines() if line.startswith("error: ")]
        file = named.group(1) if named else None
        return SourceError(
            f"{file or 'the files'} of {worktree} cannot be captured",
            why=reasons[0] if reasons else self.said,
            hint=f"make {file} readable (chmod u+r), or add a line /{file} to .gitignore"
            if file
            else "look whether git can write there, or choose another store: --store DIR",
        )


class SourcesGit(NamedTuple):
    """The bare repository at ``path``, used with ``worktree`` as the files it looks at."""

    path: Path
    worktree: Path

    def create(self) -> None:
        """Makes the repository unless it is there; any number of processes may do so at once.

        Raises OSError, or WriteFailed when git fails.
        """
        if not self.path.exists():
            self._initialise()
        check_ours(self.path)
        attributes = self.path / "info" / "attributes"
        if not attributes.exists():
            make_private(attributes.parent)
            write_atomic(attributes, _ATTRIBUTES, mode=0o600)
        self._close()

    def _initialise(self) -> None:
        import shutil  # slow to import, and only needed once

        make_private(self.path.parent, parents=True)
        aside = self.path.with_name(f".{self.path.name}.{os.urandom(4).hex()}.part")
        try:
            make_private(aside)  # it holds what the user did not publish
            words = ("init", "--quiet", "--bare", "--template=", str(aside))
            made = git.run(words, self.path.parent, variables=_VARIABLES, accept=None)
            if not made.ok:
                raise WriteFailed(made)
            _close_all(aside)
            aside.rename(self.path)
        except OSError:
            if not self.path.is_dir():  # otherwise another process was first
                raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _close(self) -> None:
        """Has git make its files the owner's alone, or the group's too, as the directory is."""
        place = self.path / "config"
        wanted = "0660" if is_shared(self.path) else "0600"
        text = read_plain(place).decode(errors="surrogateescape")
        if _SHARING.findall(text) != [wanted]:
            text = _SHARING.sub("", text)
            text += f"[core]\n\tsharedRepository = {wanted}\n"
            write_atomic(place, text.encode(errors="surrogateescape"), mode=0o600)

    def write(self, *words: str, index: Path | None = None, stdin: bytes = b"") -> Completed:
        """Runs a git command on this repository. Raises WriteFailed when it fails."""
        completed = self.ask(*words, index=index, stdin=stdin)
        if not completed.ok:
            raise WriteFailed(completed)
        return completed

    def ask(self, *words: str, index: Path | None = None, stdin: bytes = b"") -> Completed:
        """Runs a git command on this repository, whatever it ends with."""
        options = [word for setting in _SETTINGS for word in ("-c", setting)]
        variables = {**_VARIABLES, "GIT_DIR": str(self.path), "GIT_WORK_TREE": str(self.worktree)}
        if index is not None:
            variables["GIT_INDEX_FILE"] = str(index)
        return git.run((*options, *words), self.worktree, variables=variables, stdin=stdin, accept=None)

    def indexed(self, index: Path) -> frozenset[str]:
        """The paths in an index."""
        return _paths(self.write("ls-files", "-z", index=index))

    def touched(self, index: Path) -> frozenset[str]:
        """Those of its paths whose files are not what they were, by their stat values."""
        return _paths(self.write("diff-files", "-z", "--name-only", index=index))


def check_ours(path: Path) -> None:
    """Raises SourceError unless the repository is as projrun makes one: it may be somebody else's doing.

    git would wait for a pipe in the place of a file, and read and run what a configuration or alternates name.
    """
    try:
        text = read_plain(path / "config", _CONFIG_BYTES).decode(errors="surrogateescape")
    except FileNotFoundError:
        text = ""
    except OSError as error:
        raise _foreign(path, f"config: {error.strerror or error}") from error
    lines = (line.strip() for line in text.splitlines())
    strange = [line for line in lines if line and not _OUR_CONFIG.fullmatch(line)]
    if strange:
        raise _foreign(path, f"its config has {strange[0][:80]!r}")
    for name in ("HEAD", "packed-refs", "shallow"):
        if irregular(path / name):
            raise _foreign(path, f"{name} is {irregular(path / name)}")
    if os.path.lexists(path / "objects/info/alternates"):
        raise _foreign(path, "it has the objects of another repository (objects/info/alternates)")


def _foreign(path: Path, why: str) -> SourceError:
    hint = f"if you made it so, undo it; otherwise use no store of somebody you do not trust: {path.parent}"
    return SourceError(f"{path} is not as projrun makes it", why=why, hint=hint)


def _close_all(directory: Path) -> None:
    """Gives what git made by the umask the modes of a store."""
    shared = is_shared(directory)
    for place, folders, files in os.walk(directory):
        for name in folders:
            Path(place, name).chmod(0o2770 if shared else 0o700)
        for name in files:
            Path(place, name).chmod(0o660 if shared else 0o600)


def _is_full(store: Path, said: str) -> bool:
    """Whether git failed for want of room. It does not always say so, and frees a little when it fails."""
    if any(os.strerror(number) in said for number in (errno.ENOSPC, errno.EDQUOT)):
        return True
    try:
        room = os.statvfs(store.parent)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < _ROOM_BYTES or (room.f_files > 0 and room.f_favail < _ROOM_FILES)


def _paths(completed: Completed) -> frozenset[str]:
    return frozenset(path for path in completed.text.split("\0") if path)
