"""An image from its request: by BuildKit where the engine has it, by the classic builder where not.

``POST /build`` of https://docs.docker.com/reference/api/engine/ with the context as its body. BuildKit takes the
same call (builder/builder-next/builder.go in moby/moby); it asks back over a session meanwhile.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from projrun.core.disguises import forms
from projrun.core.engine import failures, trace
from projrun.core.engine.build_failures import Failed, explained
from projrun.core.engine.model import Image, ImageRequest
from projrun.core.engine.session import Session, answers
from projrun.core.errors import EnvironmentFailure

if TYPE_CHECKING:
    from projrun.core.engine.client import Engine, Say

_MASK = b"***"
_WORTH_A_MASK = 8  # characters in a line of a secret of several lines; "}" alone is none


def build(engine: Engine, request: ImageRequest, say: Say) -> Image:
    """Builds an image; ``say`` gets what the builder tells, as lines and without the values of secrets.

    Raises EnvironmentFailure that names the step, and EngineFailure when it is not the step's. A build whose
    caller goes away (an interrupt, kill -9) is ended by the engine.
    """
    if request.secrets and not engine.about.buildkit:
        raise EnvironmentFailure(
            "this engine cannot give secrets to a build",
            why=f"{engine.about.name} {engine.about.version} builds without BuildKit here, and the build takes "
            f"{', '.join(sorted(request.secrets))}",
            hint="use a Docker Engine with BuildKit (unset DOCKER_BUILDKIT), or take docker: secrets away",
        )
    with engine.asking(f"building the image {request.tag}"):
        made = _Build(engine, request, say).run()
    image = engine.image(made)
    if image is None:
        raise failures.refused(0, "it was built, but the engine does not have it", f"building {request.tag}")
    _check_platform(request, image)
    return image


def _check_platform(request: ImageRequest, image: Image) -> None:
    """The classic builder may take a base of another platform than it was asked for, and say nothing."""
    wanted = (request.platform or image.platform).split("/")
    if image.platform.split("/")[: len(wanted)][:2] != wanted[:2]:
        raise EnvironmentFailure(
            f"the image was built for {image.platform} and not for {request.platform}",
            why="The engine has the base image for that platform alone, and took it.",
            hint=f"docker pull --platform {request.platform} BASE    (then again), or name no platform",
        )


class _Build:
    """One build: what it told, and how it ended."""

    def __init__(self, engine: Engine, request: ImageRequest, say: Say) -> None:
        self._engine = engine
        self._request = request
        self._secrets = _masked_forms(request.secrets)
        self._steps = trace.BuildKitLines(say, self._mask)
        self._classic = trace.ClassicLines(say)
        self._image = ""

    def run(self) -> str:
        """The id of the image."""
        with contextlib.ExitStack() as stack:
            parameters = _parameters(self._request)
            if self._engine.about.buildkit:
                given = answers(self._request.secrets, self._engine.credentials)
                session = stack.enter_context(Session(self._engine, given))
                parameters |= {"version": "2", "session": session.id, "buildid": session.id}
            response = stack.enter_context(contextlib.closing(self._post(parameters)))
            if response.status_code >= 400:
                raise self._failure(_message_of(response))
            for line in trace.messages(response.iter_content(None)):
                self._take(_json(line))
        if not self._image:
            raise failures.gone("its answer ended before the build did", self._engine.address)
        return self._image

    def _post(self, parameters: Mapping[str, str]) -> Any:
        api = self._engine.api
        headers = {"Content-Type": "application/x-tar"}
        api._set_auth_headers(headers)  # for the classic builder, which cannot ask back
        with self._request.context.open("rb") as context:
            return api.post(
                api._url("/build"), params=parameters, data=context, headers=headers, stream=True, timeout=None
            )

    def _take(self, message: Mapping[str, Any]) -> None:
        if "error" in message:
            raise self._failure(str(message["error"]))
        if "aux" not in message:
            self._classic.take(message)
        elif message.get("id") == "moby.buildkit.trace":
            with contextlib.suppress(ValueError):
                self._steps.take(base64.b64decode(str(message["aux"])))
        elif isinstance(message["aux"], dict) and "ID" in message["aux"]:
            digest = str(message["aux"]["ID"])
            self._image = digest if ":" in digest else f"sha256:{digest}"  # Podman leaves the algorithm out

    def _failure(self, message: str) -> EnvironmentFailure:
        failed = self._steps.failed
        step = failed.name if failed else self._classic.step
        tail = self._steps.tail if failed else list(self._classic.tail)
        return explained(Failed(self._text(message), self._text(step), tuple(tail)), self._request)

    def _mask(self, line: bytes) -> bytes:
        for secret in self._secrets:
            line = line.replace(secret, _MASK)
        return line

    def _text(self, text: str) -> str:
        return self._mask(text.encode("utf-8", "replace")).decode(errors="replace")


def _parameters(request: ImageRequest) -> dict[str, str]:
    given = {
        "version": "1",
        "t": request.tag,
        "dockerfile": request.dockerfile,
        "target": request.target or "",
        "platform": request.platform or "",
        "networkmode": request.network,
        "buildargs": json.dumps(dict(request.arguments)),
        "labels": json.dumps(dict(request.labels)),
        "nocache": "1" if request.fresh else "",
        "rm": "1",
        "forcerm": "1",
    }
    return {name: value for name, value in given.items() if value}


def _masked_forms(secrets: Mapping[str, str]) -> list[bytes]:
    """What stands for a secret in a line of output, the longest first: it or each of its lines, encoded or not."""
    found: set[str] = set()
    for value in secrets.values():
        lines = value.strip().splitlines()
        found |= {line.strip() for line in lines if len(lines) == 1 or len(line.strip()) >= _WORTH_A_MASK}
        found |= {form for form in forms(value) if "\n" not in form}
    return sorted((form.encode("utf-8", "surrogateescape") for form in found if form), key=len, reverse=True)


def _json(line: bytes) -> Mapping[str, Any]:
    """A message; one that is none counts for output."""
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    return message if isinstance(message, dict) else {"stream": f"{line.decode(errors='replace').strip()}\n"}


def _message_of(response: Any) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return str(response.text)
