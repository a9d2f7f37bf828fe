"""What an MLproject file says of its environment: an image, a file of conda or of packages, or nothing."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from projrun.core.regex import regex
from projrun.core.yaml_events import Node
from projrun.spec import mlproject_conda
from projrun.spec.mlproject_notes import Notes, Unreadable

KEYS = ("docker_env", "python_env", "conda_env")
_DOCKER_KEYS = ("image", "volumes", "environment")
# What MLflow looks for when the file names none.
_DEFAULTS = {"python_env": "python_env.yaml", "conda_env": "conda.yaml"}

# What MLflow hands to every program, for those that log to a server of their own.
_TRACKING = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID")
_VARIABLE = regex(r"\$\{{0,2}([A-Z][A-Z0-9_]*)")
_OWN = regex(r"PYTHON.*|PATH|HOME|PWD|OLDPWD|RANDOM|SECONDS|LINENO|SHELL|USER|TMPDIR|LANG|BASH.*|IFS")
_SECRET = regex(r"SECRET|TOKEN|PASSW|CREDENTIAL|_KEY\b|APIKEY", re.IGNORECASE)
_NAME = regex(r"[A-Za-z_][A-Za-z0-9_]*")
_IMAGE = regex(r"(?![-./])(?!.*//)[^\s@]+(@sha256:[0-9a-f]{64})?")
_MOUNT = regex(r"(?P<source>[^:]+):(?P<target>/[^:]*)(?::(?P<mode>[^:]*))?")


def read(keys: Mapping[str, tuple[Node, Node]], commands: Sequence[str], notes: Notes) -> dict[str, Any]:
    """The environment as a specification has it; ``keys`` are those of the file, ``commands`` what it runs."""
    given = [key for key in KEYS if key in keys]
    if len(given) > 1:
        notes.refuse(keys[given[1]][0], f"{given[0]!r} is there too: a project has one environment", "keep one")
        return {"system": True}
    inherited = _inherited(commands)
    for key in given:
        node = keys[key][1]
        if not node.value:
            continue  # as if it was not there
        if key == "docker_env":
            return _image(node, inherited, notes)
        return {**_of_file(key, node, notes), "inherit": inherited}
    for key, name in _DEFAULTS.items():
        if (data := notes.read(name)) is not None:
            return {**_converted(key, name, data, notes), "inherit": inherited}
    return {"system": True, "inherit": inherited}


def _inherited(commands: Sequence[str]) -> list[str]:
    named = (found[1] for command in commands for found in _VARIABLE.finditer(command))
    wanted = (name for name in named if not _OWN.fullmatch(name) and not _SECRET.search(name))
    return list(dict.fromkeys((*_TRACKING, *wanted)))


def _of_file(key: str, node: Node, notes: Notes) -> dict[str, Any]:
    if node.kind != "scalar" or not isinstance(node.value, str):
        notes.refuse(node, f"{key!r} is the path of a file", f"{key}: {_DEFAULTS[key]}")
        return {"system": True}
    relative = posixpath.normpath(node.value)
    data = notes.read(relative)
    if data is None:
        notes.refuse(node, f"there is no file {node.value!r}", f"write it, or take {key} out")
        return {"system": True}
    return _converted(key, relative, data, notes)


def _converted(key: str, relative: str, data: bytes, notes: Notes) -> dict[str, Any]:
    try:
        root = notes.document(relative, data)
    except Unreadable:
        return {"system": True}
    return mlproject_conda.Conversion(relative, notes.inside(relative)).read(root, conda=key == "conda_env")


def _image(node: Node, inherited: list[str], notes: Notes) -> dict[str, Any]:
    if node.kind != "mapping":
        notes.refuse(node, "'docker_env' is a mapping", "docker_env: {image: NAME}")
        return {"system": True}
    keys = notes.entries(node, _DOCKER_KEYS, "docker_env")
    image = keys["image"][1] if "image" in keys else node
    if not isinstance(image.value, str) or not _IMAGE.fullmatch(image.value):
        notes.refuse(image, "'docker_env' needs the name of an image", "docker_env: {image: NAME:TAG}")
        return {"system": True}
    docker: dict[str, Any] = {"image": image.value}
    if "volumes" in keys and (mounts := _mounts(keys["volumes"][1], notes)):
        docker["mounts"] = mounts
    environment: dict[str, Any] = {"docker": docker, "inherit": inherited}
    if "environment" in keys:
        _variables(keys["environment"][1], environment, notes)
    return environment


def _mounts(node: Node, notes: Notes) -> list[dict[str, Any]]:
    if not node.value:
        return []
    found = []
    for item in node.value if node.kind == "sequence" else (node,):
        told = _MOUNT.fullmatch(item.value) if isinstance(item.value, str) else None
        if told is None or not told["source"].startswith(("/", "~", ".")):
            notes.refuse(
                item, "a volume is a path of this machine, ':', and one in the container", '"/data:/data:ro"'
            )
            continue
        found.append(
            {"source": told["source"], "target": told["target"], "writable": "ro" not in (told["mode"] or "")}
        )
    return found


def _variables(node: Node, environment: dict[str, Any], notes: Notes) -> None:
    """Adds what the program in a container is given: names that are passed on, pairs that are set."""
    if not node.value:
        return
    for item in node.value if node.kind == "sequence" else (node,):
        words = item.plain()
        if isinstance(words, str) and node.kind == "sequence" and _NAME.fullmatch(words):
            key = "secrets" if _SECRET.search(words) else "inherit"
            environment[key] = [*dict.fromkeys((*environment.get(key, ()), words))]
        elif isinstance(words, list) and len(words) == 2 and _NAME.fullmatch(str(words[0])):
            environment.setdefault("variables", {})[str(words[0])] = str(words[1])
        else:
            notes.refuse(
                item, "a variable is a name, or a list of a name and a value", '["NAME", ["NAME", "value"]]'
            )
    for name in environment.get("variables", ()):
        for key in ("inherit", "secrets"):
            environment[key] = [one for one in environment.get(key, ()) if one != name]
