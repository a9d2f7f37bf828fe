"""Environments as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from projrun.core.flags import Flag

# The code of a flag that tells of what no run could go on with.
REFUSED = "environment-refused"


@dataclass(frozen=True)
class Interpreter:
    """A Python found on this machine, described by itself.

    ``path`` is the base interpreter (never a virtual environment's); ``markers`` is its PEP 508 environment;
    ``soabi`` names the ABI of its extension modules, ``platform`` is ``sysconfig.get_platform()``. ``library`` is
    the libpython that it loads, None when it needs none.
    """

    path: Path
    version: str
    implementation: str
    soabi: str
    platform: str
    markers: Mapping[str, str]
    library: Path | None = None


@dataclass(frozen=True)
class Means:
    """What may be used to have an environment.

    ``cache`` is where environments, and whatever saves time, are kept. ``offline``: nothing asks the network; what
    was downloaded before will do. ``allow_download``: an interpreter that is missing may be downloaded.
    ``thorough``: a built environment is looked at file by file before it is used.
    """

    cache: Path
    offline: bool = False
    allow_download: bool = False
    thorough: bool = False


@dataclass(frozen=True)
class Distribution:
    """An installed distribution. ``sha256`` is the digest of its RECORD without what the installer added.

    ``archive`` is the SHA-256 of the archive it was installed from, "" when that is not known.
    """

    name: str
    version: str
    sha256: str
    archive: str = ""


@dataclass(frozen=True)
class EnvironmentPlan:
    """An environment that is known but perhaps not built.

    ``kind``: ``lock`` or ``system``. ``key`` is the digest of all that goes into it; ``inputs`` is that very
    document. ``lock_origin``: ``file``, ``resolved`` (from requirements, now or earlier) or None. ``reason``
    says why it must be built, or None when ``directory`` holds it, ready; ``flags`` then are the built one's too.
    ``compile_command`` is what to type to compile its lock again; ``extras`` and ``groups`` are the spec's, and
    ``declared`` is the Python version that it asks for, as it is written there.
    """

    kind: str
    key: str
    inputs: Mapping[str, Any]
    interpreter: Interpreter
    directory: Path | None
    builder: str | None = None
    lock_text: str | None = None
    lock_path: str | None = None
    lock_origin: str | None = None
    requirements_text: str | None = None
    source_distributions: tuple[str, ...] = ()
    reason: str | None = None
    flags: tuple[Flag, ...] = ()
    compile_command: str = ""
    extras: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    declared: str | None = None


@dataclass(frozen=True)
class Environment:
    """A ready environment. ``bin`` comes first on the child's PATH; ``reused`` tells whether it was there.

    ``in_process`` is the version that its own python told when it was asked in there. ``flags`` are those that its
    plan does not have.
    """

    plan: EnvironmentPlan
    bin: Path
    installed: tuple[Distribution, ...]
    reused: bool
    settings: Mapping[str, str] = field(default_factory=dict)
    in_process: str | None = None
    flags: tuple[Flag, ...] = ()
