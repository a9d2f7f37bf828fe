"""Environments as frozen values."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from projrun.core.engine.model import Image
from projrun.core.flags import Flag
from projrun.core.values import Struct, field
from projrun.spec.model import DockerSpec


def _all_files(directory: Path) -> Iterable[str]:
    for folder, folders, files in os.walk(directory):
        folders.sort()
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        yield from (os.path.relpath(Path(folder) / name, directory) for name in (*links, *sorted(files)))


# The code of a flag that tells of what no run could go on with.
REFUSED = "environment-refused"


class Interpreter(Struct, frozen=True):
    """A Python found on this machine, described by itself.

    ``path`` is the base interpreter (never a virtual environment's); ``markers`` is its PEP 508 environment;
    ``soabi`` names the ABI of its extension modules, ``platform`` is ``sysconfig.get_platform()``. ``library`` is
    the libpython that it loads, None when it needs none.
    """

    path: Path
    version: str
    implementation: str
    soabi: str
    platform: str
    markers: Mapping[str, str]
    library: Path | None = None


class Means(Struct, frozen=True):
    """What may be used to have an environment.

    ``cache`` is where environments, and whatever saves time, are kept. ``offline``: nothing asks the network; what
    was downloaded before will do. ``allow_download``: an interpreter that is missing may be downloaded.
    ``thorough``: a built environment is looked at file by file before it is used. ``tree`` gives the files of a
    project's directory that git sees, relative to it; they make a build context.
    """

    cache: Path
    offline: bool = False
    allow_download: bool = False
    thorough: bool = False
    tree: Callable[[Path], Iterable[str]] = _all_files


class Distribution(Struct, frozen=True):
    """An installed distribution. ``sha256`` is the digest of its RECORD without what the installer added.

    ``archive`` is the SHA-256 of the archive it was installed from, "" when that is not known.
    """

    name: str
    version: str
    sha256: str
    archive: str = ""


class Base(Struct, frozen=True):
    """An image that a Dockerfile names. ``line`` counts from 1.

    ``reference`` is as written, its arguments filled in. ``digest`` (``sha256:...``) is what pins it: that of the
    registry, or the id of an image that came from none. ``pinned``: it is written so.
    """

    reference: str
    line: int
    digest: str
    pinned: bool


class ImagePlan(Struct, frozen=True):
    """What image an environment is. ``reference`` is that of an image that exists already, None when it is built.

    ``bases`` are the images it is made from (the image itself when it exists); ``context`` is the digest of the
    build context, ``arguments`` are those of the build; ``dockerfile`` is the text. ``spec`` is what the
    project in ``root`` declares.
    """

    reference: str | None
    bases: tuple[Base, ...]
    dockerfile: str | None = None
    context: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    spec: DockerSpec = field(default_factory=DockerSpec)
    root: Path = Path()


class Package(Struct, frozen=True):
    """A package of an image's operating system. ``manager``: ``dpkg``, ``rpm`` or ``apk``."""

    name: str
    version: str
    architecture: str
    manager: str


class BuiltImage(Struct, frozen=True):
    """An image that is there, what is inside, and how it came to be.

    ``engine`` is the engine's name and version. ``python`` is the version of the image's own Python, None when it
    has none that can be asked. ``build_log`` is the file with all that its builder said, None when nothing was
    built. ``rootless`` as :class:`projrun.core.engine.model.About` has it.
    """

    image: Image
    engine: str
    rootless: bool
    packages: tuple[Package, ...] = ()
    python: str | None = None
    build_log: Path | None = None


class EnvironmentPlan(Struct, frozen=True):
    """An environment that is known but perhaps not built.

    ``kind``: ``lock``, ``system`` or ``docker``. ``key`` is the digest of all that goes into it; ``inputs`` is
    that very document. ``lock_origin``: ``file``, ``resolved`` (from requirements, now or earlier) or None.
    ``reason`` says why it must be built, or None when ``directory`` holds it, ready; ``flags`` then are the built
    one's too. ``compile_command`` is what to type to compile its lock again; ``extras`` and ``groups`` are the
    spec's, and ``declared`` is the Python version that it asks for, as it is written there. Of an image, which may
    have any Python or none, ``python`` is None and ``image`` is not.
    """

    kind: str
    key: str
    inputs: Mapping[str, Any]
    python: Interpreter | None
    directory: Path | None
    builder: str | None = None
    lock_text: str | None = None
    lock_path: str | None = None
    lock_origin: str | None = None
    requirements_text: str | None = None
    source_distributions: tuple[str, ...] = ()
    reason: str | None = None
    flags: tuple[Flag, ...] = ()
    compile_command: str = ""
    extras: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    declared: str | None = None
    image: ImagePlan | None = None

    @property
    def interpreter(self) -> Interpreter:
        """The interpreter, of all that is no image."""
        assert self.python is not None, self.kind
        return self.python


# Where a program in a container sees the project, its run's directory, a home, and its scratch directory.
PROJECT, RUN, HOME, SCRATCH = "/project", "/projrun/run", "/projrun/home", "/projrun/scratch"


class Mount(Struct, frozen=True):
    """A file or directory of this machine (``source``) that a container sees at ``target``. Both are absolute."""

    source: str
    target: str
    writable: bool = False


class Container(Struct, frozen=True):
    """What a program runs in when it is not this machine itself. Plain data.

    ``image`` is an image's id; ``entrypoint`` is what it puts before the program's argv. ``user`` is ``uid:gid``
    or a name in the image; ``network``: ``none``, ``bridge``, ``host`` or the name of one. ``memory`` and
    ``shm_size`` are in bytes, ``cpus`` in processors. ``gpus``: ``all``, how many, or their names. ``home`` is
    where the user has a directory to write to that lasts as long as the container. ``name`` and ``labels`` are its
    own; ``lock`` is the file that is locked while somebody wants it.
    """

    image: str
    name: str
    lock: str
    mounts: tuple[Mount, ...]
    user: str
    network: str
    home: str
    entrypoint: tuple[str, ...] = ()
    memory: int | None = None
    cpus: float | None = None
    shm_size: int | None = None
    gpus: str | int | tuple[str, ...] | None = None
    platform: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


class Environment(Struct, frozen=True):
    """A ready environment. ``reused`` tells whether it was there.

    ``programs`` is the folder that comes first on the child's PATH; of an ``image``, in which programs run, None.
    ``in_process`` is the version that its own python told when it was asked in there. ``flags`` are those that its
    plan does not have.
    """

    plan: EnvironmentPlan
    programs: Path | None
    installed: tuple[Distribution, ...]
    reused: bool
    settings: Mapping[str, str] = field(default_factory=dict)
    in_process: str | None = None
    flags: tuple[Flag, ...] = ()
    image: BuiltImage | None = None

    @property
    def bin(self) -> Path:
        """The folder of its programs, of all that is no image."""
        assert self.programs is not None, self.plan.kind
        return self.programs
