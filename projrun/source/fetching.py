"""What a mirror asks of its remote: the list of refs, one commit, or everything."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from projrun.core.errors import SourceError
from projrun.core.files import write_atomic
from projrun.core.report import Reporter
from projrun.source import git
from projrun.source.model import Address
from projrun.source.refs import Listing, parse_listing
from projrun.source.refusals import failure, is_refusal
from projrun.source.transport import checked, contact

# A commit has its ref here once all of it has come: git writes the ref last.
COMMITS = "refs/projrun/commits"
# What the remote last said, for a later run without a network.
_LISTING = "projrun-refs"
_USUAL = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
_EVERY = ("+refs/*:refs/projrun/remote/*",)
_FETCH = ("fetch", "--progress", "--no-tags", "--no-auto-gc", "--no-recurse-submodules")


def run(directory: Path, *words: str, accept: tuple[int, ...] = (0,)) -> str:
    """Runs a git command on the mirror alone and gives what it printed. Raises SourceError when it fails."""
    return git.run(words, directory, variables={"GIT_DIR": str(directory)}, accept=accept).text


def ask_refs(directory: Path, address: Address, report: Reporter) -> Listing:
    """The refs of the remote as they are now, which are remembered. Raises SourceError."""
    asked = contact(address, ("ls-remote", "--symref", "--", address.url), directory, report)
    output = checked(asked, address, directory).stdout
    write_atomic(directory / _LISTING, output, durable=False)
    return parse_listing(output.decode(errors="surrogateescape"))


def head_here(address: Address) -> str | None:
    """The branch that HEAD of a bare repository of this machine stands for; git lists none that is not there."""
    if address.kind not in ("path", "file"):
        return None
    place = address.url if address.kind == "path" else unquote(address.url.removeprefix("file://"))
    try:
        text = Path(place, "HEAD").read_text()
    except (OSError, ValueError):
        return None
    return text.removeprefix("ref: ").strip() if text.startswith("ref: ") else None


def known_refs(directory: Path) -> Listing | None:
    """The refs of the remote as it was last asked; None when it never was."""
    try:
        return parse_listing((directory / _LISTING).read_text(errors="surrogateescape"))
    except FileNotFoundError:
        return None


def held(directory: Path, name: str) -> str | None:
    """The commit that a full hash names, when the mirror has it with all its files; None otherwise.

    Raises SourceError when it is the name of something else than a commit or a tag of one.
    """
    kept = _verified(directory, f"{COMMITS}/{name}^{{commit}}")
    if kept is not None:
        return kept
    if _verified(directory, f"{name}^{{object}}") is None:
        return None
    commit = _verified(directory, f"{name}^{{commit}}")
    if commit is None:
        raise SourceError(
            f"{name} is no commit", why="it is the name of a file or a directory", hint="give a commit's hash"
        )
    # Of a fetch that broke off, or beyond a shallow end, there may be the commit and not its files.
    walk = git.run(
        ("rev-list", "--objects", "--no-walk", "--quiet", commit),
        directory,
        variables={"GIT_DIR": str(directory)},
        accept=None,
    )
    return commit if walk.ok else None


def fetch_commit(directory: Path, address: Address, name: str, report: Reporter) -> bool:
    """Fetches one commit by its full hash; False when the server refuses. Raises SourceError otherwise.

    It comes without its history, unless the mirror has history already.
    """
    depth = () if _has_history(directory) else ("--depth=1",)
    refspec = f"+{name}:{COMMITS}/{name}"
    report.phase("fetch", f"{name[:12]} of {address.shown}")
    fetched = contact(address, (*_FETCH, *depth, "--", address.url, refspec), directory, report)
    if fetched.ok:
        _tell_amount(fetched.error_text, report)
    elif not is_refusal(fetched.error_text):
        raise failure(fetched, address, directory)
    return fetched.ok


def fetch_all(directory: Path, address: Address, report: Reporter, *, every_ref: bool = False) -> None:
    """Fetches all branches and tags with their history; with ``every_ref``, all other refs too.

    Raises SourceError.
    """
    shallow = ("--unshallow",) if is_shallow(directory) else ()
    report.phase("fetch", f"{'every ref' if every_ref else 'all branches and tags'} of {address.shown}")
    words = (*_FETCH, "--prune", *shallow, "--", address.url, *(_EVERY if every_ref else _USUAL))
    fetched = checked(contact(address, words, directory, report), address, directory)
    _tell_amount(fetched.error_text, report)


def commits_like(directory: Path, short: str) -> frozenset[str]:
    """The commits of the mirror whose hash begins with ``short``; of tags, their commits."""
    names = run(directory, "rev-parse", f"--disambiguate={short.lower()}").split()
    return frozenset(commit for name in names if (commit := _verified(directory, f"{name}^{{commit}}")))


def older(directory: Path, commit: str, suffix: str) -> str | None:
    """The commit that ``suffix`` (``~2``, ``^``) leads to; None when the mirror does not reach so far."""
    return _verified(directory, f"{commit}{suffix}^{{commit}}")


def leads_to(directory: Path, commit: str, tips: Iterable[str]) -> bool:
    """Whether a git directory, which need not have them all, knows that one of ``tips`` comes from the commit."""
    if _verified(directory, f"{commit}^{{commit}}") is None:
        return False
    asked = "\n".join([commit, *(f"^{tip}" for tip in tips), ""]).encode()
    words = ("rev-list", "--max-count=1", "--ignore-missing", "--stdin")
    variables = {"GIT_DIR": str(directory), "GIT_NO_REPLACE_OBJECTS": "1"}
    left = git.run(words, directory, variables=variables, stdin=asked, accept=None)
    return left.ok and not left.stdout.strip()


def _verified(directory: Path, expression: str) -> str | None:
    # git complains on stderr of an object of the wrong kind; the answer is all the same that it is none.
    found = git.run(
        ("rev-parse", "--verify", "--quiet", "--end-of-options", expression),
        directory,
        variables={"GIT_DIR": str(directory)},
        accept=None,
    )
    lines = found.text.split()
    return lines[-1] if found.ok and lines else None


def is_shallow(directory: Path) -> bool:
    """Whether a git directory has no more than the end of its history."""
    try:
        return (directory / "shallow").stat().st_size > 0
    except FileNotFoundError:
        return False


def _has_history(directory: Path) -> bool:
    refs = run(directory, "for-each-ref", "--count=1", "--format=%(refname)", "refs/remotes", "refs/tags")
    return bool(refs.strip()) and not is_shallow(directory)


def _tell_amount(said: str, report: Reporter) -> None:
    found = re.findall(r"Receiving objects: 100% \((\d+)/\d+\)(?:, ([\d.]+ \w+))?", said)
    if found:
        objects, size = found[-1]
        report.phase("fetch", f"{int(objects):,} objects{f', {size}' if size else ''}")
