"""How an environment that is an image is declared -> its frozen values, and what the schema cannot see in them."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from projrun.core.regex import regex
from projrun.spec.fault import Fault, Path
from projrun.spec.model import DockerMount, DockerSpec

_POWERS = ("", "k", "m", "g", "t")
_AMOUNT = regex(r"(\d+)([kmgt]?)i?b?")  # as Docker has it: powers of 1024, however it is spelled
# An engine's API has bytes, and billionths of a processor, as signed integers of 64 bits.
_MOST = 2**63 - 1
_BILLION = 10**9


def read(node: Mapping[str, Any]) -> DockerSpec:
    """What is declared, of a node that the schema finds right."""
    keys: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in node.items()}
    for key in ("memory", "shm_size"):
        if key in keys:
            keys[key] = _bytes(keys[key])
    keys["mounts"] = tuple(DockerMount(**mount) for mount in keys.get("mounts", ()))
    return DockerSpec(**keys)


def faults(spec: DockerSpec, place: Path) -> Iterator[Fault]:
    """What no engine can be told, or would not do; ``place`` is where it is declared."""
    for key, amount in (("memory", spec.memory), ("shm_size", spec.shm_size)):
        if amount is not None and amount > _MOST:
            yield Fault((*place, key), f"{key} is more than an engine can be told: at most {_MOST} bytes")
    if spec.cpus is not None and not (math.isfinite(spec.cpus) and spec.cpus * _BILLION <= _MOST):
        yield Fault((*place, "cpus"), f"'cpus' is a number of processors, found {spec.cpus}")
    seen: set[str] = set()
    for index, mount in enumerate(spec.mounts):
        if "\0" in mount.source + mount.target:
            yield Fault((*place, "mounts", index), "no path has a null character in it")
        target = posixpath.normpath("/" + mount.target.lstrip("/"))
        if target in seen:
            yield Fault((*place, "mounts", index, "target"), f"another mount is to be seen at {target} too")
        seen.add(target)


def _bytes(node: int | str) -> int:
    found = _AMOUNT.fullmatch(str(node).lower())
    assert found is not None, node  # the schema has seen it
    return int(found[1]) << _POWERS.index(found[2]) * 10
