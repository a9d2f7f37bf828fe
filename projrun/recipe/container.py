"""What a program ran in, as a part of its recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from projrun.core.values import as_dict
from projrun.environment.model import BuiltImage, Container, EnvironmentPlan, ImagePlan
from projrun.recipe.model import RecipeParts
from projrun.spec.model import DockerSpec


def container(parts: RecipeParts) -> dict[str, Any] | None:
    """The image, what it is made from and what is inside, and how it was run. None when there was no container."""
    plan, built = parts.environment.plan, parts.environment.image
    if built is None or plan.image is None or parts.request.container is None:
        return None
    declared = parts.declared.docker or DockerSpec()
    return {
        "engine": built.engine,
        "image": _image(built, plan.image),
        "build": _build(parts, plan, declared),
        "bases": [as_dict(base) for base in plan.image.bases],
        "python": built.python,
        "packages": [as_dict(package) for package in built.packages],
        "configuration": _configuration(parts.request.container, declared),
    }


def _image(built: BuiltImage, plan: ImagePlan) -> dict[str, Any]:
    image = built.image
    return {
        "id": image.id,
        "reference": plan.reference,
        "digests": list(image.digests),
        "platform": image.platform,
        "size": image.size,
        "entrypoint": list(image.entrypoint),
    }


def _build(parts: RecipeParts, plan: EnvironmentPlan, declared: DockerSpec) -> dict[str, Any] | None:
    """What it was built from; None for an image that was there."""
    image = plan.image
    if image is None or image.reference is not None:
        return None
    return {
        "file": declared.file,
        "dockerfile": image.dockerfile,
        "context": {"path": declared.context, "sha256": image.context},
        "target": declared.target,
        "arguments": dict(image.arguments),
        "secrets": list(declared.secrets),
        "network": declared.build_network,
        "log": as_dict(parts.build_log) if parts.build_log else None,
    }


def _configuration(container: Container, declared: DockerSpec) -> Mapping[str, Any]:
    """How the container was run. Mounts are the declared ones: the project's own are the same for every run."""
    gpus = container.gpus
    return {
        "user": container.user,
        "network": container.network,
        "memory": container.memory,
        "cpus": container.cpus,
        "shm_size": container.shm_size,
        "gpus": list(gpus) if isinstance(gpus, tuple) else gpus,
        "platform": container.platform,
        "mounts": [as_dict(mount) for mount in declared.mounts],
    }
