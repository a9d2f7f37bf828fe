"""A specification as frozen values, whichever file it was read from.

The meaning of every key is in schemas/project-spec.v1.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from projrun.core.errors import Problem
from projrun.core.values import Struct, field

SPEC_NAME = "ProjectSpec.yaml"

# What MLflow calls the file that says the same, in letters of any case.
MLPROJECT_NAME = "MLproject"

# The environment that an entry point runs in when it names none.
DEFAULT_ENVIRONMENT = "default"

# Stands before the name of declared data wherever a path may be written.
COMMAND_LINE = "command line"  # where a parameter comes from that was typed
DATA_PREFIX = "data:"

# Placeholders that projrun fills itself; no parameter may take their names.
BUILTIN_PLACEHOLDERS = ("params", "seed", "params_file", "run_dir")


def is_specification(name: str) -> bool:
    """Whether a file of this name is one that a specification is read from."""
    return name == SPEC_NAME or name.lower() == MLPROJECT_NAME.lower()


class Value(Struct, frozen=True):
    """A value of a declared type: the text the program gets, and what the text means.

    ``raw`` is the exact text (for a list: one text for each item); ``value`` is a JSON value: a number for
    ``int`` and ``float`` (one that JSON cannot hold, such as 1e400, is its text), bool, str, or list.
    """

    raw: str | tuple[str, ...]
    value: Any


class Parameter(Struct, frozen=True):
    """A declared parameter. ``default`` None means required. ``constraints`` are JSON Schema's own words.

    The value of a ``secret`` one is kept nowhere. Not ``checked``: what the type does not take is passed on as the
    text that it is. ``absolute``: a path, which must be there, perhaps outside of the project; the program gets it
    from the root. ``appended``: declared nowhere, and put after the command.
    """

    name: str
    type: str
    default: Value | None = None
    items: str = "str"
    flag: str | None = None
    help: str = ""
    constraints: Mapping[str, Any] = field(default_factory=dict)
    secret: bool = False
    checked: bool = True
    absolute: bool = False
    appended: bool = False


class BoundParameter(Struct, frozen=True):
    """A parameter with its value for one run. ``origin``: ``default``, ``command line``, ``file: NAME`` or
    ``variable: NAME``.

    ``data`` names the declared input that the value ``data:NAME`` referred to; ``value`` then holds its path.
    """

    parameter: Parameter
    value: Value
    origin: str
    data: str | None = None


class Command(Struct, frozen=True):
    """A command template: the words of argv, or one text for the shell, with placeholders not yet filled.

    ``format``: the text for the shell, which is bash then, is a format string of Python (PEP 3101).
    """

    words: tuple[str, ...]
    text: str
    shell: bool = False
    format: bool = False


class Tolerance(Struct, frozen=True):
    """How far two numbers may be apart and still count as the same: keeping one of the two bounds will do.

    ``relative`` is a part of the first number.
    """

    absolute: float = 0.0
    relative: float = 0.0


class EntryPoint(Struct, frozen=True):
    """What can be run. ``timeout`` is in seconds; paths are relative to the project with forward slashes.

    ``environment`` is the name of the one it asks for; ``tolerance`` is by the dotted names of metrics.
    ``seeding`` names what is seeded when the program imports it: ``python``, ``numpy``, ``torch``. ``appends``: a
    value for a name that is not declared is put after the command.
    """

    name: str
    command: Command
    help: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    timeout: float | None = None
    environment: str | None = None
    tolerance: Mapping[str, Tolerance] = field(default_factory=dict)
    seeding: tuple[str, ...] = ()
    appends: bool = False

    @property
    def products(self) -> tuple[str, ...]:
        """The paths that it declares to write."""
        return (*self.outputs, *self.metrics)


class DockerMount(Struct, frozen=True):
    """A file or directory from outside: ``source`` (relative ones to the project) is seen at ``target``."""

    source: str
    target: str
    writable: bool = False


class DockerSpec(Struct, frozen=True):
    """A declared container: of an image that is built from ``file``, or of ``image``. One of them is None.

    ``file`` and ``context`` are paths relative to the project. ``secrets`` names variables of the caller that the
    build gets. The others are how a program runs: ``memory`` and ``shm_size`` in bytes, ``cpus`` in processors,
    ``gpus`` ``all``, how many, or their names; None: as the engine has it. ``products`` are what the project's
    entry points declare to write, which no image is built from.
    """

    file: str | None = None
    image: str | None = None
    context: str = "."
    target: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    platform: str | None = None
    build_network: str = "default"
    gpus: str | int | tuple[str, ...] | None = None
    network: str | None = None
    memory: int | None = None
    cpus: float | None = None
    shm_size: int | None = None
    mounts: tuple[DockerMount, ...] = ()
    user: str | None = None
    products: tuple[str, ...] = ()


class EnvironmentSpec(Struct, frozen=True):
    """A declared environment: a lock (or requirements), a Dockerfile or image, or the caller's interpreter.

    ``python`` is a series ("3.11"), an exact version ("3.11.7"), one "or nearest", or a range (">=3.10"). ``lock``
    and ``requirements`` are paths relative to the project; ``packages`` are requirements themselves.
    ``extras`` and ``groups`` are those of a pyproject.toml or pylock.toml, None when the spec does not say.
    ``source_distributions`` names the packages that may be built from source. Values of ``secrets`` are never kept
    anywhere.
    """

    name: str = DEFAULT_ENVIRONMENT
    python: str | None = None
    lock: str | None = None
    requirements: str | None = None
    packages: tuple[str, ...] = ()
    extras: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    builder: str = "uv"
    source_distributions: tuple[str, ...] = ()
    system: bool = False
    docker: DockerSpec | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    inherit: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    @property
    def has_terminals(self) -> bool:
        """Whether a program can find a terminal of ours there. A container has pipes: two streams stay two."""
        return self.docker is None

    @property
    def asks(self) -> bool:
        """Whether it says what is wanted, of which a lock can be compiled."""
        return self.requirements is not None or bool(self.packages)

    @property
    def compile_command(self) -> str:
        """What to type to compile the lock."""
        return "projrun lock" + (f" --environment {self.name}" if self.name != DEFAULT_ENVIRONMENT else "")

    @property
    def how_to_lock(self) -> str:
        """What to do to have a lock: the command, and before it what it needs in the project."""
        if self.asks:
            return self.compile_command
        return (
            "write what the programs import into requirements.in, add to the environment in ProjectSpec.yaml:"
            f" requirements: requirements.in, then type: {self.compile_command}"
        )


class DataEntry(Struct, frozen=True):
    """Declared data. ``sha256`` is the pin (lower-case hex), None when it is not pinned.

    ``keep``: every run that uses it keeps its bytes in the store. ``schema`` is the path of a JSON Schema.
    ``url`` is where the file comes from when it is not there; then it has a pin.
    """

    name: str
    path: str
    sha256: str | None = None
    keep: bool = False
    schema: str | None = None
    url: str | None = None


class ProjectSpec(Struct, frozen=True):
    """A whole specification. ``root`` is the project's directory, ``text`` its file ``file`` as it was read.

    ``environments`` are by name; the one under ``environment`` is called ``default``. ``strict``: every run is one
    for the record. ``scripts``: a ``.py`` or ``.sh`` file can be run that is no declared entry point. ``refused``
    are entry points that cannot be run, though others can, and why; ``warnings`` are what was read all the same.
    """

    root: Path
    text: str
    name: str
    environments: Mapping[str, EnvironmentSpec]
    data: Mapping[str, DataEntry]
    entry_points: Mapping[str, EntryPoint]
    strict: bool = False
    file: str = SPEC_NAME
    scripts: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()
