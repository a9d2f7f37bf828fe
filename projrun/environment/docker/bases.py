"""The images that an environment is made from: which digest each has, and where one is not pinned to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from projrun.core.engine.client import Engine
from projrun.core.engine.model import Image
from projrun.core.errors import EngineFailure, EnvironmentFailure
from projrun.core.flags import Flag
from projrun.core.report import BUILD, Reporter
from projrun.core.values import Struct
from projrun.environment.docker.dockerfile import Named
from projrun.environment.model import Base

_ID = re.compile(r"(sha256:)?[0-9a-f]{64}")
_PINNED = re.compile(r".+@sha256:[0-9a-f]{64}")


class Found(Struct, frozen=True):
    """An image that is named, and its digest: "" when it is not here and nothing else tells it.

    ``unpublished``: no registry knows it by that, which is its id.
    """

    named: Named
    digest: str
    unpublished: bool = False

    @property
    def base(self) -> Base:
        """The same without how it is written."""
        return Base(self.named.reference, self.named.line, self.digest, is_pinned(self.named.reference))


def is_pinned(reference: str) -> bool:
    """Whether the reference says which image it is, whatever happens in a registry or here."""
    return bool(_PINNED.fullmatch(reference) or _ID.fullmatch(reference))


def found(named: Named, engine: Engine, platform: str | None) -> Found:
    """The image as the engine has it; nothing is fetched. ``platform`` is what the build is for, if it says."""
    if _PINNED.fullmatch(named.reference):
        return Found(named, named.reference.partition("@")[2])
    if _ID.fullmatch(named.reference):
        return Found(named, f"sha256:{named.reference.removeprefix('sha256:')}")
    image = here(named.reference, engine, named.platform or platform)
    if image is None:
        return Found(named, "")
    digest = digest_of(named.reference, image)
    return Found(named, digest, digest == image.id)


def here(reference: str, engine: Engine, platform: str | None) -> Image | None:
    """The image of that name when the engine has it for that platform."""
    image = engine.image(reference)
    return image if image and _fits(image.platform, platform) else None


def fetched(named: Named, engine: Engine, platform: str | None, report: Reporter) -> Image:
    """The image, pulled unless it is here. Raises EnvironmentFailure."""
    wanted = named.platform or platform
    image = here(named.reference, engine, wanted)
    if image is not None:
        return image
    report.phase("environment", f"pulling {named.reference}")
    try:
        image = engine.pull(named.reference, wanted, lambda data: report.write(BUILD, data))
    except EngineFailure as failure:
        other = engine.image(named.reference)
        if other is not None:
            failure.why += f"\nIt is here for {other.platform}, and is wanted for {wanted}."
        raise
    if not _fits(image.platform, wanted):  # engines take what a registry has for no platform in particular
        raise EnvironmentFailure(
            f"{named.reference} is not for {wanted}",
            why=f"It is for {image.platform}.",
            hint="name the platform that it is for (environment.docker.platform), or an image for yours",
        )
    return image


def digest_of(reference: str, image: Image) -> str:
    """The digest by which the registry that is named knows the image; the image's id when none does."""
    name = _repository(reference)
    known = dict(digest.split("@", 1) for digest in image.digests if "@" in digest)
    exact = known.get(name)
    # Engines leave out what is usual of a name: the registry and the library that most images come from.
    return exact or next((digest for short, digest in known.items() if name.endswith(f"/{short}")), image.id)


def _repository(reference: str) -> str:
    name = reference.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


def _fits(has: str, wanted: str | None) -> bool:
    """Whether an image is for a platform; the variant of a processor is left to the engine."""
    return not wanted or has.split("/")[:2] == wanted.split("/")[:2]


def check_unmoved(before: Iterable[Base], look: Callable[[str], Image | None]) -> None:
    """Raises EnvironmentFailure when a name stands for another image than it did before."""
    for base in before:
        image = None if base.pinned else look(base.reference)
        if image is None:
            continue
        now = digest_of(base.reference, image)
        if now != base.digest:
            raise EnvironmentFailure(
                f"{base.reference} became another image while the environment was built",
                why=f"It was {base.digest}, and is {now} now: somebody pulled, built or tagged it.",
                hint="run again",
            )


def flag_of(one: Found, file: str | None) -> Flag:
    """That an image is named by what can stand for another tomorrow. ``file`` is the Dockerfile's name, if any."""
    reference = one.named.reference
    text = f"{reference} is a name that can stand for another image tomorrow"
    if file is None:
        pin = one.digest if one.unpublished else f"{reference}@{one.digest or 'sha256:...'}"
        return Flag("image-unpinned", f"image {text}", f"{_line(one, pin)} in ProjectSpec.yaml{_how(one)}")
    place = f"{file}:{one.named.line}"
    if one.unpublished:
        mend = f"docker push it to a registry, and write the digest that this tells in {place}"
        return Flag("base-unpinned", f"{place}: {text}, and no registry has it", mend)
    line = _line(one, f"{reference}@{one.digest or 'sha256:...'}")
    return Flag("base-unpinned", f"{place}: {text}", f"{line} in {place}{_how(one)}")


def _line(one: Found, pin: str) -> str:
    return one.named.written.format(pin)


def _how(one: Found) -> str:
    return "" if one.digest else f" (docker pull {one.named.reference} tells the digest)"


def with_published(one: Found, engine: Engine) -> Found:
    """The same with the digest that the registry tells, when it does."""
    if one.digest:
        return one
    try:
        return Found(one.named, engine.published(one.named.reference))
    except EngineFailure:
        return one
