"""Whether remotes still have what a repository believes them to have: what a run for the record asks, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from projrun.core.errors import SourceError
from projrun.core.flags import Flag
from projrun.core.report import Reporter
from projrun.core.values import Struct, replace
from projrun.options import Options
from projrun.source import address, inspect
from projrun.source.model import Address, Source, Submodule
from projrun.source.publication import Publication, published


class Confirmed(Struct, frozen=True):
    """What was asked of a source's remotes and told by them.

    ``lost`` are the paths of what they no longer have, or could not be asked about: of submodules, and "" for the
    repository itself. ``flags`` tell why; ``unasked`` tells that nobody was asked.
    """

    lost: frozenset[str] = frozenset()
    flags: tuple[Flag, ...] = ()
    unasked: tuple[Flag, ...] = ()

    def known_of(self, source: Source) -> Source:
        """The source, of the same commit, with what is known now: what no remote has is for a snapshot."""
        submodules = tuple(
            replace(one, pushed=False) if one.path in self.lost else one for one in source.submodules
        )
        return replace(
            source,
            remote_branch=None if "" in self.lost else source.remote_branch,
            submodules=submodules,
        )


def confirm(options: Options, source: Source, report: Reporter) -> Confirmed:
    """Asks the remotes of a source, and of its submodules, for what they are believed to have. One call for each.

    Not with ``offline``. A source that is believed to be on no remote is not asked about.
    """
    if source.commit is None or source.remote_branch is None:
        return Confirmed()
    if options.offline:
        message = f"whether commit {source.commit[:10]} is still on {source.remote_branch} was not asked"
        return Confirmed(unasked=(Flag("remote-unasked", message, "run it without --offline"),))
    lost, flags = set(), []
    for path, commit, found in _asked(options, source, report):
        if found.held is not True:
            lost.add(path)
            flags.append(_flag(path, commit, found))
    return Confirmed(frozenset(lost), tuple(flags))


def _asked(options: Options, source: Source, report: Reporter) -> Iterator[tuple[str, str, Publication]]:
    fetched = source.origin is not None and source.origin.address is not None
    # Only the address as it was typed has its password.
    given = address.parse(options.source, options.subdirectory) if fetched else None
    yield "", source.commit or "", _publication(options, source, report, given)
    if fetched:  # its submodules were just fetched too
        return
    worktree = Path(source.origin.repository) if source.origin else source.worktree
    for submodule in source.submodules:
        if submodule.pushed and (inner := _of_submodule(worktree, submodule)):
            yield submodule.path, submodule.commit, _publication(options, inner, report)


def _publication(options: Options, source: Source, report: Reporter, given: Address | None = None) -> Publication:
    return published(source, report, cache=options.cache, address=given)


def _of_submodule(worktree: Path, submodule: Submodule) -> Source | None:
    """A submodule of the user's own repository as a source; None when it is not there (``update = none``)."""
    try:
        inner = inspect.inspect(worktree / submodule.path)
    except SourceError:
        return None
    if not inner.repository or inner.subdirectory:
        return None
    return replace(inner, commit=submodule.commit)


def _flag(path: str, commit: str, found: Publication) -> Flag:
    shown = f"{commit[:10]}{f' of submodule {path}' if path else ''}"
    if found.held is None:
        message = f"whether commit {shown} is still on {found.where or 'its remote'} cannot be told: {found.why}"
        return Flag("unpushed", message, "--offline goes by what was known when the remote was last asked")
    # As a branch of its own it is in nobody's way, whatever became of the one it was on.
    place = f"git -C {quote(path)}" if path else "git"
    mend = f"{place} push {quote(found.where or 'ADDRESS')} {commit}:refs/heads/kept-{commit[:10]}"
    return Flag("unpushed", f"commit {shown} is no longer on {found.where}: {found.why}", mend)
