"""The container engine by its API: what it is, its images, its containers. The one place that knows ``docker``."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import socket
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from projrun.core.engine import address as addresses
from projrun.core.engine import building, failures
from projrun.core.engine.address import Address
from projrun.core.engine.model import About, Completed, ContainerFound, Image, ImageRequest
from projrun.core.errors import EngineFailure

Say = Callable[[bytes], None]

# An engine that says nothing for so long is not there. A pull or a build says something all the time.
_PATIENCE_SECONDS = 120
_FIRST_BUILDKIT = (1, 39)


def connect() -> Engine:
    """The engine that the caller's variables and Docker's configuration name. Raises EngineFailure."""
    address = addresses.find()
    _knock(address)
    return Engine(address)


def _knock(address: Address) -> None:
    """Raises EngineFailure when nobody listens at a socket: the library would leave its own end open."""
    if address.scheme != "unix":
        return
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(_PATIENCE_SECONDS)
        try:
            door.connect(address.place)
        except OSError as error:
            raise failures.unreachable(error, address) from error


class Engine:
    """An engine that answers. Everything here raises EngineFailure when it does not do what it was asked for.

    ``api`` is the ``docker.APIClient``; errors of calls to it become EngineFailure inside :meth:`asking`.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.api: Any = _open(address)
        try:
            self._version = self.api.version(api_version=False)
        except Exception as error:
            raise _first_failure(error, address) from error
        self.api._version = self._version["ApiVersion"]

    @cached_property
    def about(self) -> About:
        """What the engine says of itself."""
        with self.asking("what the engine is"):
            info = self.api.info()
        return _about(self._version, info, self.address)

    @contextlib.contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Turns the failure of a call to ``api`` into an EngineFailure that begins with ``what`` was wanted."""
        import docker.errors
        import requests
        import urllib3.exceptions

        try:
            yield
        except docker.errors.APIError as error:
            raise failures.refused(error.status_code or 0, str(error.explanation or error), what) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, docker.errors.DockerException) as error:
            raise failures.gone(error, self.address) from error

    def image(self, reference: str) -> Image | None:
        """What the engine has by an id, ``name:tag`` or ``name@sha256:...``; None when it has no such image."""
        import docker.errors

        with self.asking(f"looking at the image {reference}"):
            try:
                return _image(self.api.inspect_image(_plain(reference)))
            except docker.errors.NotFound:
                return None

    def published(self, reference: str) -> str:
        """The digest (``sha256:...``) that a tag has in its registry now. Nothing is pulled."""
        with self.asking(f"asking the registry for {reference}"):
            found = self.api.inspect_distribution(_plain(reference))
        return str(found["Descriptor"]["digest"])

    def pull(self, reference: str, platform: str | None, say: Say) -> Image:
        """Fetches an image from its registry; ``say`` gets progress as lines. ``platform``: like linux/arm64."""
        what = f"pulling {reference}"
        name, tag = _split(reference)
        with self.asking(what):
            for event in self.api.pull(name, tag=tag, stream=True, decode=True, platform=platform):
                if "error" in event:
                    raise failures.refused(0, str(event["error"]), what)
                line = _progress(event)
                if line:
                    say(line)
        image = self.image(reference)
        if image is None:
            raise failures.refused(0, f"it was pulled, but {self.address.shown} does not have it", what)
        return image

    def build(self, request: ImageRequest, say: Say) -> Image:
        """Builds an image; ``say`` gets what the builder tells. Raises EnvironmentFailure naming the step."""
        return building.build(self, request, say)

    def credentials(self, registry: str) -> tuple[str, str]:
        """User and password of the caller for a registry's host, of Docker's configuration and its helpers.

        Both are empty when there are none. A token has no user.
        """
        from docker import auth

        if registry.endswith(f".{auth.INDEX_NAME}"):
            registry = auth.INDEX_NAME  # its images are at another host than its logins
        found = auth.load_config(credstore_env=self.api.credstore_env).resolve_authconfig(registry) or {}
        known = {name.lower(): str(value) for name, value in found.items() if value}
        if token := known.get("identitytoken"):
            return "", token
        return known.get("username", ""), known.get("password", "")

    def tag(self, image: str, name: str) -> None:
        """Gives an image, by its id or a name, another name."""
        repository, tag = _split(name)
        with self.asking(f"naming an image {name}"):
            self.api.tag(image, repository, tag, force=True)

    def remove_image(self, name_or_id: str) -> None:
        """Removes an image by its id with all its names, or one name. One that is not there is no error."""
        import docker.errors

        with self.asking(f"removing the image {name_or_id}"), contextlib.suppress(docker.errors.NotFound):
            self.api.remove_image(name_or_id, force=True)

    def run_once(
        self,
        image_id: str,
        argv: Sequence[str],
        *,
        user: str,
        timeout: float,
        files: Mapping[str, bytes] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Completed:
        """Runs a short program in an image, without a network and without the image's entrypoint.

        ``files``: by absolute path, what is put into the container first, readable by all. ``timeout`` is in
        seconds. The container is removed whatever happens. Raises EngineFailure, also for a program that cannot
        be started or does not end in time.
        """
        what = f"running {argv[0]} in the image {image_id}"
        with self.asking(what):
            container = self.api.create_container_from_config(_short_lived(image_id, argv, user, labels or {}))
        try:
            with self.asking(what):
                if files:
                    self.api.put_archive(container["Id"], "/", _archive(files))
                self.api.start(container["Id"])
            code = self._wait(container["Id"], timeout, what)
            with self.asking(what):
                out, err = (
                    self.api.logs(container["Id"], stdout=stream == 1, stderr=stream == 2) for stream in (1, 2)
                )
            return Completed(code, out, err)
        finally:
            self.remove_container(container["Id"])

    def _wait(self, container: str, timeout: float, what: str) -> int:
        import requests.exceptions

        with self.asking(what):
            try:
                return int(self.api.wait(container, timeout=timeout)["StatusCode"])
            except (requests.exceptions.ReadTimeout, requests.exceptions.ConnectionError) as error:
                if "timed out" not in str(error).lower():
                    raise
        raise failures.refused(0, f"it had not ended after {timeout:g} s", what)

    def containers(self, label: str) -> tuple[ContainerFound, ...]:
        """The containers, running or not, with a label: ``name`` or ``name=value``."""
        with self.asking("listing containers"):
            found = self.api.containers(all=True, filters={"label": [label]})
        return tuple(
            ContainerFound(
                id=one["Id"],
                name=(one.get("Names") or [""])[0].lstrip("/"),
                image=one.get("ImageID") or one.get("Image") or "",
                labels=one.get("Labels") or {},
                state=one.get("State") or "",
                created=float(one.get("Created") or 0),
            )
            for one in found
        )

    def remove_container(self, name_or_id: str) -> None:
        """Ends a container and removes it with its anonymous volumes. One that is not there is no error."""
        import docker.errors

        with self.asking(f"removing the container {name_or_id}"):
            try:
                self.api.remove_container(name_or_id, force=True, v=True)
            except docker.errors.NotFound:
                pass
            except docker.errors.APIError as error:
                if error.status_code != 409:  # somebody else removes it at this moment
                    raise


def _open(address: Address) -> Any:
    """A client that has asked nothing yet."""
    import docker
    import docker.errors

    tls: Any = False
    if address.tls is not None:
        certificates = address.tls
        try:
            tls = docker.TLSConfig(
                client_cert=(str(certificates.certificate), str(certificates.key)),
                ca_cert=str(certificates.authority),
                verify=certificates.verify,
            )
        except docker.errors.TLSParameterError as error:
            raise EngineFailure(
                f"the container engine at {address.shown} cannot be reached by TLS",
                why=f"{certificates.certificate.parent} has to have ca.pem, cert.pem and key.pem",
                hint="export DOCKER_CERT_PATH=DIRECTORY    (with the three files)",
            ) from error
    try:
        return docker.APIClient(
            address.url,
            version="1.24",
            tls=tls,
            timeout=_PATIENCE_SECONDS,
            use_ssh_client=True,
        )
    except docker.errors.DockerException as error:
        raise failures.unreachable(error, address) from error


def _first_failure(error: Exception, address: Address) -> EngineFailure:
    import docker.errors

    if isinstance(error, docker.errors.APIError):
        return failures.refused(
            error.status_code or 0, str(error.explanation or error), "asking what the engine is"
        )
    return failures.unreachable(error, address)


def _about(version: Mapping[str, Any], info: Mapping[str, Any], address: Address) -> About:
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
        has_init="docker-init" in names,
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


def _image(found: Mapping[str, Any]) -> Image:
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


def _split(reference: str) -> tuple[str, str]:
    """A repository, and the tag or digest in it; ``latest`` when none is named."""
    name, at, digest = reference.partition("@")
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = name, "latest"
    return (repository, digest) if at else (repository, tag)


def _plain(reference: str) -> str:
    """A reference as every engine takes it: beside a digest the tag counts for nothing."""
    return "@".join(_split(reference)) if "@" in reference else reference


def _progress(event: Mapping[str, Any]) -> bytes:
    """A line of a pull; none for the progress bars of single layers."""
    if event.get("progressDetail"):
        return b""
    status = str(event.get("status") or event.get("stream") or "").strip()
    return f"{event.get('id') or ''}: {status}\n".lstrip(": ").encode() if status else b""


def _short_lived(image: str, argv: Sequence[str], user: str, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "Image": image,
        "Entrypoint": [argv[0]],
        "Cmd": list(argv[1:]),
        "User": user,
        "WorkingDir": "/",
        "NetworkDisabled": True,
        "Labels": dict(labels),
        "HostConfig": {"NetworkMode": "none", "LogConfig": {"Type": "json-file"}},
    }


def _archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
