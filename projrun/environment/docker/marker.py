"""The marker of an environment that is an image: what it is, what is inside, and whether it still is there."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from projrun.core.engine.client import Engine
from projrun.core.engine.model import Image
from projrun.core.files import read_json, write_json
from projrun.core.hashing import sha256_bytes
from projrun.core.values import Struct, as_dict
from projrun.environment import built
from projrun.environment.model import BuiltImage, Distribution, Package

MARKER = built.IMAGE_MARKER
LOG = "build.log"  # all that the image's builder said
_FORMAT = 1


class Marked(Struct, frozen=True):
    """What the marker tells. ``built``: the image was built for it, and the log is there."""

    key: str
    inputs: Mapping[str, Any]
    image: Image
    engine: str
    rootless: bool
    built: bool
    python: str | None
    distributions: tuple[Distribution, ...]
    packages: tuple[Package, ...]

    def image_in(self, directory: Path) -> BuiltImage:
        """The image, whose marker is in ``directory``."""
        log = directory / LOG if self.built else None
        return BuiltImage(self.image, self.engine, self.rootless, self.packages, self.python, log)


def tag_of(cache: Path, key: str) -> str:
    """The name that an image gets, so that nobody takes it for one that is not wanted.

    It is of one cache: two that share an engine do not take the other's away.
    """
    return f"projrun:{key}-{_of_cache(cache)}"


def key_of_tag(tag: str, cache: Path) -> str | None:
    """The key of the environment that such a name was given for; None when it is not of that cache."""
    key, _, whose = tag.removeprefix("projrun:").partition("-")
    return key if tag.startswith("projrun:") and whose == _of_cache(cache) else None


def _of_cache(cache: Path) -> str:
    return sha256_bytes(os.fsencode(os.path.realpath(cache)))[:16]


def write(directory: Path, marked: Marked) -> None:
    """Declares the environment in ``directory`` whole. Raises OSError."""
    place = os.path.realpath(directory)
    document = {"format": _FORMAT, **as_dict(marked), "place": place, "when": time.time()}
    write_json(directory / MARKER, document)


def look(directory: Path, key: str, engine: Engine) -> Marked | str:
    """The environment of ``key`` as its marker tells it, or why what is there cannot be used.

    Raises EnvironmentFailure when the cache cannot be looked into, or the engine does not answer.
    """
    if not built.is_there(directory):
        return "it was never built here"
    marked, place, found = _read(directory)
    if marked is None:
        return "its marker is missing: it was not built to the end"
    if marked.key != key or place != os.path.realpath(directory):
        return "its marker does not fit its directory: it was moved or copied here"
    if found is not None:
        return f"it was found damaged: {found}"
    if engine.image(marked.image.id) is None:
        return f"the container engine does not have its image {marked.image.id[:19]} any more"
    return marked


def told(directory: Path) -> Marked | None:
    """What the marker in ``directory`` tells, whether it can be used or not; None without one."""
    return _read(directory)[0]


def is_there(directory: Path) -> bool:
    """Whether what is in ``directory`` was built to the end as an image."""
    return (directory / MARKER).exists()


def mark_damaged(directory: Path, found: str) -> None:
    """Lets no run use the environment any more. Its lock is held by the caller. Raises OSError, ValueError."""
    write_json(directory / MARKER, {**read_json(directory / MARKER), "damaged": found})


def _read(directory: Path) -> tuple[Marked | None, str, str | None]:
    try:
        document = read_json(directory / MARKER)
        if document["format"] != _FORMAT:
            return None, "", None
        return _marked(document), document["place"], document.get("damaged")
    except (OSError, ValueError, KeyError, TypeError):
        return None, "", None


def _marked(document: Any) -> Marked:
    image = document["image"]
    lists = {name: tuple(image[name]) for name in ("digests", "tags", "entrypoint", "command")}
    return Marked(
        key=document["key"],
        inputs=document["inputs"],
        image=Image(**{**image, **lists}),
        engine=document["engine"],
        rootless=document["rootless"],
        built=document["built"],
        python=document["python"],
        distributions=tuple(Distribution(**entry) for entry in document["distributions"]),
        packages=tuple(Package(**entry) for entry in document["packages"]),
    )
