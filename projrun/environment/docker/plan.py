"""What image an environment is, its key, and whether it is there. Builds and pulls nothing that it need not."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from projrun.core.engine import address as addresses
from projrun.core.engine.client import Engine, connect
from projrun.core.errors import EnvironmentFailure
from projrun.core.flags import Flag
from projrun.core.report import Reporter, Silent
from projrun.core.values import Struct, replace
from projrun.environment import key, mounts
from projrun.environment.built import directory_of
from projrun.environment.docker import bases, context, dockerfile, marker
from projrun.environment.docker.bases import Found
from projrun.environment.docker.dockerfile import Build, Named
from projrun.environment.model import Base, EnvironmentPlan, ImagePlan, Means
from projrun.spec.model import DockerSpec


class Asked(Struct, frozen=True):
    """Who may be asked for what is not here: ``pull``: all is fetched; ``digests``: a registry tells a digest."""

    pull: bool = False
    digests: bool = False


def plan(
    spec: DockerSpec, root: Path, means: Means, report: Reporter, asked: Asked | None = None
) -> EnvironmentPlan:
    """The environment that an image or a Dockerfile is.

    Its key is "" when it is made from an image that is not here and may not be fetched. Raises
    EnvironmentFailure, also for an engine that is not there or does not see this machine's files, and for a
    mount of what is not there: nobody should wait for an image that nothing can run in.
    """
    asked = asked or Asked(pull=not means.offline)
    engine = _reached()
    mounts.declared(spec, root)
    build = build_of(spec, engine)
    seen: context.Context | None = None
    if spec.image is None:
        seen = context.look(root, spec, means)
        named = dockerfile.parse(seen.text, spec.file or "Dockerfile", build)
    else:
        named = (_named(spec.image),)
    if asked.pull:
        for one in named:
            if not bases.is_pinned(one.reference):
                bases.fetched(one, engine, spec.platform, report)
    found = [bases.found(one, engine, spec.platform) for one in named]
    image = ImagePlan(
        reference=spec.image,
        bases=tuple(one.base for one in found),
        dockerfile=seen.text if seen else None,
        context=seen.sha256 if seen else None,
        arguments=dict(spec.args),
        platform=build.platform,
        spec=spec,
        root=root,
    )
    flags = (*_unpinned(found, spec, engine if asked.digests else None), *_mounts(spec))
    return _with_key(image, flags, means, engine)


def _with_key(image: ImagePlan, flags: tuple[Flag, ...], means: Means, engine: Engine) -> EnvironmentPlan:
    plan = EnvironmentPlan(kind="docker", key="", inputs={}, python=None, directory=None, flags=flags, image=image)
    missing = [base.reference for base in image.bases if not base.digest]
    if missing:
        names = f"{', '.join(dict.fromkeys(missing))} {'is' if len(missing) == 1 else 'are'}"
        return replace(plan, reason=f"{names} not here, and what an image is made from goes into its key")
    inputs = key.inputs_of_image(image)
    digest = key.key_of(inputs)
    directory = directory_of(means.cache, digest)
    there = marker.look(directory, digest, engine)
    why = there if isinstance(there, str) else None
    return replace(plan, key=digest, inputs=inputs, directory=directory, reason=why)


def made_of(plan: EnvironmentPlan, bases_then: tuple[Base, ...], means: Means) -> EnvironmentPlan | None:
    """The same environment made from images as they were; None unless it is there, ready.

    What a name stands for now may be another image, and nobody can build from what it was.
    """
    assert plan.image is not None
    then = _with_key(replace(plan.image, bases=bases_then), plan.flags, means, connect())
    return then if then.reason is None else None


def build_of(spec: DockerSpec, engine: Engine) -> Build:
    """What is built of the Dockerfile, on that engine."""
    about = engine.about
    return Build(spec.target, dict(spec.args), spec.platform or about.platform, about.platform, about.buildkit)


def _reached() -> Engine:
    address = addresses.find()
    if address.scheme == "ssh":  # that much is known before anybody logs in there
        raise _elsewhere(address.shown)
    engine = connect()
    refuse_remote(engine)
    return engine


def refuse_remote(engine: Engine) -> None:
    """Raises EnvironmentFailure for an engine that does not see the project's files."""
    if not engine.about.is_local:
        raise _elsewhere(engine.about.address)


def _elsewhere(address: str) -> EnvironmentFailure:
    return EnvironmentFailure(
        f"the container engine at {address} is on another machine",
        why="It does not see the files of this one, so nothing can be run there.",
        hint="unset DOCKER_HOST and DOCKER_CONTEXT, or name an engine of this machine:"
        " export DOCKER_HOST=unix:///var/run/docker.sock",
    )


def flags_apart(spec: DockerSpec, root: Path, means: Means) -> tuple[Flag, ...]:
    """What can be told of an environment without an engine: the images that are not pinned.

    Raises EnvironmentFailure when the Dockerfile cannot be read.
    """
    if spec.image is not None:
        named: Sequence[Named] = (_named(spec.image),)
    else:
        text = context.look(root, spec, means).text
        platform = spec.platform or "linux/amd64"
        build = Build(spec.target, dict(spec.args), platform, platform)
        named = dockerfile.parse(text, spec.file or "Dockerfile", build)
    return (*_unpinned([Found(one, "") for one in named], spec, None), *_mounts(spec))


def examined(spec: DockerSpec, root: Path, means: Means) -> EnvironmentPlan:
    """The plan for one who wants to know what to mend: a registry tells the digests, unless ``means`` forbid."""
    found = plan(spec, root, means, Silent(), Asked(digests=not means.offline))
    try:
        secret_values(spec if found.reason else DockerSpec())  # what is built needs none
    except EnvironmentFailure as error:
        return replace(found, flags=(*found.flags, Flag("secret-missing", error.what, error.hint)))
    return found


def secret_values(spec: DockerSpec) -> Mapping[str, str]:
    """The secrets of the build, from the caller's variables. Raises EnvironmentFailure for one that is missing."""
    missing = [name for name in spec.secrets if name not in os.environ]
    if missing:
        raise EnvironmentFailure(
            f"environment.docker.secrets: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
            why="The build needs the value, which projrun takes from your own variables and keeps nowhere.",
            hint=f"export {missing[0]}=...",
        )
    return {name: os.environ[name] for name in spec.secrets}


def _named(reference: str) -> Named:
    return Named(reference, 0, "image: {}")


def _unpinned(found: Sequence[Found], spec: DockerSpec, engine: Engine | None) -> tuple[Flag, ...]:
    loose = [one for one in found if not bases.is_pinned(one.named.reference)]
    told = [bases.with_published(one, engine) if engine else one for one in loose]
    return tuple(bases.flag_of(one, None if spec.image else spec.file or "Dockerfile") for one in told)


def _mounts(spec: DockerSpec) -> tuple[Flag, ...]:
    return tuple(
        Flag(
            "mount-unpinned",
            f"mount {mount.source} is data from outside that nothing hashes",
            "put it into the project and declare it under data, with its sha256",
        )
        for mount in spec.mounts
    )
