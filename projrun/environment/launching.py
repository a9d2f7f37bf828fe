"""What a program is started with in an environment: where it sees its files, its variables, its container."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from projrun.core.engine.model import LOCK_LABEL, RUN_LABEL
from projrun.core.paths import is_below
from projrun.core.values import Struct, field
from projrun.environment import mounts, variables
from projrun.environment.built import containers_of
from projrun.environment.model import HOME, PROJECT, RUN, SCRATCH, BuiltImage, Container, Environment, Mount
from projrun.spec.model import DockerSpec, EnvironmentSpec


class Places(Struct, frozen=True):
    """The directories of a run: the project's, the run's own, and with secrets one outside the store."""

    project: Path
    run: Path
    scratch: Path | None = None

    @property
    def clear(self) -> Path:
        """Where the program has in clear what it reads and reports."""
        return self.scratch or self.run


class Wish(Struct, frozen=True):
    """What is to be started, and where: ``places`` are those of this machine.

    ``offered`` are projrun's own variables; ``start_up`` is the folder, as the program sees it, that its Python
    looks into first, "" when there is none. ``inputs`` and ``products`` are paths in the project: what is declared
    to be read, and to be written. ``strict``: the run is one for the record. ``cache`` is where locks are kept.
    """

    run: str
    places: Places
    offered: Mapping[str, str]
    inputs: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    terminals: tuple[str, ...] = ()
    strict: bool = False
    start_up: str = ""
    cache: Path = field(default_factory=Path)


class Launch(Struct, frozen=True):
    """What a request takes from its environment; all paths are as the program sees them."""

    cwd: str
    variables: Mapping[str, str]
    secrets: tuple[str, ...]
    terminals: tuple[str, ...]
    container: Container | None = None


def seen(environment: Environment, places: Places) -> Places:
    """Where a program in ``environment`` sees them. In a container that is the same on every machine."""
    if environment.image is None:
        return places
    return Places(Path(PROJECT), Path(RUN), Path(SCRATCH) if places.scratch else None)


def launch(environment: Environment, spec: EnvironmentSpec, wish: Wish) -> Launch:
    """How a program is started in ``environment``, as ``spec`` declares it. Raises EnvironmentFailure."""
    child = variables.child_variables(environment, spec, wish.offered)
    if wish.start_up:
        child = variables.looked_into_first(child, wish.start_up, environment.image)
    if environment.image is None:
        return Launch(str(wish.places.project), child.set, child.secrets, wish.terminals)
    container = _container(environment.image, spec.docker or DockerSpec(), wish)
    # A terminal would make one stream of the two, and a container has none of ours.
    return Launch(PROJECT, child.set, child.secrets, (), container)


def _container(built: BuiltImage, docker: DockerSpec, wish: Wish) -> Container:
    lock = str(containers_of(wish.cache) / f"{wish.run}.lock")
    return Container(
        image=built.image.id,
        name=f"projrun-{wish.run}",
        lock=lock,
        mounts=(*_own_mounts(wish), *mounts.declared(docker, wish.places.project)),
        user=docker.user or _caller(built),
        network=docker.network or ("none" if wish.strict else "bridge"),
        home=HOME,
        entrypoint=built.image.entrypoint,
        memory=docker.memory,
        cpus=docker.cpus,
        shm_size=docker.shm_size,
        gpus=docker.gpus,
        platform=docker.platform,
        labels={RUN_LABEL: wish.run, LOCK_LABEL: lock},
    )


def _caller(built: BuiltImage) -> str:
    """Whom the program runs as, so that the caller owns what it makes. A rootless engine's root is the caller."""
    return "0:0" if built.rootless else f"{os.getuid()}:{os.getgid()}"


def _own_mounts(wish: Wish) -> tuple[Mount, ...]:
    """The project, the run's directory, and over the project the inputs, which nobody may change."""
    project = os.path.realpath(wish.places.project)
    found = [Mount(project, PROJECT, writable=True), Mount(os.path.realpath(wish.places.run), RUN, writable=True)]
    if wish.places.scratch:
        found.append(Mount(os.path.realpath(wish.places.scratch), SCRATCH, writable=True))
    for path in wish.inputs:
        source = os.path.realpath(os.path.join(project, path))  # noqa: PTH118 - text
        inside = os.path.relpath(source, project)
        made = is_below(inside, wish.products) or any(is_below(one, [inside]) for one in wish.products)
        if not made and inside != "." and not inside.startswith(".." + os.sep):
            found.append(Mount(source, f"{PROJECT}/{inside}"))
    return tuple(dict.fromkeys(found))
