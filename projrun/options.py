"""What the user asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from projrun.core.values import Struct, field
from projrun.environment.model import Means
from projrun.spec.model import COMMAND_LINE

SNAPSHOT_LIMIT = 100_000_000  # bytes of new untracked content that a snapshot takes in without being told
OUTPUTS_LIMIT = 100_000_000  # bytes of outputs that the store takes in of a run in place without being told


class Options(Struct, frozen=True):
    """What the user asked for.

    ``source`` is an address or a directory in the project, as typed; ``version`` the ref of it, ``subdirectory``
    the project's place in it. ``given`` are ``name=value`` texts, ``given_by`` where they come from. ``refused``
    are codes of flags. ``offline``: nothing may ask the network but the program. ``keep_outputs`` is how many
    bytes of outputs of a run in place the store takes in. ``builder`` and ``python`` go before the spec's.
    ``allow_download``: a Python that is missing may be downloaded.
    """

    source: str
    store: Path
    cache: Path
    entry_point: str | None = None
    environment: str | None = None
    given: tuple[str, ...] = ()
    given_by: str = COMMAND_LINE
    params_file: Path | None = None
    seed: int | None = None
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None
    snapshot_limit: int = SNAPSHOT_LIMIT
    keep_outputs: int = OUTPUTS_LIMIT
    terminals: tuple[str, ...] = ()
    version: str | None = None
    subdirectory: str | None = None
    offline: bool = False
    strict: bool = False
    allow_unpushed: bool = False
    refused: frozenset[str] = frozenset()
    bring_outputs: bool = False
    builder: str | None = None
    python: str | None = None
    allow_download: bool = False

    @property
    def means(self) -> Means:
        """What may be used to have an environment."""
        return means_with(self.cache, offline=self.offline, allow_download=self.allow_download)


def means_with(cache: Path, *, offline: bool = False, allow_download: bool = False) -> Means:
    """What may be used to have an environment; of a build context git decides what is seen."""
    return Means(cache, offline, allow_download, tree=_seen_by_git)


def _seen_by_git(directory: Path) -> Iterator[str]:
    from projrun.source import git, listing  # for images alone

    repository = git.discover(directory) is not None
    return (found.path for found in listing.list_files(directory, repository=repository))
