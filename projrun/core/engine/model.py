"""What an engine tells of itself, its images and its containers, and what it is asked for, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from projrun.core.values import Struct, field

# The labels of all that is ours: what made it a run's, an environment's, and what is locked while it is wanted.
RUN_LABEL, KEY_LABEL, LOCK_LABEL = "projrun.run", "projrun.key", "projrun.lock"


class About(Struct, frozen=True):
    """An engine. ``address`` is where it is reached, without userinfo; ``platform`` such as ``linux/amd64``.

    ``is_local``: it sees the files of this machine. ``rootless``: its root is the user it runs for. ``buildkit``:
    it builds with BuildKit.
    """

    name: str
    version: str
    api: str
    address: str
    platform: str
    is_local: bool
    rootless: bool
    buildkit: bool


class Image(Struct, frozen=True):
    """An image that an engine has. ``id`` is ``sha256:...``, the digest of its configuration.

    ``digests`` are the names with digests by which registries know it (``name@sha256:...``), none for an image
    that came from no registry. ``size`` is in bytes.
    """

    id: str
    digests: tuple[str, ...]
    tags: tuple[str, ...]
    platform: str
    size: int
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    working_directory: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


class ImageRequest(Struct, frozen=True):
    """An image to be built.

    ``context`` is a tar file with the Dockerfile at ``dockerfile`` in it. ``secrets``: id to value, for this call
    alone. ``tag`` is the name that the image gets. ``network`` is that of its RUN instructions: ``host``,
    ``default`` or ``none``. ``fresh``: no layer that was built before counts.
    """

    context: Path
    dockerfile: str
    tag: str
    target: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    platform: str | None = None
    network: str = "default"
    labels: Mapping[str, str] = field(default_factory=dict)
    fresh: bool = False


class Completed(Struct, frozen=True):
    """A short program in a container that has ended."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class ContainerFound(Struct, frozen=True):
    """A container of an engine. ``created`` is in seconds since the epoch."""

    id: str
    name: str
    image: str
    labels: Mapping[str, str]
    state: str
    created: float
