"""A git work tree of its own for one run: its own ``.git``, with the objects of another repository on loan.

Nothing comes along from the repository that has the objects: no configuration, hook, index or attribute. The
files of the ``.git`` directory are those of gitrepository-layout(5).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from projrun.core import process
from projrun.core.errors import SourceError
from projrun.core.values import Struct
from projrun.source import git
from projrun.source.snapshot import REFS

# Names that are a repository's insides on some system are refused on every system.
_CONFIG = """[core]
	repositoryformatversion = {version}
	fileMode = true
	bare = false
	symlinks = true
	autocrlf = false
	protectHFS = true
	protectNTFS = true
"""
_LONGER_HASHES = """[extensions]
	objectFormat = sha256
"""
_ISOLATED = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
}


class Entry(Struct, frozen=True):
    """A file of the commit: its mode in git's octal digits, its blob (or a submodule's commit), its path."""

    mode: str
    name: str
    path: str

    @property
    def link(self) -> bool:
        return self.mode == "120000"

    @property
    def submodule(self) -> bool:
        return self.mode == "160000"


class WorkTree(Struct, frozen=True):
    """The work tree at ``path`` for ``commit``, whose objects are those of the git directory ``objects``.

    ``raw``: the commit is a snapshot, which holds the bytes as they were on disk, so nothing is converted.
    """

    path: Path
    objects: Path
    commit: str
    raw: bool

    @property
    def git_directory(self) -> Path:
        return self.path / ".git"

    def git(
        self, *words: str, settings: Sequence[str] = (), stdin: bytes = b"", accept: Sequence[int] | None = (0,)
    ) -> process.Completed:
        """Runs git here with its own configuration and ``settings`` only; SourceError when it fails."""
        options = [word for setting in settings for word in ("-c", setting)]
        completed = git.run((*options, *words), self.path, variables=self._variables(), stdin=stdin, accept=None)
        if accept is not None and completed.returncode not in accept:
            raise self.failure(completed.error_text)
        return completed

    def failure(self, said: str) -> SourceError:
        """What git's words mean for the user, who has never seen this work tree."""
        reasons = [line for line in said.splitlines() if line.startswith(("error: ", "fatal: "))]
        why = (reasons[0].partition(": ")[2] if reasons else said).strip()
        return SourceError(
            f"the files of commit {self.commit} cannot be checked out",
            why=why or "git gave no reason",
            hint=f"git -C {self.objects} fsck --full",
        )

    def entries(self) -> tuple[Entry, ...]:
        """What the index holds, in its order."""
        found = []
        for record in self.git("ls-files", "--stage", "-z").text.split("\0"):
            if record:
                described, _, path = record.partition("\t")
                mode, name, _ = described.split(" ")
                found.append(Entry(mode, name, path))
        return tuple(found)

    def _variables(self) -> Mapping[str, str]:
        # Before git 2.32 the user's configuration was found by these two only.
        home = {"HOME": str(self.git_directory), "XDG_CONFIG_HOME": str(self.git_directory)}
        place = {"GIT_DIR": str(self.git_directory), "GIT_WORK_TREE": str(self.path)}
        return {**_ISOLATED, **home, **place}


def make(objects: Path, commit: str, path: Path) -> WorkTree:
    """Makes the ``.git`` of a work tree in ``path``, an empty directory, with HEAD detached at ``commit``.

    Tags of the commit's own history come along, so that ``git describe`` works. Raises SourceError when
    ``objects`` is no git directory or does not have the commit.
    """
    shared = common(objects)
    if not (shared / "objects").is_dir():
        raise SourceError(
            f"{objects} is not a git repository",
            why="it has no objects",
            hint=f"git -C {objects} rev-parse --git-dir",
        )
    # The store's own repository says in its attributes that files are taken as they are.
    raw = (shared / "info/attributes").exists() and _look(objects, "rev-parse", "--verify", f"{REFS}/{commit}").ok
    tree = WorkTree(path, objects, commit, raw)
    _write_git_directory(tree, shared)
    if tree.git("cat-file", "-t", commit, accept=None).text.strip() != "commit":
        raise SourceError(
            f"the commit {commit} is not there",
            why=f"{objects} does not have it",
            hint="git fetch, then try again",
        )
    _copy_tags(tree)
    return tree


def _write_git_directory(tree: WorkTree, shared: Path) -> None:
    inside = tree.git_directory
    for directory in ("objects/info", "refs", "info"):
        (inside / directory).mkdir(parents=True)
    longer = len(tree.commit) == 64
    (inside / "config").write_text(_CONFIG.format(version=int(longer)) + (_LONGER_HASHES if longer else ""))
    (inside / "HEAD").write_text(f"{tree.commit}\n")
    _borrow_objects(inside, shared)
    with contextlib.suppress(FileNotFoundError):  # it may be gone at any time: then all the history is there
        (inside / "shallow").write_bytes((shared / "shallow").read_bytes())
    if tree.raw:
        (inside / "info/attributes").write_bytes((shared / "info/attributes").read_bytes())


def borrow(git_directory: Path, objects: Path) -> None:
    """Lets a git directory use the objects of another one, which is only read and has to stay."""
    (git_directory / "objects/info").mkdir(parents=True, exist_ok=True)
    _borrow_objects(git_directory, common(objects))


def _borrow_objects(git_directory: Path, shared: Path) -> None:
    alternates = os.fsencode(_quoted(str(shared / "objects")) + "\n")
    (git_directory / "objects/info/alternates").write_bytes(alternates)


def shown(path: str) -> str:
    """A path of a commit as it can be printed."""
    return path if path.isprintable() else ascii(path)[1:-1]


def common(objects: Path) -> Path:
    """The directory that a linked work tree's own git directory shares with the others; its own for any other."""
    try:
        return Path(objects, (objects / "commondir").read_text().strip()).resolve()
    except FileNotFoundError:
        return objects.absolute()


def _look(objects: Path, *words: str) -> process.Completed:
    return git.run(words, objects, variables={**_ISOLATED, "GIT_DIR": str(objects.absolute())}, accept=None)


def _copy_tags(tree: WorkTree) -> None:
    form = "--format=%(objectname) %(refname) %(*objectname)"
    told = _look(tree.objects, "for-each-ref", f"--merged={tree.commit}", form, "refs/tags")
    if not told.ok:
        raise tree.failure(told.error_text)
    lines = ["# pack-refs with: peeled fully-peeled "]
    for line in told.text.split("\n")[:-1]:
        name, reference, peeled = line.split(" ")
        lines += [f"{name} {reference}", *([f"^{peeled}"] if peeled else [])]
    (tree.git_directory / "packed-refs").write_bytes(os.fsencode("\n".join(lines) + "\n"))


def _quoted(path: str) -> str:
    """A line of the file ``alternates``: in C's quotes where the path holds a newline."""
    if "\n" not in path:
        return path
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
