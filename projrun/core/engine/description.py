"""What an engine answers about itself, its images and containers -> the model's values."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from typing import Any

from projrun.core.engine.address import Address
from projrun.core.engine.model import About, ContainerFound, Image

_FIRST_BUILDKIT = (1, 39)


def about(version: Mapping[str, Any], info: Mapping[str, Any], address: Address) -> About:
    """Of its answers about its version and its state, and from where it was asked."""
    components = version.get("Components") or [{"Name": "Engine"}]
    names = [str(one.get("Name", "")) for one in components]
    podman = any("podman" in name.lower() for name in names)
    api = str(version["ApiVersion"])
    return About(
        name="Podman" if podman else "Docker",
        version=str(version["Version"]),
        api=api,
        address=address.shown,
        platform=f"{version.get('Os', 'linux')}/{version.get('Arch', '')}",
        is_local=_is_local(info, address),
        rootless=any("rootless" in str(option) for option in info.get("SecurityOptions") or ()),
        buildkit=_builds_with_buildkit(api, str(version.get("Os")), podman=podman),
    )


def _is_local(info: Mapping[str, Any], address: Address) -> bool:
    """Whether the engine sees this machine's files.

    One in a virtual machine of this very machine, as on macOS or with Docker Desktop, shares them. A container
    that was given its engine's socket is another machine by its name.
    """
    if info.get("Name") == platform.node() and info.get("KernelVersion") == os.uname().release:
        return address.scheme == "unix" or (address.scheme == "tcp" and _is_loopback(address.place))
    return address.scheme == "unix" and (
        sys.platform == "darwin" or info.get("OperatingSystem") == "Docker Desktop"
    )


def _is_loopback(place: str) -> bool:
    host = place.rpartition(":")[0].strip("[]")
    return host in ("localhost", "::1") or host.startswith("127.")


def _builds_with_buildkit(api: str, system: str, *, podman: bool) -> bool:
    numbers = tuple(int(part) for part in api.split(".")[:2])
    wanted = os.environ.get("DOCKER_BUILDKIT", "").lower() not in ("0", "false")
    return wanted and system == "linux" and not podman and numbers >= _FIRST_BUILDKIT


def image(found: Mapping[str, Any]) -> Image:
    """An image as it is inspected."""
    settings = found.get("Config") or {}
    variables = dict(entry.partition("=")[::2] for entry in settings.get("Env") or ())
    parts = (found.get("Os"), found.get("Architecture"), found.get("Variant"))
    digest = str(found["Id"])
    return Image(
        id=digest if digest.startswith("sha256:") else f"sha256:{digest}",
        digests=tuple(found.get("RepoDigests") or ()),
        tags=tuple(found.get("RepoTags") or ()),
        platform="/".join(str(part) for part in parts if part),
        size=int(found.get("Size") or 0),
        entrypoint=_words(settings.get("Entrypoint")),
        command=_words(settings.get("Cmd")),
        variables=variables,
        user=settings.get("User") or "",
        working_directory=settings.get("WorkingDir") or "",
        labels=settings.get("Labels") or {},
    )


def _words(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) and value else tuple(value or ())


def container(found: Mapping[str, Any]) -> ContainerFound:
    """A container out of the list of them."""
    return ContainerFound(
        id=found["Id"],
        name=(found.get("Names") or [""])[0].lstrip("/"),
        image=found.get("ImageID") or found.get("Image") or "",
        labels=found.get("Labels") or {},
        state=found.get("State") or "",
        created=float(found.get("Created") or 0),
    )
