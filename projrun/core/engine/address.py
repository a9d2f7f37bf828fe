"""Where the engine is reached, as Docker's own command line finds it: variables, contexts, the usual place.

The layout of contexts is that of Docker's ``cli/context/store``: ``meta/<sha256 of the name>/meta.json`` and
``tls/<sha256 of the name>/docker/*.pem`` below ``contexts`` in the configuration folder.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from projrun.core.engine.http import Place
from projrun.core.errors import EngineFailure
from projrun.core.values import Struct

_USUAL = "unix:///var/run/docker.sock"
_SCHEMES = ("unix", "tcp", "ssh")
_LIST = "docker context ls    (names the contexts that are there)"


class Certificates(Struct, frozen=True):
    """The files of a connection by TLS; ``verify``: only an engine that ``authority`` signed will do."""

    authority: Path
    certificate: Path
    key: Path
    verify: bool


class Address(Struct, frozen=True):
    """An engine's address. ``place`` is the socket's path, else ``host:port`` (ssh: ``user@host:port``).

    ``origin`` says who named it: a variable, a context, or nobody.
    """

    scheme: str
    place: str
    origin: str
    tls: Certificates | None = None

    @property
    def url(self) -> str:
        """The address as ``DOCKER_HOST`` has it."""
        return f"{self.scheme}://{self.place}"

    @property
    def http(self) -> Place:
        """The address for :mod:`projrun.core.engine.http`."""
        tls = self.tls
        files = None if tls is None else (str(tls.authority), str(tls.certificate), str(tls.key), tls.verify)
        return Place(self.scheme, self.place, files)

    @property
    def shown(self) -> str:
        """The address without a user's name."""
        return f"{self.scheme}://{self.place.rpartition('@')[2] if self.scheme != 'unix' else self.place}"


def find() -> Address:
    """The address that the caller's variables and Docker's configuration name. Raises EngineFailure.

    ``DOCKER_HOST`` goes before ``DOCKER_CONTEXT``, and that before the context that is in use.
    """
    host = os.environ.get("DOCKER_HOST", "").strip()
    if host:
        return _parsed(host, "DOCKER_HOST", _from_variables())
    context = os.environ.get("DOCKER_CONTEXT") or _configuration().get("currentContext") or "default"
    if context == "default":
        return _parsed(_USUAL, "", None)
    return _of_context(context)


def _parsed(text: str, origin: str, tls: Certificates | None) -> Address:
    scheme, separator, place = text.partition("://")
    if not separator:
        scheme, place = "tcp", text
    if scheme in ("http", "https"):
        scheme = "tcp"
    place = place.rstrip("/")
    if text.startswith("/"):
        raise EngineFailure(
            f"the address of the container engine cannot be read: {text}",
            why=f"{origin} names it, a path alone; a socket's address starts with unix://",
            hint=f"export DOCKER_HOST=unix://{text}",
        )
    if scheme not in _SCHEMES or not place or "?" in place or "#" in place:
        shown = Address(scheme, place, origin).shown
        raise EngineFailure(
            f"the address of the container engine cannot be read: {shown}",
            why=f"{origin or 'projrun'} names it; it should start with unix://, tcp:// or ssh://",
            hint=f"export DOCKER_HOST={_USUAL}",
        )
    if scheme == "unix":
        place = place if place.startswith("/") else f"/{place}"
    elif scheme == "tcp" and ":" not in place.rpartition("]")[2]:
        place = f"{place}:{2376 if tls else 2375}"
    return Address(scheme, place, origin, tls)


def _from_variables() -> Certificates | None:
    """What ``DOCKER_TLS_VERIFY`` and ``DOCKER_CERT_PATH`` say: any text but none means yes."""
    verify = bool(os.environ.get("DOCKER_TLS_VERIFY"))
    folder = os.environ.get("DOCKER_CERT_PATH")
    if not verify and not folder:
        return None
    return _certificates(Path(folder) if folder else _folder(), verify)


def _certificates(folder: Path, verify: bool) -> Certificates:
    return Certificates(folder / "ca.pem", folder / "cert.pem", folder / "key.pem", verify)


def _of_context(name: str) -> Address:
    digest = hashlib.sha256(name.encode()).hexdigest()
    contexts = _folder() / "contexts"
    try:
        endpoint = json.loads((contexts / "meta" / digest / "meta.json").read_bytes())["Endpoints"]["docker"]
        host, skip = endpoint["Host"], bool(endpoint.get("SkipTLSVerify"))
    except FileNotFoundError as error:
        named = "DOCKER_CONTEXT" if os.environ.get("DOCKER_CONTEXT") else "Docker's configuration"
        raise EngineFailure(
            f"there is no Docker context {name}", why=f"{named} names it as the one to use", hint=_LIST
        ) from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise EngineFailure(f"the Docker context {name} cannot be read", why=str(error), hint=_LIST) from error
    pems = contexts / "tls" / digest / "docker"
    tls = _certificates(pems, not skip) if pems.is_dir() else None
    return _parsed(str(host), f"the Docker context {name}", tls)


def _folder() -> Path:
    configured = os.environ.get("DOCKER_CONFIG")
    return Path(configured) if configured else Path.home() / ".docker"


def _configuration() -> dict[str, Any]:
    """Docker's own settings; none when there are none that can be read, as its command line has it."""
    try:
        found = json.loads((_folder() / "config.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
