"""Why there is no program in a container: from the words of the engine, its runtime or the init process inside.

They tell it in different ways and say little; a look into the container says the rest.
"""

from __future__ import annotations

import base64
import json
import posixpath
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from projrun.core.engine import address, failures, http

CANNOT_EXECUTE, NOT_FOUND = 126, 127

# runc and crun: exec: "name": reason; exec name: reason. tini: exec name failed: reason. catatonit: its own way.
_PROGRAM = (
    re.compile(r'exec: "(?P<name>[^"]+)": (?:stat [^:]+: )?(?P<why>[^:]+)'),
    re.compile(r"\] exec (?P<name>.+) failed: (?P<why>.+)$"),
    re.compile(r"exec (?P<name>/[^:]+): (?P<why>[^:]+)"),
    re.compile(r"exec(?:utable file)? `(?P<name>[^`]+)`(?P<why> not found in \$PATH|: .+)"),
    re.compile(r"catatonit(?P<name>).*failed to exec pid1: (?P<why>.+)$"),
)
_DIRECTORY = re.compile(
    r"cannot mkdir|mkdir [^:]+: not a directory|lstat [^:]+: not a directory|chdir to cwd|working directory", re.I
)
_INIT = re.compile(r"docker-init|container-init|catatonit", re.I)
_OWNER = re.compile(r"mount option.*\buid=", re.I)
_MISSING_SOURCE = re.compile(r"(?:bind source path does not exist|statfs|lstat|stat):? (?P<path>/[^:]+)", re.I)
# What the engine says of something asked for -> the key of docker that asks for it, and what to do.
_ASKED = (
    (re.compile(r"memory limit", re.I), "memory", "ask for more"),
    (re.compile(r"range of cpus", re.I), "cpus", "ask for less"),
    (re.compile(r"device driver|nvidia|gpu", re.I), "gpus", "GPUs need the NVIDIA container toolkit there"),
    (re.compile(r"find (user|group)|matching entries in", re.I), "user", 'or by number, user: "UID:GID"'),
    (re.compile(r"network .*not found|(find|such) network", re.I), "network", "docker network ls names them"),
)
# Go's os.FileMode
_IS_DIRECTORY, _IS_LINK, _EXECUTABLE = 1 << 31, 1 << 27, 0o111


class Inside(NamedTuple):
    """What a program was looked for with: the words after one another, in this directory, on this path."""

    words: list[str]
    directory: str
    path: str
    mode: Callable[[str], int | None]


def simpler(message: str, host: dict[str, Any]) -> dict[str, Any] | None:
    """What to ask for instead of what was refused, if a program can do with less; None if that is not why."""
    if host["Init"] and _INIT.search(message):
        return {**host, "Init": False}
    if _OWNER.search(message) and any("uid=" in options for options in host["Tmpfs"].values()):
        # Podman (4.3) gives such a home no owner: one that all may write to will do, with one user in there.
        return {**host, "Tmpfs": dict.fromkeys(host["Tmpfs"], "exec,mode=1777")}
    return None


def reason(message: str, inside: Inside) -> tuple[int, str] | None:
    """The exit code (126, 127) and the reason in a line, if it is the program's or its directory's fault."""
    for pattern in _PROGRAM:
        found = pattern.search(message)
        if found and "too long" in found["why"]:
            reason = "longer than the system allows (put large values into a file)"
            return CANNOT_EXECUTE, f"the arguments of {inside.words[0]} are {reason}"
        if found:
            return _of_program(found["name"] or inside.words[0], found["why"].strip(" :"), inside)
    if _DIRECTORY.search(message):
        return CANNOT_EXECUTE, f"cannot work in the directory {inside.directory}: it is none, or cannot be entered"
    return None


def engine_failure(error: Exception, *, answered: bool, what: str) -> str:
    """What went wrong with the engine itself, in a line. ``answered``: it did before."""
    place = address.find()
    if isinstance(error, http.Refused):
        missing = _MISSING_SOURCE.search(str(error))
        if missing and error.status < 500 and "mount" in str(error):
            where = "" if place.scheme == "unix" else f" where the engine runs ({place.shown})"
            return f"{missing['path']} is to be mounted into the container, but does not exist{where}"
        for pattern, key, advice in _ASKED:
            if pattern.search(str(error)):
                return f"the engine refuses docker.{key}: {error} (change it in ProjectSpec.yaml; {advice})"
        failure = failures.refused(error.status, str(error), what)
    else:
        failure = failures.gone(error, place) if answered else failures.unreachable(error, place)
    return f"{failure.what}: {failure.brief}"


def mode(place: http.Place, container: str, path: str) -> int | None:
    """The mode of a file in a container, as Go has it; of what a link leads to. None when there is none."""
    from urllib.parse import quote

    for _ in range(2):
        fields = http.described(place, f"/containers/{container}/archive?path={quote(path)}", timeout=30.0)
        if fields is None or "x-docker-container-path-stat" not in fields:
            return None
        stat: dict[str, Any] = json.loads(base64.b64decode(fields["x-docker-container-path-stat"]))
        if not stat["mode"] & _IS_LINK or not stat.get("linkTarget"):
            break
        path = stat["linkTarget"]
    return int(stat["mode"])


def _of_program(name: str, why: str, inside: Inside) -> tuple[int, str]:
    if "/" in name:
        file = posixpath.join(inside.directory, name)
        found = inside.mode(file)
        if found is None:
            return NOT_FOUND, f"{file} does not exist"
        return CANNOT_EXECUTE, _of_file(file, name, found, why)
    for folder in inside.path.split(":"):
        file = posixpath.join(inside.directory, folder, name)
        found = inside.mode(file)
        if found is not None:
            return CANNOT_EXECUTE, _of_file(file, name, found, why)
    return NOT_FOUND, f"{name} was not found on the environment's PATH"


def _of_file(file: str, name: str, found: int, why: str) -> str:
    if found & _IS_DIRECTORY:
        return f"{file} is a directory"
    if not found & _EXECUTABLE:
        return f"{file} is not executable (chmod +x makes it so)"
    reason = why.lower()
    if "exec format" in reason:
        return f"{name} is not a program of this system, and as a script it lacks a first line such as #!/bin/sh"
    if "no such file" in reason or "not found" in reason:
        return f"{name} is there, but the interpreter that it names (its #! line, or its loader) is not"
    return f"{name} cannot be executed: {why}"
