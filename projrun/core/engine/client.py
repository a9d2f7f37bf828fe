"""The container engine by its API: what it is, its images, its containers. The one place that knows ``docker``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import quote

from projrun.core.engine import address as addresses
from projrun.core.engine import description, failures, http
from projrun.core.engine.address import Address
from projrun.core.engine.model import About, Completed, ContainerFound, Image, ImageRequest
from projrun.core.errors import EngineFailure

Say = Callable[[bytes], None]

# An engine that says nothing for so long is not there. A pull or a build says something all the time.
_PATIENCE_SECONDS = 120
_NOT_FOUND, _CONFLICT = 404, 409
# Any that the package knows: nothing is asked by it.
_ANY_VERSION = "1.41"


def connect() -> Engine:
    """The engine that the caller's variables and Docker's configuration name. Raises EngineFailure."""
    return Engine(addresses.find())


class Engine:
    """An engine that answers. Everything here raises EngineFailure when it does not do what it was asked for.

    ``api`` is the ``docker.APIClient``; errors of calls to it become EngineFailure inside :meth:`asking`. What
    every run asks for goes without it: it takes longer to import than a run should wait.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._answered = False
        self._version = self._get("/version", "asking what the engine is")

    @cached_property
    def about(self) -> About:
        """What the engine says of itself."""
        return description.about(self._version, self._get("/info", "asking what the engine is"), self.address)

    @cached_property
    def api(self) -> Any:
        """The client of the package ``docker``, which has the logins of the caller."""
        return _open(self.address, str(self._version["ApiVersion"]))

    def _get(self, path: str, what: str) -> Any:
        try:
            found = _by_ssh(self.address, path) if self.address.scheme == "ssh" else self._directly(path)
        except http.Refused as error:
            if error.status == _NOT_FOUND and path.startswith("/images/"):
                return None
            raise failures.refused(error.status, str(error), what) from error
        except OSError as error:
            explain = failures.gone if self._answered else failures.unreachable
            raise explain(error, self.address) from error
        self._answered = True
        return found

    def _directly(self, path: str) -> Any:
        return http.ask(self.address.http, "GET", path, timeout=_PATIENCE_SECONDS)

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
        path = f"/images/{quote(_plain(reference), safe='/:@')}/json"
        found = self._get(path, f"looking at the image {reference}")
        return None if found is None else description.image(found)

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
        from projrun.core.engine import building

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
        labels: Mapping[str, str] | None = None,
    ) -> Completed:
        """Runs a short program in an image, without a network and without the image's entrypoint.

        ``timeout`` is in seconds. The container is removed whatever happens. Raises EngineFailure, also for a
        program that cannot be started or does not end in time.
        """
        what = f"running {argv[0]} in the image {image_id}"
        with self.asking(what):
            container = self.api.create_container_from_config(_short_lived(image_id, argv, user, labels or {}))
        try:
            with self.asking(what):
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
        return tuple(map(description.container, found))

    def remove_container(self, name_or_id: str) -> None:
        """Ends a container and removes it with its anonymous volumes. One that is not there is no error."""
        import docker.errors

        with self.asking(f"removing the container {name_or_id}"):
            try:
                self.api.remove_container(name_or_id, force=True, v=True)
            except docker.errors.NotFound:
                pass
            except docker.errors.APIError as error:
                if error.status_code != _CONFLICT:  # somebody else removes it at this moment
                    raise


def _by_ssh(address: Address, path: str) -> Any:
    """Asks an engine that is reached by ssh. Raises Refused, and OSError."""
    import docker.errors
    import requests
    import urllib3.exceptions

    client = _open(address, _ANY_VERSION)
    try:
        answer = client.get(f"{client.base_url}{path}", timeout=_PATIENCE_SECONDS)
    except (requests.RequestException, urllib3.exceptions.HTTPError, docker.errors.DockerException) as error:
        raise ConnectionError(str(error)) from error
    finally:
        client.close()
    if not answer.ok:
        raise http.Refused(answer.status_code, answer.text)
    return answer.json()


def _open(address: Address, version: str) -> Any:
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
            version=version,
            tls=tls,
            timeout=_PATIENCE_SECONDS,
            use_ssh_client=True,
        )
    except docker.errors.DockerException as error:
        raise failures.unreachable(error, address) from error


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
