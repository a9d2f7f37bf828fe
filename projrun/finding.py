"""Which commit SOURCE and the version come to, and where its objects are."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from projrun.core.errors import SourceError, SpecError, UsageError
from projrun.core.report import Reporter
from projrun.core.values import Struct
from projrun.options import Options
from projrun.source import address as addresses
from projrun.source import git, local, remote
from projrun.source.mirror import Mirror, open_mirror
from projrun.source.model import Address, Origin, Resolution
from projrun.source.refs import parse_ref
from projrun.source.resolving import resolve
from projrun.spec.place import find_project


class Found(Struct, frozen=True):
    """A commit and all that is known of it.

    ``objects`` is a git directory that has it, ``base`` where relative addresses of submodules start from,
    ``modules`` the user's own git directory, which may have submodules. ``mirror`` is the one that ``objects``
    is, None when the user's own repository lends them.
    """

    objects: Path
    base: Address
    origin: Origin
    subdirectory: str
    local: Path | None
    remote: str | None
    remote_branch: str | None
    modules: Path | None = None
    mirror: Mirror | None = None


def find(options: Options, report: Reporter) -> Found:
    """The commit that SOURCE and the version come to. Raises SourceError."""
    text, project = options.source, None
    if not addresses.is_address(text):
        with contextlib.suppress(SpecError):
            project = find_project(Path(text))
            text = str(project)
    address = addresses.parse(text, options.subdirectory)
    if address.kind == "path" and os.path.lexists(Path(address.url, ".git")):
        if project is None or options.subdirectory:
            project = Path(address.url, address.subdirectory)
        return _Own(address, project, options, report).find(options.version)
    if options.bring_outputs:
        raise UsageError(
            "--bring-outputs: an address has no directory to bring them to",
            why=f"{address.shown} is run from a copy of its own; the store keeps the outputs",
            hint="leave it out, and after the run: projrun restore RUN DIR --outputs",
        )
    mirror = open_mirror(address, options.cache, report)
    resolution = resolve(mirror, options.version, offline=options.offline, report=report)
    project_name = address.shown + (f"#{address.subdirectory}" if address.subdirectory else "")
    return Found(
        objects=mirror.path,
        base=address,
        origin=Origin(resolution, address.shown, address.shown, project_name),
        subdirectory=address.subdirectory,
        local=None,
        remote=address.shown,
        remote_branch=_branch_there(resolution),
        mirror=mirror,
    )


def find_head(project: Path, options: Options, report: Reporter) -> Found:
    """The commit that the user's own project is at. Raises SourceError."""
    return _Own(addresses.parse(str(project)), project, options, report).find(None)


class _Own(Struct, frozen=True):
    """The repository around the user's own ``project``. It is only ever read."""

    address: Address
    project: Path
    options: Options
    report: Reporter

    def find(self, ref: str | None) -> Found:
        repository = git.discover(Path(self.address.url))
        assert repository is not None
        resolved = local.look_up(repository, ref)
        if isinstance(resolved, local.Elsewhere):
            return self._at_remote(repository, resolved)
        holder = remote.branch_with(repository, resolved.commit)
        url = remote.url_of(repository, resolved.branch, holder)
        return Found(
            objects=local.git_directory(repository),
            base=_parsed(url) or self.address,
            origin=Origin(resolved, None, str(repository.worktree), str(self.project)),
            subdirectory=self.address.subdirectory,
            local=self.project,
            remote=remote.without_credentials(url) if url else None,
            remote_branch=holder,
            modules=local.git_directory(repository),
        )

    def _at_remote(self, repository: git.Repository, missing: local.Elsewhere) -> Found:
        """What the repository lacks, by way of the mirror of its remote."""
        shortage = local.shortage(repository)
        address = _parsed(remote.url_of(repository, missing.branch, None))
        if address is None or not (shortage or missing.lasting):
            raise missing.error
        mirror = open_mirror(address, self.options.cache, self.report)
        try:
            there = resolve(mirror, missing.ask, offline=self.options.offline, report=self.report)
        except SourceError as error:
            here = f"it is {shortage}" if shortage else "it does not have that commit with all its files"
            there_too = _in_the_words_of(missing, error)
            raise SourceError(missing.error.what, why=f"{here}, and {there_too}", hint=error.hint) from error
        resolution = missing.resolved(there)
        return Found(
            objects=mirror.path,
            base=address,
            origin=Origin(resolution, None, str(repository.worktree), str(self.project)),
            subdirectory=self.address.subdirectory,
            local=self.project,
            remote=address.shown,
            remote_branch=_branch_there(there),
            modules=local.git_directory(repository),
            mirror=mirror,
        )


def _in_the_words_of(missing: local.Elsewhere, error: SourceError) -> str:
    """What the remote's error says, of the ref that was typed: who typed it may never have seen the hash."""
    told = f"{error.what}: {error.why}" if error.why else error.what
    told = told.replace(missing.ask, missing.ref or "HEAD")
    return told.replace(parse_ref(missing.ask).base, parse_ref(missing.ref).base)


def _branch_there(resolution: Resolution) -> str:
    """As a clone would name it."""
    return f"origin/{resolution.branch}" if resolution.branch else "origin"


def _parsed(url: str | None) -> Address | None:
    """The address of a remote; None when there is none, or none that projrun would fetch from."""
    # A password that must not be sent leaves an address that may still do without.
    for form in (url, remote.without_credentials(url)) if url else ():
        with contextlib.suppress(SourceError):
            return addresses.parse(form)
    return None
