"""What an engine, or the way to it, says of a failure -> what happened, why, and what to type next."""

from __future__ import annotations

import errno
import os
import re
import sys
from pathlib import Path

from projrun.core.engine.address import Address
from projrun.core.errors import EngineFailure

# Engines tell kinds of failures by their words alone; these are those of Docker, BuildKit, containerd and Podman.
_NO_SPACE = re.compile(r"no space left on device|disk quota exceeded", re.I)
_NO_PLATFORM = re.compile(
    r"no matching manifest|does not match the (specified|expected) platform|no match for platform|"
    r"no image found in (manifest list|image index) for|choos\w+ an? image from manifest list|"
    r"(unknown|invalid|unsupported) (operating system|platform|architecture)|operating system is not supported",
    re.I,
)
_NO_LOGIN = re.compile(r"unauthorized|authentication required|no basic auth|denied: (requested|permission)", re.I)
_NO_IMAGE = re.compile(
    r"no such image|manifest unknown|not found: manifest|manifest for .* not found|repository does not exist|"
    r"pull access denied|image not known|name unknown|repository name not known|"
    r"failed to resolve reference.*not found|unable to find .* in local storage|^not found$",
    re.I,
)
_NO_REGISTRY = re.compile(
    r"dial tcp|no such host|server misbehaving|tls handshake|tls: |x509|i/o timeout|client\.timeout|"
    r"network is unreachable|connection (refused|reset)|context deadline exceeded|pinging container registry|"
    r"server gave http response to https client|\beof\b",
    re.I,
)


class EngineGone(EngineFailure):
    """The engine answered before and no longer does."""


def unreachable(error: Exception, address: Address) -> EngineFailure:
    """Why an engine does not answer at all."""
    reason = _innermost(error)
    said = reason.strerror if isinstance(reason, OSError) else None  # not os.strerror: resolvers have own numbers
    named = f" ({address.origin} names it)" if address.origin else ""
    if isinstance(reason, PermissionError):
        return _not_permitted(address)
    if address.tls is not None and isinstance(reason, FileNotFoundError):
        files = (address.tls.authority, address.tls.certificate, address.tls.key)
        missing = next((file for file in files if not file.exists()), files[0].parent)
        return EngineFailure(
            f"the container engine at {address.shown} cannot be reached by TLS",
            why=f"{missing}: {os.strerror(errno.ENOENT)}",
            hint="export DOCKER_CERT_PATH=DIRECTORY    (with ca.pem, cert.pem and key.pem)",
        )
    why = f"{address.shown}{named}: {said or str(reason) or type(reason).__name__}"
    return EngineFailure(f"there is no container engine at {address.shown}", why=why, hint=_how_to_start(address))


def gone(error: Exception | str, address: Address) -> EngineGone:
    """That an engine went away in the middle of something."""
    reason = error if isinstance(error, str) else str(_innermost(error)) or type(error).__name__
    return EngineGone(
        f"the container engine at {address.shown} went away in the middle",
        why=reason,
        hint="docker info    (tells whether it is back; then do it again)",
    )


def refused(status: int, message: str, what: str) -> EngineFailure:
    """What an engine answered instead of doing ``what``. ``status`` is that of HTTP, 0 when it came later."""
    why = message.strip() or f"it answered with status {status}"
    if _NO_SPACE.search(message):
        return EngineFailure(
            f"{what}: the container engine has no space left on its disk",
            why=why,
            hint="docker system df    (shows what takes the space; docker image rm IMAGE frees it)",
        )
    if _NO_PLATFORM.search(message):
        return EngineFailure(
            f"{what}: there is none for that platform",
            why=why,
            hint="name a platform that it exists for (docker: platform: ... in ProjectSpec.yaml), or none",
        )
    if _NO_IMAGE.search(message):
        return EngineFailure(
            f"{what}: there is no such image",
            why=why,
            hint="check the name and the tag; for a private one: docker login REGISTRY",
        )
    if _NO_LOGIN.search(message):
        return EngineFailure(f"{what}: the registry wants a login", why=why, hint="docker login REGISTRY")
    if _NO_REGISTRY.search(message):
        return EngineFailure(
            f"{what}: the registry cannot be reached",
            why=why,
            hint="check the network, and the proxy of the engine (docker info | grep -i proxy); then try again",
        )
    return EngineFailure(
        f"{what}: the container engine could not do it", why=why, hint="docker info    (tells the engine's state)"
    )


def _innermost(error: BaseException) -> BaseException:
    """The system's own error inside those that libraries wrap around it, else the error itself."""
    seen: set[int] = set()
    queue: list[BaseException] = [error]
    while queue:
        one = queue.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, OSError) and one.errno is not None:
            return one
        inner = [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
        queue += [each for each in inner if isinstance(each, BaseException)]
    return error


def _not_permitted(address: Address) -> EngineFailure:
    return EngineFailure(
        f"the container engine at {address.shown} may not be used by this user",
        why=f"{address.place}: {os.strerror(errno.EACCES)}",
        hint='sudo usermod -aG docker "$USER", then log in again; or use an engine of your own: '
        f"export DOCKER_HOST={_own_socket() or 'unix://$XDG_RUNTIME_DIR/docker.sock'}    (rootless)",
    )


def _how_to_start(address: Address) -> str:
    if address.scheme == "ssh":
        return f"ssh {address.place.partition(':')[0]} docker info    (tells what is wrong there)"
    if address.scheme == "tcp":
        return "check the address, and whether an engine listens there; unset DOCKER_HOST for this machine's own"
    other = _own_socket()
    if other and other != address.url:
        return f"export DOCKER_HOST={other}    (that socket is there)"
    start = "open -a Docker" if sys.platform == "darwin" else "sudo systemctl start docker"
    return f"{start}    (or export DOCKER_HOST=unix:///path/of/the/socket when it is elsewhere)"


def _own_socket() -> str | None:
    """The address of an engine that runs for this user alone, Docker's or Podman's."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    places = [Path(runtime, name) for name in ("docker.sock", "podman/podman.sock")] if runtime else []
    return next((f"unix://{place}" for place in places if place.is_socket()), None)
