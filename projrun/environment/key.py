"""The environment key: a digest of all that goes into an environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from projrun.core.hashing import sha256_bytes, sha256_value
from projrun.environment.model import ImagePlan, Interpreter

_FORMAT = 1


def inputs_of_lock(
    interpreter: Interpreter,
    lock_text: str,
    builder: str,
    source_distributions: Sequence[str],
    **chosen: Sequence[str] | None,
) -> Mapping[str, Any]:
    """The document of an environment built from a lock. It names no path and no address.

    ``chosen`` are the ``extras`` and ``groups`` of the spec; None when it does not say.
    """
    sets = {kind: sorted(names) for kind, names in chosen.items() if names is not None}
    return {
        "format": _FORMAT,
        "kind": "lock",
        "builder": builder,
        "options": {"only_wheels": True, "source_distributions": sorted(source_distributions)},
        "lock": {"sha256": sha256_bytes(lock_text.encode()), **sets},
        **_interpreter(interpreter),
    }


def inputs_of_system(interpreter: Interpreter) -> Mapping[str, Any]:
    """The document of the caller's own interpreter, which says nothing of what is installed there."""
    return {"format": _FORMAT, "kind": "system", **_interpreter(interpreter)}


def inputs_of_image(image: ImagePlan) -> Mapping[str, Any]:
    """The document of an image that is built, or of one that exists already. It names no place on this machine.

    The network of the build is in it when the specification chooses one.
    """
    if image.reference is not None:
        digest = image.bases[0].digest
        return {"format": _FORMAT, "kind": "docker", "image": {"digest": digest}, "platform": image.platform}
    network = image.spec.build_network
    return {
        "format": _FORMAT,
        "kind": "docker",
        **({} if network == "default" else {"network": network}),
        "dockerfile": {"sha256": sha256_bytes((image.dockerfile or "").encode()), "target": image.spec.target},
        "context": {"sha256": image.context},
        "arguments": dict(image.arguments),
        "secrets": sorted(image.spec.secrets),
        "bases": {base.reference: base.digest for base in image.bases},
        "platform": image.platform,
    }


def key_of(inputs: Mapping[str, Any]) -> str:
    return sha256_value(inputs)


def _interpreter(interpreter: Interpreter) -> dict[str, Any]:
    return {
        "interpreter": {
            "implementation": interpreter.implementation,
            "version": interpreter.version,
            "soabi": interpreter.soabi,
        },
        "platform": {
            "name": interpreter.platform,
            "machine": interpreter.markers.get("platform_machine", ""),
        },
    }
