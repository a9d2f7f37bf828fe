"""What differs between the files of two commits, as git tells it.

The two may lie in different repositories. They are compared in an empty one that lasts as long as the comparison
and borrows the objects of both (gitrepository-layout(5), objects/info/alternates). No setting, attribute or
program of anybody's takes part.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from projrun.core.errors import SourceError
from projrun.core.process import Completed
from projrun.core.values import Struct
from projrun.source import git
from projrun.source.snapshot import REFS
from projrun.source.sources_git import check_ours

_SHA256 = 64  # hex digits
_ALONE = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
}
# What git does for everybody who has set nothing, but for names, which are shown as they are.
_SETTINGS = ("-c", "core.quotePath=false", "-c", "core.abbrev=10", "-c", "diff.renameLimit=1000")
_BY_SHA256 = "[core]\nrepositoryFormatVersion = 1\n[extensions]\nobjectFormat = sha256\n"
_OPTIONS = ("--no-ext-diff", "--no-textconv", "--no-color", "--find-renames", "--submodule=short")
_STATUSES = {"A": "added", "D": "deleted", "M": "modified", "R": "renamed", "C": "copied", "T": "type-changed"}


class Held(Struct, frozen=True):
    """A commit, and a git directory that has it."""

    directory: Path
    commit: str


class FileChange(Struct, frozen=True):
    """A file that differs. ``status``: added, deleted, modified, renamed, type-changed.

    ``added`` and ``removed`` count lines, None in a file that is not text. ``old_path`` is where it was.
    """

    path: str
    status: str
    added: int | None
    removed: int | None
    old_path: str | None = None


class Pair(Struct, frozen=True):
    """Two commits, or trees, in a repository that is there for the block alone."""

    before: str
    after: str
    place: Path
    variables: Mapping[str, str]

    def __repr__(self) -> str:  # the variables may hold anything of the caller's
        return f"Pair({self.before!r}, {self.after!r})"

    def files(self) -> tuple[FileChange, ...]:
        """Every file that differs, by path. Raises SourceError when something cannot be read."""
        words = ("diff-tree", "-r", "-z", "--find-renames", self.before, self.after)
        return tuple(_read(self._git(*words, "--raw").text, self._git(*words, "--numstat").text))

    def stat(self, columns: int, files: int = 50) -> bytes:
        """The list that git prints, at most so wide and of so many files; the sums are of all."""
        words = (f"--stat={columns}", f"--stat-count={files}", "--compact-summary")
        return self._git("diff", *_OPTIONS, *words, self.before, self.after).stdout

    def patch(self) -> bytes:
        """The whole difference, as git prints it."""
        return self._git("diff", *_OPTIONS, self.before, self.after).stdout

    def _git(self, *words: str) -> Completed:
        done = git.run((*_SETTINGS, *words), self.place, variables=self.variables, accept=None)
        if not done.ok:
            raise SourceError(
                f"git cannot compare {self.before[:10]} with {self.after[:10]}",
                why=done.error_text,
                hint="git fsck, in the store's sources.git and in the repositories of the two",
            )
        return done


@contextlib.contextmanager
def of_commits(before: Held, after: Held) -> Iterator[Pair]:
    """Two commits, which both name their objects by the same kind of hash, see :func:`are_alike`."""
    with _borrowing((before.directory, after.directory), sha256=len(before.commit) == _SHA256) as (
        place,
        variables,
    ):
        yield Pair(before.commit, after.commit, place, variables)


@contextlib.contextmanager
def of_files(before: Path, after: Path) -> Iterator[Pair]:
    """The files below two directories, byte for byte."""
    with _borrowing((), sha256=False) as (place, variables):
        yield Pair(_tree(before, place, variables), _tree(after, place, variables), place, variables)


def are_alike(before: Held, after: Held) -> bool:
    """Whether git can compare the two as they are stored: they name objects by the same kind of hash."""
    return len(before.commit) == len(after.commit)


def is_plain(held: Held) -> bool:
    """Whether the files of a commit are on disk what they are in the repository.

    They are not where attributes may convert them (gitattributes(5)), nor where there are submodules.
    """
    listed = git.run(
        ("ls-tree", "-r", "-z", "--full-tree", held.commit),
        held.directory,
        variables={"GIT_DIR": str(held.directory), **_ALONE},
    )
    entries = (line.partition("\t") for line in listed.text.split("\0"))
    return not any(
        told.startswith("160000") or path == ".gitattributes" or path.endswith("/.gitattributes")
        for told, _, path in entries
    )


@contextlib.contextmanager
def _borrowing(directories: tuple[Path, ...], *, sha256: bool) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """An empty repository that borrows objects, and the variables that make git use it."""
    with tempfile.TemporaryDirectory(prefix="projrun-") as made:
        place = Path(made)
        (place / "HEAD").write_text("ref: refs/heads/none\n")
        (place / "refs").mkdir()
        for folder in ("objects/info", "info"):
            (place / folder).mkdir(parents=True)
        if sha256:
            (place / "config").write_text(
                "[core]\nrepositoryFormatVersion = 1\n[extensions]\nobjectFormat = sha256\n"
            )
        # Nothing is converted, whatever a .gitattributes says: this file wins.
        (place / "info/attributes").write_text("* -text !eol !crlf -ident !filter !working-tree-encoding !diff\n")
        lenders = [_alternate(directory) for directory in dict.fromkeys(directories)]
        (place / "objects/info/alternates").write_bytes(b"".join(lenders))
        yield place, {**_ALONE, "GIT_DIR": made}


def _alternate(directory: Path) -> bytes:
    """The line for one that lends. A linked work tree keeps its objects with the others."""
    if (directory / REFS).is_dir():
        check_ours(directory)
    common = git.run(("rev-parse", "--git-common-dir"), directory, variables={"GIT_DIR": str(directory)})
    objects = os.fsencode(os.path.normpath(directory / common.text.removesuffix("\n") / "objects"))
    if b"\n" in objects:
        raise SourceError(
            f"{directory} cannot lend its objects",
            why="there is a line break in its name",
            hint="rename the directory that the repository is in",
        )
    quoted = objects.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return (b'"' + quoted + b'"' if objects[:1] in b'"#' else objects) + b"\n"


def _tree(directory: Path, place: Path, variables: Mapping[str, str]) -> str:
    """The name of the tree of all files below a directory, which is written to ``place``."""
    index = place / f"index-{os.urandom(4).hex()}"
    there = {**variables, "GIT_WORK_TREE": str(directory), "GIT_INDEX_FILE": str(index)}
    # Names that are dangerous on other systems only are names all the same.
    words = ("-c", "core.protectNTFS=false", "-c", "core.protectHFS=false", "add", "--all", "--force", ".")
    git.run(words, directory, variables=there)
    return git.run(("write-tree",), directory, variables=there).text.strip()


def _read(raw: str, counts: str) -> Iterator[FileChange]:
    """The two lists of git-diff-tree(1), which name the same files in the same order."""
    told, numbers = iter(raw.split("\0")), iter(counts.split("\0"))
    for entry in told:
        if not entry:
            return
        status = entry.rpartition(" ")[2][0]
        first = next(told)
        path, old = (next(told), first) if status in "RC" else (first, None)
        added, removed, name = next(numbers).split("\t", 2)
        if not name:  # of a renamed file both names follow
            next(numbers), next(numbers)
        yield FileChange(path, _STATUSES.get(status, status), _count(added), _count(removed), old)


def _count(text: str) -> int | None:
    return None if text == "-" else int(text)
