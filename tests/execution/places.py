"""The places where a request can be executed; what holds in one has to hold in the other.

A test that takes the fixture ``place`` runs on this machine and in a container. The place's ``folder`` is seen
there under the same name, and may be written to.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from projrun.core.engine.model import RUN_LABEL
from projrun.core.values import Struct, replace
from projrun.environment.model import Container, Mount
from projrun.execution.model import Request
from tests.engine import Engine
from tests.execution import programs

_NUMBERS = itertools.count()


class Place(Protocol):
    """Somewhere to execute requests. ``contained`` tells whether it is a container."""

    @property
    def contained(self) -> bool: ...

    @property
    def folder(self) -> Path: ...

    def python(self, code: str, *words: str, **fields: Any) -> Request:
        """A request to run Python code there."""

    def request(self, argv: tuple[str, ...], cwd: str, variables: Mapping[str, str] | None = None) -> Request:
        """A request to run a program there."""

    def left(self) -> list[str]:
        """What is left of the requests that were executed there."""


class Here(Struct, frozen=True):
    """This machine."""

    folder: Path
    contained: bool = False

    def python(self, code: str, *words: str, **fields: Any) -> Request:
        return programs.python(code, *words, **fields)

    def request(self, argv: tuple[str, ...], cwd: str, variables: Mapping[str, str] | None = None) -> Request:
        return Request(argv, cwd, variables or {})

    def left(self) -> list[str]:
        return []


class Inside(Struct, frozen=True):
    """A container of an image with Python, as the user who runs the tests, that sees a folder of ours."""

    engine: Engine
    image: str
    folder: Path
    contained: bool = True

    def container(self, **fields: Any) -> Container:
        name = f"projrun-test-{os.getpid()}-{next(_NUMBERS)}"
        mount = Mount(str(self.folder), str(self.folder), writable=True)
        own = Container(
            image=self.image,
            name=name,
            lock=str(self.folder.parent / "locks" / name),
            mounts=(mount,),
            user=f"{os.getuid()}:{os.getgid()}",
            network="none",
            home="/projrun/home",
            labels={RUN_LABEL: name, self.label: ""},
        )
        return replace(own, **fields)

    def python(self, code: str, *words: str, **fields: Any) -> Request:
        container = fields.pop("container", None) or self.container()
        cwd = fields.pop("cwd", "/")
        return Request(argv=("python3", "-I", "-c", code, *words), cwd=cwd, container=container, **fields)

    def request(self, argv: tuple[str, ...], cwd: str, variables: Mapping[str, str] | None = None) -> Request:
        return Request(argv, cwd, variables or {}, container=self.container())

    @property
    def label(self) -> str:
        """On every container of ours."""
        return f"projrun.test.{os.getpid()}"

    def left(self) -> list[str]:
        containers = self.engine.api.containers(all=True, filters={"label": self.label})
        locks = self.folder.parent / "locks"
        return [*(one["Names"][0] for one in containers), *(map(str, locks.iterdir()) if locks.exists() else ())]
