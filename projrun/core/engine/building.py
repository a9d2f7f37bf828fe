"""An image from its request, by the classic endpoint that every engine has."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from projrun.core.engine import failures
from projrun.core.engine.model import Image, ImageRequest

if TYPE_CHECKING:
    from projrun.core.engine.client import Engine


def build(engine: Engine, request: ImageRequest, say: Callable[[bytes], None]) -> Image:
    """Builds an image; ``say`` gets what the builder tells. Raises EngineFailure."""
    what = f"building the image {request.tag}"
    with engine.asking(what), request.context.open("rb") as context:
        events = engine.api.build(
            fileobj=context,
            custom_context=True,
            dockerfile=request.dockerfile,
            tag=request.tag,
            target=request.target,
            buildargs=dict(request.arguments),
            platform=request.platform,
            network_mode=request.network,
            labels=dict(request.labels),
            nocache=request.fresh,
            rm=True,
            forcerm=True,
            decode=True,
        )
        for event in events:
            if "error" in event:
                raise failures.refused(0, str(event["error"]), what)
            say(str(event.get("stream") or event.get("status") or "").encode())
    image = engine.image(request.tag)
    if image is None:
        raise failures.refused(0, "it was built, but the engine does not have it", what)
    return image
